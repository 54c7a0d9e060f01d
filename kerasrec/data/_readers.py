"""CSV, Parquet and SQL as frames with only the requested columns."""

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec import _text
from kerasrec.data import _ids
from kerasrec.data._lines import check_lines

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 1_000_000
# Arguments of `pandas.read_csv` that also apply to reading the header alone.
_DIALECT = ("sep", "delimiter", "encoding", "quotechar", "quoting", "skiprows", "compression", "engine")
# Arguments that define quotes, or which lines are rows.
_SETTLED = {
    "quoting",
    "quotechar",
    "doublequote",
    "escapechar",
    "dialect",
    "comment",
    "lineterminator",
}
_ON_A_LINE = frozenset("\t\r\n")
# NULL as MySQL and PostgreSQL write it, and long numbers as spreadsheets do.
_NULL = r"\N"
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+1\d")


def existing(path: Any) -> Path:
    """The path, or an error if it does not exist."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must be an existing file. Received: path={str(path)!r}.")
    return path


def read_csv(
    path: Any,
    ids: dict[Any, Any],
    others: Sequence[Any],
    options: dict[str, Any],
    texts: Sequence[Any] = (),
    audited: bool = False,
) -> "pd.DataFrame":
    """A CSV file; ids stay text unless a whole column consists of plain integers.

    All columns are read, because only then does pandas notice rows with too many fields, which would be
    shifted.

    Args:
        path: file.
        ids: names of the columns of ids, with the vocabulary given for each or `None`.
        others: names of the other columns that are needed.
        options: further arguments of `pandas.read_csv`; a `dtype` applies to ids as well.
        texts: names of columns to leave as text. Defaults to `()`.
        audited: whether the meaning of quotes is known. Defaults to `False`.
    """
    import pandas as pd

    path = existing(path)
    for option in ("chunksize", "iterator"):
        if options.get(option):
            raise ValueError(
                f"`{option}` must not be given: the table is read whole. Received: "
                f"{option}={options[option]!r}. Read parts with `pandas.read_csv`; `extend` adds them."
            )
    if "dtype" in options:
        ids = {}
    else:  # as text: inferred types would lose the leading zeros of "0195153448"
        options = {**options, "dtype": dict.fromkeys((*ids, *texts), str)}
    options = {"index_col": False, **options}
    try:
        judged = audited or check_quotes(path, options)
        with warnings.catch_warnings(), _text.unpacking(path):
            warnings.filterwarnings("error", "Length of header", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # each column is checked later
            frame = pd.read_csv(path, **options)
    except pd.errors.EmptyDataError:
        raise ValueError(
            f"`path` must hold a table with a header. Received: path={str(path)!r}, which is empty."
        ) from None
    except UnicodeDecodeError as error:
        encoding = options.get("encoding", "UTF-8")
        raise ValueError(
            f"`encoding` must be the encoding of the file. Received: path={str(path)!r}, which is "
            f"not {encoding} "
            f"({error.reason}: byte 0x{error.object[error.start]:02x})."
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(
            "`path` must hold a CSV table; `sep`, `encoding` and `on_bad_lines` are passed to pandas."
            f" Received: path={str(path)!r}, on which pandas says: {str(error).strip()}{_excel(path)}"
        ) from error
    check_lines(path, frame, options, judged)
    for name in (*ids, *others):
        if name in frame:
            _once_in_header(path, name, frame, options)
    _check_rows_for_header(path, [name for name in ids if name in frame], frame)
    for name, vocabulary in ids.items():
        if name in frame:
            _check_missing(path, name, frame[name], options)
            frame[name] = as_written(frame[name], vocabulary)
            _check_written(name, frame[name], options)
            if "quoting" not in options:
                _check_lines(name, frame[name])
    return frame


def _excel(path: Path) -> str:
    with path.open("rb") as file:
        first = file.read(8)
    excel = first.removeprefix(b"\xef\xbb\xbf").startswith(b"sep=")
    return ". Its first line is Excel's: leave it out with `skiprows=1`, and give its `sep`." if excel else ""


def check_quotes(path: Path, options: dict[str, Any]) -> bool:
    """Refuse quotes that would hide rows or be lost, unless `options` define quotes.

    Returns:
        Whether the meaning of quotes is known.
    """
    separator = options.get("sep", options.get("delimiter", ","))
    skipped = options.get("skiprows") or 0
    if not _SETTLED.isdisjoint(options):
        return True
    if not isinstance(skipped, int) or not isinstance(separator, str) or len(separator) != 1:
        return False
    encoding, spaces = options.get("encoding") or "utf-8", bool(options.get("skipinitialspace"))
    compression = options.get("compression", "infer")
    try:
        quotes = _text.quotes_of(path, separator, encoding, skipped, spaces, compression)
    except _text.Unbalanced as unbalanced:
        raise ValueError(
            "Quotes must enclose whole fields; if they are text, pass `quoting=3` (on the command "
            f"line `--quoting none`). Received: path={str(path)!r}, {unbalanced}."
        ) from None
    if quotes == _text.TEXT:
        raise ValueError(
            "Quotes could be text, so `quoting` must be given: 3 (`csv.QUOTE_NONE`) keeps them in "
            f"the text, 0 reads them as enclosing fields. Received: path={str(path)!r}, whose lines "
            "have as many fields as its header only if they are text."
        )
    return True


def _check_missing(path: Path, name: Any, column: "pd.Series[Any]", options: dict[str, Any]) -> None:
    """Refuse ids that pandas takes for missing entries, such as `NA` and `null`."""
    import pandas as pd

    missing = column.isna().to_numpy()
    if not missing.any() or not {"keep_default_na", "na_filter", "na_values"}.isdisjoint(options):
        return
    written = pd.read_csv(path, **options, keep_default_na=False)[name].to_numpy()
    texts = missing & (written != "")
    if texts.any():
        row = int(np.argmax(texts))
        raise ValueError(
            f"Column {name!r} must not have missing ids. Received: {texts.sum()} that may be ids or "
            f"may mean that there is none, first {written[row]!r} in row {row}. Drop those rows, or "
            "read them as ids with `keep_default_na=False` (on the command line `--keep-na`)."
        )


def _check_written(name: Any, column: "pd.Series[Any]", options: dict[str, Any]) -> None:
    """Refuse entries that are a database's NULL, and ids that a spreadsheet has rounded."""
    import pandas as pd

    if not isinstance(column.dtype, pd.CategoricalDtype):
        return
    texts = [text for text in column.cat.categories if isinstance(text, str)]
    if _NULL in texts and {"keep_default_na", "na_filter", "na_values"}.isdisjoint(options):
        raise ValueError(
            f"Column {name!r} must not have missing ids. Received: '\\N', which databases write for "
            "missing entries. "
            "Drop those rows, or read it as an id with `keep_default_na=False` (on the command line "
            "`--keep-na`)."
        )
    rounded = next((text for text in texts if text[-4:-1] == "E+1" and _ROUNDED.fullmatch(text)), None)
    if rounded is not None:
        raise ValueError(
            f"Column {name!r} must not have numbers that a spreadsheet has rounded: several became one. "
            f"Received: {rounded!r}. Write the table again with that column as text."
        )


def _check_lines(name: Any, column: "pd.Series[Any]") -> None:
    import pandas as pd

    if not isinstance(column.dtype, pd.CategoricalDtype) or _ON_A_LINE.isdisjoint(
        "".join(column.cat.categories)
    ):
        return
    for text in column.cat.categories:
        if isinstance(text, str) and not _ON_A_LINE.isdisjoint(text):
            raise ValueError(
                f"Column {name!r} must not have ids with tabs or line ends. Received: {text[:60]!r}. "
                "If quotes are text, pass `quoting=3` (on the command line `--quoting none`); if "
                "they enclose such ids, `quoting=0` (`--quoting standard`)."
            )


def _check_rows_for_header(path: Path, names: Sequence[Any], frame: "pd.DataFrame") -> None:
    """Refuse a repeated header, as in several files written one after the other."""
    if len(names) < 2:
        return
    rows = np.logical_and.reduce([(frame[name] == str(name)).to_numpy(bool) for name in names])
    if rows.any():
        raise ValueError(
            "The rows of a table must not repeat its header; remove such lines, or read the files one by one "
            f"and `extend` the first. Received: path={str(path)!r}, {int(rows.sum())} such rows, the first "
            f"after {int(rows.argmax())} others."
        )


def _once_in_header(path: Path, name: Any, frame: "pd.DataFrame", options: dict[str, Any]) -> None:
    """Refuse a header with a repeated name, which pandas renames `name.1` without a message."""
    import pandas as pd

    if f"{name}.1" not in frame:
        return
    dialect = {key: options[key] for key in _DIALECT if key in options}
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, **dialect).iloc[0]
    count = int((header == name).sum())
    if count > 1:
        raise ValueError(f"Column {name!r} must occur once in the table. Received: {count} columns.")


def parquet_names(path: Any) -> list[str]:
    """The names of the columns of a Parquet file, or of a folder of them."""
    import pyarrow.dataset as ds

    path = existing(path)
    with _as_parquet(path):
        return list(ds.dataset(path, format="parquet").schema.names)


def read_parquet(path: Any, columns: Sequence[Any]) -> "pd.DataFrame":
    """A Parquet file, or a folder of them."""
    import pyarrow.dataset as ds

    path = existing(path)
    with _as_parquet(path):
        table = ds.dataset(path, format="parquet")
        names = table.schema.names
        if not set(columns) <= set(names):
            return table.schema.empty_table().to_pandas()
        _check_types(path, table, columns)
        return table.to_table(columns=list(columns)).to_pandas(self_destruct=True, split_blocks=True)


@contextlib.contextmanager
def _as_parquet(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # not a fault of the file
            raise
        raise ValueError(
            f"`path` must hold a Parquet table. Received: path={str(path)!r}, on which pyarrow says: "
            f"{str(error).strip().splitlines()[0].rstrip('.')}."
        ) from error


def _check_types(path: Path, table: Any, columns: Sequence[Any]) -> None:
    """Refuse a folder whose files have columns of different types: pyarrow would read `"007"` as 7."""
    fragments = list(table.get_fragments())
    for fragment in fragments if len(fragments) > 1 else ():
        own = fragment.physical_schema
        for name in columns:
            type_of = table.schema.field(name).type
            found = own.field(name).type if name in own.names else None
            if found is None or _kind_of(found) != _kind_of(type_of):
                raise ValueError(
                    "The files of a folder must have the same columns of the same types; write them again, "
                    "or read them one by one and `extend` the first. Received: "
                    f"path={str(path)!r}, whose column "
                    f"{name!r} is {type_of} in the first file and {found or 'missing'} in "
                    f"{Path(fragment.path).name!r}."
                )


def _kind_of(arrow_type: Any) -> str:
    """The kind of a type; a conversion within a kind either is exact or raises an error."""
    import pyarrow.types as of

    if of.is_dictionary(arrow_type):
        return _kind_of(arrow_type.value_type)
    if of.is_integer(arrow_type):
        return "integer"
    if of.is_string(arrow_type) or of.is_large_string(arrow_type):
        return "text"
    return "timestamp" if of.is_timestamp(arrow_type) else str(arrow_type)


def read_sql(query: str, connection: Any, columns: Sequence[Any]) -> "pd.DataFrame":
    """The result of a query, read in chunks; only the requested columns are kept."""
    import pandas as pd

    chunks: list[pd.DataFrame] = []
    # Decimals stay decimals: as floats, long ids would lose digits.
    for chunk in _chunks(query, connection):
        if not set(columns) <= set(chunk.columns):
            return chunk
        chunks.append(chunk[list(columns)])
    return pd.concat(chunks, ignore_index=True)


def _chunks(query: str, connection: Any) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    if not hasattr(connection, "cursor"):  # SQLAlchemy
        yield from pd.read_sql_query(query, connection, coerce_float=False, chunksize=CHUNK_ROWS)
        return
    cursor = connection.cursor()
    try:
        cursor.execute(query)
        if cursor.description is None:
            raise ValueError(f"`query` must select rows. Received: query={query!r}, which returns none.")
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchmany(CHUNK_ROWS)
        while True:
            yield pd.DataFrame.from_records(rows, columns=names)
            rows = cursor.fetchmany(CHUNK_ROWS)
            if not rows:
                return
    finally:
        cursor.close()


def as_written(column: "pd.Series[Any]", vocabulary: Any = None) -> "pd.Series[Any]":
    """Ids read as text, converted to integers if all are, or if the given vocabulary has integers."""
    import pandas as pd

    from kerasrec.data._columns import id_index

    if not pd.api.types.is_string_dtype(column):  # `parse_dates` has converted them
        return column
    codes, text = pd.factorize(column)
    whole: Any = None
    if vocabulary is None:
        whole = _ids.integers(text)
    elif id_index(vocabulary).inferred_type != "string":
        parsed = ((_ids.integer(entry), entry) for entry in text)
        whole = np.array([entry if number is None else number for number, entry in parsed], object)
    if whole is None:
        return pd.Series(pd.Categorical.from_codes(codes, text), column.index)
    if (codes < 0).any():
        whole = np.array([*whole, None], object)  # code -1 points to it
    return pd.Series(whole[codes], column.index)
