"""Columns on disk: `.npy` files written in blocks and read as memory maps."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK_BYTES = 1 << 24
_NPY_HEADER = 128


class ColumnWriter:
    """One column, written in blocks to a `.npy` file whose length is known only at the end.

    Args:
        path: the file.
        dtype: type of its entries.
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
        """Begin with a copy of another column's entries so far."""
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
        """Close the file, unfinished."""
        self._file.close()


def mapped(
    folder: Path, name: str, dtype: np.dtype[Any], n: int | None, damaged: Callable[[Path, str], ValueError]
) -> np.ndarray:
    """A column as a memory map.

    Args:
        folder: folder of the file.
        name: name of the column.
        dtype: type of its entries.
        n: its length, or `None` for any.
        damaged: makes the error from the folder and what is wrong.
    """
    path = folder / f"{name}.npy"
    try:
        found = np.load(path, mmap_mode="r")
    except (ValueError, OSError) as error:
        if path.is_file() and path.stat().st_size == _NPY_HEADER:  # an empty file cannot be mapped
            return np.empty(0, dtype)
        raise damaged(folder, f"{path.name}, which cannot be read ({error})") from error
    if found.dtype != dtype or found.ndim != 1 or (n is not None and len(found) != n):
        raise damaged(folder, f"{path.name} of {found.shape} entries of {found.dtype}")
    # A plain view of the mapped file takes half the time to slice.
    return found.view(np.ndarray)


def checksum(path: Path) -> int:
    """The CRC-32 of a file; for a `.npy` file, the header comes last, as in `ColumnWriter`."""
    with path.open("rb") as file:
        head = file.read(_NPY_HEADER) if path.suffix == ".npy" else b""
        check = 0
        while block := file.read(_BLOCK_BYTES):
            check = zlib.crc32(block, check)
    return zlib.crc32(head, check)
