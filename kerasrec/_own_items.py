"""Tells a loss which items of a list are a row's own, if the batch shares the others."""

import weakref
from typing import Any

# By the identity of the scores, while they exist; not every backend's tensors accept attributes.
_noted: dict[int, tuple[Any, int]] = {}


def mark_own(scores: Any, n: int) -> None:
    """Note for scores `[B, L]` that the positives of a row are among its first `n` items."""
    key = id(scores)
    _noted[key] = weakref.ref(scores, lambda _: _noted.pop(key, None)), n


def own_items(scores: Any) -> int | None:
    """The number that `mark_own` noted; `None` without a note, when positives can be anywhere."""
    reference, n = _noted.get(id(scores), (None, None))
    return n if reference is not None and reference() is scores else None
