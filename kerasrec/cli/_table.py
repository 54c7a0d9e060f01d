"""A file of ratings that a person has, as `Interactions`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasrec.cli._form import Columns, Form
from kerasrec.cli._kind import guessed, told

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions

_SAMPLE_LINES = 1000
_NOUNS = {
    "user": "user customer member reviewer visitor viewer reader listener player client account person",
    "item": "item movie film book isbn product asin sku song track artist album game anime recipe article "
    "video show business restaurant hotel title",
    "value": "rating ratings score stars overall grade vote value playcount plays count weight quantity",
}
_WHAT = {"user": "users", "item": "items", "value": "ratings"}
_ENDINGS = ("id", "", "no", "key", "code", "name")
# Of a table of items: `name` is not their ids.
_IDS = ("id", "", "no", "key", "code")


class Table(NamedTuple):
    """A table that was read.

    Attributes:
        interactions: `Interactions`.
        columns: the columns that they were read from, by what they are.
        read_as: how the file was read, by what was guessed or said; `kind` is what the values are.
    """

    interactions: "Interactions"
    columns: dict[str, str]
    read_as: dict[str, str]

    def tell(self, report: "Report") -> None:
        """Say which columns were taken, and how the file was read."""
        report.line("Columns: " + ", ".join(f"{side} {name!r}" for side, name in self.columns.items()))
        form = [f"{what} {how}" for what, how in self.read_as.items() if what != "kind"]
        if form:
            report.line("Read as: " + ", ".join(form))
        report.line(f"Kind: {self.read_as['kind']}")


def read_ratings(
    path: Path,
    columns: Columns,
    form: Form = Form(),  # noqa: B008
    needs_values: bool = True,
) -> Table:
    """The ratings of a file, and how they were read.

    Args:
        path: CSV file (compressed ones as pandas reads them), or Parquet where it ends so.
        columns: names of the columns.
        form: how the file is written. Defaults to `Form()`: guessed.
        needs_values: bool, refuse a table without ratings. Defaults to `True`.
    """
    from kerasrec.data import Interactions

    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix == ".parquet":
        import pyarrow.parquet

        found = find_columns(pyarrow.parquet.read_schema(path).names, columns, needs_values)
        return _told(Interactions.from_parquet(path, **found, **_several(found, form)), found, {}, form)
    options = csv_form(path, form.separator, form.encoding)
    found = find_columns(_header(path, options), columns, needs_values)
    read = Interactions.from_csv(path, **found, **_several(found, form), **options)
    return _told(read, found, {}, form)


def read_items(path: Path, item_column: str | None) -> tuple["pd.DataFrame", str]:
    """A table with a row an item, as it is written, and the name of the column of ids."""
    import pandas as pd

    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    parquet = path.suffix == ".parquet"
    options = {} if parquet else csv_form(path, None, None)
    frame = pd.read_parquet(path) if parquet else pd.read_csv(path, nrows=0, **options)
    names = [str(name) for name in frame.columns]
    listed = ", ".join(map(repr, names))
    if item_column is not None and item_column not in names:
        raise ValueError(
            f"`--item-column` must name a column of the items. Received: {item_column!r}; there are {listed}."
        )
    by = item_column or _guess(names, "item", _IDS)
    if by is None:
        raise ValueError(
            "`--item-column` must be given: no column's name looks like ids of items. "
            f"The columns are {listed}."
        )
    if not parquet:
        # Ids stay as they are written, `007` as well.
        frame = pd.read_csv(path, **options, dtype={by: str})
    return frame.set_axis(names, axis=1), by


def title_columns(names: Sequence[str]) -> list[str]:
    """The column that says what an item is called; all where none does."""
    for word in ("title", "name", "titel"):
        for name in names:
            if re.sub(r"[\W_]", "", name.lower()).endswith(word):
                return [name]
    return list(names)


def check_columns(path: Path, columns: Columns, form: Form, needs_values: bool = False) -> None:
    """Refuse a table without the columns that are needed; before Keras is loaded, which takes seconds."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix != ".parquet":
        find_columns(_header(path, csv_form(path, form.separator, form.encoding)), columns, needs_values)


def find_columns(names: Sequence[str], wanted: Columns, needs_values: bool = True) -> dict[str, str]:
    """The columns of users, items, values (where there are any or must be) and, where it is named, times."""
    listed = ", ".join(map(repr, names))
    found: dict[str, str] = {}
    for side in ("user", "item", "value", "time"):
        given = getattr(wanted, side)
        if given is not None and given not in names:
            raise ValueError(
                f"`--{side}-column` must name a column of the table. Received: {given!r}; "
                f"its columns are {listed}."
            )
        if given is None and side in _NOUNS:
            taken = (*found.values(), wanted.user, wanted.item, wanted.value, wanted.time)
            given = _guess([name for name in names if name not in taken], side)
            if given is None and (needs_values or side != "value"):
                raise ValueError(
                    f"`--{side}-column` must be given: no column's name looks like {_WHAT[side]}. "
                    f"The columns are {listed}.{_headless(names)}"
                )
        if given is not None:
            found[side] = given
    return found


def csv_form(path: Path, separator: str | None, encoding: str | None) -> dict[str, Any]:
    """How a CSV is written, read off its first lines: arguments of `pandas.read_csv`."""
    # Every byte is a character of Latin-1, so this can read anything.
    lines = _first_lines(path, encoding or "latin-1")
    if encoding is None:
        encoding = "utf-8-sig"
        try:
            "\n".join(lines).encode("latin-1").decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"
    if separator is None:
        header = re.sub(r'"[^"]*"', "", lines[0])
        separator = max(",;\t|", key=header.count)
    # Where commas do not separate, they can stand in numbers; `24.12.2023` is none.
    numbers = re.findall(r"(?<![\d.,:])\d+[.,]\d+(?![\d.,])", "\n".join(lines[1:]))
    with_commas = sum("," in number for number in numbers)
    commas = separator != "," and 2 * with_commas > len(numbers)
    return {
        "sep": separator,
        "encoding": encoding,
        "decimal": "," if commas else ".",
        "skipinitialspace": bool(re.search(rf"{re.escape(separator)} +\S", lines[0])),
    }


def _first_lines(path: Path, encoding: str) -> list[str]:
    import pandas as pd

    try:
        # No such separator: every line is one column.
        lines = pd.read_csv(
            path,
            sep="\x01",
            header=None,
            names=["line"],
            index_col=False,
            quoting=3,
            dtype=str,
            keep_default_na=False,
            encoding=encoding,
            nrows=_SAMPLE_LINES,
        )["line"]
    except pd.errors.EmptyDataError:
        lines = pd.Series([], dtype=str)
    except pd.errors.ParserError:
        raise ValueError(
            f"{str(path)!r} must be a table, as CSV or Parquet. Received: a file that is no text."
        ) from None
    except (UnicodeError, LookupError) as error:
        raise ValueError(f"`--encoding` must be the file's. Received: {encoding!r} ({error}).") from error
    if lines.empty:
        raise ValueError(f"{str(path)!r} must be a table with a header. Received: an empty file.")
    return lines.tolist()


def _header(path: Path, options: Mapping[str, Any]) -> list[str]:
    import pandas as pd

    return pd.read_csv(path, nrows=0, **options).columns.tolist()


def _several(found: Mapping[str, str], form: Form) -> dict[str, Any]:
    """What the values are, and what several of a pair come to."""
    kind = form.kind
    if kind is None and form.duplicates != "sum":
        kind = guessed(found.get("value"))
    return {"kind": kind, "duplicates": form.duplicates}


def _told(read: "Interactions", found: dict[str, str], read_as: dict[str, str], form: Form) -> Table:
    return Table(read, found, read_as | {"kind": told(read, found.get("value"), form.kind)})


def _guess(names: Sequence[str], side: str, endings: Sequence[str] = _ENDINGS) -> str | None:
    """The column whose name is most likely meant: `userId`, `User-ID`, `customer_id`, `Book-Rating`."""
    by_form = {re.sub(r"[\W_]", "", str(name).lower()): name for name in reversed(names)}
    nouns = _NOUNS[side].split()
    for ending in endings:
        for noun in nouns:
            for form in (noun + ending, ending + noun):
                if form in by_form:
                    return by_form[form]
    if side != "value":
        return None
    return next((name for form, name in by_form.items() if form.endswith(("rating", "score", "stars"))), None)


def _headless(names: Sequence[str]) -> str:
    def number(name: str) -> bool:
        return bool(re.fullmatch(r"[\d.,]+", str(name)))

    return " The first line seems to be data: write a header above it." if all(map(number, names)) else ""
