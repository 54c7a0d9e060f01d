from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._clicks import DEFAULT, refuse_with_label, refuse_without_label, train_clicks
from kerasrec.cli._files import check_writable
from kerasrec.cli._form import Form, Ratings, reads_table
from kerasrec.cli._items import metadata_of
from kerasrec.cli._library import load_library
from kerasrec.cli._likes import likes, repeats, what_counts
from kerasrec.cli._report import AsJson, Debug, Report, reporting
from kerasrec.cli._settings import MOST_SEED, setting
from kerasrec.cli._split import How, check_split, hold_out

if TYPE_CHECKING:
    import keras

    from kerasrec.data import Interactions

_TEST_SIZE = 0.1


@reads_table
def train(
    ratings: Ratings,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of a model, see `kerasrec zoo list`. Default: recommender_v2 for ratings, else hybrid."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Output file for the model.")] = Path("model.keras"),
    *,
    form: Form,
    items: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet file with one row per item, e.g. titles; the model's file stores the "
            "columns for lists, rules and the page."
        ),
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option(help="Column of times. With it, the latest rows are held out; see `--split`."),
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(
            help="Lowest rating that counts as a like, for ranking models; lower ratings are dropped."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column of clicks, 1 or 0, in a table of impressions: trains a click model."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND",
            help="Kind of a column for click models: category, hashed, labels, number, log1p, quantiles, "
            "time or ignore. Default: guessed.",
        ),
    ] = None,
    watch_time: Annotated[str | None, typer.Option(help="Column of watch times, for youtube_ranker.")] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of epochs. Default: the best number on a tenth of the rows."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows per step. Default: the model's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Set a hyperparameter; `kerasrec zoo show` lists them."
        ),
    ] = None,
    test_size: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share held out for evaluation; 0 trains on all rows. Default: 0.1.",
        ),
    ] = None,
    split: How = None,
    validation: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share of the remaining rows used to choose the number of epochs. Default: 0.1.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs without improvement before training stops. Default: the model's."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_SEED, help="Random seed; the same seed gives the same split and weights."
        ),
    ] = 0,
    plot: Annotated[bool, typer.Option(help="Save the learning curve next to the model.")] = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train a model on a table of ratings, interactions or clicks, evaluate it and save it.

    With `--label` the table has impressions, and the other columns are the inputs of a click model. A rating
    model is evaluated by its error on held-out rows, a ranking model by their ranks in the whole catalogue.
    Training is that of `Recommender.train` or `Ranker.train`, with the same defaults.
    """
    with reporting(as_json, debug) as report:
        check_writable(out, ".keras")
        hyperparameters = dict(map(setting, settings or ()))
        how = {
            "hyperparameters": hyperparameters,
            "epochs": epochs,
            "batch_size": batch_size,
            "validation": validation,
            "patience": patience,
            "seed": seed,
        }
        if label is not None:
            refuse_with_label(
                {
                    "items": items,
                    "at-least": at_least,
                    "time-column": time_column,
                    "value-column": form.value_column,
                    "kind": form.kind,
                    "split": split,
                }
            )
            load_library(report)
            name = model or DEFAULT
            share = _TEST_SIZE if test_size is None else test_size
            train_clicks(ratings, name, label, form, column, watch_time, how, share, out, plot, report)
            return
        refuse_without_label({"column": column, "watch-time": watch_time})
        check_split(split, test_size, time_column is not None or _table.is_prepared(ratings))
        _table.check_columns(ratings, form.columns(time_column), form)
        load_library(report)
        from kerasrec import zoo

        if model is not None and zoo.card(model).task == "click":
            raise ValueError(
                f"`--label` must name the column of clicks, for {model}. Received: no `--label`."
            )
        rates = model is not None and zoo.card(model).task == "rating"
        with report.saying_warnings(), report.waiting(f"Reading {ratings.name}"):
            table = _table.read_ratings(ratings, form.columns(time_column), form, rates)
        table.tell(report)
        whole, found = table.interactions, table.columns
        about = None if items is None else metadata_of(items, form.item_column, whole.item_ids, report)
        if model is None:
            # A threshold for likes implies a model of likes.
            rates = whole.kind == "ratings" and at_least is None
            model = "recommender_v2" if rates else "hybrid"
        model = zoo.card(model).name
        if rates and at_least is not None:
            raise ValueError(f"`--at-least` is for ranking models. Received: {at_least:g}, and {model}.")
        with report.waiting("Splitting"):
            used = whole if rates else likes(whole, at_least, "value" in found)
            parts = hold_out(used, split, test_size, _TEST_SIZE, seed, [model])
        fitted, held_out = parts.train, parts.test
        report.line(
            f"{_counted(len(whole), table.n_rows, rates)} of {whole.n_users:,} users and "
            f"{whole.n_items:,} items, "
            + (f"{len(used):,} of them likes, " if len(used) < len(whole) else "")
            + f"{len(held_out) if held_out else 0:,} of them held out"
            + ("" if rates else repeats(fitted, held_out))
        )
        if not rates:
            report.line(f"Counted as liked: {what_counts(whole, at_least, 'value' in found)}")
        if parts.line:
            report.line(parts.line)
        report.result |= {
            "columns": found,
            "kind": whole.kind,
            "users": whole.n_users,
            "items": whole.n_items,
            "split": parts.how,
        }
        train_and_write(model, used, (fitted, held_out), how, out, plot, report, about)


def _counted(n: int, n_rows: int, rates: bool) -> str:
    """The number of interactions of a table, and that of its rows if several were combined."""
    if n < n_rows:
        return f"{n:,} pairs ({n_rows:,} rows)"
    return f"{n:,} {'ratings' if rates else 'rows'}"


def train_and_write(
    name: str,
    whole: "Interactions",
    parts: tuple["Interactions", "Interactions | None"],
    how: dict[str, Any],
    out: Path,
    plot: bool,
    report: Report,
    item_metadata: Any = None,
) -> "keras.Model":
    """Train a model on the first part, evaluate it on the second, and save it and its learning curve.

    `how` is as in `train_by_recipe`. A table compares the model with its baseline, and the last line warns if
    the model is worse.
    """
    from kerasrec import zoo
    from kerasrec.cli import _measure
    from kerasrec.cli._fit import train_by_recipe
    from kerasrec.cli._plot import learning_curve
    from kerasrec.recommender import Recommender, save_model

    fitted, held_out = parts
    rates = zoo.card(name).task == "rating"
    if held_out is not None and not rates:
        _measure.check_ranking(fitted, held_out)  # before training
    training = train_by_recipe(name, fitted, how, report, watched=held_out, place=out)
    report.result |= {"model": name, "trained_on": len(fitted)}
    worse = training.worse
    if training.chosen:
        report.line(f"Best after {training.epochs} epochs on held-out rows; trained on all rows for as many")
        report.result["epochs"] = training.epochs
    if training.history:
        report.result["history"] = training.history
    if held_out is not None:
        measure = _measure.compared if rates else _measure.ranked
        test, worse = measure(training.model, fitted, held_out, report)
        title = (
            f"Error on {len(held_out):,} held-out ratings"
            if rates
            else f"Ranking of {len(held_out):,} held-out rows"
        )
        report.table(title, test, keys=1)
        report.result |= {"held_out": len(held_out), "test": test}
    if rates and item_metadata is None:
        save_model(training.model, out, fitted, seen=True)
    else:
        # Nobody is recommended items that they have, held out or not.
        Recommender(training.model, fitted if rates else whole, item_metadata=item_metadata).save(out)
    report.line(f"Model: {out}")
    report.result["file"] = str(out)
    if plot and training.history:
        curve = out.with_suffix(".png")
        learning_curve(curve, training.history)
        report.line(f"Learning curve: {curve}")
        report.result["plot"] = str(curve)
    if worse:
        report.line(f"Careful: {worse}")
        report.result["warning"] = worse
    return training.model
