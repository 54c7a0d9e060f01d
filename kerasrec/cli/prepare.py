"""`kerasrec prepare`: write a table that does not fit into memory to a folder that `kerasrec train` reads."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec._partial import check_new_folder
from kerasrec._source_files import files_of, is_query
from kerasrec.cli._form import Columns
from kerasrec.cli._kind import guessed, told
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, Report, reporting
from kerasrec.cli._table import are_data, find_columns, tell_odd_values

if TYPE_CHECKING:
    from rich.progress import TaskID

# Separators of columns other than a comma.
_MARKS = (";", "\t", "|")


def prepare(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Parquet or CSV files, a folder or a quoted glob pattern of them, or a DuckDB query.",
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    user_column: Annotated[
        str | None, typer.Option(help="Column of user ids. Default: guessed from its name.")
    ] = None,
    item_column: Annotated[
        str | None, typer.Option(help="Column of item ids. Default: guessed from its name.")
    ] = None,
    value_column: Annotated[
        str | None, typer.Option(help="Column of ratings or counts. Default: guessed from its name.")
    ] = None,
    time_column: Annotated[str | None, typer.Option(help="Column of times.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Meaning of the values: ratings (the last one counts), counts (added up) or likes. "
            "Default: guessed.",
        ),
    ] = None,
    duplicates: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="For repeated pairs: error, last, mean or sum. Default: depends on the kind.",
        ),
    ] = None,
    at_least: Annotated[
        float | None, typer.Option(help="Lowest value that counts as a like; lower values are dropped.")
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory limit of DuckDB, e.g. 500MB.")] = "2GB",
    attach: Annotated[
        str | None, typer.Option(help="Database that the query can read as `source`, e.g. shop.db.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Column separator of a CSV. Default: a comma; a tab for .tsv.")
    ] = None,
    keep_na: Annotated[
        bool,
        typer.Option("--keep-na", help="Treat NA, null and similar entries as ids, not as missing values."),
    ] = False,
    context_column: Annotated[
        list[str] | None, typer.Option(help="Further column to keep; may be given several times.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    r"""Write a table that does not fit into memory to a folder of columns, within a memory limit.

    `kerasrec train OUT` trains on it, and `Interactions.open` opens it. If the command was stopped, run it
    again to resume. It needs `pip install 'kerasrec\[large]'`.
    """
    with reporting(as_json, debug) as report:
        if not source:  # the only argument is taken for the last one
            raise ValueError(
                f"OUT, the folder to write, must be given after the source. Received: {str(out)!r} alone."
            )
        given: Any = source[0] if len(source) == 1 else source
        # Before Keras loads, which takes seconds.
        if not is_query(given):
            files_of(given)
        check_new_folder(Path(os.path.abspath(out)), "OUT")
        load_library(report)
        from kerasrec.data import _prepare
        from kerasrec.data._kinds import Meaning
        from kerasrec.data._loaders import context_of
        from kerasrec.data._opened import opened

        separator = "\t" if separator == "\\t" else separator
        try:
            names = _prepare.names_of(given, attach, separator)
        except ImportError as error:
            raise ValueError(str(error)) from None
        named = Columns(user_column, item_column, value_column, time_column)
        found = find_columns(names, named, needs_values=False, remedy=_remedy(names, is_query(given)))
        value = found.get("value")
        said = guessed(value) if kind is None and duplicates != "sum" else kind
        meaning = Meaning.of(said, duplicates, value is not None)
        otherwise = Meaning.of("counts", duplicates, True) if kind is None and said == "ratings" else None
        columns = {side: found.get(side) for side in ("user", "item", "value", "time")}
        settings = at_least, memory, attach, separator, keep_na, otherwise
        context = context_of(context_column or ())
        request = _prepare.Request(given, columns, meaning, *settings, context)
        report.line("Columns: " + ", ".join(f"{side} {name!r}" for side, name in found.items()))
        with report.saying_warnings(), _stages(report) as progress:
            _prepare.prepare(request, out, progress)
        whole = opened(out, verify=False)
        report.line(f"Kind: {told(whole, value, kind)}")
        tell_odd_values(report, whole, value)
        report.line(f"{len(whole):,} rows of {whole.n_users:,} users and {whole.n_items:,} items: {out}")
        report.result = {
            "folder": str(out),
            "columns": found,
            "kind": whole.kind,
            "rows": len(whole),
            "events": len(whole.events),
            "users": whole.n_users,
            "items": whole.n_items,
        }


def _remedy(names: Sequence[str], queried: bool) -> str:
    """What to do about a table without the required columns."""
    mark = next((mark for mark in _MARKS if len(names) == 1 and mark in names[0]), None)
    if mark is not None:
        said = f"FROM read_csv('...', delim = {mark!r})" if queried else f"--separator {mark!r}"
        return f"`{said}` reads columns that {mark!r} separates."
    if are_data(names):
        return (
            "The first line seems to be data: a query names the columns of a file without a header, such as "
            "\"SELECT column0 AS user, column1 AS item FROM read_csv('...', header = false)\"."
        )
    return ""


@contextlib.contextmanager
def _stages(report: Report) -> Iterator[Callable[[str, int, int | None], None]]:
    """A progress bar for each stage, in rows."""
    tasks: dict[str, TaskID] = {}
    with report.progress() as bars:

        def progress(stage: str, done: int, n_rows: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage.capitalize(), total=n_rows)
            bars.update(tasks[stage], completed=done, total=n_rows)

        yield progress
