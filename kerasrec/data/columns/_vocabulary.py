"""Vocabularies of categories, and their rows in an embedding table."""

from typing import Any

import numpy as np

# Rows of an embedding table for missing and unknown entries, and the first row of a category.
MISSING, UNKNOWN, FIRST = 0, 1, 2
_TRUTHS = ("true", "false")


def vocabulary_of(texts: Any, codes: np.ndarray, min_count: int) -> list[str]:
    """The sorted texts with at least `min_count` rows."""
    counts = np.bincount(codes, minlength=len(texts))
    return sorted(text for text, count in zip(texts, counts, strict=True) if count >= min_count)


def is_vocabulary(state: Any) -> bool:
    """Whether this is a list of unique texts."""
    return (
        isinstance(state, list)
        and all(isinstance(text, str) for text in state)
        and len(set(state)) == len(state)
    )


def places_in(vocabulary: list[str], texts: Any) -> np.ndarray:
    """The code of each text; texts that were not in training get the code of unknown entries.

    `"true"`, `"True"` and `"TRUE"` are the same, unless they were different categories in training.
    """
    import pandas as pd

    places = pd.Index(vocabulary, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    # Files spell truth values in several ways, and pandas reads some of them as `True`.
    truths = {text.lower(): place for place, text in enumerate(vocabulary) if text.lower() in _TRUTHS}
    if truths:
        for row in np.flatnonzero(places < 0):
            places[row] = truths.get(texts[row].lower(), -1)
    return np.where(places < 0, UNKNOWN, places + FIRST).astype(np.int32)
