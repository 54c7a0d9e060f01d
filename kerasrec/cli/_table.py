"""Reading of a file of ratings as `Interactions`."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasrec.cli._dialect import dialect_of
from kerasrec.cli._form import Columns, Form
from kerasrec.cli._kind import guessed, told
from kerasrec.cli._names import IDS, click_column, guessed_column, title_column

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.cli._dialect import Dialect
    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions

_WHAT = {"user": "users", "item": "items", "value": "ratings"}


class Table(NamedTuple):
    """A table that was read.

    Attributes:
        interactions: `Interactions`.
        columns: the columns from which they were read, by role.
        read_as: how the file was read, guessed or given; `kind` is the kind of the values.
        n_rows: number of rows in the file, before repeated pairs were combined. Defaults to `0`: unknown.
    """

    interactions: "Interactions"
    columns: dict[str, str]
    read_as: dict[str, str]
    n_rows: int = 0

    def tell(self, report: "Report") -> None:
        """Print which columns were used, how the file was read, and what is unusual about its values."""
        report.line("Columns: " + ", ".join(f"{side} {name!r}" for side, name in self.columns.items()))
        how = ", ".join(f"{what} {said}" for what, said in self.read_as.items() if what != "kind")
        if how:
            report.line(f"Read as: {how}; the options of the same names override this")
        report.line(f"Kind: {self.read_as['kind']}")
        tell_odd_values(report, self.interactions, self.columns.get("value"))
        report.always |= {"read_as": self.read_as}


def tell_odd_values(report: "Report", interactions: "Interactions", name: str | None) -> None:
    """Point out zeros among ratings, which mean "not rated" in some tables, and counts and likes below 0."""
    from kerasrec.data._folder import blocks

    parts = [interactions.values[rows] for rows in blocks(len(interactions), 1 << 20)]
    n_below = sum(int((part < 0).sum()) for part in parts)
    if interactions.kind != "ratings":
        if n_below:
            report.line(f"Below 0: {n_below:,} of {len(interactions):,} in {name!r}, which are not likes")
        return
    zeros = sum(int((part == 0).sum()) for part in parts)
    if 0 < zeros < len(interactions) and not n_below:
        report.line(
            f"Zeros: {zeros:,} of {len(interactions):,} in {name!r}; if they mean that nobody rated, "
            "remove those rows"
        )


def read_ratings(
    path: Path,
    columns: Columns,
    form: Form = Form(),  # noqa: B008
    needs_values: bool = True,
) -> Table:
    """The ratings of a file, and how they were read.

    Args:
        path: CSV file (compressed ones as pandas reads them), or Parquet.
        columns: names of the columns.
        form: format of the file. Defaults to `Form()`: guessed.
        needs_values: bool, whether to refuse a table without ratings. Defaults to `True`.
    """
    from kerasrec.data import Interactions, _readers

    if is_prepared(path):
        return _prepared(path, columns, form)
    if form.date_format is not None and columns.time is None:
        raise ValueError(
            f"`--date-format` needs a `--time-column`. Received: {form.date_format!r} without one."
        )
    found, dialect = _found(path, columns, form, needs_values)
    with _file_named(path, dialect is not None):
        if dialect is None:
            frame, read_as = _readers.read_parquet(path, [*found.values()]), {}
        else:
            ids = {found[side]: None for side in ("user", "item")}
            texts = [found[side] for side in ("value", "time") if side in found]
            texts = texts if form.date_format else texts[:1] if "value" in found else []
            frame = _readers.read_csv(path, ids, [*found.values()], dialect.options, texts, audited=True)
            read_as = dialect.read_as | _as_numbers(frame, found.get("value"), form)
        for side in ("user", "item") if form.strip else ():
            frame[found[side]] = _stripped(frame[found[side]])
        if form.date_format is not None:
            frame[found["time"]] = _dates(frame[found["time"]], form.date_format)
        read = Interactions.from_frame(frame, **found, **_several(found, form, frame))
    kind = told(read, found.get("value"), form.kind)
    return Table(read, found, read_as | {"kind": kind}, len(frame))


@contextlib.contextmanager
def _file_named(path: Path, is_text: bool) -> Iterator[None]:
    """Add the file to an error that names a row."""
    try:
        yield
    except ValueError as error:
        if " in row " not in str(error):
            raise
        start = "0 after the header" if is_text else "0"
        raise ValueError(f"{error} Rows are those of {str(path)!r}, counted from {start}.") from error


def is_prepared(path: Path) -> bool:
    """Whether a path is a folder that `kerasrec prepare` wrote."""
    return (path / "header.json").is_file()


def _prepared(path: Path, columns: Columns, form: Form) -> Table:
    """The contents of a folder that `kerasrec prepare` wrote; options for tables do not apply to it."""
    from kerasrec.data import Interactions
    from kerasrec.data._access import column_names_of

    named = {f"{side}_column": getattr(columns, side) for side in ("user", "item", "value", "time")}
    for option, value in {**vars(form), **named}.items():
        if value not in (None, False):
            raise ValueError(
                f"`--{option.replace('_', '-')}` must be given to `kerasrec prepare`, which wrote "
                f"{str(path)!r}. Received: {value!r}."
            )
    whole = Interactions.open(path)
    found = {side: str(name) for side, name in column_names_of(whole).items() if name is not None}
    kind = told(whole, found.get("value"), whole.kind)
    return Table(whole, found, {"kind": kind})


def _found(
    path: Path, columns: Columns, form: Form, needs_values: bool
) -> tuple[dict[str, str], "Dialect | None"]:
    """The columns of a file, and its format if it is not Parquet."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if is_parquet(path):
        from kerasrec.data import _readers

        return find_columns(_readers.parquet_names(path), columns, needs_values), None

    def suits(names: Sequence[str]) -> bool:
        wanted = [
            columns.user or guessed_column(names, "user"),
            columns.item or guessed_column(names, "item"),
        ]
        return all(name in names for name in wanted)

    dialect = dialect_of(path, form, suits)
    return find_columns(dialect.names, columns, needs_values), dialect


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, whatever its name, or a folder has such files."""
    if path.is_dir():
        if any(path.rglob("*.parquet")):
            return True
        raise ValueError(
            f"{str(path)!r} must be a file, a folder of Parquet files, or a folder written by `kerasrec "
            "prepare`, which also reads folders of CSV files. Received: a folder with neither."
        )
    with path.open("rb") as file:
        return file.read(4) == b"PAR1" or path.suffix == ".parquet"


def _as_numbers(frame: "pd.DataFrame", name: str | None, form: Form) -> dict[str, str]:
    """Convert a column of text to numbers, in place, and return the marks."""
    if name is None or not (frame[name].dtype == object or frame[name].dtype == "str"):
        return {}
    from kerasrec.data import _numerals

    texts = frame[name].dropna().unique()
    try:
        decimal, thousands = _numerals.marks_of(texts, form.decimal, form.thousands)
    except ValueError as unclear:
        raise ValueError(
            "`--decimal` or `--thousands` must say how numbers are written. "
            f"Received: {str(unclear)!r} in column {name!r}, which is ambiguous or contradicts other rows."
        ) from None
    frame[name] = _numerals.parsed(frame[name], decimal, thousands)
    seen = {"decimal": decimal, "thousands": thousands}
    return {what: repr(mark) for what, mark in seen.items() if mark and any(mark in text for text in texts)}


def _stripped(ids: "pd.Series[Any]") -> "pd.Series[Any]":
    from kerasrec.data import _ids

    text = ids.astype(object)
    text = text.map(lambda entry: entry.strip() if isinstance(entry, str) else entry)
    if text.map(lambda entry: isinstance(entry, str)).all():
        whole = _ids.integers(text.unique())
        return text if whole is None else text.map(dict(zip(text.unique(), whole.tolist(), strict=True)))
    return text


def _dates(times: "pd.Series[Any]", date_format: str) -> "pd.Series[Any]":
    import pandas as pd

    from kerasrec.data._columns import refuse

    try:
        dates = pd.to_datetime(times, format=date_format, errors="coerce", utc=True)
    except ValueError as error:
        raise ValueError(
            f"`--date-format` must be a date format. Received: {date_format!r} ({error})."
        ) from None
    bad = (dates.isna() & times.notna()).to_numpy()
    fault = f"dates in another format than `--date-format {date_format}`"
    refuse(bad, times, times.name, fault, "Give the format of these dates.")
    return dates


def read_items(
    path: Path,
    item_column: str | None,
    form: Form = Form(),  # noqa: B008
    must_have: bool = True,
) -> tuple["pd.DataFrame", str]:
    """A table with one row per item, with unchanged entries, and the name of its column of ids.

    The column is `item_column`. It is guessed if none is given or, without `must_have`, if it is missing.
    """
    import pandas as pd

    from kerasrec.data._readers import as_written, read_csv

    def guess(names: Sequence[str]) -> str | None:
        plain = (name for name in names if name.strip().lower() == "id")
        # `movieId`, or else `id`, before `title`.
        return (
            guessed_column(names, "item", IDS[:1]) or next(plain, None) or guessed_column(names, "item", IDS)
        )

    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    parquet = is_parquet(path)
    dialect = None if parquet else dialect_of(path, form, lambda names: guess(names) is not None)
    frame = pd.read_parquet(path) if parquet else pd.DataFrame()
    names = dialect.names if dialect else [str(name) for name in frame.columns]
    listed = ", ".join(map(repr, names))
    if not must_have and item_column not in names:
        item_column = None
    if item_column is not None and item_column not in names:
        raise ValueError(
            f"`--item-column` must name a column of the items. Received: {item_column!r}; there are {listed}."
        )
    by = item_column or guess(names)
    if by is None:
        raise ValueError(
            f"`--item-column` must be given: no column's name looks like item ids. The columns are {listed}."
        )
    if dialect:
        # Ids stay as they are written, including `007`, and a title may be `NA`.
        missing = {"keep_default_na": False, "na_values": [""]}
        options = dialect.options | missing | {"dtype": {by: str}}
        frame = read_csv(path, {}, [by], options, audited=True)
        frame[by] = as_written(frame[by])
    return frame.set_axis(names, axis=1), by


def title_columns(names: Sequence[str]) -> list[str]:
    """The column with the names of the items; all columns if there is none."""
    found = title_column(names)
    return list(names) if found is None else [found]


def check_columns(path: Path, columns: Columns, form: Form, needs_values: bool = False) -> None:
    """Refuse a table without the required columns, before Keras is loaded, which takes seconds."""
    if is_prepared(path):
        return
    found, dialect = _found(path, columns, form, needs_values)
    clicked = click_column(dialect.names) if dialect else None
    if clicked is not None and "value" not in found and form.kind is None:
        raise ValueError(
            f"Column {clicked!r} seems to mark which of the items shown were clicked: `--label {clicked}` "
            f"trains a click model, `--value-column {clicked}` counts rows above 0 as likes, and `--kind "
            "likes` counts all rows. Received: none of these."
        )


def find_columns(
    names: Sequence[str], wanted: Columns, needs_values: bool = True, remedy: str | None = None
) -> dict[str, str]:
    """The columns of users, items, values (if there are any or they are required) and, if named, times.

    Args:
        names: names of the columns.
        wanted: those that are given.
        needs_values: bool, whether to refuse a table without ratings. Defaults to `True`.
        remedy: a sentence for a table without the columns. Defaults to `None`: on `--names`.
    """
    listed = ", ".join(map(repr, names))
    found: dict[str, str] = {}
    for side in ("user", "item", "value", "time"):
        given = getattr(wanted, side)
        if given is not None and given not in names:
            raise ValueError(
                f"`--{side}-column` must name a column of the table. Received: {given!r}; "
                f"its columns are {listed}."
            )
        if given is None and side in _WHAT:
            taken = (*found.values(), wanted.user, wanted.item, wanted.value, wanted.time)
            left = [name for name in names if name not in taken]
            given = guessed_column(left, side, beside=[*found.values()])
            if given is None and (needs_values or side != "value"):
                raise ValueError(
                    f"`--{side}-column` must be given: no column's name looks like {_WHAT[side]}. "
                    f"The columns are {listed}. {_headless(names) if remedy is None else remedy}".rstrip()
                )
        if given is not None:
            found[side] = given
    return found


def _several(found: Mapping[str, str], form: Form, frame: "pd.DataFrame") -> dict[str, Any]:
    """The kind of the values, and how repeated pairs are combined."""
    kind = form.kind
    if kind is None and form.duplicates != "sum":
        name = found.get("value")
        kind = guessed(name, () if name is None else frame[name])
    return {"kind": kind, "duplicates": form.duplicates}


def _headless(names: Sequence[str]) -> str:
    remedy = "`--names user,item,...` names the columns of a file without a header."
    return f"The first line seems to be data: {remedy}" if are_data(names) else remedy


def are_data(names: Sequence[str]) -> bool:
    """Whether the names of columns seem to be a first row, because one is a number."""
    return any(re.fullmatch(r"-?\d+([.,]\d+)?", str(name).strip()) for name in names)
