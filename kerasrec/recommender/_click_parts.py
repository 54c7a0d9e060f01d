"""The contributions of columns to the score of a click model in a second stage."""

import numpy as np

from kerasrec.recommender import _order, _vectors
from kerasrec.recommender._clicks import clicks_of
from kerasrec.recommender._contributions import Part
from kerasrec.recommender._state import State


def parts_of_clicks(state: State, user: int, item: int) -> list[Part]:
    """The contribution of each column to the log-odds of a click: the difference that leaving it out makes.

    A column is left out by making its category missing, or its number the mean. The last part holds the
    rest, so that the sum is the log-odds.

    Args:
        state: `State` of two stages.
        user: code.
        item: code.
    """
    clicks = clicks_of(state)
    users, items = np.array([user]), np.array([[item]])
    first = _order.scores_of(_vectors.ranker(state), users, items)
    inputs = clicks.inputs(state)(users, items, first)
    whole, *without = clicks.predicted_without_each(inputs)
    columns = list(clicks.names)
    parts = [Part("column", name, whole - odds, False) for name, odds in zip(columns, without, strict=True)]
    return [*parts, Part("model", "all together", whole - sum(part.contribution for part in parts), False)]
