"""What a search optimises: which figure, in which direction, and who reports it."""

import re
from typing import Any

import keras_tuner

from kerasrec.data import Interactions
from kerasrec.evaluation import RankingMetrics
from kerasrec.tuning._spaces import nearest

_AT_K = ("ndcg", "recall", "precision", "hit_rate", "f1", "map", "mrr", "graded_ndcg", "coverage", "novelty")
_LOWER_AT_K = ("gini", "popularity_bias")
_EXACT = {"val_auc": "max", "val_rmse": "min", "val_mae": "min"}
_ERRORS = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error")


class Objective(keras_tuner.Objective):
    """A figure and its direction.

    Args:
        name: as it stands in the logs of an epoch.
        direction: `"max"` or `"min"`.

    Attributes:
        metric: the exact metric that it is, or `None` where Keras reports it.
        k: its cut-off.
        keras_metric: what a rating model has to be compiled with to report it, or `None`.
    """

    def __init__(self, name: str, direction: str) -> None:
        super().__init__(name, direction)
        metric, at, k = name.removeprefix("val_").partition("@")
        exact = bool(at) or name in _EXACT
        self.metric = metric if exact else None
        self.k = int(k) if at else 10
        self.keras_metric = metric if metric in _ERRORS else None

    def callback(self, validation: Interactions, train: Interactions, n_users: int | None) -> Any:
        """What writes it into the logs, where Keras does not."""
        if self.metric is None:
            return None
        return RankingMetrics(validation, train, self.k, metrics=(self.metric,), n_users=n_users)


def objective(given: Any, card: Any = None) -> Objective:
    """The objective that was asked for, of a model of the zoo or (no card) any.

    Args:
        given: name, `(name, direction)`, or `keras_tuner.Objective`.
        card: `Card`, or `None`.
    """
    if isinstance(given, keras_tuner.Objective):
        given = (given.name, given.direction)
    name, direction = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
    if not isinstance(name, str):
        raise ValueError(
            "`objective` must be a name, (name, 'max') or (name, 'min'), or one `keras_tuner.Objective`. "
            f"Received: objective={given!r}."
        )
    known = _known(card)
    ranked = re.fullmatch(r"val_(\w+)@([1-9]\d*)", name)
    if ranked and ranked[1] in (*_AT_K, *_LOWER_AT_K):
        usual = "min" if ranked[1] in _LOWER_AT_K else "max"
    elif name in known:
        usual = known[name]
    elif card is None and not ranked and direction is not None:
        usual = direction
    else:
        listed = [*(f"val_{metric}@10" for metric in (*_AT_K, *_LOWER_AT_K)), *known]
        whose = "of this search" if card is None else f"that {card.name} reports"
        other = " Another one of your own model's needs its direction: ('val_x', 'max')." if not card else ""
        raise ValueError(
            f"`objective` must be a figure {whose}: {', '.join(listed)}, or with another cut-off."
            f"{nearest(name, listed)}{other} Received: objective={name!r}."
        )
    if direction not in (None, "max", "min"):
        raise ValueError(f"The direction of `objective` must be 'max' or 'min'. Received: {direction!r}.")
    return Objective(name, direction or usual)


def _known(card: Any) -> dict[str, str]:
    """What a model reports beside the metrics of lists."""
    if card is not None and card.task == "ranking":
        return {"val_auc": "max"}
    if card is not None and card.optimizer is None:
        return dict(_EXACT)
    errors = {f"val_{name}": "min" for name in _ERRORS}
    return {"val_loss": "min", **errors, **_EXACT}


class UnknownObjective(ValueError):
    """The figure that is to be optimised is not there: no trial could do better."""


def missing(name: str, logs: dict[str, Any]) -> str:
    """The message about a figure that training did not report."""
    listed = ", ".join(sorted(logs)) or "nothing"
    return (
        f"`objective` must be a figure that the model reports: {listed}.{nearest(name, logs)} "
        f"Received: objective={name!r}."
    )
