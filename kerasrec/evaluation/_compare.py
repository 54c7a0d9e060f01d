import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kerasrec.data import Impressions, Interactions, Sequences
from kerasrec.evaluation._evaluate import keras_model
from kerasrec.evaluation._one_by_one import one_by_one
from kerasrec.evaluation._plan import Plan
from kerasrec.evaluation._plan_arguments import DEFAULT_METRICS, RATING
from kerasrec.evaluation.click_comparison import ClickComparison
from kerasrec.evaluation.click_metrics import check_columns, click_report
from kerasrec.evaluation.click_report import ClickReport
from kerasrec.evaluation.comparison import Comparison
from kerasrec.evaluation.report import EvaluationReport

BASELINES = ("popularity", "item_knn", "ease")
RATING_BASELINES = ("global_bias",)


def compare(
    models: Any,
    train: Interactions | None = None,
    test: Interactions | Impressions | None = None,
    k: int | Sequence[int] = (10,),
    metrics: Iterable[str] = DEFAULT_METRICS,
    users: Any = None,
    exclude_seen: bool = True,
    batch_size: int | None = None,
    seed: int = 0,
    item_features: Any = None,
    baselines: Iterable[str] | None = None,
    metric: str | None = None,
    significance: str = "randomisation",
    level: float = 0.05,
    history: Interactions | Sequences | None = None,
    columns: Mapping[str, Any] | None = None,
    candidates: Interactions | None = None,
    given: Interactions | None = None,
    tell: Callable[[str], None] | None = None,
) -> Comparison | ClickComparison:
    """Evaluate several models and baselines on the same users, and test the differences.

    The baselines are fitted on `train` with their default settings. EASE is left out, with a note, if its
    matrix would be too large. Closed-form models of the zoo among `models` count as baselines, too. Every
    model is tested against the best one, paired over users, with Holm's correction.

    Click models are compared on `Impressions`, or by their `ClickReport`s, by a paired bootstrap. There are
    no baselines except those that are given, and of the other arguments only `metric` and `level` apply.

    Args:
        models: a mapping of models by name, a list of models, or one model. Each is a model that `evaluate`
            takes, the name of a model in the zoo that needs no training (`"implicit_als"`), or an existing
            `EvaluationReport`.
        train: `Interactions` that the models were trained on. Defaults to `None`, if all `models` are
            reports.
        test: held-out `Interactions`. Defaults to `None`, if all `models` are reports.
        k: as in `evaluate`. Defaults to `(10,)`.
        metrics: as in `evaluate`. Defaults to
            `("recall", "precision", "hit_rate", "ndcg", "map", "mrr", "f1", "coverage")`.
        users: as in `evaluate`. Defaults to `None`.
        exclude_seen: as in `evaluate`. Defaults to `True`.
        batch_size: as in `evaluate`. Defaults to `None`.
        seed: as in `evaluate`. Defaults to `0`.
        item_features: as in `evaluate`. Defaults to `None`.
        baselines: names of models in the zoo. Defaults to `None`: `popularity`, `item_knn` and `ease`, or
            `global_bias` if `metrics` has a metric of ratings.
        metric: the metric by which models are ordered and tested. Defaults to `None`: the first NDCG, or if
            there is none, the first metric with a value per user; `"auc"` for clicks.
        significance: `"randomisation"` or `"bootstrap"`, the paired test. Defaults to `"randomisation"`.
        level: float, largest adjusted p-value that counts as a difference. Defaults to `0.05`.
        history: as in `evaluate`. Defaults to `None`: `train`.
        columns: as in `evaluate`. Defaults to `None`.
        candidates: as in `evaluate`. Defaults to `None`: the catalogue.
        given: as in `evaluate`. Defaults to `None`.
        tell: function that gets one line per evaluated model, e.g. `print`, with its metrics and what is left
            to do. Baselines come first. Defaults to `None`.

    Returns:
        `Comparison`; `ClickComparison` for click models.

    Raises:
        ValueError: as in `evaluate`; if two models have the same name; or if a report has another protocol.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import splits
        >>> data = kerasrec.datasets.synthetic(n_users=50, n_items=40, n_interactions=600).interactions
        >>> train, test = splits.random_split(data.at_least(4), test_size=0.2, seed=0)
        >>> table = kerasrec.evaluation.compare("implicit_als", train, test, k=5, metrics=["ndcg"])
        >>> sorted(table.reports)
        ['ease', 'implicit_als', 'item_knn', 'popularity']
    """
    named = _named(models)
    if isinstance(test, Impressions) or (named and all(isinstance(x, ClickReport) for _, x in named)):
        return _of_clicks(named, test, metric, level)
    if test is None:
        if not named or not all(isinstance(model, EvaluationReport) for _, model in named):
            raise ValueError("`test` must be given, unless all `models` are reports. Received: test=None.")
        reports = [report.renamed(name) for name, report in named]
        return Comparison(reports, [], metric, significance, level)
    if hasattr(test, "iloc"):
        raise TypeError(
            "`test` must be `kerasrec.data.Interactions`, or `Impressions` for click models; make them with "
            f"`from_frame`. Received: {type(test).__name__}."
        )
    if train is None:
        raise ValueError("`train` must be given: baselines are fitted on it. Received: train=None.")
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
    _check_fitted_and_different(named)
    notes: list[str] = []
    added = baselines_for(plan.metrics, train, baselines, [name for name, _ in named], notes)
    simple = [name for name, model in named if _is_baseline(model)]
    makers = {name: functools.partial(_fitted, model, train) for name, model in named}
    makers |= {name: functools.partial(_fitted, name, train) for name in added}
    order = [*added, *simple, *(name for name, _ in named if name not in simple)]
    done = one_by_one(plan, {name: makers[name] for name in order}, tell)
    return Comparison([done[name] for name in makers], [*simple, *added], metric, significance, level, notes)


def _of_clicks(
    named: Sequence[tuple[str, Any]], test: Any, metric: str | None, level: float
) -> ClickComparison:
    _check_fitted_and_different(named)
    for _, model in named:
        if isinstance(model, str):
            raise ValueError(
                f"A click model must be passed as a trained model, not by name. Received: {model!r}."
            )
        if not isinstance(model, ClickReport):
            check_columns(model, test, "`test`")  # before any model is evaluated
    reports = [
        model.renamed(name) if isinstance(model, ClickReport) else click_report(model, test, name)
        for name, model in named
    ]
    return ClickComparison(reports, metric=metric, level=level)


def baselines_for(
    metrics: Iterable[str],
    train: Interactions,
    wanted: Iterable[str] | None,
    taken: Iterable[str],
    notes: list[str],
) -> list[str]:
    """Names of the baselines to compare with models.

    Args:
        metrics: names of metrics.
        train: `Interactions` to fit them on.
        wanted: names, or `None` for the default baselines for these metrics.
        taken: names of the models.
        notes: list that gets a note for each baseline that is too large to fit.
    """
    if wanted is None:
        wanted = RATING_BASELINES if set(RATING) & set(metrics) else BASELINES
    from kerasrec import zoo

    return zoo.by_cost(name for name in wanted if name not in taken and _fits(name, train, notes))


def _check_fitted_and_different(named: Sequence[tuple[str, Any]]) -> None:
    from kerasrec import zoo

    names = [name for name, _ in named]
    for name, model in named:
        if names.count(name) > 1:
            raise ValueError(f"Models must have different names. Received: {name!r} more than once.")
        if isinstance(model, str) and zoo.card(model).optimizer is not None:
            raise ValueError(
                f"A model given by name must not need training; train {model} and pass the model. Received: "
                f"{model!r}."
            )


def _fitted(model: Any, train: Interactions) -> Any:
    """A model, fitted if it is given by its name in the zoo."""
    if not isinstance(model, str):
        return model
    from kerasrec import zoo

    return zoo.create(model, train)


def _named(models: Any) -> list[tuple[str, Any]]:
    """Models with their names; equal names are an error."""
    if isinstance(models, Mapping):
        return list(models.items())
    several = list(models) if isinstance(models, (list, tuple)) else [models]
    return [(model if isinstance(model, str) else _name(model), model) for model in several]


def _name(model: Any) -> str:
    return getattr(keras_model(model), "name", None) or type(model).__name__


def _is_baseline(model: Any) -> bool:
    """Whether it is a model of the zoo in closed form."""
    from kerasrec import zoo

    name = model if isinstance(model, str) else _name(model)
    return name in zoo.names() and zoo.card(name).optimizer is None


def _fits(name: str, train: Interactions, notes: list[str]) -> bool:
    """Whether a baseline can be fitted in memory; adds a note if not."""
    from kerasrec.zoo import ease

    if name == ease.CARD.name and (too_large := ease.too_large(train.n_items)):
        notes.append(f"Left out: {name}. {too_large}")
        return False
    return True
