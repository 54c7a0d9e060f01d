"""A ranker that reads the scores of a first stage that was trained again."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import InputColumns
from kerasrec.layers import find_catalogue
from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    from kerasrec.recommender.ranker import Ranker

_SCORE = "candidate_score"
# Users whose candidates show on which scale the scores are.
_USERS = 1000
# Scores are on another scale if their mean moved by so many deviations, or the deviation by such a factor.
_APART = 3.0


def rescaled(ranker: "Ranker", before: State, now: State, n_candidates: int) -> "Ranker":
    """The ranker, which takes the scores of the first stage as it is now for those that it learned from.

    With more data, a strong decay may no longer hold a model at nearly 0. Its scores would then be hundreds
    of deviations from those of the training, and the ranker would give all candidates the same score.

    Args:
        ranker: `Ranker`, trained on candidates of `before`.
        before: `State` of the first stage that found them.
        now: `State` of the first stage in use.
        n_candidates: int.

    Returns:
        `ranker` itself if both are on the same scale.
    """
    mean, deviation = _scale(before, n_candidates)
    new_mean, new_deviation = _scale(now, n_candidates)
    alike = deviation / _APART <= new_deviation <= deviation * _APART
    if alike and abs(new_mean - mean) <= _APART * deviation:
        return ranker
    columns = ranker.columns
    learned = columns.fitted[_SCORE]
    center, spread = learned.state
    factor = new_deviation / deviation if deviation > 0 and new_deviation > 0 else 1.0
    state = [new_mean + (center - mean) * factor, spread * factor]
    fitted = columns.fitted | {_SCORE: replace(learned, state=state)}
    catalogue: Any = find_catalogue(ranker.model)
    arrays = InputColumns(fitted, columns.user, columns.item).to_arrays()
    catalogue.attachments = {**catalogue.attachments, "columns": arrays}
    return type(ranker)(ranker.model, ranker.users, ranker.items)


def _scale(state: State, n_candidates: int) -> tuple[float, float]:
    """Mean and standard deviation of the scores of candidates."""
    users = np.flatnonzero(state.history.counts(np.arange(state.n_users)))
    users = users[:: max(1, len(users) // _USERS)]
    blocks = _vectors.ranker(state).rank(users, n_candidates, state.history)
    scores = np.concatenate([block.scores[block.items >= 0] for block in blocks]).astype(np.float64)
    return float(scores.mean()), float(scores.std())
