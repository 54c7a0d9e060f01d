import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec._partial import replacing
from kerasrec.cli import _table
from kerasrec.cli._clicks import DEFAULT, refuse_with_label, refuse_without_label
from kerasrec.cli._compared_clicks import compared_clicks
from kerasrec.cli._files import check_writable
from kerasrec.cli._form import Form, Ratings, reads_table
from kerasrec.cli._library import load_library
from kerasrec.cli._likes import likes, repeats, what_counts
from kerasrec.cli._report import AsJson, Debug, Report, reporting
from kerasrec.cli._settings import MOST_SEED, setting
from kerasrec.cli._split import How, check_split, hold_out

if TYPE_CHECKING:
    from kerasrec.data import Interactions
    from kerasrec.evaluation import Comparison
    from kerasrec.evaluation._compared import Compared

# Default values of options for lists.
_DEFAULTS = {"models": "hybrid", "k": "10", "metrics": "ndcg,recall,coverage"}
_TEST_SIZE = 0.2


@reads_table
def compare(
    ratings: Ratings,
    models: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Comma-separated models (default with `--label`: dcn); see `kerasrec zoo list`.",
        ),
    ] = _DEFAULTS["models"],
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Add popularity, item_knn and ease; for clicks, logistic_regression.",
        ),
    ] = True,
    *,
    form: Form,
    time_column: Annotated[
        str | None,
        typer.Option(help="Column of times. With it, the latest rows are held out; see `--split`."),
    ] = None,
    at_least: Annotated[
        float | None, typer.Option(help="Lowest rating that counts as a like; lower ratings are dropped.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column of clicks, 1 or 0, in a table of impressions: compares click models."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=KIND", help="Kind of a column for click models, as in `train`."),
    ] = None,
    watch_time: Annotated[str | None, typer.Option(help="Column of watch times, for youtube_ranker.")] = None,
    test_size: Annotated[
        float | None, typer.Option(min=0.0, max=0.9, help="Share to hold out. Default: 0.2.")
    ] = None,
    split: How = None,
    k: Annotated[
        str, typer.Option(metavar="K", help="Length of the lists, or several lengths separated by commas.")
    ] = _DEFAULTS["k"],
    metrics: Annotated[
        str, typer.Option(metavar="NAMES", help="Comma-separated metrics, as in `evaluate`.")
    ] = _DEFAULTS["metrics"],
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of epochs. Default: the best number on a tenth of the rows."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows per training step.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.NAME=VALUE", help="Set a hyperparameter of one of the models."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_SEED, help="Random seed; the same seed gives the same split and weights."
        ),
    ] = 0,
    plot: Annotated[Path | None, typer.Option(help="PNG file for a plot of the table.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train models on a table, evaluate them on held-out rows, and test which differences are significant.

    For every user the whole catalogue is ranked, without the user's training items. The models are compared
    with simple baselines, with confidence intervals and a significance test against the best model. With
    `--label` the table has impressions, and click models are compared by their AUC on the held-out rows.
    """
    with reporting(as_json, debug) as report:
        if plot is not None:
            check_writable(plot, ".png")
        training = {"epochs": epochs, "batch_size": batch_size, "seed": seed}
        if label is not None:
            _refuse_lists(
                {
                    "at-least": at_least,
                    "time-column": time_column,
                    "k": k,
                    "metrics": metrics,
                    "split": split,
                },
                form,
            )
            load_library(report)
            hyperparameters = _by_model(
                [DEFAULT] if models == _DEFAULTS["models"] else _listed("models", models), settings or []
            )
            of_clicks = compared_clicks(
                ratings,
                label,
                form,
                column,
                watch_time,
                hyperparameters,
                baselines,
                training,
                _TEST_SIZE if test_size is None else test_size,
                report,
            )
            _end(of_clicks, [], plot, report)
            return
        refuse_without_label({"column": column, "watch-time": watch_time})
        if test_size == 0:
            raise ValueError(
                "`--test-size` must be above 0, because models are compared on held-out rows. Received: 0."
            )
        check_split(split, test_size, time_column is not None or _table.is_prepared(ratings))
        names = _listed("models", models)
        cuts = _cuts(k)
        _table.check_columns(ratings, form.columns(time_column), form)
        load_library(report)
        hyperparameters = _by_model(names, settings or [])
        with report.saying_warnings(), report.waiting(f"Reading {ratings.name}"):
            read = _table.read_ratings(ratings, form.columns(time_column), form, needs_values=False)
        whole, found = read.interactions, read.columns
        read.tell(report)
        liked = likes(whole, at_least, "value" in found)
        parts = hold_out(liked, split, test_size, _TEST_SIZE, seed, hyperparameters)
        train = parts.train
        test: Any = parts.test  # a test size of 0 was refused
        report.line(
            f"{len(whole):,} rows of {whole.n_users:,} users and {whole.n_items:,} items; "
            + (f"of {len(liked):,} likes " if len(liked) < len(whole) else "")
            + f"{len(train):,} to train on and {len(test):,} held out{repeats(train, test)}"
        )
        report.line(f"Counted as liked: {what_counts(whole, at_least, 'value' in found)}")
        report.line(parts.line)
        table, trained, careful = _compared(
            hyperparameters,
            train,
            test,
            {"k": cuts, "metrics": _listed("metrics", metrics)},
            baselines,
            training,
            report,
        )
        sizes = {"train": len(train), "test": len(test)}
        report.result = {"columns": found, "split": parts.how, **sizes, "epochs": trained}
        _end(table, careful, plot, report)


def _end(table: "Compared[Any]", careful: list[str], plot: Path | None, report: Report) -> None:
    """Show the table and the warnings."""
    _print(table, report)
    for sentence in careful:
        report.line(f"Careful: {sentence}")
    if plot is not None:
        with replacing(plot) as partial:
            table.plot().savefig(partial, dpi=120)
        report.line(f"Plot: {plot}")
    report.result |= table.to_dict() | {"warnings": careful}


def _compared(
    hyperparameters: dict[str, dict[str, Any]],
    train: "Interactions",
    test: "Interactions",
    measured: dict[str, Any],
    baselines: bool,
    training: dict[str, Any],
    report: Report,
) -> tuple["Comparison", dict[str, int], list[str]]:
    """Train the models and report each when it is done; return the comparison, epochs and warnings.

    There is a warning for each model that is worse than popularity. It is measured on the held-out rows if
    popularity is among the models, otherwise on the rows that determined the number of epochs.
    """
    from kerasrec import zoo
    from kerasrec.cli._fit import train_by_recipe
    from kerasrec.evaluation import Comparison
    from kerasrec.evaluation._compare import baselines_for
    from kerasrec.evaluation._one_by_one import one_by_one
    from kerasrec.evaluation._plan import Plan
    from kerasrec.recommender._training import worse

    # Raises errors of the evaluation before hours of training.
    plan = Plan(test, train, measured["k"], measured["metrics"])
    notes: list[str] = []
    added = baselines_for(plan.metrics, train, None if baselines else (), hyperparameters, notes)
    order = zoo.by_cost([*hyperparameters, *added])
    trained, careful = {}, {}

    def make(name: str) -> Any:
        how = training | {"hyperparameters": hyperparameters.get(name, {})}
        done = train_by_recipe(name, train, how, report)
        if done.epochs is not None:
            trained[name] = done.epochs
            careful[name] = done.worse
        return done.model

    makers = {name: functools.partial(make, name) for name in order}
    reports = one_by_one(plan, makers, report.line, report.waiting)
    simple = [name for name in order if zoo.card(name).optimizer is None]
    table = Comparison([reports[name] for name in [*hyperparameters, *added]], simple, notes=notes)
    if "popularity" in reports:
        reached = {name: reports[name][table.metric] for name in trained}
        simplest = reports["popularity"][table.metric]
        careful = {name: worse(name, table.metric, x, simplest) for name, x in reached.items()}
    return table, trained, [sentence for sentence in careful.values() if sentence]


def _print(table: "Compared[Any]", report: Report) -> None:
    metrics = [metric for metric in table.metrics if not metric.startswith("mean_")]
    cut = table.metric.partition("@")[2]
    # One table per list length; a single one would be too wide.
    for k in dict.fromkeys([cut, *(metric.partition("@")[2] for metric in metrics)]):
        shown = [metric for metric in metrics if metric.partition("@")[2] in (k, "" if k == cut else k)]
        rows = []
        for name, row in table.to_frame().iterrows():
            p = "best" if name == table.best else f"{row['p']:.4f}" + (" =" if row["tied"] else "")
            rows.append(
                {"model": f"{name} *" if name in table.baselines else name}
                | {metric: f"{row[metric]:.4f}" for metric in shown}
                | ({"95 %": f"{row['low']:.4f}-{row['high']:.4f}", "p": p} if k == cut else {})
            )
        if k or not cut:
            report.table(f"Models by {table.metric}" if k == cut else f"Lists of {k}", rows, keys=1)
    report.line(table.verdict())
    report.line(f"* a baseline. 95 %: interval of {table.metric}.")
    report.line(
        f"p: p-value of the difference from the best, paired {table.significance} over {table.units}, Holm; "
        f"=: not significantly different, above {table.level:g}."
    )
    for note in table.notes:
        report.line(note)
    slices = table.slices()
    by = [title for title, _ in slices.index]
    parts = [
        {"by": "" if i and by[i] == by[i - 1] else by[i], "part": str(part), "users": int(row["n_users"])}
        | {name: f"{row[name]:.4f}" for name in table.reports}
        for i, ((_, part), row) in enumerate(slices.iterrows())
    ]
    if parts:
        report.table(f"{table.metric} in parts of users and items", parts, keys=3)
    measured = {key: x if isinstance(x, float) else str(x) for key, x in table.protocol.items()}
    report.facts("How it was measured", measured)


def _refuse_lists(given: dict[str, Any], form: Form) -> None:
    """Refuse options for ratings and lists together with a column of clicks."""
    given = {name: None if value == _DEFAULTS.get(name) else value for name, value in given.items()}
    refuse_with_label(given | {"value-column": form.value_column, "kind": form.kind})


def _listed(option: str, text: str) -> list[str]:
    """Names separated by commas, without duplicates."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError(f"`--{option}` must have at least one name. Received: {text!r}.")
    return list(dict.fromkeys(names))


def _cuts(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError(
            f"`--k` must be a positive integer, or several separated by commas. Received: {text!r}."
        )
    return tuple(map(int, parts))


def _by_model(names: list[str], settings: list[str]) -> dict[str, dict[str, Any]]:
    """The hyperparameters of each model, by its name in the registry."""
    from kerasrec import zoo

    found: dict[str, dict[str, Any]] = {zoo.card(name).name: {} for name in names}
    for text in settings:
        path, value = setting(text)
        model, dot, name = path.partition(".")
        if not dot:
            raise ValueError(f"`--set` must be MODEL.NAME=VALUE. Received: {text!r}.")
        if zoo.card(model).name not in found:
            raise ValueError(
                f"`--set` must name one of the models compared, {', '.join(found)}. Received: {text!r}."
            )
        found[zoo.card(model).name][name] = value
    return found
