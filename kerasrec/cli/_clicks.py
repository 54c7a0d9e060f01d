"""Click models on the command line: reading a table of impressions, training and evaluation."""

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec.cli import _table
from kerasrec.cli._form import Form
from kerasrec.cli._names import guessed_column
from kerasrec.cli._report import Report

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.data import Impressions
    from kerasrec.evaluation import ClickReport

DEFAULT = "dcn"
SIMPLE = "logistic_regression"
_SHOWN = ("auc", "log_loss", "user_auc", "calibration_error")


def read_table(path: Path, form: Form) -> "pd.DataFrame":
    """A table with its entries as text, and as numbers if a whole column is numeric.

    Args:
        path: CSV file, or Parquet.
        form: how the file is written.
    """
    import pandas as pd

    from kerasrec.cli._dialect import dialect_of
    from kerasrec.data._readers import as_written, existing, read_csv

    existing(path)
    if _table.is_parquet(path):
        return pd.read_parquet(path)
    dialect = dialect_of(path, form, lambda names: len(names) > 1)
    options = dialect.options | {"dtype": str}
    frame = read_csv(path, {}, dialect.names, options, audited=True).set_axis(dialect.names, axis=1)
    for name in frame.columns:
        there = frame[name].dropna()
        if len(there) and there.str.fullmatch(r"[+-]?\d+,\d+").all():
            if form.decimal != ",":
                raise ValueError(
                    "Numbers with decimal commas need `--decimal ,`. "
                    f"Received: column {name!r} with {there.iloc[0]!r}."
                )
            frame[name] = pd.to_numeric(frame[name].str.replace(",", "."))
            continue
        numbers = pd.to_numeric(there, errors="coerce")
        fractions = len(there) and bool(numbers.notna().all()) and bool((numbers % 1 != 0).any())
        frame[name] = pd.to_numeric(frame[name]) if fractions else as_written(frame[name])
    return frame


def declared(said: list[str] | None, names: list[str]) -> dict[str, str]:
    """Kinds such as `price=log1p`, by the name of the column.

    Args:
        said: the options, `NAME=KIND`.
        names: names of the columns of the table.
    """
    from kerasrec.data import columns

    found = {}
    for text in said or ():
        name, equals, kind = text.rpartition("=")
        if not equals:
            raise ValueError(f"`--column` must be NAME=KIND, e.g. price=log1p. Received: {text!r}.")
        if name not in names:
            raise ValueError(
                f"`--column` must name a column of the table: {', '.join(map(repr, names))}. "
                f"Received: {name!r}."
            )
        if kind != "ignore":
            columns.get(kind, name)
        found[name] = kind
    return found


def impressions_of(
    frame: "pd.DataFrame", label: str, form: Form, said: list[str] | None, watch_time: str | None
) -> "Impressions":
    """The impressions of a table; kinds of columns that are not declared are guessed."""
    from kerasrec.data import Impressions, InputColumns

    names = [str(name) for name in frame.columns]
    if label not in names:
        raise ValueError(
            f"`--label` must name a column of the table: {', '.join(map(repr, names))}. Received: {label!r}."
        )
    kinds: dict[str, Any] = dict(declared(said, names))
    sides = {}
    for side in ("user", "item"):
        given = getattr(form, f"{side}_column")
        if given is not None and given not in names:
            raise ValueError(
                f"`--{side}-column` must name a column of the table. Received: {given!r}; "
                f"its columns are {', '.join(map(repr, names))}."
            )
        guessed = guessed_column([name for name in names if name not in (label, watch_time)], side)
        sides[side] = given or guessed
    left_out = [label, *kinds, *([watch_time] if watch_time else [])]
    guessed_kinds: dict[str, Any] = dict(InputColumns.guess(frame, left_out))
    kinds = {name: _filled(frame[name], kind) for name, kind in kinds.items() if kind != "ignore"}
    guessed_kinds |= {name: "category" for name in sides.values() if name is not None and name not in kinds}
    columns = {
        name: (kinds | guessed_kinds)[name] for name in names if name in kinds or name in guessed_kinds
    }
    return Impressions.from_frame(frame, label, columns, **sides, watch_time=watch_time)


def _filled(entries: "pd.Series[Any]", kind: str) -> Any:
    """The kind of a column; if it is numeric and numbers are missing, its default is their mean."""
    import pandas as pd

    from kerasrec.data import columns

    found = columns.get(kind)
    if not isinstance(found, columns.Number) or not entries.isna().any():
        return found
    mean = pd.to_numeric(entries.astype(object), errors="coerce").mean()
    return found if pd.isna(mean) else replace(found, default=float(mean))


def show_columns(whole: "Impressions", frame: "pd.DataFrame", report: Report) -> dict[str, str]:
    """Print how the columns of a table are read; return their kinds by name."""
    kinds = {name: kind.kind for name, kind in whole.columns.fitted.items()}
    report.line("Columns: " + ", ".join(f"{name} {kind}" for name, kind in kinds.items()))
    users = whole.columns.user or "none, name them with `--user-column`"
    report.line(f"Users: {users}; items: {whole.columns.item or 'none, name them with `--item-column`'}")
    empty = [str(name) for name in frame.columns if frame[name].isna().all()]
    if empty:
        report.line(f"Left out because they are empty: {', '.join(empty)}")
    means = [
        name
        for name, kind in whole.columns.fitted.items()
        if kind.kind == "number" and kind.default is not None
    ]
    if means:
        report.line(f"Missing numbers are replaced by the mean: {', '.join(means)}")
    return kinds


def train_clicks(
    path: Path,
    model: str,
    label: str,
    form: Form,
    said: list[str] | None,
    watch_time: str | None,
    how: dict[str, Any],
    test_size: float,
    out: Path,
    plot: bool,
    report: Report,
) -> None:
    """Train a click model on a table, compare it with the simplest one, and save it."""
    from kerasrec.cli._plot import learning_curve
    from kerasrec.recommender import Ranker
    from kerasrec.recommender._leaks import warn_of_leaks

    with report.waiting(f"Reading {path.name}"):
        frame = read_table(path, form)
        whole = impressions_of(frame, label, form, said, watch_time)
    whole.check_classes(f"Column {label!r}")
    fitted, held_out = whole.split(test_size, how["seed"]) if test_size else (whole, None)
    if held_out is not None:
        held_out.check_classes("The rows held out")  # before training
    kinds = show_columns(whole, frame, report)
    report.line("`--column NAME=KIND` sets another kind, or `ignore`")
    report.line(
        f"{len(whole):,} rows, {whole.labels.mean():.1%} clicked, "
        f"{len(held_out) if held_out else 0:,} of them held out"
    )
    training = trained(fitted, model, how, report)
    if held_out is not None:
        with report.saying_warnings():
            warn_of_leaks(fitted, held_out)
    ranker = Ranker(training.model)
    report.result |= {
        "model": model,
        "columns": kinds,
        "user": whole.columns.user,
        "item": whole.columns.item,
        "trained_on": len(fitted),
        "epochs": training.epochs,
        "history": training.history,
    }
    if training.chosen:
        epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
        report.line(f"Best after {epochs} on held-out rows")
    worse = ""
    if held_out is not None:
        found = {model: ranker.evaluate(held_out)}
        if model != SIMPLE:
            simple = {**how, "hyperparameters": {}, "epochs": None, "batch_size": None}
            with report.waiting(f"Training {SIMPLE}"):
                found[SIMPLE] = Ranker(trained(fitted, SIMPLE, simple, None).model).evaluate(held_out)
        rows = [_row(name, one) for name, one in found.items()]
        report.table(f"Figures of {len(held_out):,} held-out rows", rows, keys=1)
        report.result |= {"held_out": len(held_out), "test": rows}
        if found[model]["auc"] < found.get(SIMPLE, found[model])["auc"]:
            worse = (
                f"{model} is worse than {SIMPLE} on the held-out rows: use that model, more data or other "
                "settings."
            )
    ranker.save(out)
    report.line(f"Model: {out}")
    report.result["file"] = str(out)
    if plot and training.history and training.epochs:
        curve = out.with_suffix(".png")
        learning_curve(curve, training.history)
        report.line(f"Learning curve: {curve}")
        report.result["plot"] = str(curve)
    if worse:
        report.line(f"Careful: {worse}")
        report.result["warning"] = worse


def evaluate_clicks(
    ranker: Any, path: Path, label: str, watch_time: str | None, form: Form, report: Report
) -> None:
    """Evaluate a click model on a table."""
    with report.waiting(f"Reading {path.name}"):
        frame = read_table(path, form)
    with report.saying_warnings():
        found = ranker.evaluate(frame, label, watch_time=watch_time)
    rows = found.to_frame().reset_index().to_dict("records")
    report.table(f"Figures of {ranker.model.name}, {len(frame):,} rows", rows)
    unit = "users" if ranker.columns.user is not None else "rows"
    report.line(f"low, high: 95 % interval over {unit}.")
    reliability = found.to_dict()["reliability"]
    for bin in reliability:
        bin["rows"] = int(bin["rows"])  # rows have no weights here
    if reliability:
        report.table("Predicted and clicked, by predicted probability", reliability)
    report.result |= {"model": ranker.model.name, "figures": rows, "reliability": reliability}


def trained(fitted: "Impressions", model: str, how: dict[str, Any], report: Report | None) -> Any:
    """A click model, trained as `Ranker.train` does.

    Args:
        fitted: `Impressions`.
        model: its name.
        how: arguments of the training.
        report: report that shows a progress bar, or `None`.
    """
    from kerasrec.cli._fit import bar
    from kerasrec.cli._library import set_seed
    from kerasrec.recommender._click_training import trained_on_clicks

    set_seed(how["seed"])
    with contextlib.ExitStack() as shown:
        shown.enter_context(
            warnings.catch_warnings(action="ignore") if report is None else report.saying_warnings()
        )
        bars = [] if report is None else [bar(shown.enter_context(report.progress()), f"Training {model}")]
        return trained_on_clicks(fitted, model, **how, callbacks=lambda phase: bars)


def _row(name: str, found: "ClickReport") -> dict[str, Any]:
    return {"model": name, **{figure: found[figure] for figure in _SHOWN if figure in found}}


def refuse_with_label(given: dict[str, Any]) -> None:
    """Refuse options that do not apply to a table of clicks.

    Args:
        given: values by the names of the options; `None` if an option was not given.
    """
    for option, value in given.items():
        if value is not None:
            raise ValueError(
                f"`--{option}` cannot be used with `--label`: it applies to ratings and lists. "
                f"Received: {value!r}."
            )


def refuse_without_label(given: dict[str, Any]) -> None:
    """Refuse options that apply only to tables of clicks.

    Args:
        given: values by the names of the options.
    """
    for option, value in given.items():
        if value:
            raise ValueError(f"`--{option}` needs `--label`, the column of clicks. Received: no `--label`.")
