"""Interactions over memory maps: rows by user and time, worked on in blocks of whole users."""

import itertools
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasrec._partial import machine, remove_abandoned
from kerasrec.data._events import Events, behind, merged
from kerasrec.data._folder import EVENTS, Context, TableWriter, blocks, column, context_names, read_header
from kerasrec.data._raw_ids import Ids, PartOfIds, RawIds

if TYPE_CHECKING:
    from kerasrec.data._kinds import Meaning
    from kerasrec.data.interactions import Interactions

# Rows of a block, if no user has more.
BLOCK_ROWS = 1 << 20
# What is taken of opened interactions is held in memory up to so many rows.
HELD_ROWS = 1 << 22
_counter = itertools.count()


@dataclass(frozen=True)
class Disk:
    """What interactions on disk have beside their columns.

    Attributes:
        place: the folder that `prepare` wrote; what is taken of it is written beside it.
        starts: int64 `[U + 1]`, where the rows of each user begin.
        by_item: int32 `[n]`, the items of each user in ascending order.
        events: the events of which the rows were made, on disk too, or `None`: each row is one.
        owner: what removes the files when nobody needs them, or `None`.
    """

    place: Path
    starts: np.ndarray
    by_item: np.ndarray
    events: "Interactions | None" = None
    owner: Any = None


class Block(NamedTuple):
    """Some users, and all of their rows.

    Attributes:
        begin: the first user's code.
        end: the code after the last one's.
        rows: their places.
    """

    begin: int
    end: int
    rows: slice


# Of a block's interactions, whose users are numbered from 0, the parts to be written.
Cut = Callable[["Interactions", Block], Sequence["Interactions"]]


def opened(path: Any, verify: bool | None) -> "Interactions":
    """The interactions of a folder.

    Args:
        path: what `prepare` wrote.
        verify: bool, compare all checksums; `None`: those of small folders.
    """
    folder = Path(os.path.abspath(path))
    header = read_header(folder, verify)
    user_ids = RawIds(folder / "users.parquet", header.n_users)
    item_ids = RawIds(folder / "items.parquet", header.n_items)
    context_ids = {
        one.name: RawIds(folder / f"context{j}.parquet", one.n_categories).array
        for j, one in enumerate(header.context)
        if one.n_categories is not None
    }
    further = header.context, context_ids
    events = None
    if header.n_events is not None:
        meaning = replace(header.meaning, least=None, left_out=False)
        events = _table(folder / EVENTS, folder, header.n_events, user_ids, item_ids, meaning, further)
    found = _table(folder, folder, header.n_rows, user_ids, item_ids, header.meaning, further, events)
    found._columns = header.columns
    return found


def user_blocks(starts: np.ndarray, size: int | None = None) -> Iterator[Block]:
    """All users in blocks of so many rows, or of one user who has more.

    Args:
        starts: int64 `[U + 1]`.
        size: int, rows. Defaults to `None`: `BLOCK_ROWS`.
    """
    size = BLOCK_ROWS if size is None else size
    begin, n_users = 0, len(starts) - 1
    while begin < n_users:
        end = int(np.searchsorted(starts, starts[begin] + size, "right")) - 1
        end = min(max(end, begin + 1), n_users)
        yield Block(begin, end, slice(int(starts[begin]), int(starts[end])))
        begin = end


def local(interactions: "Interactions", block: Block) -> "Interactions":
    """The rows of some users in memory, with the events behind them; users are numbered from 0."""
    disk = disk_of(interactions)
    ids = PartOfIds(interactions._user_ids, block.begin, block.end)
    if disk.events is None:
        return _in_memory(interactions, block, ids)
    events = disk.events
    starts = disk_of(events).starts
    rows = slice(int(starts[block.begin]), int(starts[block.end]))
    own = _in_memory(events, block._replace(rows=rows), ids)
    return made_of(own, interactions._meaning)


def made_of(events: "Interactions", meaning: "Meaning") -> "Interactions":
    """What events in memory come to; these are kept even if no pair has several, for other blocks do.

    Args:
        events: `Interactions`.
        meaning: of the result.
    """
    found = merged(events)
    if found._events is None:
        found = found._rows(slice(None), Events(events, np.arange(len(events)), len(events)))
    if meaning.least is not None:
        found = found.at_least(meaning.least)
    found._meaning = meaning
    return found


def parts(interactions: "Interactions", cut: Cut, n: int = 1, events: bool = True) -> list["Interactions"]:
    """Interactions in parts, in one pass.

    Args:
        interactions: opened `Interactions`.
        cut: gives the parts of a block.
        n: int, how many. Defaults to `1`.
        events: bool, the events are kept as well. Defaults to `True`.

    Returns:
        `Interactions` over the same vocabularies; in memory where they are small.
    """
    disk = disk_of(interactions)
    with_events = events and disk.events is not None
    sinks = [_Sink(interactions, with_events) for _ in range(n)]
    try:
        for block in user_blocks(disk.starts):
            for sink, part in zip(sinks, cut(local(interactions, block), block), strict=True):
                sink.add(part, block)
        return [sink.close() for sink in sinks]
    except BaseException:
        for sink in sinks:
            sink.abandon()
        raise


def taken(interactions: "Interactions", index: Any) -> "Interactions":
    """Some of the rows: of a mask, a slice or rising positions.

    Args:
        interactions: opened `Interactions`.
        index: as `Interactions.take` gets it.
    """
    mask = _mask(index, len(interactions))
    if mask.all():
        return copied(interactions)
    if not mask.any():
        return _held(_none_of(interactions))
    return parts(interactions, lambda part, block: [part.take(mask[block.rows])])[0]


def copied(interactions: "Interactions") -> "Interactions":
    """The same rows, of which something else can be said."""
    found = interactions._of(
        interactions.users,
        interactions.items,
        interactions.values,
        interactions.times,
        interactions._user_ids,
        interactions._item_ids,
        interactions._meaning,
        interactions.context,
        interactions.context_ids,
    )
    found._columns, found._counts = interactions._columns, interactions._counts
    found._disk = interactions._disk
    return found


def shown(interactions: "Interactions") -> np.ndarray:
    """Which of the events belong to a row, bool; not those of pairs that `at_least` left out."""
    disk = disk_of(interactions)
    if disk.events is None or interactions._meaning.least is None:
        return np.ones(len(interactions if disk.events is None else disk.events), bool)
    found = [behind(local(interactions, block))[1] for block in user_blocks(disk.starts)]
    return np.concatenate(found)


def disk_of(interactions: "Interactions") -> Disk:
    """What opened interactions have."""
    if interactions._disk is None:
        raise TypeError(
            f"`interactions` must come from `Interactions.open`. Received: {interactions!r} in memory."
        )
    return interactions._disk


def counts_of(codes: np.ndarray, n: int) -> np.ndarray:
    """How often each code comes, without a copy of all of them.

    Args:
        codes: int32 `[n]`.
        n: int, codes there are.
    """
    if len(codes) <= BLOCK_ROWS:
        return np.bincount(codes, minlength=n)
    found = np.zeros(n, np.int64)
    for rows in blocks(len(codes), max(BLOCK_ROWS, n)):
        found += np.bincount(codes[rows], minlength=n)
    return found


def search(columns: np.ndarray, low: np.ndarray, high: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where in ascending stretches of a column something stands, or would stand.

    Args:
        columns: `[n]`.
        low: where each stretch begins, `[m]`.
        high: where it ends, `[m]`.
        wanted: `[m]`.

    Returns:
        Of each, the first place whose entry is not below it, `[m]`.
    """
    low, high = low.copy(), high.copy()
    going = np.flatnonzero(low < high)
    while len(going):
        middle = (low[going] + high[going]) >> 1
        below = columns[middle] < wanted[going]
        low[going[below]] = middle[below] + 1
        high[going[~below]] = middle[~below]
        going = going[low[going] < high[going]]
    return low


def rows_of(interactions: "Interactions", users: np.ndarray) -> Any:
    """The rows of some users as a sparse matrix `[B, I]`.

    Args:
        interactions: opened `Interactions`.
        users: codes `[B]`.
    """
    from scipy import sparse

    starts = disk_of(interactions).starts
    begins = starts[users]
    counts = starts[users + 1] - begins
    ends = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(ends[-1]) + np.repeat(begins - ends[:-1], counts)
    entries = interactions.values[places], interactions.items[places], ends
    return sparse.csr_matrix(entries, (len(users), interactions.n_items))


def _table(
    folder: Path,
    place: Path,
    n_rows: int,
    user_ids: Ids,
    item_ids: Ids,
    meaning: "Meaning",
    further: tuple[Sequence[Context], Mapping[str, np.ndarray]],
    events: "Interactions | None" = None,
    owner: Any = None,
) -> "Interactions":
    from kerasrec.data.interactions import Interactions

    def given(name: str) -> np.ndarray | None:
        return column(folder, name, n_rows) if (folder / f"{name}.npy").is_file() else None

    values, (context, context_ids) = given("value"), further
    files = context_names(context)
    found = Interactions._of(
        column(folder, "user", n_rows),
        column(folder, "item", n_rows),
        np.broadcast_to(np.float32(1), (n_rows,)) if values is None else values,
        given("time"),
        user_ids,
        item_ids,
        meaning,
        {
            one.name: column(folder, name, n_rows, dtype=files[name])
            for one, name in zip(context, files, strict=True)
        },
        context_ids,
    )
    found._counts = given("count")
    starts = column(folder, "start", len(user_ids) + 1)
    found._disk = Disk(place, starts, column(folder, "sorted", n_rows), events, owner)
    return found


def _in_memory(interactions: "Interactions", block: Block, ids: Ids) -> "Interactions":
    rows, times, counts = block.rows, interactions.times, interactions._counts
    found = interactions._of(
        interactions.users[rows] - np.int32(block.begin),
        np.array(interactions.items[rows]),
        np.array(interactions.values[rows]),
        None if times is None else np.array(times[rows]),
        ids,
        interactions._item_ids,
        interactions._meaning,
        {name: np.array(x[rows]) for name, x in interactions.context.items()},
        interactions.context_ids,
    )
    found._counts = None if counts is None else np.array(counts[rows])
    return found


def _none_of(interactions: "Interactions") -> "Interactions":
    """No row of them."""
    disk, n_users = disk_of(interactions), interactions.n_users
    found = copied(interactions)
    for name in ("users", "items", "values"):
        setattr(found, name, getattr(found, name)[:0])
    found.times = None if found.times is None else found.times[:0]
    found._counts = None if found._counts is None else found._counts[:0]
    found.context = {name: x[:0] for name, x in found.context.items()}
    events = None if disk.events is None else _none_of(disk.events)
    found._disk = replace(
        disk, starts=np.zeros(n_users + 1, np.int64), by_item=disk.by_item[:0], events=events
    )
    return found


class _Sink:
    """One part of opened interactions, written block by block."""

    def __init__(self, of: "Interactions", with_events: bool) -> None:
        self._of, self._disk = of, disk_of(of)
        self._folder = _own_folder(self._disk.place)
        names = ("value",) * (of.values.strides != (0,)) + ("time",) * (of.times is not None)
        counted = ("count",) * (of._counts is not None)
        self._context = tuple(Context(name, x.dtype.str) for name, x in of.context.items())
        self._rows = TableWriter(self._folder, (*names, *counted), of.n_users, self._context)
        self._events = None
        if with_events:
            self._events = TableWriter(self._folder / EVENTS, names, of.n_users, self._context)
        self._meanings: set[Any] = set()

    def add(self, part: "Interactions", block: Block) -> None:
        begin = np.int32(block.begin)
        counts = np.ones(len(part), np.int64) if part._counts is None else part._counts
        self._write(self._rows, part, begin, count=counts)
        if self._events is not None:
            self._write(self._events, behind(part)[0], begin)
        self._meanings.add(part._meaning)

    def _write(self, to: TableWriter, part: "Interactions", begin: np.int32, **others: np.ndarray) -> None:
        columns = {"value": part.values, "time": part.times, **others}
        context = [part.context[one.name] for one in self._context]
        to.write(part.users + begin, part.items, context, **columns)

    def close(self) -> "Interactions":
        self._rows.close()
        n_rows, of = self._rows.n_rows, self._of
        meaning = next(iter(self._meanings), of._meaning)
        meaning = replace(meaning, left_out=any(said.left_out for said in self._meanings))
        owner = _Owner(self._folder)
        ids, further = (of._user_ids, of._item_ids), (self._context, of.context_ids)
        events = None
        if self._events is not None:
            self._events.close()
            n_events = self._events.n_rows
            known = replace(meaning, least=None, left_out=False)
            place = self._folder / EVENTS, self._disk.place
            events = _table(*place, n_events, *ids, known, further, owner=owner)
        found = _table(self._folder, self._disk.place, n_rows, *ids, meaning, further, events, owner)
        found._columns = of._columns
        if n_rows > HELD_ROWS:
            return found
        return _held(found)

    def abandon(self) -> None:
        self._rows.abandon()
        if self._events is not None:
            self._events.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)


def _held(interactions: "Interactions") -> "Interactions":
    """The same in memory."""
    whole = Block(0, interactions.n_users, slice(0, len(interactions)))
    found = local(interactions, whole)
    found._user_ids, found._columns = interactions._user_ids, interactions._columns
    if found._events is not None:
        found._events.rows._user_ids = interactions._user_ids
    return found


class _Owner:
    """Files that go when nobody reads them any more, at the latest when the process ends."""

    def __init__(self, folder: Path) -> None:
        self._finalizer = weakref.finalize(self, shutil.rmtree, folder, True)


def _own_folder(place: Path) -> Path:
    """A folder beside the prepared one, or, if nothing can be written there, where temporary files go."""
    name = f".{place.name}.part-{machine()}-{os.getpid()}-{next(_counter)}"
    form = re.compile(rf"\.{re.escape(place.name)}\.part-([0-9a-f]+)-(\d+)-\d+")
    for parent in (place.parent, Path(tempfile.gettempdir())):
        try:
            remove_abandoned(parent, form, of_others=False)
            (parent / name).mkdir()
        except OSError:
            continue
        return parent / name
    raise OSError(
        f"There must be a folder to write to: neither {place.parent} nor the temporary folder is writable."
    )


def _mask(index: Any, n: int) -> np.ndarray:
    if isinstance(index, slice):
        mask = np.zeros(n, bool)
        begin, end, step = index.indices(n)
        if step > 0:
            mask[begin:end:step] = True
            return mask
        index = np.arange(begin, end, step)
    index = np.asarray(index, None if len(index) else np.int64)
    if index.dtype == bool:
        if index.shape != (n,):
            raise IndexError(f"`index` must have one entry per row. Received: {index.shape} for {n} rows.")
        return index
    index = np.where(index < 0, index + n, index)
    if len(index) and (index[0] < 0 or index[-1] >= n or (np.diff(index) <= 0).any()):
        raise ValueError(
            f"`index` of opened interactions must be a mask, a slice, or ascending positions below {n}, "
            "because their rows keep their order. Received: others; `numpy.unique` sorts them."
        )
    mask = np.zeros(n, bool)
    mask[index] = True
    return mask


def filtered(interactions: "Interactions", min_user: int, min_item: int, core: bool) -> "Interactions":
    """As `Interactions.filter`: passes over the rows, with one number per user and item in memory.

    Args:
        interactions: opened `Interactions`.
        min_user: int.
        min_item: int.
        core: bool.
    """
    users, items = interactions.users, interactions.items
    n_users, n_items = interactions.n_users, interactions.n_items
    enough_user, enough_item = np.ones(n_users, bool), np.ones(n_items, bool)

    def kept(rows: slice) -> np.ndarray:
        return enough_user[users[rows]] & enough_item[items[rows]]

    while True:
        of_users, of_items = np.zeros(n_users, np.int64), np.zeros(n_items, np.int64)
        for block in user_blocks(disk_of(interactions).starts):
            keep = kept(block.rows)
            own = users[block.rows][keep] - block.begin
            of_users[block.begin : block.end] += np.bincount(own, minlength=block.end - block.begin)
            of_items += np.bincount(items[block.rows][keep], minlength=n_items)
        before = int(enough_user.sum()) + int(enough_item.sum())
        enough_user, enough_item = of_users >= min_user, of_items >= min_item
        if not core or int(enough_user.sum()) + int(enough_item.sum()) == before:
            break
    return parts(interactions, lambda part, block: [part.take(kept(block.rows))])[0]


def described(interactions: "Interactions") -> Any:
    """As `Interactions.describe`, without a copy of any column."""
    from kerasrec.data._describe import describe_blocks

    n_liked = sum(int(_liked(interactions, rows).sum()) for rows in blocks(len(interactions), BLOCK_ROWS))
    return describe_blocks(
        interactions._user_counts,
        interactions._item_counts,
        [interactions.values[rows] for rows in blocks(len(interactions), BLOCK_ROWS)],
        interactions.kind,
        len(interactions.events),
        n_liked,
    )


def _liked(interactions: "Interactions", rows: slice) -> np.ndarray:
    from kerasrec.data import _likes

    return _likes.liked(interactions.values[rows], interactions._meaning.least)
