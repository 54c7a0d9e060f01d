"""Writes coded rows to disk, by user and time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec.data._column_files import checksum
from kerasrec.data._events import merged
from kerasrec.data._folder import DTYPES, EVENTS, Context, Header, TableWriter, context_names
from kerasrec.data._kinds import Meaning
from kerasrec.data._raw_ids import RawIds


class RowsWriter:
    """Writes blocks of whole users; each pair becomes one row, as in memory.

    Args:
        folder: folder of the files.
        names: names of the columns of values and times, if there are any.
        meaning: what the values are.
        least: value that `at_least` keeps, or `None`.
        sizes: number of users and items.
        columns: names of the columns of the source, by their role.
        context: further columns.
    """

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        meaning: Meaning,
        least: float | None,
        sizes: dict[str, int],
        columns: dict[str, Any],
        context: tuple[Context, ...],
    ) -> None:
        self._columns, self._context = columns, context
        self._folder, self._names, self._meaning, self._least = folder, names, meaning, least
        self._sizes = sizes
        counted = ("count",) if meaning.duplicates == "mean" else ()
        has_value = "value" in names or meaning.duplicates in ("sum", "mean")
        kept = ("value",) * has_value + ("time",) * ("time" in names) + counted
        self._rows = TableWriter(folder, kept, sizes["user"], context)
        # Created at the first pair with several events; most tables have none.
        self._events: TableWriter | None = None
        self._n_events, self._left_out = 0, False
        self._ids = {side: RawIds(folder / f"{side}s.parquet", sizes[side]) for side in ("user", "item")}

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """Add all rows of some users."""
        from kerasrec.data.interactions import Interactions

        users, items = columns["user"], columns["item"]
        values, times = columns.get("value"), columns.get("time")
        names = context_names(self._context)
        first = int(users[0])
        local = Interactions._of(
            users - first,
            items,
            np.ones(len(users), np.float32) if values is None else values,
            times,
            self._ids["user"].part(first, int(users[-1]) + 1),
            self._ids["item"],
            self._meaning,
            {one.name: columns[name] for one, name in zip(self._context, names, strict=True)},
        )
        part = merged(local)
        several = len(part) < len(local) or self._least is not None
        if times is not None and self._events is None and several:
            self._events = self._begin_events()
        if self._events is not None:
            self._events.write(users, items, local.context.values(), value=local.values, time=times)
        self._n_events += len(users)
        if self._least is not None:
            kept = part.at_least(self._least)
            self._left_out |= len(kept) < len(part)
            part = kept
        counts = part._counts
        if counts is None:
            counts = np.ones(len(part), np.int64)
        own = part.users + np.int32(first)
        further = part.context.values()
        self._rows.write(own, part.items, further, value=part.values, time=part.times, count=counts)

    def _begin_events(self) -> TableWriter:
        sizes = self._sizes["user"]
        events = TableWriter(self._folder / EVENTS, self._names, sizes, self._context)
        events.begin_as(self._rows)  # so far, every event was a row
        return events

    def close(self) -> Header:
        """Finish the files, and return their header."""
        files = self._rows.close()
        n_rows = self._rows.n_rows
        if not n_rows:
            raise ValueError(
                f"`at_least` must keep some rows. Received: at_least={self._least:g}, which no row reaches."
            )
        n_events = None
        if self._events is not None:
            files |= {f"{EVENTS}/{name}": known for name, known in self._events.close().items()}
            n_events = self._n_events
        for path in sorted(self._folder.glob("*.parquet")):
            files[path.name] = path.stat().st_size, checksum(path)
        meaning = replace(self._meaning, least=self._least, left_out=self._left_out)
        sizes = self._sizes["user"], self._sizes["item"]
        return Header(n_rows, *sizes, n_events, meaning, self._columns, files, self._context)

    def abandon(self) -> None:
        """Close the files, unfinished."""
        self._rows.abandon()
        if self._events is not None:
            self._events.abandon()


def by_users(
    batches: Iterator[Any], names: tuple[str, ...], context: Sequence[Context]
) -> Iterator[dict[str, np.ndarray]]:
    """Batches that end where a user ends, so that no user is in two of them."""
    left: dict[str, np.ndarray] = {}
    dtypes = {name: DTYPES[name] for name in ("user", "item", *names)} | context_names(context)
    for batch in batches:
        part = {name: batch.column(j).to_numpy(zero_copy_only=False) for j, name in enumerate(dtypes)}
        part = {name: x.astype(dtypes[name], copy=False) for name, x in part.items()}
        if left:
            part = {name: np.concatenate([left[name], x]) for name, x in part.items()}
        users = part["user"]
        if not len(users):
            continue
        cut = int(np.searchsorted(users, users[-1]))
        if cut:
            yield {name: x[:cut] for name, x in part.items()}
        left = {name: x[cut:].copy() for name, x in part.items()}
    if left:
        yield left
