"""The objective of a search: a metric, its direction, and where its value comes from."""

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
    """A metric and its direction.

    Args:
        name: its name in the logs of an epoch.
        direction: `"max"` or `"min"`.

    Attributes:
        metric: name of the exact metric, or `None` if Keras reports it.
        k: its cut-off.
        keras_metric: Keras metric that a rating model must be compiled with to report it, or `None`.
    """

    def __init__(self, name: str, direction: str) -> None:
        super().__init__(name, direction)
        metric, at, k = name.removeprefix("val_").partition("@")
        exact = bool(at) or name in _EXACT or name in _CLICKS
        self.metric = metric if exact else None
        self.k = int(k) if at else 10
        self.keras_metric = metric if metric in _ERRORS else None

    def callback(self, validation: Data, train: Any, n_users: int | None) -> Any:
        """The callback that writes it to the logs; `None` if Keras does."""
        if isinstance(validation, Impressions):
            if self.metric == "user_auc" and validation.users is None:
                raise ValueError(
                    "`objective='val_user_auc'` needs a column of users: pass `user=` to "
                    "`Impressions.from_frame`. Received: impressions without users."
                )
            return ClickMetrics(validation)
        if self.metric is None:
            return None
        return RankingMetrics(validation, train, self.k, metrics=(self.metric,), n_users=n_users)


def objective(given: Any, card: Any = None, clicks: bool = False) -> Objective:
    """The requested objective, checked.

    Args:
        given: name, `(name, direction)`, or `keras_tuner.Objective`.
        card: `Card` of a model of the zoo, or `None` for any other model.
        clicks: bool, whether the data are impressions. Defaults to `False`.
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
            " For another metric of your own model, give its direction: ('val_x', 'max')." if not card else ""
        )
        raise ValueError(
            f"`objective` must be a metric {whose}: {', '.join(listed)}"
            f"{', or one of these with another cut-off' * bool(at_k)}."
            f"{did_you_mean(name, listed)}{other} Received: objective={name!r}."
        )
    if direction not in (None, "max", "min"):
        raise ValueError(f"The direction of `objective` must be 'max' or 'min'. Received: {direction!r}.")
    return Objective(name, direction or usual)


def _known(card: Any, clicks: bool) -> dict[str, str]:
    """The metrics that a model reports in addition to those of lists."""
    if clicks:
        return dict(_CLICKS)
    if card is not None and card.task == "ranking":
        return {name: direction for name, direction in _EXACT.items() if name not in _OF_RATINGS}
    if card is not None and card.optimizer is None:
        return dict(_EXACT)
    errors = {f"val_{name}": "min" for name in _ERRORS}
    return {"val_loss": "min", **errors, **_EXACT}


class UnknownObjective(ValueError):
    """The model does not report the objective, so every trial would fail."""


def missing(name: str, logs: dict[str, Any]) -> str:
    """The message about a metric that training did not report."""
    listed = ", ".join(sorted(logs)) or "nothing"
    return (
        f"`objective` must be a metric that the model reports: {listed}.{did_you_mean(name, logs)} "
        f"Received: objective={name!r}."
    )
