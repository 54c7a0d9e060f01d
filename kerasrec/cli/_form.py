"""The options for the format of a table, the same for every command that reads one."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

Ratings = Annotated[
    Path,
    typer.Argument(
        help="CSV or Parquet file with one rating per row, or a folder that `kerasrec prepare` wrote.",
        metavar="RATINGS",
    ),
]


@dataclass(frozen=True)
class Columns:
    """The names given for the columns; `None` if the column is guessed."""

    user: str | None = None
    item: str | None = None
    value: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Form:
    """The options given for a table; `None` if the option is guessed."""

    user_column: Annotated[
        str | None, typer.Option(help="Column of user ids. Default: guessed from its name.")
    ] = None
    item_column: Annotated[
        str | None, typer.Option(help="Column of item ids. Default: guessed from its name.")
    ] = None
    value_column: Annotated[
        str | None, typer.Option(help="Column of ratings. Default: guessed from its name.")
    ] = None
    separator: Annotated[str | None, typer.Option(help="Column separator. Default: guessed.")] = None
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the file, e.g. latin-1. Default: guessed.")
    ] = None
    kind: Annotated[
        str | None,
        typer.Option(
            help="Meaning of the values: ratings (the last one counts), counts (added up) or likes. "
            "Default: guessed.",
            metavar="KIND",
        ),
    ] = None
    quoting: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="Double quotes: standard (they enclose fields) or none (they are text). Default: guessed.",
        ),
    ] = None
    decimal: Annotated[str | None, typer.Option(help="Decimal mark of the values. Default: guessed.")] = None
    thousands: Annotated[
        str | None, typer.Option(help="Thousands separator of the values. Default: guessed.")
    ] = None
    date_format: Annotated[
        str | None, typer.Option(help="Format of the time column, e.g. %d.%m.%Y. Default: ISO 8601.")
    ] = None
    keep_na: Annotated[
        bool,
        typer.Option("--keep-na", help="Treat NA, null and similar entries as ids, not as missing values."),
    ] = False
    strip: Annotated[bool, typer.Option("--strip", help="Strip spaces around ids.")] = False
    names: Annotated[
        str | None, typer.Option(help="Comma-separated column names of a file without a header.")
    ] = None
    duplicates: Annotated[
        str | None,
        typer.Option(
            help="For repeated pairs: error, last, mean or sum. Default: depends on the kind.",
            metavar="POLICY",
        ),
    ] = None

    def columns(self, time_column: str | None = None) -> Columns:
        """The names given for the columns, with the column of times if the command has this option."""
        return Columns(self.user_column, self.item_column, self.value_column, time_column)


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Form` in place of its parameter `form`."""
    hints = get_type_hints(Form, include_extras=True)
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(Form)
    ]
    signature = inspect.signature(command)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += options if parameter.name == "form" else [parameter]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        form = Form(**{option.name: given.pop(option.name) for option in options})
        command(**given, form=form)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run
