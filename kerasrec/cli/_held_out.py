"""A table of users' later interactions, for the page."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._form import Form
from kerasrec.cli._likes import likes

if TYPE_CHECKING:
    from kerasrec.cli._report import Report

Test = Annotated[
    Path | None,
    typer.Option(
        help="CSV or Parquet table of interactions after training: the page marks hits in the lists, and "
        "shows metrics with intervals."
    ),
]
AtLeast = Annotated[float | None, typer.Option(help="Lowest value in --test that counts as a like.")]


@contextlib.contextmanager
def held_out(
    test: Path | None, model: Path, form: Form, at_least: float | None, report: "Report"
) -> Iterator[Path | None]:
    """The table in the form that `kerasrec.serving` reads, with the ids of the model, as a temporary file.

    Args:
        test: the table, or `None`.
        model: file of the recommender.
        form: format of the table.
        at_least: lowest value that counts as a like, or `None`.
        report: report that says how the table was read.
    """
    if test is None:
        given = {**vars(form), "at_least": at_least}
        named = [name for name, value in given.items() if value not in (None, False)]
        if named:
            option = "--" + named[0].replace("_", "-")
            raise ValueError(f"`{option}` describes the table of `--test`. Received: no `--test`.")
        yield None
        return
    frame = _frame(test, model, form, at_least, report)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.parquet")
        frame.to_parquet(path)
        yield path


def _frame(test: Path, model: Path, form: Form, at_least: float | None, report: "Report") -> Any:
    from kerasrec.cli.evaluate import recoded
    from kerasrec.recommender import read_catalogue

    read = _table.read_ratings(test, form.columns(), form, needs_values=False)
    read.tell(report)
    liked = likes(read.interactions, at_least, "value" in read.columns)
    known = recoded(liked, read_catalogue(model), skip_unknown=True)
    if len(known) < len(liked):
        report.line(f"Left out: {len(liked) - len(known):,} rows of {test.name} of unknown users or items")
    return known.to_frame()[["user", "item", "value"]]
