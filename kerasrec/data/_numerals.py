"""Numbers as people write them: with a decimal comma or point, and marks between thousands."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_MARKS = ",.'’ \u00a0\u202f"  # noqa: RUF001
_NUMERAL = re.compile(rf"[+-]?(\d[\d{_MARKS}]*|[,.]\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def parsed(column: "pd.Series[Any]", decimal: str = ".", thousands: str | None = None) -> "pd.Series[Any]":
    """A column of text as numbers; entries that are not numbers with these marks stay text.

    Args:
        column: text, or missing entries.
        decimal: the mark before decimals. Defaults to `"."`.
        thousands: the mark between groups of three digits. Defaults to `None`: no mark.
    """
    import pandas as pd

    point = re.escape(decimal)
    whole = r"\d+" if thousands is None else rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
    numeral = re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?", re.ASCII)
    codes, texts = pd.factorize(column)
    entries = np.empty(len(texts) + 1, object)
    entries[-1] = None
    clean = True
    for i, text in enumerate(texts):
        entries[i] = text
        if isinstance(text, str) and numeral.fullmatch(text.strip()):
            text = text.strip() if thousands is None else text.strip().replace(thousands, "")
            entries[i] = float(text.replace(decimal, "."))
        else:
            clean = False
    if clean:
        entries[-1] = np.nan
        return pd.Series(entries.astype(np.float64)[codes], column.index)
    return pd.Series(entries[codes], column.index, dtype=object)


def marks_of(
    texts: Iterable[str], decimal: str | None = None, thousands: str | None = None
) -> tuple[str, str | None]:
    """The marks that all numbers of a column agree on.

    Args:
        texts: entries, each once.
        decimal: the mark before decimals, if it is known. Defaults to `None`.
        thousands: the mark between thousands, if it is known. Defaults to `None`.

    Returns:
        The mark of decimals, and that of thousands or `None`.

    Raises:
        ValueError: if the texts can be read in two ways or none; its message is one of these texts.
    """
    decimals = {decimal: ""} if decimal else {}
    groups = {thousands: ""} if thousands else {}
    unclear: dict[str, str] = {}
    for text in texts:
        found = _NUMERAL.fullmatch(text.strip())
        marks = re.sub(r"\d", "", found[1], flags=re.ASCII) if found else ""
        if not found or not marks:
            continue
        first, last = marks[0], marks[-1]
        if marks in ",." and found[1] != text.strip().lstrip("+-"):  # 1.234e5
            decimals.setdefault(last, text)
        elif len(set(marks)) > 1 or last not in ",.":
            if last in ",." and first != last:
                decimals.setdefault(last, text)
                marks = marks[:-1]
            groups.setdefault(first, text)
            if set(marks) != {first}:
                raise ValueError(text)
        elif len(marks) > 1:
            groups.setdefault(last, text)
        elif re.fullmatch(r"[1-9]\d{0,2}.\d{3}", found[1]):
            unclear.setdefault(last, text)
        else:
            decimals.setdefault(last, text)
    for mark, text in unclear.items():
        if mark in decimals or mark in groups:
            continue
        if decimals:
            groups.setdefault(mark, text)
        elif groups:
            decimals.setdefault(mark, text)
        else:
            raise ValueError(text)
    both = {**decimals, **groups}
    if len(decimals) > 1 or len(groups) > 1 or decimals.keys() & groups.keys():
        raise ValueError(next((text for text in reversed(both.values()) if text), ""))
    return next(iter(decimals), "." if "." not in groups else ","), next(iter(groups), None)
