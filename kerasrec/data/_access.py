"""The non-public parts of interactions that other packages read."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._kinds import Meaning

if TYPE_CHECKING:
    from kerasrec.data._raw_ids import Ids
    from kerasrec.data.interactions import Interactions


def meaning_of(interactions: "Interactions") -> Meaning:
    """The meaning of the values and times."""
    return interactions._meaning


def event_counts_of(interactions: "Interactions") -> np.ndarray | None:
    """Number of events that each value is the mean of, `[n]`, or `None` if values are not means."""
    return interactions._counts


def with_meaning(
    interactions: "Interactions", meaning: Meaning, event_counts: np.ndarray | None
) -> "Interactions":
    """The same rows with another meaning.

    Args:
        interactions: `Interactions`.
        meaning: what the values and times are.
        event_counts: as `event_counts_of` gives them.
    """
    found = copy.copy(interactions)
    found.__dict__.pop("_all_liked", None)  # depends on the meaning
    found._meaning, found._counts = meaning, event_counts
    return found


def with_columns(interactions: "Interactions", **columns: Any) -> "Interactions":
    """Interactions with other columns or vocabularies, without the events of these rows.

    Args:
        interactions: `Interactions`.
        **columns: attributes of `Interactions`.
    """
    return interactions._with(**columns)


def is_opened(interactions: "Interactions") -> bool:
    """Whether the columns are on disk; `_opened.disk_of` gives the parts besides the columns."""
    return interactions._disk is not None


def column_names_of(interactions: "Interactions") -> dict[str, Any]:
    """Names that `user`, `item`, `value` and `time` have in the table; `None` if it has none."""
    return interactions._columns


def ids_of(interactions: "Interactions") -> tuple["Ids", "Ids"]:
    """Raw ids of users and items, which may be on disk."""
    return interactions._user_ids, interactions._item_ids


def row_counts_of(interactions: "Interactions") -> tuple[np.ndarray, np.ndarray]:
    """Number of rows of each user `[U]` and of each item `[I]`."""
    return interactions._user_counts, interactions._item_counts
