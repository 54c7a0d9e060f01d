import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._files import check_writable
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, Report, reporting
from kerasrec.cli._settings import setting

if TYPE_CHECKING:
    import keras

    from kerasrec.data import Interactions


def train(
    ratings: _table.Ratings,
    model: Annotated[
        str, typer.Option(help="Name of a rating model; see `kerasrec zoo list`.")
    ] = "recommender_v2",
    out: Annotated[Path, typer.Option(help="File to write the model to.")] = Path("model.keras"),
    user_column: _table.UserColumn = None,
    item_column: _table.ItemColumn = None,
    value_column: _table.ValueColumn = None,
    time_column: Annotated[
        str | None, typer.Option(help="Column of times. Given, the latest ratings are held out.")
    ] = None,
    separator: _table.Separator = None,
    encoding: _table.Encoding = None,
    duplicates: _table.Duplicates = "error",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the ratings.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="Ratings a step.")] = 64,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; `kerasrec zoo show` lists them."),
    ] = None,
    test_size: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the ratings held out; 0 trains on all.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same split and weights.")] = 42,
    plot: Annotated[bool, typer.Option(help="Write the learning curve beside the model.")] = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train a rating model on a table of ratings, measure it and write it to a file."""
    with reporting(as_json, debug) as report:
        check_writable(out, ".keras")
        hyperparameters = dict(map(setting, settings or ()))
        load_library(report)
        import keras

        _check_rating_model(model)
        columns = _table.Columns(user_column, item_column, value_column, time_column)
        with report.waiting(f"Reading {ratings.name}"):
            whole, found = _table.read_ratings(ratings, columns, separator, encoding, duplicates)
        fitted, held_out = _split(whole, test_size, seed)
        report.line("Columns: " + ", ".join(f"{side} {name!r}" for side, name in found.items()))
        report.line(
            f"{len(whole):,} ratings of {whole.n_users:,} users and {whole.n_items:,} items, "
            f"{len(held_out) if held_out else 0:,} of them held out"
        )
        keras.utils.set_random_seed(seed)
        created = _create(model, whole, fitted, hyperparameters)
        train_and_write(created, fitted, held_out, epochs, batch_size, out, plot, report)
        report.result |= {"columns": found, "users": whole.n_users, "items": whole.n_items}


def train_and_write(
    model: "keras.Model",
    fitted: "Interactions",
    held_out: "Interactions | None",
    epochs: int,
    batch_size: int,
    out: Path,
    plot: bool,
    report: Report,
) -> None:
    """Train a model, print its error beside the baselines', and write it and its learning curve."""
    from kerasrec import zoo
    from kerasrec.cli._fit import fit
    from kerasrec.cli._measure import compared
    from kerasrec.cli._plot import learning_curve
    from kerasrec.recommender import save_model

    report.result |= {"model": model.name, "trained_on": len(fitted)}
    closed_form = zoo.card(model.name).optimizer is None
    if not closed_form:
        history = fit(model, fitted, held_out, epochs, batch_size, report)
        report.result["history"] = history
    if held_out is not None:
        test = compared(model, fitted, held_out, report)
        report.table(f"Error on {len(held_out):,} held-out ratings", test)
        report.result |= {"held_out": len(held_out), "test": test}
    save_model(model, out, fitted, seen=True)
    report.line(f"Model: {out}")
    report.result["file"] = str(out)
    if plot and not closed_form:
        curve = out.with_suffix(".png")
        learning_curve(curve, history)
        report.line(f"Learning curve: {curve}")
        report.result["plot"] = str(curve)


def _check_rating_model(name: str) -> None:
    from kerasrec import zoo

    if zoo.card(name).task != "rating":
        known = ", ".join(known for known in zoo.names() if zoo.card(known).task == "rating")
        raise ValueError(f"`--model` must be a rating model, one of {known}. Received: {name}.")


def _split(
    whole: "Interactions", test_size: float, seed: int
) -> tuple["Interactions", "Interactions | None"]:
    from kerasrec.data import splits

    if not test_size:
        return whole, None
    if whole.times is not None:
        return splits.time_split(whole, test_size=test_size)
    return splits.random_split(whole, test_size, seed)


def _create(
    name: str, whole: "Interactions", fitted: "Interactions", hyperparameters: dict[str, Any]
) -> "keras.Model":
    from kerasrec import zoo

    # Of all ratings: those held out must not lie outside.
    bounds = {"min_rating": float(whole.values.min()), "max_rating": float(whole.values.max())}
    takes = inspect.signature(zoo.card(name).factory).parameters
    accepted = {bound: value for bound, value in bounds.items() if bound in takes}
    return zoo.create(name, fitted, **accepted | hyperparameters)
