"""The log of events: one line per event, written to disk before the event is acknowledged."""

import contextlib
import datetime
import json
import os
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.data import Interactions
    from kerasrec.recommender import Recommender

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where a server has one process
    fcntl = None  # type: ignore[assignment]

_NO_ITEMS: frozenset[Any] = frozenset()


class EventLog:
    """The log of received events: a file of JSON lines, and the recent items of each user.

    Several processes may write to one log. Each of them sees what the others wrote on its next read. Parts
    that `take_events` has set aside are included until they are finished.

    Args:
        path: the file, ending in `.jsonl`; created at the first event.

    Attributes:
        n_damaged: int, number of lines that are not events, such as a line that was cut off by a full disk.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._file: int | None = None
        self._inode, self._offset, self._rest = -1, 0, b""
        self.reread()

    def reread(self) -> None:
        """Read the events of all users again from the files."""
        with self._lock:
            self._close()
            self._had: defaultdict[Any, dict[Any, Any]] = defaultdict(dict)
            self._parts: set[str] = set()
            self.n_events = self.n_damaged = 0
            self._begin()

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Write events; when this returns, they are on the disk.

        Args:
            events: dicts with `user`, `item`, and perhaps `value` and `time`.

        Raises:
            OSError: if they cannot be written.
        """
        received = datetime.datetime.now(datetime.UTC).isoformat()
        lines = "".join(json.dumps({**event, "received": received}) + "\n" for event in events).encode()
        with self._lock:
            with _open_at(self.path) as file:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":
                    lines = b"\n" + lines  # keeps apart an incomplete line of a killed process
                try:
                    _write(file, lines)
                except OSError:
                    os.ftruncate(file, size)
                    raise
                os.fsync(file)
            self._catch_up()

    def had(self, user: Any) -> "frozenset[Any] | dict[Any, Any]":
        """The items of a user's events since the model was trained, with their last values.

        Args:
            user: raw user id.

        Returns:
            dict of values by raw item id.
        """
        if self._moved():
            with self._lock:
                self._catch_up()
        return self._had.get(user, _NO_ITEMS)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _moved(self) -> bool:
        """Whether there is something to read; costs at most two system calls."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return self._file is not None
        return self._file is None or there.st_ino != self._inode or there.st_size != self._offset

    def _catch_up(self) -> None:
        if self._file is not None:
            self._read_on(self._file)
        try:
            same = os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            if self._file is not None:
                self._read_on(
                    self._file
                )  # what was written after the first read, before the log was set aside
            self._begin()

    def _begin(self) -> None:
        """Open the current log, and read parts that were set aside before they were read."""
        before = self._inode
        self._close()
        with contextlib.suppress(FileNotFoundError):
            self._file = os.open(self.path, os.O_RDONLY)
            self._inode = os.fstat(self._file).st_ino
        # List the parts after opening the log, so that none that was set aside before is missed.
        for part in _taken_parts(self.path):
            with contextlib.suppress(FileNotFoundError):  # finished in the meantime
                if part.name not in self._parts and os.stat(part).st_ino not in (before, self._inode):
                    self._read(part.read_bytes())
            self._parts.add(part.name)
        if self._file is not None:
            self._read_on(self._file)

    def _read_on(self, file: int) -> None:
        size = os.fstat(file).st_size
        if size < self._offset:  # the file was truncated
            self._offset, self._rest = 0, b""
        while self._offset < size:
            block = os.pread(file, min(size - self._offset, 1 << 24), self._offset)
            if not block:
                return
            self._offset += len(block)
            whole, end, self._rest = (self._rest + block).rpartition(b"\n")
            self._read(whole + end)

    def _read(self, lines: bytes) -> None:
        for line in lines.splitlines():
            event = _event(line)
            if event is not None:
                self._had[event["user"]][event["item"]] = event.get("value")
                self.n_events += 1
            elif line.strip():
                self.n_damaged += 1

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._inode, self._offset, self._rest = None, -1, 0, b""


def take_events(path: str | os.PathLike[str]) -> list[Path]:
    """Set the events so far aside, so that a model can learn from them, and start a new log.

    A server continues meanwhile, and also hides the items in the parts until `finish_events` is called.

    Args:
        path: the log, ending in `.jsonl`.

    Returns:
        The parts, oldest first, including unfinished ones from earlier calls.

    Example:
        >>> import os, tempfile
        >>> from kerasrec.serving import take_events
        >>> take_events(os.path.join(tempfile.mkdtemp(), "shop.events.jsonl"))
        []
    """
    path = Path(path)
    if path.exists():
        with _open_at(path) as file:
            if os.fstat(file).st_size:
                stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
                os.rename(path, path.with_name(f"{path.stem}.{stamp}.jsonl"))
    return _taken_parts(path)


def finish_events(parts: Sequence[str | os.PathLike[str]]) -> None:
    """Mark parts as learned by the model that is served; they are kept as `.done`.

    Args:
        parts: what `take_events` returned.
    """
    for part in parts:
        os.rename(part, f"{os.fspath(part)}.done")


def _taken_parts(path: Path) -> list[Path]:
    """The parts of a log that were set aside and are not finished."""
    stem = f"{path.stem}."
    found = [
        other
        for other in path.parent.glob("*.jsonl")
        if other.stem.startswith(stem) and _is_stamp(other.stem.removeprefix(stem))
    ]
    return sorted(found)


def read_events(
    paths: Sequence[str | os.PathLike[str]] | str | os.PathLike[str], recommender: "Recommender"
) -> "Interactions":
    """Events of a log as `Recommender.update` takes them.

    Args:
        paths: the log, or parts of it.
        recommender: `Recommender`, whose interactions define the kind of the values and the type of times.

    Returns:
        `Interactions` with their own ids.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there are no events in it, an event has no value although the model was trained on
            ratings, or times are not of the recommender's type.
    """
    import pandas as pd

    from kerasrec.data import Interactions

    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    lines = [line for path in several for line in Path(path).read_bytes().splitlines()]
    events = [event for event in map(_event, lines) if event is not None]
    n_damaged = sum(1 for line in lines if line.strip()) - len(events)
    if n_damaged:
        warnings.warn(f"{n_damaged:,} lines of the log are not events and are ignored.", stacklevel=2)
    if not events:
        names = ", ".join(os.fspath(path) for path in several) or "no file"
        raise ValueError(f"`paths` must hold at least one event. Received: none in {names}.")
    known = recommender.interactions
    columns: dict[str, Any] = {
        "user": [event["user"] for event in events],
        "item": [event["item"] for event in events],
    }
    without = [event for event in events if event.get("value") is None]
    if known.kind == "ratings" and without:
        raise ValueError(
            "Events must have values if the model was trained on ratings; leave out those without. "
            f"Received: {len(without):,} without, the first of item {without[0]['item']!r}."
        )
    if known.kind != "likes":
        columns["value"] = [1.0 if event.get("value") is None else event["value"] for event in events]
    times = _times(events, known)
    if times is not None:
        columns["time"] = times
    value, time = (name if name in columns else None for name in ("value", "time"))
    return Interactions.from_frame(pd.DataFrame(columns), value=value, time=time, kind=known.kind)


def _times(events: list[dict[str, Any]], known: "Interactions") -> "pd.Series[Any] | list[Any] | None":
    """Times of the recommender's type; an event without a time gets the time when it was received."""
    import pandas as pd

    from kerasrec.data._access import meaning_of
    from kerasrec.data._times import in_unit, unit_of

    if known.times is None:
        return None
    given = [event.get("time") for event in events]
    dates = meaning_of(known).dates
    kind: type = str if dates else int
    wrong = [time for time in given if time is not None and (not isinstance(time, kind) or time is True)]
    if wrong:
        raise ValueError(
            f"Events must have {'dates, as text' if dates else 'whole numbers as times'}, as in training; "
            f"correct or leave out the others. Received: {len(wrong):,} others, first {wrong[0]!r}."
        )
    received = pd.to_datetime([event["received"] for event in events], utc=True, format="ISO8601")
    if dates:
        came = [when if time is None else time for time, when in zip(given, received, strict=True)]
        return pd.Series(pd.to_datetime(came, utc=True, format="ISO8601"))
    missing = [row for row, time in enumerate(given) if time is None]
    unit = unit_of(known.times) if missing else None
    if missing and unit is None:
        if len(missing) == len(events):
            return None
        raise ValueError(
            "Either all events must have times or none if the recommender's times are numbers that do not "
            f"count from 1970; leave out the others. Received: {len(missing):,} of {len(events):,} without, "
            f"the first of item {events[missing[0]]['item']!r}."
        )
    for row in missing:
        given[row] = in_unit(received[row], str(unit))
    return given


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        whole = {"user", "item", "received"} <= set(event) and not isinstance(event, list)
        hash((event["user"], event["item"]))
    except (KeyError, TypeError, ValueError):
        return None
    return event if whole else None


@contextlib.contextmanager
def _open_at(path: Path) -> Iterator[int]:
    """The file with this name, locked against other processes until it is closed."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == os.fstat(file).st_ino:
                    yield file
                    return
        finally:
            os.close(file)  # releases the lock as well


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _is_stamp(text: str) -> bool:
    try:
        datetime.datetime.strptime(text, "%Y%m%dT%H%M%S%f")
    except ValueError:
        return False
    return True
