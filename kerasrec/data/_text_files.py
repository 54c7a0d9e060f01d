"""Checks of CSV files that do not fit into memory: their headers, and quotes that could hide rows."""

import csv
import gzip
import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from kerasrec import _text

_BLOCK = 1 << 20
# In larger files only the lines are counted, unless their number differs from that of the rows.
_JUDGED_BYTES = 1 << 26


def header(path: Path, sep: str) -> tuple[list[str], int]:
    """The names of the columns of a file, and the number of empty lines before them.

    Args:
        path: file; its name says whether it is compressed with gzip or Zstandard.
        sep: separator of columns.
    """
    with _opened(path) as file:
        lines = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            empty, first = 0, lines.readline()
            while first and not first.strip():
                empty, first = empty + 1, lines.readline()
            if len(sep) > 1:
                return first.rstrip("\r\n").split(sep), empty
            names = next(csv.reader(itertools.chain([first], lines), delimiter=sep))
        except UnicodeError as error:
            raise not_utf8(path) from error
        finally:
            lines.detach()
    return names, empty


def check(files: Sequence[Path], sep: str, n_rows: int) -> None:
    """Refuse files whose quotes could have hidden rows or been lost.

    Lines are counted and compared with the rows. If the numbers differ, or the files are not large, quotes
    are checked as in files that fit into memory.

    Args:
        files: all of them.
        sep: separator of columns.
        n_rows: number of rows read from all files.
    """
    counted = {path: _counted(path) for path in files}
    same = sum(n_lines - 1 for n_lines, _ in counted.values()) == n_rows
    for path, (_, quoted) in counted.items():
        if not quoted or (same and path.stat().st_size > _JUDGED_BYTES) or len(sep) > 1:
            continue
        try:
            with _opened(path) as file:
                quotes = _text.judged(file, sep)
        except _text.Unbalanced as unbalanced:
            raise ValueError(
                "Quotes must enclose whole fields; correct the file, or write it again without quotes. "
                f"Received: {str(path)!r}, {unbalanced}."
            ) from None
        if quotes == _text.TEXT:
            raise ValueError(
                "Quotes must enclose fields; write the file again without them, or with each doubled inside "
                f"a quoted field. Received: {str(path)!r}, whose lines have as many fields as its header "
                "only if quotes are text."
            )


def not_utf8(path: Path) -> ValueError:
    """The error for a file with another encoding."""
    return ValueError(
        "`source` must be text in UTF-8; write it again, e.g. with `iconv -f LATIN1 -t UTF-8`. "
        f"Received: {str(path)!r}, which is not."
    )


def _counted(path: Path) -> tuple[int, bool]:
    """The number of lines, and whether there are quotes."""
    count, quoted, last = 0, False, b"\n"
    with _opened(path) as file:
        while block := file.read(_BLOCK):
            count, last = count + block.count(b"\n"), block[-1:]
            quoted = quoted or b'"' in block
    return count + (last != b"\n"), quoted


def _opened(path: Path) -> IO[bytes]:
    name = path.name.lower()
    if name.endswith(".gz"):
        return gzip.open(path)  # type: ignore[return-value]
    if name.endswith(".zst"):
        import pyarrow as pa

        stream: Any = io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
        return stream
    return path.open("rb")
