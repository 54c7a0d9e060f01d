import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerasrec._arguments import positive_integer

_PATHS = ("model", "beside", "held_out", "events")
_LIMITS = ("max_k", "max_ids", "max_events", "max_body")


@dataclass(frozen=True)
class Settings:
    """The settings of a server: what it serves, and what clients may do.

    Args:
        model: path of the recommender's file.
        beside: path of a second recommender, which the page shows next to the first. Defaults to `None`.
        held_out: Parquet file of held-out events with columns `user`, `item` and optionally `value`. Only
            values that the model considers likes count as hits. Defaults to `None`.
        events: path of the log of events, ending in `.jsonl`. Defaults to `None`: next to the model,
            `shop.events.jsonl` for `shop.keras`.
        title: column of the metadata with the titles of items. Defaults to `None`: the first column of text,
            or the id.
        picture: column of the metadata with addresses of pictures. Defaults to `None`: no pictures.
        token: token required for requests that write. Defaults to `None`: no token.
        writes: bool, whether events and reloads are accepted at all. Defaults to `True`.
        max_k: int, maximum length of a list. Defaults to `1000`.
        max_ids: int, maximum number of ids in a request. Defaults to `10000`.
        max_events: int, maximum number of events in a request. Defaults to `1000`.
        max_body: int, maximum size of a request in bytes. Defaults to `1048576`.
        watch: float, seconds between two checks of the file; 0 never checks. Defaults to `1.0`.

    Raises:
        ValueError: if a limit is not a positive integer, `watch` is negative, or `events` has another ending.

    Example:
        >>> from kerasrec.serving import Settings
        >>> Settings("shop.keras").log.name
        'shop.events.jsonl'
    """

    model: Path
    beside: Path | None = None
    held_out: Path | None = None
    events: Path | None = None
    title: str | None = None
    picture: str | None = None
    token: str | None = field(default=None, repr=False)
    writes: bool = True
    max_k: int = 1000
    max_ids: int = 10_000
    max_events: int = 1000
    max_body: int = 1 << 20
    watch: float = 1.0

    def __post_init__(self) -> None:
        for name in _PATHS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, Path(value))
        for name in _LIMITS:
            positive_integer(name, getattr(self, name))
        if not 0 <= self.watch < float("inf"):
            raise ValueError(f"`watch` must be seconds, 0 or more. Received: watch={self.watch!r}.")
        if self.log.suffix != ".jsonl":
            raise ValueError(f"`events` must end in .jsonl. Received: {os.fspath(self.log)!r}.")

    @property
    def log(self) -> Path:
        """The path of the log of events."""
        return self.events or self.model.with_suffix(".events.jsonl")

    def to_json(self) -> str:
        """The settings as text, for the processes of a server."""
        return json.dumps({name: _plain(value) for name, value in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """The settings that `to_json` wrote.

        Args:
            text: str.

        Returns:
            `Settings`.
        """
        return cls(**json.loads(text))


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, Path) else value
