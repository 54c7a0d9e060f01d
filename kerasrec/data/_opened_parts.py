"""Parts of opened interactions: taken, filtered or split in one pass over blocks of whole users."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._events import events_of
from kerasrec.data._folder import EVENTS, Context, TableWriter
from kerasrec.data._opened import Block, disk_of, local, table, user_blocks
from kerasrec.data._part_folders import Owner, own_folder

if TYPE_CHECKING:
    from kerasrec.data.interactions import Interactions

# Parts of opened interactions with up to this many rows are held in memory.
HELD_ROWS = 1 << 22

# Makes parts of the interactions of a block, whose users are numbered from 0.
Cut = Callable[["Interactions", Block], Sequence["Interactions"]]


def parts(interactions: "Interactions", cut: Cut, n: int = 1, events: bool = True) -> list["Interactions"]:
    """Interactions in parts, in one pass.

    Args:
        interactions: opened `Interactions`.
        cut: makes the parts of a block.
        n: number of parts. Defaults to `1`.
        events: whether to keep the events as well. Defaults to `True`.

    Returns:
        `Interactions` over the same vocabularies, in memory if they are small.
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
    """Some of the rows.

    Args:
        interactions: opened `Interactions`.
        index: a mask, a slice, or ascending positions.
    """
    mask = _mask(index, len(interactions))
    if mask.all():
        return copied(interactions)
    if not mask.any():
        return _held(_none_of(interactions))
    return parts(interactions, lambda part, block: [part.take(mask[block.rows])])[0]


def copied(interactions: "Interactions") -> "Interactions":
    """A copy over the same columns, whose meaning can be changed."""
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


def filtered(interactions: "Interactions", min_user: int, min_item: int, core: bool) -> "Interactions":
    """`Interactions.filter` of opened interactions, with one number per user and item in memory.

    Args:
        interactions: opened `Interactions`.
        min_user: minimum number of interactions of a user.
        min_item: minimum number of interactions of an item.
        core: whether to repeat until nothing changes.
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


def _none_of(interactions: "Interactions") -> "Interactions":
    """The same interactions without any row."""
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
    """One part of opened interactions, written in blocks."""

    def __init__(self, of: "Interactions", with_events: bool) -> None:
        self._of, self._disk = of, disk_of(of)
        self._folder = own_folder(self._disk.place)
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
            self._write(self._events, events_of(part)[0], begin)
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
        owner = Owner(self._folder)
        ids, further = (of._user_ids, of._item_ids), (self._context, of.context_ids)
        events = None
        if self._events is not None:
            self._events.close()
            n_events = self._events.n_rows
            known = replace(meaning, least=None, left_out=False)
            place = self._folder / EVENTS, self._disk.place
            events = table(*place, n_events, *ids, known, further, owner=owner)
        found = table(self._folder, self._disk.place, n_rows, *ids, meaning, further, events, owner)
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
