"""Vocabularies of categories, and which rows of a table of vectors they have."""

from typing import Any

import numpy as np

# Rows of a table of vectors that are no category.
MISSING, UNKNOWN, FIRST = 0, 1, 2
_TRUTHS = ("true", "false")


def vocabulary_of(texts: Any, codes: np.ndarray, min_count: int) -> list[str]:
    """The texts of at least so many rows, in order."""
    counts = np.bincount(codes, minlength=len(texts))
    return sorted(text for text, count in zip(texts, counts, strict=True) if count >= min_count)


def is_vocabulary(state: Any) -> bool:
    """Whether these are different texts."""
    return (
        isinstance(state, list)
        and all(isinstance(text, str) for text in state)
        and len(set(state)) == len(state)
    )


def places_in(vocabulary: list[str], texts: Any) -> np.ndarray:
    """The code of each text, which is that of the unknown where training knew none.

    `"true"`, `"True"` and `"TRUE"` are one, unless training knew them apart.
    """
    import pandas as pd

    places = pd.Index(vocabulary, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    # Files spell truth values in several ways, of which pandas reads some as `True`.
    truths = {text.lower(): place for place, text in enumerate(vocabulary) if text.lower() in _TRUTHS}
    if truths:
        for row in np.flatnonzero(places < 0):
            places[row] = truths.get(texts[row].lower(), -1)
    return np.where(places < 0, UNKNOWN, places + FIRST).astype(np.int32)
