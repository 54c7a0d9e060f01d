"""Entries of a column as text; equal texts are one category."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import valid_text

if TYPE_CHECKING:
    import pandas as pd


def text_of(entries: "pd.Series[Any]") -> tuple[np.ndarray, np.ndarray]:
    """The different texts of a column, and the text of each row; -1 if its entry is missing.

    Args:
        entries: text, numbers, truth values or dates.

    Returns:
        Texts `[V]` and codes `[n]`.
    """
    import pandas as pd

    try:
        codes, uniques = pd.factorize(entries)
    except TypeError:
        odd = next(x for x in entries if isinstance(x, (list, dict, set, np.ndarray)))
        raise TypeError(
            f"Column {entries.name!r} must have one text or number per row; for lists, "
            f"`series.str.join('|')` makes text for `Labels`. Received: {odd!r}."
        ) from None
    written = [_text(x) for x in np.asarray(uniques, object)]
    again, texts = pd.factorize(np.asarray(written, object))
    there = np.append(again, -1)[codes]
    empty = [place for place, text in enumerate(texts) if not text]
    return np.asarray(texts, object), np.where(np.isin(there, empty), -1, there)


def _text(entry: Any) -> str:
    """Text without spaces around it, and one form of a whole number."""
    if isinstance(entry, str):
        valid_text(entry)
        return entry.strip()
    if isinstance(entry, (float, np.floating)) and float(entry).is_integer():
        return str(int(entry))
    return str(entry)
