"""The rows of a table that count as likes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasrec.data import Interactions


def likes(whole: "Interactions", at_least: float | None, has_values: bool) -> "Interactions":
    """The interactions that are likes."""
    if at_least is None:
        return whole
    if not has_values and whole.kind != "counts":
        raise ValueError(
            "`--at-least` needs a column of ratings, which `--value-column` names, or `--kind counts`. "
            f"Received: {at_least:g}, and no column's name looks like ratings."
        )
    liked = whole.at_least(at_least)
    if not len(liked):
        raise ValueError(
            f"`--at-least` must keep some ratings. Received: {at_least:g}; the highest is "
            f"{whole.values.max():g}."
        )
    return liked


def what_counts(whole: "Interactions", at_least: float | None, has_values: bool) -> str:
    """Which values count as likes, in words."""
    if at_least is not None:
        return f"{whole.kind} of at least {at_least:g}; lower ones are dropped"
    if not has_values:
        return "every row, as no column's name looks like ratings; `--value-column` names one"
    if whole.kind == "counts":
        return "every row with a count above 0, weighted by the count on a log scale"
    low, high = float(whole.values.min()), float(whole.values.max())
    if low > 0 and low < high and whole.kind == "ratings":
        return f"every rating, from {low:g} to {high:g}; `--at-least` drops the low ones"
    return "every row with a value above 0"


def repeats(train: "Interactions", test: "Interactions | None") -> str:
    """The number of held-out rows that the user also has in training, as the end of a sentence."""
    import numpy as np

    from kerasrec.data._access import is_opened

    if test is None or not len(test) or is_opened(train):
        return ""
    keys = (x.users.astype(np.int64) * x.n_items + x.items for x in (train, test))
    n = int(np.isin(*reversed(tuple(keys))).sum())
    return f"; {n:,} of these repeat what the user had in training and are not evaluated" if n else ""
