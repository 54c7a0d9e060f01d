"""A folder of columns on disk: what `Interactions.prepare` writes and `Interactions.open` reads.

- `header.json`: version, sizes, what the values are, checksums of all files, and its own.
- `users.parquet`, `items.parquet`: raw ids in the order of their codes, and how many events each has.
- `start.npy`, int64 [U + 1]: where the rows of each user begin.
- `user.npy`, `item.npy`, int32 [n]: rows by user, then by time, then as they came.
- `sorted.npy`, int32 [n]: the items of each user in ascending order.
- `value.npy`, float32 [n], if there are values; `time.npy`, int64 [n], if there are times.
- `count.npy`, int64 [n], if values are means of several events: of how many.
- `context0.npy`, `context1.npy`, [n]: further columns, in the order of the header; of those that are codes,
  `context0.parquet` has the categories.
- `events/`: the same columns of every event, if a pair has several and there are times.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._memory import in_words
from kerasrec.data._kinds import Meaning

VERSION = 2  # 1 has no context
HEADER = "header.json"
EVENTS = "events"
DTYPES: dict[str, np.dtype[Any]] = {
    "start": np.dtype(np.int64),
    "user": np.dtype(np.int32),
    "item": np.dtype(np.int32),
    "sorted": np.dtype(np.int32),
    "value": np.dtype(np.float32),
    "time": np.dtype(np.int64),
    "count": np.dtype(np.int64),
    # Of features, as `scipy.sparse` has them.
    "indptr": np.dtype(np.int32),
    "indices": np.dtype(np.int32),
    "weights": np.dtype(np.float32),
}
# Folders up to this size have their checksums compared whenever they are opened: it takes a second.
_CHECKED_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 24
_NPY_HEADER = 128


@dataclass(frozen=True)
class Context:
    """A further column.

    Args:
        name: str.
        dtype: of its entries.
        n_categories: int, or `None` if the entries are no codes.
    """

    name: str
    dtype: str
    n_categories: int | None = None


def context_names(context: Sequence[Context]) -> dict[str, np.dtype[Any]]:
    """What the files of further columns are called, and what they hold."""
    return {f"context{j}": np.dtype(one.dtype) for j, one in enumerate(context)}


@dataclass(frozen=True)
class Header:
    """What a folder holds.

    Args:
        n_rows: int.
        n_users: int.
        n_items: int.
        n_events: int, events behind the rows, or `None` if no column holds them.
        meaning: what the values are.
        columns: the names of the columns of the source, by what they are.
        files: by name relative to the folder, bytes and checksum.
        context: further columns.
        version: int, of the form.
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
        """Write it, last of all."""
        entries = json.loads(json.dumps({"form": "kerasrec", **asdict(self)}))
        if not self.context:  # older versions read it
            entries["version"] = 1
            del entries["context"]
        (folder / HEADER).write_text(json.dumps({**entries, "check": check_of(entries)}, indent=1))


class ColumnWriter:
    """One column, written block by block to a `.npy` file whose length is known at the end.

    Args:
        path: the file.
        dtype: of its entries.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.path, self.dtype = path, dtype
        self.n, self._check = 0, 0
        self._file = path.open("wb")
        self._file.write(bytes(_NPY_HEADER))

    def write(self, block: np.ndarray) -> None:
        """Add entries."""
        data = np.ascontiguousarray(block, self.dtype)
        self._check = zlib.crc32(data.data if len(data) else b"", self._check)
        self._file.write(data.data)
        self.n += len(data)

    def begin_as(self, other: "ColumnWriter") -> None:
        """Begin with what another column has so far."""
        other._file.flush()
        with other.path.open("rb") as file:
            file.seek(_NPY_HEADER)
            while block := file.read(_BLOCK_BYTES):
                self.write(np.frombuffer(block, self.dtype))

    def close(self) -> tuple[int, int]:
        """Finish the file.

        Returns:
            Its size and checksum.
        """
        with self._file:
            text = f"{{'descr': '{self.dtype.str}', 'fortran_order': False, 'shape': ({self.n},), }}"
            length = _NPY_HEADER - 10
            head = b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little")
            head += text.ljust(length - 1).encode() + b"\n"
            self._file.seek(0)
            self._file.write(head)
        return self.path.stat().st_size, zlib.crc32(head, self._check)

    def abandon(self) -> None:
        """Leave the file as it is."""
        self._file.close()


class TableWriter:
    """Rows by user and time, written to the files of a folder.

    Args:
        folder: where.
        names: of the columns besides `start`, `user`, `item` and `sorted`.
        n_users: int.
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
        """Add the rows of some users, all of each, by user and time.

        Args:
            users: int32 `[n]`, in ascending order.
            items: int32 `[n]`.
            context: further columns, in their order. Defaults to `()`.
            **others: further columns by name; what this folder does not hold is left out.
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
        """Begin with the rows that another one has so far, as far as it has these columns."""
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
        """Leave the files as they are."""
        for column in self._columns.values():
            column.abandon()


def read_header(folder: Path, verify: bool | None = None) -> Header:
    """The header of a folder, whose files are checked.

    Args:
        folder: what `prepare` has written.
        verify: bool, compare all checksums. Defaults to `None`: those of folders up to 1 GB.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it is none, of a newer version, or its files are not those that were written.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`path` must be a folder that `Interactions.prepare` wrote. Received: path={str(folder)!r}, "
            "which does not exist."
        )
    try:
        entries = json.loads((folder / HEADER).read_text())
        check = entries.pop("check", None)
        whole = check == check_of(entries)
        if entries.pop("form") != "kerasrec":
            raise ValueError("another form")
        version = int(entries["version"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(
            "`path` must be a folder that `Interactions.prepare` wrote; run `kerasrec prepare` again. "
            f"Received: path={str(folder)!r}, whose header cannot be read ({error})."
        ) from error
    if version > VERSION:
        raise ValueError(
            "`path` must be a folder of this version of kerasrec or an older one; update kerasrec, or "
            f"prepare it again. Received: path={str(folder)!r}, of version {version}, and {VERSION} is known."
        )
    if not whole:
        raise _damaged(folder, f"a {HEADER} whose checksum does not match")
    try:
        meaning = Meaning.from_dict(entries.pop("meaning"))
        files = {name: (int(size), int(check)) for name, (size, check) in entries.pop("files").items()}
        context = tuple(Context(**one) for one in entries.pop("context", ()))
        header = Header(meaning=meaning, files=files, context=context, **entries)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(folder, f"a header with missing or wrong entries ({error})") from error
    check_files(folder, header.files, verify, _damaged)
    return header


def column(
    folder: Path,
    name: str,
    n: int | None = None,
    damaged: Callable[[Path, str], ValueError] | None = None,
    dtype: np.dtype[Any] | None = None,
) -> np.ndarray:
    """A column as a memory map.

    Args:
        folder: where.
        name: of the column.
        n: int, its length. Defaults to `None`: any.
        damaged: makes the error. Defaults to `None`: that of interactions.
        dtype: of its entries. Defaults to `None`: that of columns of this name.
    """
    path, damaged, dtype = folder / f"{name}.npy", damaged or _damaged, dtype or DTYPES[name]
    try:
        found = np.load(path, mmap_mode="r")
    except (ValueError, OSError) as error:
        if path.is_file() and path.stat().st_size == _NPY_HEADER:  # nothing can be mapped
            return np.empty(0, dtype)
        raise damaged(folder, f"{path.name}, which cannot be read ({error})") from error
    if found.dtype != dtype or found.ndim != 1 or (n is not None and len(found) != n):
        raise damaged(folder, f"{path.name} of {found.shape} entries of {found.dtype}")
    # A plain view of the mapped file, which slices in half the time.
    return found.view(np.ndarray)


def checksum(path: Path) -> int:
    """The CRC-32 of a `.npy` file as `ColumnWriter` takes it, header last; of others, of their bytes."""
    with path.open("rb") as file:
        head = file.read(_NPY_HEADER) if path.suffix == ".npy" else b""
        check = 0
        while block := file.read(_BLOCK_BYTES):
            check = zlib.crc32(block, check)
    return zlib.crc32(head, check)


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of so many rows.

    Args:
        n: int, rows.
        size: int, rows of a block.
    """
    for begin in range(0, n, size):
        yield slice(begin, min(n, begin + size))


def check_of(entries: Any) -> int:
    """The checksum of a header, without its own."""
    return zlib.crc32(json.dumps(entries, sort_keys=True).encode())


def check_files(
    folder: Path,
    files: Mapping[str, tuple[int, int]],
    verify: bool | None,
    damaged: Callable[[Path, str], ValueError],
) -> None:
    """Refuse files that are not those that were written.

    Args:
        folder: where.
        files: sizes and checksums by name.
        verify: bool, compare checksums; `None`: of small folders.
        damaged: makes the error.
    """
    total = 0
    for name, (size, _) in files.items():
        path = folder / name
        there = path.stat().st_size if path.is_file() else None
        if there != size:
            what = "no file" if there is None else in_words(there)
            raise damaged(folder, f"{what} for {name}, which had {in_words(size)}")
        total += size
    for name, (size, check) in files.items():
        # Vocabularies are read whole anyway.
        wanted = total <= _CHECKED_BYTES if verify is None else verify
        if wanted and size and checksum(folder / name) != check:
            raise damaged(folder, f"{name}, whose checksum does not match")


def _damaged(folder: Path, what: str) -> ValueError:
    return ValueError(
        "`path` must be as `Interactions.prepare` wrote it; run `kerasrec prepare` again. "
        f"Received: path={os.fspath(folder)!r} with {what}."
    )
