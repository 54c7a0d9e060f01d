import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._files import check_writable
from kerasrec.cli._form import Form, Ratings, reads_table
from kerasrec.cli._library import load_library, set_seed
from kerasrec.cli._likes import likes, repeats, split, what_counts
from kerasrec.cli._report import AsJson, Debug, Report, reporting
from kerasrec.cli._settings import setting

if TYPE_CHECKING:
    import keras

    from kerasrec.data import Interactions


@reads_table
def train(
    ratings: Ratings,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of a model, see `kerasrec zoo list`; recommender_v2 for ratings, hybrid without any."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write the model to.")] = Path("model.keras"),
    *,
    form: Form,
    time_column: Annotated[
        str | None, typer.Option(help="Column of times. Given, the latest ratings are held out.")
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(help="Lowest rating that is a like, for a ranking model; others are left out."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the rows; 5, or what ranks best where a model ranks."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows a step; 64, or a ranking model's own.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; `kerasrec zoo show` lists them."),
    ] = None,
    test_size: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the rows held out; 0 trains on all.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same split and weights.")] = 42,
    plot: Annotated[bool, typer.Option(help="Write the learning curve beside the model.")] = True,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train a model on a table of ratings, or of who had what, measure it and write it to a file.

    A rating model is measured by its error on rows held out, a ranking model by how well it ranks them in the
    whole catalogue.
    """
    with reporting(as_json, debug) as report:
        check_writable(out, ".keras")
        hyperparameters = dict(map(setting, settings or ()))
        _table.check_columns(ratings, form.columns(time_column), form)
        load_library(report)
        from kerasrec import zoo

        rates = model is not None and zoo.card(model).task == "rating"
        with report.waiting(f"Reading {ratings.name}"):
            table = _table.read_ratings(ratings, form.columns(time_column), form, rates)
        whole, found = table.interactions, table.columns
        has_values = "value" in found
        if model is None:
            # Who names what a like is wants likes.
            rates = has_values and at_least is None and whole.kind == "ratings"
            model = "recommender_v2" if rates else "hybrid"
        if rates and at_least is not None:
            raise ValueError(f"`--at-least` is for models that rank. Received: {at_least:g}, and {model}.")
        used = whole if rates else likes(whole, at_least, has_values)
        fitted, held_out = split(used, test_size, seed) if test_size else (used, None)
        table.tell(report)
        report.line(
            f"{len(whole):,} {'ratings' if rates else 'rows'} of {whole.n_users:,} users and "
            f"{whole.n_items:,} items, "
            + (f"{len(used):,} of them likes, " if len(used) < len(whole) else "")
            + f"{len(held_out) if held_out else 0:,} of them held out"
            + ("" if rates else repeats(fitted, held_out))
        )
        report.result |= {"columns": found, "users": whole.n_users, "items": whole.n_items}
        set_seed(seed)
        if rates:
            created = _create(model, whole, fitted, hyperparameters)
            train_and_write(created, fitted, held_out, epochs or 5, batch_size or 64, out, plot, report)
            return
        report.line(f"Counted as liked: {what_counts(whole, at_least, has_values)}")
        from kerasrec.cli._ranking import train_ranking

        parts = (fitted, held_out)
        train_ranking(model, hyperparameters, used, parts, epochs, batch_size, seed, out, plot, report)


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


def _create(
    name: str, whole: "Interactions", fitted: "Interactions", hyperparameters: dict[str, Any]
) -> "keras.Model":
    from kerasrec import zoo

    # Of all ratings: those held out must not lie outside.
    bounds = {"min_rating": float(whole.values.min()), "max_rating": float(whole.values.max())}
    takes = inspect.signature(zoo.card(name).factory).parameters
    accepted = {bound: value for bound, value in bounds.items() if bound in takes}
    return zoo.create(name, fitted, **accepted | hyperparameters)
