"""The format of a CSV file, from the options and the file itself; an ambiguous file is refused."""

import codecs
import functools
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from kerasrec import _text
from kerasrec.cli._encoding import encoding_of
from kerasrec.cli._form import Form

_SAMPLE_LINES = 1000
_SEPARATORS = (",", ";", "\t", "|", "::")
_QUOTING = {"standard": 0, "none": 3}
# First bytes of files that hold tables in other formats.
_OTHERS = (
    (b"PK\x03\x04", ".xlsx", "an Excel workbook: save its sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "", "an old Excel workbook: save its sheet as CSV UTF-8"),
    (b"SQLite format 3", "", "a database: read it in Python with `Interactions.from_sql`"),
    (b"<!DOCTYPE", "", "a web page"),
    (b"<html", "", "a web page"),
    (b"{", "", "JSON: write it as CSV, e.g. with `pandas.read_json(..., lines=True).to_csv(...)`"),
    (b"[{", "", "JSON: write it as CSV, e.g. with `pandas.read_json(...).to_csv(...)`"),
    (b"%PDF", "", "a PDF"),
)
# First bytes of compressed files, which are recognised by the endings of their names.
_PACKED = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PK\x03\x04": ".zip",
}


@dataclass(frozen=True)
class Dialect:
    """The format of a CSV file.

    Attributes:
        options: arguments of `pandas.read_csv`.
        names: names of the columns.
        read_as: what was guessed or given, by the name of its option.
    """

    options: dict[str, Any]
    names: list[str]
    read_as: dict[str, str] = field(default_factory=dict)


def dialect_of(path: Path, form: Form, suits: Callable[[Sequence[str]], bool] = bool) -> Dialect:
    """Determine the format of a CSV file.

    Args:
        path: file; compressed ones are unpacked.
        form: the options that were given.
        suits: function that says whether column names are suitable; it decides between separators.

    Raises:
        ValueError: if the file is not a table, or could be read in two ways.
    """
    check_table(path)
    file = path.stat()
    stamp = (str(path.resolve()), file.st_size, file.st_mtime_ns)
    encoding = form.encoding or _encoding(stamp)
    lines = _first_lines(path, encoding)
    skipped, notes = 0, {}
    said = re.fullmatch(r'"?sep=(.)"?', lines[0])
    if said:
        skipped, lines = 1, lines[1:]
    comments = _comments(lines)
    if comments:
        skipped, lines = skipped + comments, lines[comments:]
        notes["left out"] = (
            f"{comments} lines that begin with '#'" if comments > 1 else "a line that begins with '#'"
        )
    if not any(map(str.strip, lines)):
        raise ValueError(f"{str(path)!r} must be a table with a header. Received: an empty file.")
    while not lines[0].strip():  # pandas skips these, too
        lines = lines[1:]
    separator = form.separator or (said[1] if said else _separator(lines, suits))
    separator = "\t" if separator == "\\t" else separator
    spaces = bool(re.search(rf"{re.escape(separator)} +\S", lines[0])) and separator != " "
    options: dict[str, Any] = {"sep": separator, "encoding": encoding}
    if skipped:
        options["skiprows"] = skipped
    if spaces:
        options["skipinitialspace"] = True
        notes["left out"] = ", ".join([*notes.values(), "spaces after separators"])
    if len(separator) > 1:
        _check_ends(path, encoding)
        options |= {"sep": re.escape(separator), "engine": "python"}
    if form.keep_na:
        options |= {"keep_default_na": False, "na_values": [""]}
    quoting = _quoting(stamp, separator, encoding, skipped, spaces, form.quoting)
    if (
        form.quoting or quoting == "none"
    ):  # a guess that they enclose fields says nothing about line ends in ids
        options["quoting"] = _QUOTING[str(quoting)]
    names = _names(path, options, form, lines[0].count(separator) + 1)
    if form.names:
        options |= {"header": None, "names": names}
    read_as = {"separator": repr(separator), "encoding": encoding}
    if quoting is not None:
        read_as["quoting"] = quoting
    return Dialect(options, names, read_as | notes)


def check_table(path: Path) -> None:
    """Refuse a file that is not a table, with a remedy."""
    with path.open("rb") as file:
        head = file.read(16)
    for beginning, ending, what in _OTHERS:
        if head.lower().startswith(beginning.lower()) and path.suffix.lower().endswith(ending):
            raise ValueError(f"{str(path)!r} must be a table, as CSV or Parquet. Received: {what}.")
    for beginning, ending in _PACKED.items():
        if head.startswith(beginning) and path.suffix.lower() != ending:
            raise ValueError(
                f"{str(path)!r} must be a table, as CSV or Parquet. "
                f"Received: a compressed file, whose name must end in {ending}."
            )


def _first_lines(path: Path, encoding: str) -> list[str]:
    try:
        codecs.lookup(encoding)
        with _text.opened(path) as file:
            text = io.TextIOWrapper(file, encoding)
            lines = [line.rstrip("\n") for line in islice(text, _SAMPLE_LINES)]
            text.detach()
    except (UnicodeError, LookupError) as error:
        raise ValueError(
            f"`--encoding` must be the encoding of the file. Received: {encoding!r} ({error})."
        ) from error
    if lines:
        lines[0] = lines[0].removeprefix("\ufeff")
    if any("\0" in line for line in lines):
        raise ValueError(
            f"{str(path)!r} must be a table, as CSV or Parquet. Received: a file that is not text."
        )
    if not any(map(str.strip, lines)):
        raise ValueError(f"{str(path)!r} must be a table with a header. Received: an empty file.")
    return lines


def _check_ends(path: Path, encoding: str) -> None:
    """Refuse spaces at the ends of lines, which pandas drops if the separator has several characters."""
    with _text.opened(path) as file:
        lines = io.TextIOWrapper(file, encoding, errors="replace")
        for number, line in enumerate(lines, 1):
            if line.strip("\n") != line.strip() and line.strip():
                raise ValueError(
                    "With a separator of several characters, lines must not begin or end with spaces. "
                    f"Received: {str(path)!r}, line {number:,}. Use tabs as separators."
                )
        lines.detach()


def _comments(lines: Sequence[str]) -> int:
    """Lines before the header that begin with `#`; the last of them may be the header, `#user,item`."""
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if count and count < len(lines):
        for separator in _SEPARATORS:
            fields = lines[count].count(separator)
            if fields and lines[count - 1].count(separator) == fields:
                return count - 1
    return count


def _separator(lines: Sequence[str], suits: Callable[[Sequence[str]], bool]) -> str:
    """The separator that splits the header and the lines after it into as many fields."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines if line.strip()]
    counts = {found: bare[0].count(found) for found in _SEPARATORS}
    counts = {found: count for found, count in counts.items() if count}
    even = [
        found
        for found, count in counts.items()
        if 20 * sum(line.count(found) != count for line in bare[1:]) <= len(bare) - 1
    ]
    if len(even) > 1:
        suiting = [found for found in even if suits([name.strip(' "') for name in lines[0].split(found)])]
        if len(suiting) != 1:
            raise ValueError(
                "`--separator` must name the separator of the columns. Received: a header that could be "
                f"split by {' or '.join(map(repr, even))}."
            )
        return suiting[0]
    if even:
        return even[0]
    if counts:
        return max(counts, key=counts.__getitem__)
    return " " if " " in bare[0].strip() and bare[0].count(" ") == bare[-1].count(" ") else ","


@functools.lru_cache(maxsize=4)
def _encoding(stamp: tuple[str, int, int]) -> str:
    """The encoding of a file, cached, because a command checks the columns before it reads the whole file."""
    return encoding_of(Path(stamp[0]))


@functools.lru_cache(maxsize=4)
def _quoting(
    stamp: tuple[str, int, int], separator: str, encoding: str, skipped: int, spaces: bool, given: str | None
) -> str | None:
    """`--quoting`, or the meaning of the quotes in the file; `None` without quotes."""
    if given is not None and given not in _QUOTING:
        raise ValueError(f"`--quoting` must be {' or '.join(_QUOTING)}. Received: {given!r}.")
    if given is not None or len(separator) > 1:
        return given
    path = Path(stamp[0])
    try:
        quotes = _text.quotes_of(path, separator, encoding, skipped, spaces)
    except _text.Unbalanced as unbalanced:
        raise ValueError(
            "Quotes must enclose whole fields; if they are text, use `--quoting none`. "
            f"Received: {str(path)!r}, {unbalanced}."
        ) from None
    if quotes == _text.TEXT and separator not in ("\t", "|"):
        raise ValueError(
            "Quotes could be text, so `--quoting` must be given: `none` keeps them in the text, "
            f"`standard` reads them as enclosing fields. Received: {str(path)!r}."
        )
    return {_text.NONE: None, _text.TEXT: "none"}.get(quotes, "standard")


def _names(path: Path, options: dict[str, Any], form: Form, width: int) -> list[str]:
    import pandas as pd

    if form.names is None:
        header = pd.read_csv(
            path, **options | {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
        )
        return [str(name) for name in header.iloc[0]]
    names = [name.strip() for name in form.names.split(",")]
    if len(names) != width or len(set(names)) < width:
        raise ValueError(
            f"`--names` must name each column of the file once. Received: {form.names!r} for {width} columns."
        )
    return names
