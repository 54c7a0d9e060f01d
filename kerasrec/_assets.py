"""The assets of a catalogue as files: ids, seen items, and the attachments of a recommender.

They are read without Keras, so that a command that needs no model does not have to import it.
"""

import json
import math
from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasrec._version import __version__

FORMAT = 2
HEADER = "catalogue.json"

Seen = tuple[np.ndarray, np.ndarray]
Attachments = dict[str, dict[str, np.ndarray]]


class Assets(NamedTuple):
    """The contents of a catalogue.

    Attributes:
        user_ids: raw ids by code `[U]`.
        item_ids: raw ids by code `[I]`.
        value_range: lowest and highest value.
        seen: the start of each user's items, and the items; or `None`.
        attachments: arrays by name.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    value_range: tuple[float, ...] | None
    seen: Seen | None
    attachments: Attachments


def write_assets(folder: Path, assets: Assets) -> None:
    """Write everything to a folder.

    Args:
        folder: an existing folder.
        assets: `Assets`.
    """
    _write_ids(folder, "user_ids", assets.user_ids)
    _write_ids(folder, "item_ids", assets.item_ids)
    if assets.seen is not None:
        np.savez(folder / "seen.npz", indptr=assets.seen[0], items=assets.seen[1])
    for name, arrays in assets.attachments.items():
        np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    header = {
        "format": FORMAT,
        "kerasrec": __version__,
        "value_range": assets.value_range,
        "attachments": list(assets.attachments),
    }
    (folder / HEADER).write_text(json.dumps(header), encoding="utf-8")


def read_assets(folder: Path, wanted: Container[str] | None = None) -> Assets | None:
    """Read the assets that `write_assets` wrote; `None` if there are none, and an error for invalid ones.

    Args:
        folder: a folder.
        wanted: names of the attachments to read. Defaults to `None`: all.
    """
    if not (folder / HEADER).is_file():
        return None
    header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    check_header(header)
    user_ids, item_ids = _read_ids(folder, "user_ids"), _read_ids(folder, "item_ids")
    value_range, seen = _range(header.get("value_range")), None
    if (folder / "seen.npz").is_file():
        with np.load(folder / "seen.npz", allow_pickle=False) as arrays:
            seen = (arrays["indptr"], arrays["items"])
        _check_seen(*seen, len(user_ids), len(item_ids))
    attachments = {}
    for name in header.get("attachments", ()):
        if wanted is not None and name not in wanted:
            continue
        # Use the plain name, because the header is untrusted.
        with np.load(folder / f"{Path(name).name}.npz", allow_pickle=False) as arrays:
            attachments[name] = dict(arrays)
    return Assets(user_ids, item_ids, value_range, seen, attachments)


def check_header(header: dict[str, Any]) -> None:
    """Refuse a file of a newer kerasrec.

    Args:
        header: contents of `catalogue.json`.

    Raises:
        ValueError: if the format is newer than this kerasrec's, or missing.
    """
    found = header.get("format") if isinstance(header, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"A file's header must name its format. Received: format={found!r}.")
    if found > FORMAT:
        raise ValueError(
            f"The file's format must be at most {FORMAT}; upgrade kerasrec to read a newer one. "
            f"Received: format {found}, written by kerasrec {header.get('kerasrec')}."
        )


def _range(found: Any) -> tuple[float, ...]:
    numbers = isinstance(found, list) and len(found) == 2 and all(type(x) in (int, float) for x in found)
    if not numbers or not -math.inf < found[0] <= found[1] < math.inf:
        raise ValueError(
            f"The range of values must be two numbers, the lower one first. Received: {str(found)[:80]}."
        )
    return tuple(map(float, found))


def _check_seen(starts: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> None:
    whole = starts.dtype.kind == items.dtype.kind == "i" and starts.ndim == items.ndim == 1
    if (
        not whole
        or len(starts) != n_users + 1
        or starts[0] != 0
        or starts[-1] != len(items)
        or (np.diff(starts) < 0).any()
        or (len(items) and not 0 <= items.min() <= items.max() < n_items)
    ):
        raise ValueError(
            "Seen items must be a list of items for each user. "
            f"Received: {starts.shape} starts and {items.shape} items for {n_users} users, {n_items} items."
        )
    ascending = items[1:] > items[:-1]
    ascending[starts[(starts > 0) & (starts < len(items))] - 1] = True  # where the next user begins
    if not ascending.all():
        raise ValueError("Seen items of a user must be in ascending order. Received: items that are not.")


def check_ids(name: str, ids: np.ndarray) -> None:
    if ids.dtype.kind == "i":
        return
    bad = [kind for kind in set(map(type, ids)) if kind is bool or not issubclass(kind, (str, int))]
    if bad:
        code = next(code for code, raw in enumerate(ids) if type(raw) in bad)
        raise TypeError(
            f"`{name}` must be text or whole numbers to be saved; convert the column with `.astype(str)`. "
            f"Received: {ids[code]!r} of type {type(ids[code]).__name__}."
        )
    try:
        "".join(raw for raw in ids if isinstance(raw, str)).encode()
    except UnicodeEncodeError as error:
        # A lone surrogate, as from `errors="surrogateescape"`.
        half = error.object[error.start]
        raise ValueError(
            f"`{name}` must be valid Unicode to be saved; read the table with the encoding that it was "
            f"written in. Received: {next(raw for raw in ids if isinstance(raw, str) and half in raw)!r}."
        ) from error


def _write_ids(folder: Path, name: str, ids: np.ndarray) -> None:
    if ids.dtype.kind == "i":
        np.save(folder / f"{name}.npy", ids, allow_pickle=False)
    else:
        (folder / f"{name}.json").write_text(json.dumps(ids.tolist()), encoding="utf-8")


def _read_ids(folder: Path, name: str) -> np.ndarray:
    if (folder / f"{name}.npy").is_file():
        ids: np.ndarray = np.load(folder / f"{name}.npy", allow_pickle=False)
    else:
        listed = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        ids = np.empty(len(listed), dtype=object)
        ids[:] = listed
    check_ids(name, ids)
    if ids.ndim != 1 or len(set(ids.tolist())) != len(ids):
        raise ValueError(f"`{name}` must be a list without repeats. Received: {ids.shape} with repeats.")
    return ids
