"""The folder of a search: which search it belongs to, its lock, and which checkpoints are kept."""

import contextlib
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec import __version__
from kerasrec._partial import remove_abandoned
from kerasrec.data import Impressions, Interactions
from kerasrec.data._access import meaning_of
from kerasrec.tuning._files import read_json, reading, write_json
from kerasrec.tuning._record import Record

# Version of the folder's format; newer versions of kerasrec write higher numbers.
_FORMAT = 1
_ABOUT = "search.json"
# Hidden folders with unfinished files; their names have the machine and the process that writes.
_UNWRITTEN = re.compile(r"\..+\.([0-9a-f]+)-(\d+)-\d+")


def claim(folder: Path, arguments: Mapping[str, Any]) -> None:
    """Assign the folder to a search with these arguments; raise an error if it belongs to another."""
    arguments = {name: _text(x) for name, x in arguments.items()}
    about = read_json(folder / _ABOUT)
    if about is None:
        # A search that was killed at its start leaves unfinished files; rivals have subfolders.
        begun = f".{_ABOUT}."
        if folder.is_dir() and not all(
            path.name.startswith(begun) or (path / _ABOUT).is_file() for path in folder.iterdir()
        ):
            raise ValueError(
                "`directory` must be empty, new, or the folder of the same search. "
                f"Received: {str(folder)!r}, which contains something else."
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _ABOUT, {"format": _FORMAT, "kerasrec": __version__, "arguments": arguments})
        return
    with reading(folder / _ABOUT):
        before, newer = dict(about["arguments"]), about["format"] > _FORMAT
    if newer:
        raise ValueError(
            "`directory` must have been written by this version of kerasrec or an older one; install "
            f"kerasrec {about['kerasrec']} or newer, or use another folder. Received: {str(folder)!r}, with "
            f"format {about['format']}."
        )
    names = [name for name in {**arguments, **before} if arguments.get(name) != before.get(name)]
    if names == ["max_trials"] and arguments["max_trials"] > before["max_trials"]:
        return  # `extend` writes it when the folder is locked
    if names:
        differ = "; ".join(f"{name}={arguments.get(name)} instead of {before.get(name)}" for name in names)
        raise ValueError(
            "A search can only resume with the arguments that it was started with, or with a larger "
            f"`max_trials`; use these or another `directory`. Received: {differ} in {str(folder)!r}."
        )


def extend(folder: Path, max_trials: int) -> None:
    """Store a larger number of trials of the folder's search."""
    about: Any = read_json(folder / _ABOUT)
    if about["arguments"]["max_trials"] < max_trials:
        about["arguments"]["max_trials"] = max_trials
        write_json(folder / _ABOUT, about)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other searches; the lock is released however the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(folder / ".lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"`directory` must not be in use. Received: {str(folder)!r}, in which a search is running."
            ) from error
        # Nothing is written to finished trials, so what a killed process left there is removed here.
        for place in (folder, *(path for path in folder.glob("[!.]*") if path.is_dir())):
            remove_abandoned(place, _UNWRITTEN)
        yield


def clean(folder: Path, oracle: Any, keep: int, over: bool = False) -> None:
    """Remove the weights of all finished trials but the best.

    Args:
        folder: folder of the search.
        oracle: an oracle of `_oracles`.
        keep: int, number of trials whose weights are kept.
        over: whether the search has ended; then no trial continues from the state of another.
    """
    best = [trial.trial_id for trial in oracle.get_best_trials(keep)]
    needed = set() if over or not hasattr(oracle, "promotable") else oracle.promotable()
    for trial_id in oracle.end_order:
        Record(folder, trial_id).forget(
            best=trial_id not in best and trial_id not in needed, last=trial_id not in needed
        )


def fingerprint(data: Any) -> str:
    """A short text that differs if the data differs."""
    if isinstance(data, Interactions):
        ids = (np.asarray(x).astype(str) for x in (data.user_ids, data.item_ids))
        columns = (data.users, data.items, data.values, *ids)
        least = meaning_of(data).least
        return f"{len(data):,} interactions, {_sum(columns)}" + ("" if least is None else f", from {least:g}")
    if isinstance(data, Impressions):
        more = [x for x in (data.weights, data.watch_time, data.users) if x is not None]
        columns = (*data.inputs.values(), data.labels, *more, data.columns.to_arrays()["columns"])
        return f"{len(data):,} impressions, {_sum(columns)}"
    matrix = getattr(data, "matrix", data)
    if hasattr(matrix, "indptr"):
        parts = (matrix.indptr, matrix.indices, matrix.data)
        return f"{matrix.shape[0]:,} by {matrix.shape[1]:,}, {_sum(parts)}"
    return f"{np.shape(matrix)}, {_sum((np.asarray(matrix),))}"


def _sum(columns: Any) -> str:
    check = 0
    for column in columns:
        check = zlib.crc32(np.ascontiguousarray(column).view(np.uint8).data, check)
    return f"{check:08x}"


def _text(value: Any) -> Any:
    """An argument as it is stored in the file."""
    if isinstance(value, Mapping):
        return {str(name): _text(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_text(x) for x in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
