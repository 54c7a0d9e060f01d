import ast
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._clicks import DEFAULT, refuse_with_label, refuse_without_label
from kerasrec.cli._files import check_writable
from kerasrec.cli._form import Form, reads_table
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, Report, reporting
from kerasrec.cli._settings import MOST_SEED, setting
from kerasrec.cli._split import How, check_split, hold_out
from kerasrec.cli._tuned_clicks import clicks_to_search

if TYPE_CHECKING:
    from kerasrec.data import Impressions, Interactions
    from kerasrec.tuning import Job, SearchResult

_SHOWN = 10


@reads_table
def tune(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="RATINGS|JOB", help="CSV or Parquet file, or the name or .toml file of a job."
        ),
    ] = None,
    list_jobs: Annotated[bool, typer.Option("--list", help="List the jobs and exit.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Table for a job, if it is not at the job's path.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of a model. Default: hybrid, dcn for clicks, or the job's.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="Metric to optimise. Default: val_ndcg@10, the squared error of ratings, val_auc of clicks."
        ),
    ] = None,
    tuner: Annotated[str | None, typer.Option(help="bayesian, random, hyperband or grid.")] = None,
    max_trials: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of trials. Default: 20, or the job's.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Maximum epochs per trial. Default: the model's, or the job's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Fix a setting instead of searching it."),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=RANGE]", help="What to search: LOW:HIGH, LOW:HIGH:log, or A,B,C."),
    ] = None,
    at_least: Annotated[float | None, typer.Option(help="Lowest rating that counts as a like.")] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column of clicks, 1 or 0, in a table of impressions: tunes a click model."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=KIND", help="Kind of a column for click models, as in `train`."),
    ] = None,
    watch_time: Annotated[str | None, typer.Option(help="Column of watch times, for youtube_ranker.")] = None,
    test_size: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.9, help="Share held out to test the best model; 0 for no test."),
    ] = None,
    split: How = None,
    test: Annotated[
        Path | None, typer.Option(help="Table of test rows, instead of a share of the rows.")
    ] = None,
    test_seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds for the test. Default: 1, or the job's.")
    ] = None,
    rivals: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Comma-separated models to tune for comparison, with as many trials."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes, which share the cores.")] = 1,
    chief: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Address of the chief, which serves workers on several machines."
        ),
    ] = None,
    worker: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of a worker for the chief, on a shared folder.")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Folder of the search.")] = Path("search"),
    out: Annotated[Path, typer.Option(help="Output file for the best model.")] = Path("model.keras"),
    page: Annotated[
        Path | None, typer.Option("--report", help="Output file for an HTML report of the search.")
    ] = None,
    *,
    form: Form,
    time_column: Annotated[
        str | None,
        typer.Option(help="Column of times. With it, the latest rows are the test set; see `--split`."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_SEED, help="Random seed; the same seed gives the same trials."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Search for a model's hyperparameters, and compare the best ones with the defaults and baselines.

    Run the same command again to resume a search that was stopped or killed.
    """
    with reporting(as_json, debug) as report:
        if list_jobs:
            _list(report)
            return
        if source is None:
            raise ValueError("`RATINGS|JOB` must be given; `--list` shows the jobs. Received: nothing.")
        check_writable(out, ".keras")
        if page is not None:
            check_writable(page, ".html")
        fixed = dict(map(setting, settings or ()))
        ranges = dict(map(_range, space or ()))
        load_library(report)
        from kerasrec import zoo

        job = _job(source, data, label)
        label = job.label if label is None else label
        watch_time = job.watch_time if watch_time is None else watch_time
        further = dict(job.search)
        given = {"tuner": tuner, "max_trials": max_trials, "epochs": epochs, "seed": seed}
        further |= {name: x for name, x in given.items() if x is not None}
        further["fixed"] = dict(further.get("fixed", {})) | fixed
        further["space"] = (dict(further.get("space", {})) | ranges) or None
        at_least = job.at_least if at_least is None else at_least
        names = [zoo.card(x).name for x in _names([*job.rivals] if rivals is None else rivals.split(","))]
        main = zoo.card(model or job.model).name
        table = _place(job.data if data is None else data)
        apart = test if test is not None or data is not None else job.test
        apart = None if apart is None else _place(apart)
        read_columns: dict[str, Any] = {}
        train: Interactions | Impressions
        held_out: Interactions | Impressions | None
        if label is not None:
            refuse_with_label(
                {
                    "at-least": at_least,
                    "time-column": time_column,
                    "value-column": form.value_column,
                    "kind": form.kind,
                    "split": split,
                }
            )
            share = job.test_size if test_size is None else test_size
            parts = (apart, share, job.test_seed)
            train, held_out = clicks_to_search(
                table, label, form, job.columns, column, watch_time, *parts, report
            )
        else:
            refuse_without_label({"column": column, "watch-time": watch_time})
            _check_test(split, apart, test_size, time_column is not None or _table.is_prepared(table))
            with report.saying_warnings(), report.waiting(f"Reading {table.name}"):
                columns = form.columns(time_column)
                read = _table.read_ratings(table, columns, form, needs_values=False)
                further_rows = (
                    None
                    if apart is None
                    else _table.read_ratings(apart, columns, form, needs_values=False).interactions
                )
            if further_rows is None:
                liked = read.interactions if at_least is None else read.interactions.at_least(at_least)
                of_table = hold_out(liked, split, test_size, job.test_size, job.test_seed, [main, *names])
                rows, kept = of_table.train, of_table.test
            else:
                rows, kept = _with_test(read.interactions, further_rows, at_least)
            read.tell(report)
            read_columns = read.columns
            n_kept = 0 if kept is None else len(kept)
            report.line(
                f"{len(rows) + n_kept:,} rows of {rows.n_users:,} users and {rows.n_items:,} items, "
                f"{n_kept:,} of them held out for the test"
            )
            if further_rows is None and kept is not None:
                report.line(of_table.line)
            train, held_out = rows, kept

        from kerasrec.tuning import search

        names = [name for name in names if name != main] if held_out is not None else []
        wanted = _objective(objective, model, job)
        # The workers of a chief know only the search of the main model, so it comes first.
        order = [main, *names] if chief or worker else zoo.by_cost([main, *names])
        same = {name: x for name, x in further.items() if name not in ("fixed", "space")}
        found = {}
        for place, name in enumerate(order, 1):
            begun = time.perf_counter()
            own = {"directory": directory, "chief": chief, "worker": worker, **further}
            how = own if name == main else {"directory": directory / name, **same}
            if names:
                report.line(f"Tuning {name}")
            found[name] = search(train, name, wanted, workers=workers, verbose=not as_json, **how)
            if worker is not None:
                report.line(f"The chief is done: {len(found[name].frame()):,} trials.")
                return
            if names:
                report.line(_row(found[name], name, time.perf_counter() - begun, order[place:]))
        result = found.pop(main)
        _tell(result, report)
        if held_out is not None:
            _test(result, held_out, found, test_seeds or job.seeds, report)
        _write(result, out, page, report)
        report.result |= {"columns": read_columns, "directory": str(directory), "file": str(out)}


def _list(report: Report) -> None:
    load_library(report)
    from kerasrec.tuning import Job

    jobs = {name: Job.load(name) for name in Job.names()}
    report.table("Jobs", [{"job": name, "what it is": job.about} for name, job in jobs.items()])
    rows = [
        {"job": name, "model": job.model, "data": job.data, "objective": job.objective, "about": job.about}
        for name, job in jobs.items()
    ]
    report.result = {"jobs": rows}


def _job(source: Path, data: Path | None, label: str | None) -> "Job":
    """The job that was named; for a table, a job with the defaults."""
    from kerasrec.tuning import Job

    if source.suffix == ".toml" or (str(source) in Job.names() and not source.exists()):
        return Job.load(source)
    if data is not None:
        raise ValueError(f"`--data` is only for jobs. Received: {str(data)!r} with {str(source)!r}.")
    return Job("", str(source), "hybrid" if label is None else DEFAULT, "")


def _objective(given: str | None, model: str | None, job: "Job") -> str:
    from kerasrec import zoo

    if given is not None:
        return given
    if job.objective and model is None:
        return job.objective
    tasks = {"rating": "val_mean_squared_error", "click": "val_auc"}
    return tasks.get(zoo.card(model or job.model).task, "val_ndcg@10")


def _place(table: Any) -> Path:
    """A table at the given path, or in the folder of data sets."""
    path = Path(table)
    folder = os.environ.get("KERASREC_DATA")
    if not path.exists() and folder and (Path(folder) / path).exists():
        return Path(folder) / path
    return path


def _check_test(split: str | None, test: Path | None, test_size: float | None, has_times: bool) -> None:
    if split is not None and test is not None:
        raise ValueError(
            f"`--split` cannot be used with a table of test rows. Received: {split!r} and {str(test)!r}."
        )
    check_split(split, test_size, has_times)


def _with_test(
    whole: "Interactions", test: "Interactions", at_least: float | None
) -> tuple["Interactions", "Interactions"]:
    """The rows of the search, and the test rows of another table, with the same ids."""
    from kerasrec.data._extension import over_one_vocabulary

    train, held_out = over_one_vocabulary(whole, test)
    return (train, held_out) if at_least is None else (train.at_least(at_least), held_out.at_least(at_least))


def _range(text: str) -> tuple[str, Any]:
    """`n_components=8:64:log`, `loss=wmrb,bpr` or `optimizer` as a name and a range."""
    name, equals, given = text.partition("=")
    if not equals:
        return name, True
    if ":" in given:
        low, high, *scale = given.split(":")
        return name, (setting(f"x={low}")[1], setting(f"x={high}")[1], *scale)
    try:
        values = ast.literal_eval(f"[{given}]")
    except (ValueError, SyntaxError):
        values = [setting(f"x={part}")[1] for part in given.split(",")]
    return name, values


def _names(given: Iterable[str]) -> list[str]:
    """Names without spaces around them, without duplicates."""
    return list(dict.fromkeys(name.strip() for name in given if name.strip()))


def _row(result: "SearchResult", name: str, seconds: float, left: list[str]) -> str:
    """The result of a search, and the remaining models."""
    found = f"{result.objective} {result.best_score:.4f}"
    rest = f"; left: {', '.join(left)}" if left else ""
    return f"{name}: {found}, the best of {len(result.frame()):,} trials, in {seconds:.1f} s{rest}"


def _tell(result: "SearchResult", report: Report) -> None:
    frame = result.frame().sort_values("score", ascending=result.direction == "min")
    rows = frame.drop(columns="started").to_dict("records")
    report.table(
        f"The best of {len(rows):,} trials by {result.objective}",
        [{str(name): value for name, value in row.items()} for row in rows[:_SHOWN]],
        keys=1,
    )
    report.facts("Best hyperparameters", result.best_hyperparameters)
    report.line(f"{result.overhead:.0%} of the time was spent neither on training nor on evaluation")
    for trial, reason in result.reasons().items():
        report.line(f"Trial {trial} failed: {reason}")
    report.result = {
        "objective": result.objective,
        "best": {"trial": result.best_trial, "score": result.best_score},
        "hyperparameters": result.best_hyperparameters,
        "overhead": result.overhead,
        "trials": [row | {"started": str(row["started"])} for row in frame.to_dict("records")],
    }


def _test(
    result: "SearchResult",
    test: "Interactions | Impressions",
    rivals: "dict[str, SearchResult]",
    seeds: int,
    report: Report,
) -> None:
    import warnings

    with (
        report.waiting("Testing the best settings against the defaults"),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always", UserWarning)
        table = result.refit(test, rivals=rivals, seeds=seeds, tell=report.line)
    frame = table.to_frame()
    report.table(
        f"On {len(test):,} rows that the search has not seen",
        [
            {"model": str(name), **{str(x): value for x, value in row.items()}}
            for name, row in frame.iterrows()
        ],
        keys=1,
    )
    report.line(table.verdict())
    for note in table.notes:
        report.line(note)
    for warning in said:
        if issubclass(warning.category, UserWarning):
            report.line(str(warning.message))
    report.result["test"] = table.to_dict()


def _write(result: "SearchResult", out: Path, page: Path | None, report: Report) -> None:
    from kerasrec.data import Impressions
    from kerasrec.recommender import Ranker, save_model

    model = result.best_model(retrain=True)
    if isinstance(result.interactions, Impressions):
        Ranker(model).save(out)
    else:
        save_model(model, out, result.interactions, seen=True)
    report.line(f"Model: {out}")
    if page is not None:
        result.report(page)
        report.line(f"Report: {page}")
        report.result["report"] = str(page)
