"""What a search optimises: which figure, in which direction, and who reports it."""

import re
from typing import Any

import keras_tuner

from kerasrec._names import did_you_mean
from kerasrec.data import Impressions
from kerasrec.evaluation import ClickMetrics, RankingMetrics
from kerasrec.evaluation._plan_arguments import AT_K, LOWER_IS_BETTER, METRICS, OF_FEATURES, RATING
from kerasrec.recommender._click_training import OBJECTIVES
from kerasrec.tuning._data import Data


def _direction(metric: str) -> str:
    return "min" if metric in LOWER_IS_BETTER else "max"


_AT_K = {metric: _direction(metric) for metric in AT_K if metric not in OF_FEATURES}
_EXACT = {f"val_{metric}": _direction(metric) for metric in METRICS if metric not in AT_K}
_OF_RATINGS = tuple(f"val_{metric}" for metric in RATING)
_CLICKS = {f"val_{name}": direction for name, direction in OBJECTIVES.items()}
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
        exact = bool(at) or name in _EXACT or name in _CLICKS
        self.metric = metric if exact else None
        self.k = int(k) if at else 10
        self.keras_metric = metric if metric in _ERRORS else None

    def callback(self, validation: Data, train: Any, n_users: int | None) -> Any:
        """What writes it into the logs, where Keras does not."""
        if isinstance(validation, Impressions):
            if self.metric == "user_auc" and validation.users is None:
                raise ValueError(
                    "`objective='val_user_auc'` needs a column of users: pass `user=` to "
                    "`Impressions.from_frame`. Received: impressions without."
                )
            return ClickMetrics(validation)
        if self.metric is None:
            return None
        return RankingMetrics(validation, train, self.k, metrics=(self.metric,), n_users=n_users)


def objective(given: Any, card: Any = None, clicks: bool = False) -> Objective:
    """The objective that was asked for, of a model of the zoo or (no card) any.

    Args:
        given: name, `(name, direction)`, or `keras_tuner.Objective`.
        card: `Card`, or `None`.
        clicks: bool, whether the search is of impressions. Defaults to `False`.
    """
    if isinstance(given, keras_tuner.Objective):
        given = (given.name, given.direction)
    name, direction = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
    if not isinstance(name, str):
        raise ValueError(
            "`objective` must be a name, (name, 'max') or (name, 'min'), or one `keras_tuner.Objective`. "
            f"Received: objective={given!r}."
        )
    known = _known(card, clicks)
    at_k = {} if clicks else _AT_K
    ranked = re.fullmatch(r"val_(\w+)@([1-9]\d*)", name)
    if ranked and ranked[1] in at_k:
        usual = at_k[ranked[1]]
    elif name in known:
        usual = known[name]
    elif card is None and not ranked and direction is not None:
        usual = direction
    else:
        listed = [*(f"val_{metric}@10" for metric in at_k), *known]
        whose = "of this search" if card is None else f"that {card.name} reports"
        other = (
            (" For another figure of your own model, give its direction: ('val_x', 'max').")
            if not card
            else ""
        )
        raise ValueError(
            f"`objective` must be a figure {whose}: {', '.join(listed)}"
            f"{', or with another cut-off' * bool(at_k)}."
            f"{did_you_mean(name, listed)}{other} Received: objective={name!r}."
        )
    if direction not in (None, "max", "min"):
        raise ValueError(f"The direction of `objective` must be 'max' or 'min'. Received: {direction!r}.")
    return Objective(name, direction or usual)


def _known(card: Any, clicks: bool) -> dict[str, str]:
    """What a model reports beside the metrics of lists."""
    if clicks:
        return dict(_CLICKS)
    if card is not None and card.task == "ranking":
        return {name: direction for name, direction in _EXACT.items() if name not in _OF_RATINGS}
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
        f"`objective` must be a figure that the model reports: {listed}.{did_you_mean(name, logs)} "
        f"Received: objective={name!r}."
    )
