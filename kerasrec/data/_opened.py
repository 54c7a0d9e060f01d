"""Interactions over memory maps: rows by user and time, read in blocks of whole users."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasrec.data._events import Events, events_of, merged
from kerasrec.data._folder import EVENTS, Context, blocks, context_names, read_column, read_header
from kerasrec.data._part_folders import remove_stale
from kerasrec.data._raw_ids import Ids, PartOfIds, RawIds

if TYPE_CHECKING:
    from kerasrec.data._kinds import Meaning
    from kerasrec.data.interactions import Interactions

# Most rows of a block, unless one user has more.
BLOCK_ROWS = 1 << 20


@dataclass(frozen=True)
class Disk:
    """The parts of opened interactions besides their columns.

    Attributes:
        place: folder that `prepare` wrote; parts of it are written next to it.
        starts: int64 `[U + 1]`, the first row of each user.
        by_item: int32 `[n]`, the items of each user in ascending order.
        events: the events that the rows combine, also on disk, or `None` if each row is one event.
        owner: object that removes the files when it is garbage-collected, or `None`.
    """

    place: Path
    starts: np.ndarray
    by_item: np.ndarray
    events: "Interactions | None" = None
    owner: Any = None


class Block(NamedTuple):
    """Some users, and all of their rows.

    Attributes:
        begin: code of the first user.
        end: code of the last user, plus 1.
        rows: places of the rows.
    """

    begin: int
    end: int
    rows: slice


def opened(path: Any, verify: bool | None) -> "Interactions":
    """The interactions of a folder.

    Args:
        path: folder that `prepare` wrote.
        verify: bool, whether to compare all checksums; `None`: only in small folders.
    """
    folder = Path(os.path.abspath(path))
    header = read_header(folder, verify)
    remove_stale(folder)
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
        events = table(folder / EVENTS, folder, header.n_events, user_ids, item_ids, meaning, further)
    found = table(folder, folder, header.n_rows, user_ids, item_ids, header.meaning, further, events)
    found._columns = header.columns
    return found


def user_blocks(starts: np.ndarray, size: int | None = None) -> Iterator[Block]:
    """All users, in blocks of at most `size` rows or of a single user with more.

    Args:
        starts: int64 `[U + 1]`.
        size: number of rows. Defaults to `None`: `BLOCK_ROWS`.
    """
    size = BLOCK_ROWS if size is None else size
    begin, n_users = 0, len(starts) - 1
    while begin < n_users:
        end = int(np.searchsorted(starts, starts[begin] + size, "right")) - 1
        end = min(max(end, begin + 1), n_users)
        yield Block(begin, end, slice(int(starts[begin]), int(starts[end])))
        begin = end


def local(interactions: "Interactions", block: Block) -> "Interactions":
    """The rows of some users in memory, with their events; users are numbered from 0."""
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
    """Each pair of some events once, together with the events, even if no pair here has several.

    Args:
        events: `Interactions` in memory.
        meaning: meaning of the result.
    """
    found = merged(events)
    if found._events is None:
        found = found._rows(slice(None), Events(events, np.arange(len(events)), len(events)))
    if meaning.least is not None:
        found = found.at_least(meaning.least)
    found._meaning = meaning
    return found


def shown(interactions: "Interactions") -> np.ndarray:
    """Which events belong to a row, bool: all but those of pairs that `at_least` left out."""
    disk = disk_of(interactions)
    if disk.events is None or interactions._meaning.least is None:
        return np.ones(len(interactions if disk.events is None else disk.events), bool)
    found = [events_of(local(interactions, block))[1] for block in user_blocks(disk.starts)]
    return np.concatenate(found)


def disk_of(interactions: "Interactions") -> Disk:
    """The parts of opened interactions besides their columns."""
    if interactions._disk is None:
        raise TypeError(
            f"`interactions` must come from `Interactions.open`. Received: {interactions!r} in memory."
        )
    return interactions._disk


def counts_of(codes: np.ndarray, n: int) -> np.ndarray:
    """How often each code occurs, without a copy of all codes.

    Args:
        codes: int32 `[n]`.
        n: number of codes.
    """
    if len(codes) <= BLOCK_ROWS:
        return np.bincount(codes, minlength=n)
    found = np.zeros(n, np.int64)
    for rows in blocks(len(codes), max(BLOCK_ROWS, n)):
        found += np.bincount(codes[rows], minlength=n)
    return found


def search(columns: np.ndarray, low: np.ndarray, high: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Binary searches in ascending stretches of a column, as `numpy.searchsorted` does in one.

    Args:
        columns: `[n]`.
        low: start of each stretch, `[m]`.
        high: end of each stretch, `[m]`.
        wanted: entry to find in each stretch, `[m]`.

    Returns:
        The first place of each stretch whose entry is not below the wanted one, `[m]`.
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


def described(interactions: "Interactions") -> Any:
    """`Interactions.describe` of opened interactions, without a copy of any column."""
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


def table(
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
    """Interactions over the files of one folder.

    Args:
        folder: folder of the columns.
        place: folder that `prepare` wrote.
        n_rows: number of rows.
        user_ids: raw ids by code.
        item_ids: raw ids by code.
        meaning: what the values are.
        further: further columns, and their categories by name.
        events: the events that the rows combine, or `None`.
        owner: object that removes the files when it is garbage-collected, or `None`.
    """
    from kerasrec.data.interactions import Interactions

    def given(name: str) -> np.ndarray | None:
        return read_column(folder, name, n_rows) if (folder / f"{name}.npy").is_file() else None

    values, (context, context_ids) = given("value"), further
    files = context_names(context)
    found = Interactions._of(
        read_column(folder, "user", n_rows),
        read_column(folder, "item", n_rows),
        np.broadcast_to(np.float32(1), (n_rows,)) if values is None else values,
        given("time"),
        user_ids,
        item_ids,
        meaning,
        {
            one.name: read_column(folder, name, n_rows, files[name])
            for one, name in zip(context, files, strict=True)
        },
        context_ids,
    )
    found._counts = given("count")
    starts = read_column(folder, "start", len(user_ids) + 1)
    found._disk = Disk(place, starts, read_column(folder, "sorted", n_rows), events, owner)
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


def _liked(interactions: "Interactions", rows: slice) -> np.ndarray:
    from kerasrec.data import _likes

    return _likes.liked(interactions.values[rows], interactions._meaning.least)
