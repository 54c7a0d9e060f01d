"""Training and comparison of click models on a table of impressions."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec.cli._clicks import SIMPLE, impressions_of, read_table, show_columns, trained
from kerasrec.cli._form import Form
from kerasrec.cli._report import Report

if TYPE_CHECKING:
    from kerasrec.data import Impressions
    from kerasrec.evaluation import ClickComparison, ClickReport


def compared_clicks(
    path: Path,
    label: str,
    form: Form,
    said: list[str] | None,
    watch_time: str | None,
    hyperparameters: dict[str, dict[str, Any]],
    baselines: bool,
    how: dict[str, Any],
    test_size: float,
    report: Report,
) -> "ClickComparison":
    """Train models on a part of a table and compare them on the rest, by AUC.

    Args:
        path: CSV file, or Parquet.
        label: column of clicks.
        form: how the file is written.
        said: kinds of columns, `NAME=KIND`.
        watch_time: column of watch times, or `None`.
        hyperparameters: those of each model, by its name.
        baselines: whether to add the simplest model.
        how: epochs, batch size and seed of every training.
        test_size: share of the rows held out.
        report: report to write to.
    """
    from kerasrec import zoo
    from kerasrec.evaluation import ClickComparison
    from kerasrec.recommender._click_training import check_click_model
    from kerasrec.recommender._leaks import warn_of_leaks

    for name in hyperparameters:
        check_click_model(name)
    with report.waiting(f"Reading {path.name}"):
        frame = read_table(path, form)
        whole = impressions_of(frame, label, form, said, watch_time)
    whole.check_classes(f"Column {label!r}")
    train, test = whole.split(test_size, how["seed"])
    test.check_classes("The rows held out")  # before training
    kinds = show_columns(whole, frame, report)
    report.line(
        f"{len(whole):,} rows, {whole.labels.mean():.1%} clicked; "
        f"{len(train):,} to train on and {len(test):,} held out"
    )
    with report.saying_warnings():
        warn_of_leaks(train, test)
    added = [SIMPLE] if baselines and SIMPLE not in hyperparameters else []
    order = zoo.by_cost([*added, *hyperparameters])
    reports: dict[str, ClickReport] = {}
    epochs: dict[str, int | None] = {}
    for place, name in enumerate(order, 1):
        settings = how | {"hyperparameters": hyperparameters.get(name, {})}
        reports[name], epochs[name] = _measured(name, train, test, settings, order[place:], report)
    report.result = {"columns": kinds, "train": len(train), "test": len(test), "epochs": epochs}
    return ClickComparison(list(reports.values()), [SIMPLE] if SIMPLE in reports else [])


def _measured(
    name: str,
    train: "Impressions",
    test: "Impressions",
    how: dict[str, Any],
    left: list[str],
    report: Report,
) -> tuple["ClickReport", int | None]:
    """Train a model, and return its report and number of epochs."""
    from kerasrec.evaluation.click_metrics import click_report

    begun = time.perf_counter()
    done = trained(train, name, how, report)
    with report.waiting(f"Evaluating {name}"):
        found = click_report(done.model, test, name)
    rest = f"; left: {', '.join(left)}" if left else ""
    report.line(f"{name}: auc {found['auc']:.4f}, in {time.perf_counter() - begun:.1f} s{rest}")
    return found, done.epochs
