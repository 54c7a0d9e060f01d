"""What gives a pair the score of a second stage of clicks."""

import numpy as np

from kerasrec.recommender import _order, _vectors
from kerasrec.recommender._clicks import clicks_of
from kerasrec.recommender._contributions import Part
from kerasrec.recommender._state import State


def parts_of_clicks(state: State, user: int, item: int) -> list[Part]:
    """What each column adds to the log-odds of a click: what they lose where the column says nothing.

    A category is taken for missing, a number for the mean of the training rows. What is left is in the last
    row, so that all sum to the log-odds.

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
