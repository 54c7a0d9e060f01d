"""Text files: unpacks them, and finds out whether their quotes enclose fields or are part of the text.

A quote that opens a field silently hides everything up to the next quote, including line ends, so hundreds
of rows could become one id. If every line has as many fields as the header without quoting, and some lines do
not with quoting, the quotes are text.
"""

import contextlib
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

NONE, STANDARD, TEXT = "none", "standard", "text"
_BLOCK = 1 << 20
# Lines that one quoted field may span.
_MOST_LINES = 1000


_DAMAGED = (
    *(EOFError, NotImplementedError, gzip.BadGzipFile, lzma.LZMAError, tarfile.TarError),
    *(zipfile.BadZipFile, zlib.error),
)


@contextlib.contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Say what is wrong with an archive."""
    try:
        yield
    except _DAMAGED as error:
        raise ValueError(
            f"{str(path)!r} must be a complete file of the format in its name. Received: an archive that "
            f"cannot be unpacked ({str(error).rstrip('.')})."
        ) from error
    except ValueError as error:
        if "Only one file per" in str(error) or "Zero files found" in str(error):
            raise ValueError(
                f"{str(path)!r} must hold one file; unpack it and name the table. Received: {error}."
            ) from error
        raise


@contextlib.contextmanager
def opened(path: Path, compression: Any = "infer") -> Iterator[IO[bytes]]:
    """The unpacked bytes of a file.

    Args:
        path: file.
        compression: as in `pandas.read_csv`. Defaults to `"infer"`: by the ending of the name.

    Raises:
        ValueError: if an archive does not hold one file, or cannot be unpacked.
    """
    from pandas.io.common import get_handle

    with (
        unpacking(path),
        get_handle(path, "rb", compression=compression, is_text=False) as handle,
    ):
        yield handle.handle


class Unbalanced(ValueError):
    """Quotes that fit neither reading; the message has the number of the line and its beginning."""


def has_quotes(path: Path, compression: Any = "infer") -> bool:
    """Whether there is any double quote in a file."""
    with opened(path, compression) as file:
        while block := file.read(_BLOCK):
            if b'"' in block:
                return True
    return False


def quotes_of(
    path: Path,
    separator: str,
    encoding: str = "utf-8",
    skipped: int = 0,
    spaces: bool = False,
    compression: Any = "infer",
) -> str:
    """The meaning of the quotes in a file.

    Args:
        path: file.
        separator: separator of its columns.
        encoding: its encoding. Defaults to `"utf-8"`.
        skipped: int, lines before the header. Defaults to `0`.
        spaces: bool, whether to ignore spaces after separators. Defaults to `False`.
        compression: as in `pandas.read_csv`. Defaults to `"infer"`.

    Returns:
        `"none"` without quotes, `"standard"` if they enclose fields, `"text"` if they are part of the text.

    Raises:
        ValueError: if neither is possible.
    """
    if not has_quotes(path, compression):
        return NONE
    with opened(path, compression) as file:
        return judged(file, separator, encoding, skipped, spaces)


def judged(
    file: IO[bytes], separator: str, encoding: str = "utf-8", skipped: int = 0, spaces: bool = False
) -> str:
    """The same as `quotes_of` for an open file that may have quotes."""
    lines = io.TextIOWrapper(file, encoding, errors="replace")
    try:
        return _Reader(separator, spaces).judge(islice(lines, skipped, None), skipped)
    finally:
        lines.detach()


class _Reader:
    def __init__(self, separator: str, spaces: bool) -> None:
        apart = re.escape(separator)
        quoted = (" *" if spaces else "") + r'"(?:[^"]|"")*+"'
        bare = rf'(?:(?!{apart})[^"\n])(?:(?!{apart})[^\n])*+'
        if spaces:
            bare = rf' *(?!["\s])(?:(?!{apart})[^\n])*+'
        field = rf"(?:{quoted}|{bare}|)"
        self._whole = re.compile(rf"{field}(?:{apart}{field})*")
        self._open = re.compile(rf'(?:{field}{apart})*(?: *)"(?:[^"]|"")*+')
        self._needless = re.compile(rf'(?:^|{apart})"[^"]+"(?={apart}|$)')
        self._separator = separator

    def judge(self, lines: Iterable[str], number: int) -> str:
        needed = needless = False
        odd: tuple[int, str] | None = None  # a line on which quotes do not enclose whole fields
        ragged = False  # whether such a line has another number of fields without quoting
        widths: Counter[int] = Counter()
        source = self._numbered(lines, number)
        plain, bare_text = 0, False  # number of lines without quotes, and whether they have text
        for number, line in source:
            if '"' not in line:
                if plain < _MOST_LINES:
                    plain += 1
                    widths[line.count(self._separator)] += 1
                    bare_text |= plain > 1 and re.search(r"[^\W\d]", line) is not None
                continue
            width = line.count(self._separator)
            if not widths:
                widths[self._outside(line)] += 1
            usual = widths.most_common(1)[0][0]
            if self._whole.fullmatch(line):
                needed |= width != usual or '""' in line.replace(f'{self._separator}""', "")
                needless |= width == usual and bool(self._needless.search(line))
                continue
            part = [line]
            if self._open.fullmatch(line):
                text = line
                for _, further in islice(source, _MOST_LINES):
                    part.append(further)
                    text += "\n" + further
                    if '"' in further and (self._whole.fullmatch(text) or not self._open.fullmatch(text)):
                        break
                if self._whole.fullmatch(text):
                    if all(one.count(self._separator) == usual for one in part):
                        odd = odd or (number, line)
                    else:
                        needed = True
                    continue
            odd = odd or (number, line)
            ragged |= any(one.count(self._separator) != usual for one in part)
        if odd is None:
            # Programs that write tabs rarely enclose fields, and never only some fields that need no quotes.
            return TEXT if self._separator == "\t" and needless and bare_text and not needed else STANDARD
        if ragged or needed:
            raise Unbalanced(f"line {odd[0]:,} ({odd[1][:60]!r})")
        return TEXT

    def _outside(self, line: str) -> int:
        """The number of separators outside quotes."""
        return re.sub(r'"(?:[^"]|"")*+"', "", line).count(self._separator)

    @staticmethod
    def _numbered(lines: Iterable[str], number: int) -> Iterator[tuple[int, str]]:
        for line in lines:
            number += 1
            yield number, line.rstrip("\n")
