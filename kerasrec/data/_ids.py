"""The rule for ids, the same for frames, files, queries and the command line.

An id is kept as it is written. A whole number in a column of floats or decimals becomes an integer.
Anything else is refused.
"""

import contextlib
import datetime
import decimal
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

_INTEGER = re.compile(r"(0|-?[1-9]\d{0,18})(\.0+)?", re.ASCII)
_AS_FLOAT = re.compile(r"-?\d+\.0+", re.ASCII)
# Characters without a width, and the no-break space.
_UNSEEN = {0x200B: None, 0x2060: None, 0xFEFF: None, 0xA0: " "}
# If ids joined by line ends contain none of these, no two of them look the same.
_MARKS = ("\n ", " \n", ".0", "\n\n", *"\t\r\x0b\x0c\x1c\x1d\x1e\x1f")
_NO_IDS = (bool, np.bool_, bytes, datetime.date, datetime.timedelta, np.datetime64, np.timedelta64)
# Faults and remedies, for `refuse`.
NOT_WHOLE = (
    "ids that are fractions, or floats beyond 2^53, where several integers share one float",
    "Read the column as text or integers, e.g. with `dtype=str`.",
)
NOT_IDS = (
    "ids that are true or false, dates or bytes",
    "Name the column of ids, or convert them to text, e.g. with `.str.decode('utf-8')` or `.astype(str)`.",
)
BROKEN = ("ids with half a character (a lone surrogate)", "Read the column with its encoding.")


def normalized(raw: np.ndarray, dtype: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Apply the rule to ids; numbers that are not whole stay unchanged.

    Args:
        raw: ids, of any type.
        dtype: type of their column. Defaults to `None`: that of `raw`.

    Returns:
        The ids, int64 or objects, and which are refused as `NOT_WHOLE`.
    """
    if raw.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = (np.abs(raw) < _limit(dtype or raw.dtype)) & (raw == np.floor(raw))
        if whole.all():
            return raw.astype(np.int64), ~whole
        ids = raw.astype(object)
        ids[whole] = raw[whole].astype(np.int64).astype(object)
        return ids, ~whole
    refused = np.zeros(len(raw), bool)
    if raw.dtype.kind != "O":
        return raw, refused
    numbers = [i for i, entry in enumerate(raw) if isinstance(entry, (float, np.floating, decimal.Decimal))]
    if not numbers:
        return raw, refused
    raw = raw.copy()
    for i in numbers:
        number = _whole(raw[i])
        if number is None:
            refused[i] = True
        else:
            raw[i] = number
    if all(isinstance(entry, (int, np.integer)) for entry in raw):
        with contextlib.suppress(OverflowError):  # integers beyond int64 stay objects
            raw = raw.astype(np.int64)
    return raw, refused


def all_plain(raw: np.ndarray) -> bool:
    """Whether all ids are ASCII text that the rule does not change, by a quick check."""
    try:
        joined = "\n".join(["", *raw, ""])
    except TypeError:
        return False
    return joined.isascii() and not any(mark in joined for mark in _MARKS)


def not_ids(raw: np.ndarray) -> np.ndarray:
    """Which entries cannot be ids: truth values, dates, durations and bytes."""
    if raw.dtype.kind != "O":
        return np.full(len(raw), raw.dtype.kind in "bSmM")
    return np.fromiter((isinstance(entry, _NO_IDS) for entry in raw), bool, len(raw))


def broken(raw: np.ndarray) -> np.ndarray:
    """Which ids no file can hold, because they contain half of a surrogate pair."""
    if raw.dtype.kind != "O":
        return np.zeros(len(raw), bool)
    return np.fromiter((isinstance(entry, str) and not _encodes(entry) for entry in raw), bool, len(raw))


def alike(raw: np.ndarray) -> tuple[Any, Any] | None:
    """Two ids that differ only in outer spaces, `.0`, the encoding of an accent or the type; or `None`."""
    if raw.dtype.kind != "O":
        return None
    keys = [key(entry) for entry in raw]
    if all(own is entry for own, entry in zip(keys, raw, strict=True)):
        return None
    seen: dict[Any, Any] = {}
    for own, entry in zip(keys, raw, strict=True):
        if own in seen:
            return seen[own], entry
        seen[own] = entry
    return None


def integer(text: str) -> int | None:
    """The integer that a text denotes, such as `7` or `7.0` but not `07`; otherwise `None`."""
    written = _INTEGER.fullmatch(text)
    if written is None:
        return None
    number = int(written[1])
    return number if -(2**63) <= number < 2**63 and (not written[2] or abs(number) < 2**53) else None


def integers(texts: Iterable[str]) -> np.ndarray | None:
    """The integers that texts denote; `None` if one of them is no integer."""
    found = []
    for text in texts:
        number = integer(text)
        if number is None:
            return None
        found.append(number)
    return np.asarray(found, np.int64)


def _limit(dtype: Any) -> float:
    """The limit below which floats of a type represent all integers: 2^53, for float32 2^24."""
    return 2.0 ** (np.finfo(dtype).nmant + 1)


def _whole(entry: Any) -> int | None:
    if isinstance(entry, decimal.Decimal):
        return int(entry) if entry.is_finite() and entry == entry.to_integral_value() else None
    return int(entry) if abs(entry) < _limit(np.asarray(entry).dtype) and entry == np.floor(entry) else None


def _encodes(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def key(entry: Any) -> Any:
    """A key that is equal for ids that look the same; the id itself if it is plain."""
    if not isinstance(entry, str):
        return str(entry) if isinstance(entry, (int, np.integer)) else entry
    text = entry
    if not entry.isascii():
        text = unicodedata.normalize("NFC", entry).translate(_UNSEEN)
    text = text.strip()
    if text[-1:] == "0" and _AS_FLOAT.fullmatch(text):
        text = text.partition(".")[0]
    return entry if text == entry else text
