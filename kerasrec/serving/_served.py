"""A loaded model file, ready to answer requests."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._access import meaning_of
from kerasrec.data._columns import id_index, shown
from kerasrec.data._ids import integer
from kerasrec.recommender._lists import popularity
from kerasrec.recommender._state_holder import current_state
from kerasrec.serving._shared import share

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.recommender import Recommender

# Maximum length of an id in a message.
_SHOWN = 60


class Unknown(ValueError):
    """An id that the recommender does not know."""


class Served:
    """A recommender that answers requests, and never changes.

    Args:
        recommender: `Recommender`.
        path: the file that it was read from.
        version: the first digits of the file's SHA-256.
        title: column of the metadata that names items, or `None`.
        picture: column of the metadata with addresses of pictures, or `None`.

    Attributes:
        kind: what the values of its interactions are.
    """

    def __init__(
        self,
        recommender: "Recommender",
        path: Path,
        version: str,
        title: str | None = None,
        picture: str | None = None,
    ) -> None:
        self.recommender = recommender
        self.path = path
        self.version = version
        self.indexes = {"user": id_index(recommender.user_ids), "item": id_index(recommender.item_ids)}
        self.history = recommender.interactions
        self.kind = self.history.kind
        frame = recommender.item_metadata
        self.columns: list[str] = [] if frame is None else list(frame.columns)
        for option, name in (("title", title), ("picture", picture)):
            if name is not None and name not in self.columns:
                there = ", ".join(map(repr, self.columns)) or "none"
                raise ValueError(
                    f"`{option}` must be a column of the metadata. Received: {name!r}; there are {there}."
                )
        self.title, self.picture = title or _first_text(frame), picture

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.recommender.model.name)

    def id_of(self, side: str, text: str) -> Any:
        """The id that a part of a URL stands for: a number if the ids are numbers."""
        index = self.indexes[side]
        if text in index:
            return text
        number = integer(text)
        if number is not None and number in index:
            return number
        raise self._unknown(side, text)

    def known(self, side: str, raw: Any) -> bool:
        """Whether there is a user or an item with this id."""
        return raw in self.indexes[side]

    def check(self, side: str, ids: list[Any]) -> None:
        """Refuse unknown ids."""
        index = self.indexes[side]
        for raw in ids:
            if raw not in index:
                raise self._unknown(side, raw)

    def code(self, side: str, raw: Any) -> int:
        """The code of a known id."""
        return int(self.indexes[side].get_loc(raw))

    def is_text(self, side: str) -> bool:
        """Whether ids of a side are text."""
        ids = self.recommender.user_ids if side == "user" else self.recommender.item_ids
        return isinstance(ids[0], str) if len(ids) else True

    def warm(self) -> None:
        """Compute what the first request of each kind would otherwise wait for."""
        user, item = self.recommender.user_ids[0], self.recommender.item_ids[0]
        self.recommender.recommend(user, k=1, short="fewer", at_least=None)
        if len(self.recommender.item_ids) > 1:
            self.recommender.similar_items(item, k=1)
        try:
            self.recommender.recommend_for_history([item], k=1, exclude_seen=False, at_least=None)
        except ValueError:
            return  # the model cannot score histories; the route says so

    def _unknown(self, side: str, raw: Any) -> Unknown:
        text = shown(raw)
        if len(text) > _SHOWN:
            text = f"{text[:_SHOWN]}... ({len(raw):,} characters)"
        other = _other_form(raw)
        if other is not None and other in self.indexes[side]:
            form = "text" if isinstance(other, str) else "numbers"
            return Unknown(f"Ids of {side}s are {form}: {shown(other)} is known. Received: {text}.")
        return Unknown(f"The {side} must be one that the model knows. Received: {text}.")

    @property
    def least(self) -> float | None:
        """The lowest value that is a like; `None` if every value above 0 is one."""
        return meaning_of(self.history).least

    @cached_property
    def starts(self) -> np.ndarray:
        """The start of each user's rows in `rows`, and the end."""
        counts = np.bincount(self.history.users, minlength=self.recommender.n_users)
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the history, ordered by user."""
        return np.argsort(self.history.users, kind="stable")

    @cached_property
    def popularity(self) -> np.ndarray:
        """How many users like each item `[I]`."""
        return popularity(current_state(self.recommender))

    def had(self, user: Any) -> np.ndarray:
        """Rows of one user's history, the highest value first."""
        code = self.code("user", user)
        rows = self.rows[self.starts[code] : self.starts[code + 1]]
        return rows[np.argsort(-self.history.values[rows], kind="stable")]


def load(path: Path, title: str | None = None, picture: str | None = None) -> Served:
    """Load a file and make it ready to answer.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it cannot be served.
    """
    from kerasrec.recommender import Recommender

    if not path.is_file():
        raise FileNotFoundError(f"There must be a model file at {str(path)!r}. Received: no file.")
    version = _digest(path)
    served = Served(Recommender.load(path), path, version, title, picture)
    share(current_state(served.recommender), path, version)
    served.warm()
    if _digest(path) != version:
        raise ValueError(f"The file must not change while it is read. Received: another {path.name}.")
    return served


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _other_form(raw: Any) -> Any:
    return integer(raw.strip()) if isinstance(raw, str) else str(raw)


def _first_text(frame: "pd.DataFrame | None") -> str | None:
    """The first column that holds text."""
    if frame is None:
        return None
    for name in frame.columns:
        if any(isinstance(entry, str) for entry in frame[name].head(100)):
            return str(name)
    return None
