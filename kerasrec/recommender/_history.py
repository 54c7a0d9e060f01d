"""The history of users in a recommender and its file."""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import IO, Any

import numpy as np

from kerasrec.data import Interactions, Sequences, _likes
from kerasrec.data._access import event_counts_of, is_opened, meaning_of, with_columns, with_meaning
from kerasrec.data._events import merged
from kerasrec.data._extension import joined
from kerasrec.data._kinds import Meaning
from kerasrec.data._opened import user_blocks
from kerasrec.evaluation._ragged import Ragged

_REMEDIES = {
    "ratings": " and `value=`",
    "likes": ", which treats every value above 0 as a like; for ratings, keep only the likes with `at_least`",
}


class History(Ragged):
    """Each pair of user and item once, with its value and the meaning of the values.

    Args:
        interactions: `Interactions`.
        sequences: `Sequences` of the users, or whether to make them from the interactions.
            Defaults to `False`.

    Attributes:
        times: int64 as `items`, or `None`.
        n_events: int64 as `items`, number of events in each mean, or `None`.
        meaning: what the values are.
        sequences: the events of each user in the order of time, for models with an input `history`;
            otherwise `None`.
    """

    def __init__(self, interactions: Interactions, sequences: "Sequences | bool | None" = False) -> None:
        self.sequences = Sequences(interactions) if sequences is True else sequences or None
        self.meaning = meaning_of(interactions)
        if is_opened(interactions):
            self._fill_from_disk(interactions)
            return
        one = interactions if self.meaning.duplicates == "error" else merged(interactions)
        super().__init__(one.users, one.items, one.n_users, one.values)
        self.times, self.n_events = one.times, event_counts_of(one)
        if self.times is not None or self.n_events is not None:
            order = np.lexsort((-one.values, one.items, one.users))
            users, items = one.users[order], one.items[order]
            first = np.ones(len(order), bool)
            first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
            rows = order[first]
            self.times = None if self.times is None else self.times[rows]
            self.n_events = None if self.n_events is None else self.n_events[rows]

    def _fill_from_disk(self, interactions: Interactions) -> None:
        """Fill the history from rows on disk, ordered by user; it stays on disk, too."""
        of_disk = Ragged.of(interactions)
        self.starts, self.items, self._sorted = of_disk.starts, of_disk.items, None
        optional = {
            "values": interactions.values,
            "times": interactions.times,
            "n_events": event_counts_of(interactions),
        }
        columns = {name: x for name, x in optional.items() if x is not None}
        with _room_explained(), contextlib.ExitStack() as stack:
            files = {name: stack.enter_context(tempfile.TemporaryFile()) for name in columns}
            for block in user_blocks(self.starts):
                order = np.lexsort((interactions.items[block.rows], interactions.users[block.rows]))
                for name, x in columns.items():
                    files[name].write(np.ascontiguousarray(x[block.rows][order]).data)
            found = {name: _mapped(files[name], x.dtype) for name, x in columns.items()}
        self.values, self.times, self.n_events = found["values"], found.get("times"), found.get("n_events")

    @property
    def liked(self) -> np.ndarray:
        """Which pairs are likes, bool as `items`."""
        return _likes.liked(self.values, self.meaning.least)

    def interactions(self, user_ids: np.ndarray, item_ids: np.ndarray) -> Interactions:
        """The same as `Interactions`, over vocabularies that may have grown."""
        users = np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))
        found = Interactions(users, self.items, self.values, self.times, user_ids=user_ids, item_ids=item_ids)
        return with_meaning(found, self.meaning, self.n_events)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays for a file, in addition to the pairs."""
        arrays = {"values": self.values, "times": self.times, "n_events": self.n_events}
        if self.sequences is not None:
            arrays |= {
                f"sequence_{name}": getattr(self.sequences, name) for name in ("items", "starts", "times")
            }
        meaning = np.frombuffer(json.dumps(asdict(self.meaning)).encode(), np.uint8)
        return {"meaning": meaning} | {name: x for name, x in arrays.items() if x is not None}

    @classmethod
    def from_arrays(
        cls,
        starts: np.ndarray,
        items: np.ndarray,
        arrays: Mapping[str, np.ndarray],
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        ordered: bool = False,
    ) -> "History":
        """The inverse of `to_arrays`; values without a meaning are likes if all are 1, otherwise ratings.

        The pairs are taken as they are, by user and item and each once, as in a checked file.
        """
        found = cls.__new__(cls)
        found.starts, found.items, found._sorted = starts, items.astype(np.int32, copy=False), None
        values = arrays["values"] if "values" in arrays else np.ones(len(items), np.float32)
        found.values = values.astype(np.float32, copy=False)
        found.times, found.n_events = arrays.get("times"), arrays.get("n_events")
        found._check_columns()
        if "meaning" in arrays:
            found.meaning = Meaning.from_dict(json.loads(arrays["meaning"].tobytes()))
        else:
            found.meaning = Meaning.of(None, None, True)
            if (found.values == 1).all():
                found.meaning = replace(found.meaning, kind="likes")
        found.sequences = None
        if ordered:
            found.sequences = sequences_of(arrays, len(item_ids)) or Sequences(
                found.interactions(user_ids, item_ids)
            )
        return found

    def _check_columns(self) -> None:
        """Refuse columns of a file that do not fit its pairs."""
        for name, column in (("values", self.values), ("times", self.times)):
            if column is not None and column.shape != self.items.shape:
                raise ValueError(f"{column.shape} {name} do not fit {self.items.shape} seen items")
        if not np.isfinite(self.values).all():
            raise ValueError("the values of the seen items are not finite")
        if self.times is not None:
            if self.times.dtype.kind != "i":
                raise ValueError(f"times must be whole numbers, not {self.times.dtype}")
            self.times = self.times.astype(np.int64, copy=False)
        counts = self.n_events
        if counts is not None and (
            counts.shape != self.items.shape or counts.dtype.kind != "i" or (len(counts) and counts.min() < 1)
        ):
            raise ValueError("the numbers of events do not fit the seen items")


def sequences_of(arrays: Mapping[str, np.ndarray], n_items: int) -> Sequences | None:
    """The sequences in a file, or `None`."""
    if "sequence_items" not in arrays:
        return None
    items, starts, times = (arrays.get(f"sequence_{name}") for name in ("items", "starts", "times"))
    if starts is None:
        raise ValueError("sequences must have the start of each user's sequence")
    return Sequences.of_arrays(arrays["sequence_items"], starts, times, n_items)


def appended(
    old: Sequences, new: Sequences, users: np.ndarray, items: np.ndarray, n_users: int, n_items: int
) -> Sequences:
    """Sequences with new events, placed by their times, or after all others without times.

    Args:
        old: sequences of the recommender's codes.
        new: the new events.
        users: the recommender's code for each user of `new`.
        items: the recommender's code for each item of `new`.
        n_users: new number of users.
        n_items: new number of items.
    """
    times = None
    if old.times is not None:
        # Events without times come after all earlier ones.
        later = np.full(len(new), old.times.max(initial=0)) if new.times is None else new.times
        times = np.concatenate([old.times, later])
    return Sequences.of_rows(
        Interactions(
            np.concatenate([old.users, users[new.users]]),
            np.concatenate([old.items, items[new.items]]),
            times=times,
            user_ids=np.arange(n_users),
            item_ids=np.arange(n_items),
        )
    )


def _fits(events: Interactions, kind: str) -> bool:
    """Whether events of undeclared kind can be of this kind; values other than 0 and 1 cannot be likes."""
    if kind == "likes":
        return bool(np.isin(events.values, (0, 1)).all())
    return kind == "counts"


def updated(old: Interactions, new: Interactions) -> Interactions:
    """The interactions after further events over the same vocabularies.

    Args:
        old: the interactions before.
        new: the events, over the same vocabularies.
    """
    known, said = meaning_of(old), meaning_of(new)
    if said.kind != known.kind and (said.stated or not _fits(new, known.kind)):
        raise ValueError(
            f"`interactions` must be {known.kind}, like those that the recommender was trained on; load them "
            f"with `kind={known.kind!r}`{_REMEDIES.get(known.kind, '')}. Received: {said.kind}."
        )
    if old.times is not None and new.times is None:
        # Events without times come after all earlier ones.
        latest = np.full(len(new), old.times.max(initial=0), np.int64)
        counts = event_counts_of(new)
        new = with_meaning(with_columns(new, times=latest), replace(said, dates=known.dates), counts)
    return joined(old, new, known.settled(), "time")


def _mapped(file: IO[bytes], dtype: Any) -> np.ndarray:
    """The numbers in a file without a name, which the system removes when nothing refers to them any more."""
    file.flush()
    return np.asarray(np.memmap(file, dtype, "c")) if file.tell() else np.empty(0, dtype)


@contextlib.contextmanager
def _room_explained() -> Iterator[None]:
    """Say where the history of an opened table is written if this fails."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"The users' history must have room in {tempfile.gettempdir()}, for its values and times: "
            "make room there, or set the environment variable TMPDIR to another folder. "
            f"Received: {error.strerror}",
        ) from error
