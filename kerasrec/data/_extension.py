"""Interactions with further events, as if all had been in one table."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _times
from kerasrec.data._columns import encode
from kerasrec.data._events import merged
from kerasrec.data._kinds import ADDING, Meaning

if TYPE_CHECKING:
    from kerasrec.data.interactions import Interactions


def joined(old: "Interactions", new: "Interactions", meaning: Meaning, name: Any) -> "Interactions":
    """Interactions and further events, combined by their policy.

    Args:
        old: the interactions.
        new: the events, with times and context where `old` has them, over vocabularies that begin with those
            of `old`.
        meaning: meaning of the result.
        name: name of the column of times, for messages.

    Returns:
        `Interactions` over the vocabularies of `new`.
    """
    if meaning.left_out and meaning.duplicates in ADDING:
        raise ValueError(
            "Events must be added before `at_least`, which dropped interactions that they would add "
            "to: extend the original interactions, or train on all events, and call `at_least` on "
            "the result. "
            f"Received: {meaning.kind} of at least {meaning.least:g}."
        )
    before = old.events
    if before.times is not None and new.times is not None:
        known = before._meaning.dates
        _times.check_same(before.times, known, new.times, new._meaning.dates, name)
    columns = {
        column: np.concatenate([getattr(before, column), getattr(new, column)])
        for column in ("users", "items", "values")
    }
    times = None
    if before.times is not None and new.times is not None:
        times = np.concatenate([before.times, new.times])
    rows = new._with(
        **columns,
        times=times,
        context={
            key: np.concatenate([x, new.context[key]])
            for key, x in before.context.items()
            if key in new.context
        },
    )
    rows._meaning = replace(meaning, least=None)
    if before._counts is not None or new._counts is not None:
        counts = (np.ones(len(x), np.int64) if x._counts is None else x._counts for x in (before, new))
        rows._counts = np.concatenate(list(counts))
    found = merged(rows)
    found._meaning = meaning
    return found if meaning.least is None else found.at_least(meaning.least)


def over_one_vocabulary(
    first: "Interactions", second: "Interactions"
) -> tuple["Interactions", "Interactions"]:
    """Two tables with the same codes: ids that only the second has come after those of the first."""
    import pandas as pd

    codes, ids = {}, {}
    for side in ("user", "item"):
        known, new = getattr(first, f"{side}_ids"), getattr(second, f"{side}_ids")
        codes[side], ids[f"{side}_ids"] = encode(pd.Series(new, dtype=new.dtype), side, known, grow=True)
    own = second._with(users=codes["user"][second.users], items=codes["item"][second.items], **ids)
    return first._with(**ids), own
