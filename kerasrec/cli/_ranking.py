"""A ranking model trained on a table, measured over the whole catalogue and written with what users have."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions

METRICS = ("ndcg", "recall", "coverage")
_K = 10
# Most epochs where nobody said how many.
_EPOCHS = 50


def train_ranking(
    name: str,
    settings: dict[str, Any],
    liked: "Interactions",
    parts: tuple["Interactions", "Interactions | None"],
    epochs: int | None,
    batch_size: int | None,
    seed: int,
    out: Path,
    plot: bool,
    report: "Report",
) -> None:
    """Train a model on the first part, rank the second, and write it and its learning curve."""
    from kerasrec import evaluation, zoo
    from kerasrec.cli._fit import create, fit_and_choose, fit_exactly
    from kerasrec.cli._plot import learning_curve
    from kerasrec.recommender import Recommender

    fitted, held_out = parts
    if held_out is not None:
        # Refuses what cannot be measured before training.
        evaluation.RankingMetrics(held_out, fitted, k=_K, metrics=METRICS)
    card = zoo.card(name)
    with report.waiting(f"Fitting {card.name}"):
        model = create(name, fitted, seed, settings)
    report.result |= {"model": model.name, "trained_on": len(fitted)}
    batch_size = batch_size or card.tuned.get("batch_size")
    history: dict[str, list[float]] = {}
    if card.optimizer is not None and epochs is not None:
        history = fit_exactly(model, fitted, epochs, batch_size, seed, report)
    elif card.optimizer is not None:
        best, history = fit_and_choose(model, fitted, _EPOCHS, batch_size, seed, report)
        report.line(f"Best after {best} epochs, by NDCG@10 on a tenth of the rows to train on")
        report.result["epochs"] = best
    if history:
        report.result["history"] = history
    if held_out is not None:
        with report.waiting("Evaluating"):
            test = _ranked(model, fitted, held_out)
        report.table(f"Ranking of {len(held_out):,} held-out rows", test)
        report.result |= {"held_out": len(held_out), "test": test}
    # Nobody is recommended what they have, held out or not.
    Recommender(model, liked).save(out)
    report.line(f"Model: {out}")
    report.result["file"] = str(out)
    if plot and history:
        curve = out.with_suffix(".png")
        learning_curve(curve, history)
        report.line(f"Learning curve: {curve}")
        report.result["plot"] = str(curve)


def _ranked(model: "keras.Model", train: "Interactions", test: "Interactions") -> list[dict[str, Any]]:
    """The figures of a model and of popularity, one row a model."""
    from kerasrec import zoo
    from kerasrec.evaluation import evaluate

    models = {model.name: model}
    if model.name != "popularity":
        models["popularity"] = zoo.create("popularity", train)
    reports = {name: evaluate(one, test, train, k=_K, metrics=METRICS) for name, one in models.items()}
    return [
        {"model": name, **{metric: report[metric] for metric in report.metrics}}
        for name, report in reports.items()
    ]
