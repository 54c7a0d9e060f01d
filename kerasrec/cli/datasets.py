"""`kerasrec datasets`: public data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kerasrec._partial import replacing
from kerasrec.cli._files import check_writable
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, Report, reporting

if TYPE_CHECKING:
    from kerasrec.datasets import Dataset

app = typer.Typer(help="Public data sets and a synthetic one.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a data set; see `kerasrec datasets list`.")]
Place = Annotated[
    Path | None,
    typer.Option("--path", help="Folder or zip file to read instead of downloading."),
]


@app.command("list")
def list_datasets(as_json: AsJson = False, debug: Debug = False) -> None:
    """List the data sets."""
    with reporting(as_json, debug) as report:
        load_library(report)
        from kerasrec import datasets

        report.result = {"datasets": datasets.names()}
        report.table("Data sets", [{"name": name} for name in datasets.names()], header=False)


@app.command()
def fetch(
    name: Name,
    path: Place = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write the ratings to.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Download a data set to Keras's cache if needed, and write its ratings to a CSV file."""
    with reporting(as_json, debug) as report:
        if out is not None:
            check_writable(out, ".csv")
        dataset = _load(name, path, report)
        data = dataset.interactions
        report.line(
            f"{name}: {len(data):,} interactions of {data.n_users:,} users and {data.n_items:,} items"
        )
        report.result = {"name": name, "interactions": len(data)}
        if out is not None:
            with report.waiting(f"Writing {out.name}"), replacing(out) as partial:
                data.to_frame().to_csv(partial, index=False)
            report.line(f"Ratings: {out}")
            report.result["file"] = str(out)


@app.command()
def describe(name: Name, path: Place = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Describe a data set."""
    with reporting(as_json, debug) as report:
        print_description(_load(name, path, report), report)


def print_description(dataset: "Dataset", report: Report) -> None:
    """Describe a data set and count its ratings by value."""
    facts = dataset.describe()["value"].to_dict()
    report.facts(facts.pop("name"), facts)
    described = dataset.interactions.describe()["value"]
    counts = described["histogram"].to_dict() if "histogram" in described else {}
    report.histogram("Ratings of each value", counts)
    report.result |= {"name": dataset.name, **facts, "histogram": counts}


def _load(name: str, path: Path | None, report: Report) -> "Dataset":
    load_library(report)
    from kerasrec import datasets

    with report.waiting(f"Reading {name}"):
        return datasets.load(name, path)
