from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import keras

from kerasrec.data import Impressions, Interactions, Sequences
from kerasrec.evaluation._plan import Plan
from kerasrec.evaluation._plan_arguments import DEFAULT_METRICS
from kerasrec.evaluation.click_metrics import check_columns, click_report
from kerasrec.evaluation.click_report import ClickReport
from kerasrec.evaluation.report import EvaluationReport


@overload
def evaluate(model: Any, test: Impressions, *, name: str | None = None) -> ClickReport: ...


@overload
def evaluate(
    model: Any,
    test: Interactions,
    train: Interactions | None = None,
    k: int | Sequence[int] = (10,),
    metrics: Iterable[str] = DEFAULT_METRICS,
    users: Any = None,
    exclude_seen: bool = True,
    batch_size: int | None = None,
    seed: int = 0,
    item_features: Any = None,
    name: str | None = None,
    history: Interactions | Sequences | None = None,
    columns: Mapping[str, Any] | None = None,
    candidates: Interactions | None = None,
    given: Interactions | None = None,
) -> EvaluationReport: ...


def evaluate(
    model: Any,
    test: Interactions | Impressions,
    train: Interactions | None = None,
    k: int | Sequence[int] = (10,),
    metrics: Iterable[str] = DEFAULT_METRICS,
    users: Any = None,
    exclude_seen: bool = True,
    batch_size: int | None = None,
    seed: int = 0,
    item_features: Any = None,
    name: str | None = None,
    history: Interactions | Sequences | None = None,
    columns: Mapping[str, Any] | None = None,
    candidates: Interactions | None = None,
    given: Interactions | None = None,
) -> EvaluationReport | ClickReport:
    """Rank the whole catalogue exactly for every user with test items, and measure the lists.

    A test interaction is relevant if its value is above 0 (`test.at_least(4)` turns ratings into likes).
    Users without relevant interactions are left out of every mean. A list is shorter than k if fewer items
    are left. Ties are broken by one pseudo-random order of the catalogue. Only the scores of a block of users
    are in memory at once, however large the catalogue is.

    A model with an input `history` gets the user's events in `train` before the user's first test event. If
    you have held validation events out of training, add them to `train` for the test.

    Args:
        model: a `keras.Model` with an input `item` and further inputs of `kerasrec.data.ModelInputs`, a
            recommender with such a model, or any object with a method
            `score_catalogue(user_codes) -> [B, I]`.
        test: held-out `Interactions`; or `Impressions`, to evaluate the probabilities of a click model. With
            impressions only `name` applies among the other arguments.
        train: `Interactions` that the model was trained on. Their items are left out of the lists, and their
            counts give slices, novelty and popularity. Defaults to `None`: nothing is left out, and the
            report says so.
        k: cut-off of the lists, or several. Defaults to `(10,)`.
        metrics: names among `recall`, `precision`, `hit_rate`, `f1`, `ndcg`, `graded_ndcg`, `map`, `mrr`,
            `auc`, `coverage`, `gini`, `novelty`, `popularity_bias`, `diversity`, and `rmse` and `mae` for
            rating models. Defaults to
            `("recall", "precision", "hit_rate", "ndcg", "map", "mrr", "f1", "coverage")`.
        users: raw ids of the users to evaluate. Defaults to `None`: all.
        exclude_seen: bool, whether to leave a user's training items out of the list and of the relevant
            items. Defaults to `True`.
        batch_size: int, users per block. Defaults to `None`: as many as fit.
        seed: int, seed of the order of ties. Defaults to `0`.
        item_features: `Features` of the items, or a matrix `[I, F]`; needed for `diversity`.
            Defaults to `None`.
        name: name of the model in the report. Defaults to `None`: its own name.
        history: `Interactions` or `kerasrec.data.Sequences`, the users' earlier events, for models with an
            input `history`. Defaults to `None`: `train`.
        columns: further inputs of the user side by name, arrays `[U]` by user code. Defaults to `None`.
        candidates: `Interactions` whose pairs are the items to rank for each user, together with the relevant
            items, instead of the catalogue. Such metrics are called sampled, and cannot be compared with
            exact ones. Defaults to `None`.
        given: known `Interactions` of users who were held out of training
            (`kerasrec.data.splits.held_out_users`). They are the histories of these users, and are left out
            of their lists. Models without an input `history` fold these users in. Defaults to `None`.

    Returns:
        `EvaluationReport`; `ClickReport` for impressions.

    Raises:
        ValueError: if `k` is not positive, a metric is unknown or lacks data that it needs, the test set is
            empty or has no relevant interaction, ids differ from those of the model, or a score is NaN.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import Impressions, Interactions, Sequences
        >>> ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
        >>> train, test = Interactions([0, 0, 1], [0, 1, 1], **ids), Interactions([0, 1], [2, 0], **ids)
        >>> model = kerasrec.zoo.create("popularity", train)
        >>> report = kerasrec.evaluation.evaluate(model, test, train, k=(1, 2))
        >>> report["recall@1"], report.per_user("recall@2").to_dict()
        (1.0, {'ann': 1.0, 'bob': 1.0})
    """
    if isinstance(test, Impressions):
        check_columns(model, test, "`test`")
        return click_report(model, test, name)
    plan = Plan(
        test,
        train,
        k,
        metrics,
        users,
        exclude_seen,
        batch_size,
        seed,
        item_features,
        history=history,
        columns=columns,
        candidates=candidates,
        given=given,
    )
    return plan.run(keras_model(model), name)


def keras_model(model: Any) -> Any:
    """The model of a recommender; anything else unchanged."""
    if isinstance(model, keras.layers.Layer) or hasattr(model, "score_catalogue"):
        return model
    return getattr(model, "model", model)
