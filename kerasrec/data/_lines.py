"""Compares the lines of a CSV file with the rows read from it, so that no row is lost."""

import io
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec import _text

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 1 << 20
# Arguments of `pandas.read_csv` with which every line is a row; with others, a line may not be one.
_A_ROW_A_LINE = frozenset(
    "sep delimiter encoding encoding_errors dtype index_col parse_dates date_format dayfirst cache_dates "
    "thousands decimal keep_default_na na_values na_filter true_values false_values compression "
    "skipinitialspace engine low_memory memory_map float_precision header names skiprows quoting".split()
)
_QUOTE_NONE = 3
_END = re.compile(r"\r\n|\r|\n")


def check_lines(path: Path, frame: "pd.DataFrame", options: Mapping[str, Any], judged: bool) -> None:
    """Refuse a table with lines that are not rows, unless quotes that enclose fields explain them.

    Args:
        path: file.
        frame: all columns read from it.
        options: arguments of `pandas.read_csv` with which it was read.
        judged: whether the meaning of quotes is known.

    Raises:
        ValueError: if there are more or fewer rows than lines.
    """
    skipped, header = options.get("skiprows") or 0, options.get("header", "infer")
    if not _A_ROW_A_LINE.issuperset(options) or not isinstance(skipped, int) or isinstance(header, list):
        return
    if header == "infer":
        header = None if "names" in options else 0
    n_header = 0 if header is None else 1 + header  # pandas drops those before it
    if _n_ends(path, options) - skipped - n_header == len(frame):
        return
    separator = options.get("sep", options.get("delimiter", ","))
    n_lines = _n_lines(path, options, skipped, separator) - n_header
    n_more, first = (0, "") if options.get("quoting") == _QUOTE_NONE else _within_fields(frame)
    if n_lines == len(frame) + (n_more if judged or "quoting" in options else 0):
        return
    fields = f", and fields of several lines, first {first[:60]!r}" if n_more else ""
    raise ValueError(
        "Each line after the header must be a row of the table; `quoting` says whether quotes are "
        "text (3) or enclose fields of several lines (0; on the command line `--quoting none` or "
        "`standard`). "
        f"Received: path={str(path)!r}, {n_lines:,} lines that became {len(frame):,} rows{fields}."
    )


def _n_ends(path: Path, options: Mapping[str, Any]) -> int:
    """The number of line ends, including the end of the file."""
    count, last = 0, b"\n"
    with _text.opened(path, options.get("compression", "infer")) as file:
        while block := file.read(_BLOCK):
            count, last = count + block.count(b"\n"), block[-1:]
    return count + (last != b"\n")


def _n_lines(path: Path, options: Mapping[str, Any], skipped: int, separator: Any) -> int:
    """The number of lines from the header on that are not empty."""
    between = separator if isinstance(separator, str) else "\n"
    with _text.opened(path, options.get("compression", "infer")) as file:
        lines = io.TextIOWrapper(file, options.get("encoding") or "utf-8", errors="replace")
        try:
            return sum(_is_row(line, between) for line in islice(lines, skipped, None))
        finally:
            lines.detach()


def _is_row(line: str, separator: str) -> bool:
    """Whether pandas reads a line as a row: it skips lines of spaces unless spaces separate fields."""
    return bool(line.strip()) or separator in line.rstrip("\n")


def _within_fields(frame: "pd.DataFrame") -> tuple[int, str]:
    """The number of additional lines that texts of a table explain, and the first such text."""
    import pandas as pd

    count, first = 0, ""
    for _, column in frame.items():
        if pd.api.types.is_string_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
            for text in _of_several_lines(column):
                _, *inner, _ = _END.split(text)
                count += 1 + sum(bool(part.strip()) for part in inner)
                first = first or text
    return count, first


def _of_several_lines(column: "pd.Series[Any]") -> Iterator[str]:
    return (text for text in column.astype(object) if isinstance(text, str) and _END.search(text))
