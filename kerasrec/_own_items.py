"""How a model tells a loss which items of a list are a row's own, where the batch shares the others."""

import weakref
from typing import Any

# By the identity of the scores, as long as they live; not every backend's tensors take attributes.
_noted: dict[int, tuple[Any, int]] = {}


def mark_own(scores: Any, n: int) -> None:
    """Note on scores `[B, L]` that the positives of a row stand among its first `n` items."""
    key = id(scores)
    _noted[key] = weakref.ref(scores, lambda _: _noted.pop(key, None)), n


def own_items(scores: Any) -> int | None:
    """What `mark_own` noted; `None` for scores without a note, in which positives may stand anywhere."""
    reference, n = _noted.get(id(scores), (None, None))
    return n if reference is not None and reference() is scores else None
