"""Adapts a click model to a first stage whose scores have changed scale in training."""

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kerasrec.data import InputColumns
from kerasrec.data.columns import Number
from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    from kerasrec.recommender.ranker import Ranker

_SCORE = "candidate_score"
# Number of users whose candidates are used to estimate the scale of the scores.
_USERS = 1000
# The scale has changed if the mean moved by this many deviations, or the deviation by this factor.
_APART = 3.0


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the scores of candidates."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, state: State, n_candidates: int) -> "Scale":
        """The scale of the first stage of a state, from a sample of its users."""
        users = np.flatnonzero(state.history.counts(np.arange(state.n_users)))
        users = users[:: max(1, len(users) // _USERS)]
        blocks = _vectors.ranker(state).rank(users, n_candidates, state.history)
        scores = np.concatenate([block.scores[block.items >= 0] for block in blocks]).astype(np.float64)
        return cls(float(scores.mean()), float(scores.std())) if len(scores) else cls(0.0, 0.0)

    def resembles(self, other: "Scale") -> bool:
        """Whether another scale is close enough for a ranker to read its scores correctly."""
        near = abs(other.mean - self.mean) <= _APART * self.deviation
        return near and self.deviation / _APART <= other.deviation <= self.deviation * _APART


def reads_scores(ranker: "Ranker") -> bool:
    """Whether a ranker has a column of the first stage's scores that can follow their scale."""
    kind = ranker.columns.fitted.get(_SCORE)
    return isinstance(kind, Number) and kind.scale == "standard"


def rescaled(ranker: "Ranker", before: Scale, now: Scale) -> "Ranker":
    """A ranker with the same model that reads scores on the scale `now` as it read those on `before`.

    Scores move as training goes on: with more data, for instance, a strong weight decay may no longer keep
    them near 0. Scores hundreds of deviations from those in training would all look the same to the ranker.

    Args:
        ranker: `Ranker` that `reads_scores`.
        before: scale of the scores that the ranker was fitted to.
        now: scale of the scores that it will read.
    """
    columns = ranker.columns
    learned = columns.fitted[_SCORE]
    center, spread = learned.state
    factor = now.deviation / before.deviation if before.deviation > 0 and now.deviation > 0 else 1.0
    state = [now.mean + (center - before.mean) * factor, spread * factor]
    found = copy.copy(ranker)
    fitted = columns.fitted | {_SCORE: replace(learned, state=state)}
    found.columns = InputColumns(fitted, columns.user, columns.item)
    return found
