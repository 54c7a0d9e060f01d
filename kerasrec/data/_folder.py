"""The folder of columns that `Interactions.prepare` writes and `Interactions.open` reads.

- `header.json`: version, sizes, kind of the values, checksums of all files and of itself.
- `users.parquet`, `items.parquet`: raw ids in the order of their codes, and the number of events of each.
- `start.npy`, int64 [U + 1]: the first row of each user.
- `user.npy`, `item.npy`, int32 [n]: rows by user, then by time, then in their original order.
- `sorted.npy`, int32 [n]: the items of each user in ascending order.
- `value.npy`, float32 [n], if there are values; `time.npy`, int64 [n], if there are times.
- `count.npy`, int64 [n], if values are means of several events: the number of events.
- `context0.npy`, `context1.npy`, [n]: further columns, in the order of the header. If they are codes,
  `context0.parquet` holds the categories.
- `events/`: the same columns with one row per event, if some pair has several and there are times.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec.data._column_files import ColumnWriter, mapped
from kerasrec.data._header import Form
from kerasrec.data._kinds import Meaning

VERSION = 2  # version 1 has no context
FORM = Form("kerasrec", VERSION, "Interactions.prepare", "run `kerasrec prepare` again")
EVENTS = "events"
DTYPES: dict[str, np.dtype[Any]] = {
    "start": np.dtype(np.int64),
    "user": np.dtype(np.int32),
    "item": np.dtype(np.int32),
    "sorted": np.dtype(np.int32),
    "value": np.dtype(np.float32),
    "time": np.dtype(np.int64),
    "count": np.dtype(np.int64),
}


@dataclass(frozen=True)
class Context:
    """A further column.

    Args:
        name: name of the column.
        dtype: type of its entries.
        n_categories: number of categories, or `None` if the entries are not codes.
    """

    name: str
    dtype: str
    n_categories: int | None = None


def context_names(context: Sequence[Context]) -> dict[str, np.dtype[Any]]:
    """Types of further columns, by the names of their files."""
    return {f"context{j}": np.dtype(one.dtype) for j, one in enumerate(context)}


@dataclass(frozen=True)
class Header:
    """The contents of a folder.

    Args:
        n_rows: number of rows.
        n_users: number of users.
        n_items: number of items.
        n_events: number of events that the rows combine, or `None` if the folder does not hold them.
        meaning: what the values are.
        columns: names of the columns of the source, by their role.
        files: sizes and checksums by name, relative to the folder.
        context: further columns.
        version: version of the format.
    """

    n_rows: int
    n_users: int
    n_items: int
    n_events: int | None
    meaning: Meaning
    columns: dict[str, Any]
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    context: tuple[Context, ...] = ()
    version: int = VERSION

    def write(self, folder: Path) -> None:
        """Write the header, after all other files."""
        entries = asdict(self)
        if not self.context:  # older versions can read it
            entries["version"] = 1
            del entries["context"]
        FORM.write(folder, entries)


class TableWriter:
    """Rows by user and time, written to the files of a folder.

    Args:
        folder: folder of the files.
        names: names of the columns other than `start`, `user`, `item` and `sorted`.
        n_users: number of users.
        context: further columns. Defaults to `()`.
    """

    def __init__(
        self, folder: Path, names: tuple[str, ...], n_users: int, context: Sequence[Context] = ()
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._context = folder, context_names(context)
        dtypes = {name: DTYPES[name] for name in ("user", "item", "sorted", *names)} | self._context
        self._columns = {name: ColumnWriter(folder / f"{name}.npy", of) for name, of in dtypes.items()}
        self.counts = np.zeros(n_users, np.int64)
        self.n_rows = 0

    def write(
        self,
        users: np.ndarray,
        items: np.ndarray,
        context: Iterable[np.ndarray] = (),
        **others: np.ndarray | None,
    ) -> None:
        """Add all rows of some users, by user and time.

        Args:
            users: int32 `[n]`, in ascending order.
            items: int32 `[n]`.
            context: further columns, in their order. Defaults to `()`.
            **others: further columns by name; those that this folder does not hold are ignored.
        """
        by_item = (np.sort((users.astype(np.int64) << 32) | items) & 0xFFFFFFFF).astype(np.int32)
        others |= dict(zip(self._context, context, strict=True))
        for name, column in {"user": users, "item": items, "sorted": by_item, **others}.items():
            if name in self._columns and column is not None:
                self._columns[name].write(column)
        if len(users):
            first = int(users[0])
            counts = np.bincount(users - first)
            self.counts[first : first + len(counts)] += counts
        self.n_rows += len(users)

    def begin_as(self, other: "TableWriter") -> None:
        """Begin with a copy of another table's rows so far."""
        for name, column in self._columns.items():
            column.begin_as(other._columns[name])
        self.counts, self.n_rows = other.counts.copy(), other.n_rows

    def close(self) -> dict[str, tuple[int, int]]:
        """Finish the files.

        Returns:
            Sizes and checksums by name.
        """
        starts = ColumnWriter(self._folder / "start.npy", DTYPES["start"])
        starts.write(np.concatenate([[0], np.cumsum(self.counts)]))
        columns = {**self._columns, "start": starts}
        return {f"{name}.npy": column.close() for name, column in columns.items()}

    def abandon(self) -> None:
        """Close the files, unfinished."""
        for column in self._columns.values():
            column.abandon()


def read_header(folder: Path, verify: bool | None = None) -> Header:
    """The header of a folder, whose files are checked.

    Args:
        folder: folder that `prepare` wrote.
        verify: whether to compare all checksums. Defaults to `None`: only in folders up to 1 GB.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it is of another format or a newer version, or its files have changed.
    """
    entries = FORM.read(folder)
    try:
        meaning = Meaning.from_dict(entries.pop("meaning"))
        files = {name: (int(size), int(check)) for name, (size, check) in entries.pop("files").items()}
        context = tuple(Context(**one) for one in entries.pop("context", ()))
        header = Header(meaning=meaning, files=files, context=context, **entries)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FORM.damaged(folder, f"a header with missing or wrong entries ({error})") from error
    FORM.check_files(folder, header.files, verify)
    return header


def read_column(folder: Path, name: str, n: int, dtype: np.dtype[Any] | None = None) -> np.ndarray:
    """A column of `n` entries as a memory map.

    Args:
        folder: folder that `prepare` wrote.
        name: name of the column.
        n: number of entries.
        dtype: type of its entries. Defaults to `None`: the type of columns of this name.
    """
    return mapped(folder, name, dtype or DTYPES[name], n, FORM.damaged)


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` of `n` rows."""
    for begin in range(0, n, size):
        yield slice(begin, min(n, begin + size))
