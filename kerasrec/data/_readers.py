"""CSV, Parquet and SQL as frames that hold only the columns asked for."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _ids

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 1_000_000
# Arguments of `pandas.read_csv` by which a header is read as its table is.
_DIALECT = ("sep", "delimiter", "encoding", "quotechar", "quoting", "skiprows", "compression", "engine")


def existing(path: Any) -> Path:
    """A path that exists."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must be an existing file. Received: path={str(path)!r}.")
    return path


def read_csv(
    path: Any, ids: dict[Any, Any], others: Sequence[Any], options: dict[str, Any]
) -> "pd.DataFrame":
    """A CSV file; ids stay as written unless all of a column are plain integers.

    All columns are read, since pandas finds rows with too many fields only then; such a row has its fields
    shifted.

    Args:
        path: file.
        ids: names of the columns of ids, with the vocabulary given for each or `None`.
        others: names of the other columns that are needed.
        options: further arguments of `pandas.read_csv`; a `dtype` among them rules the ids as well.
    """
    import pandas as pd

    path = existing(path)
    if "dtype" in options:
        ids = {}
    else:  # as text: inferred types would lose the leading zeros of "0195153448"
        options = {**options, "dtype": dict.fromkeys(ids, str)}
    options = {"index_col": False, **options}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Length of header", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # each column is checked later
            frame = pd.read_csv(path, **options)
    except pd.errors.EmptyDataError:
        raise ValueError(
            f"`path` must hold a table with a header. Received: path={str(path)!r}, which is empty."
        ) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
        raise ValueError(
            "`path` must hold a CSV table; `sep`, `encoding` and `on_bad_lines` are passed to pandas."
            f" Received: path={str(path)!r}, on which pandas says: {str(error).strip()}"
        ) from error
    for name in (*ids, *others):
        if name in frame:
            _once_in_header(path, name, frame, options)
    for name, vocabulary in ids.items():
        if name in frame:
            frame[name] = _as_written(frame[name], vocabulary)
    return frame


def _once_in_header(path: Path, name: Any, frame: "pd.DataFrame", options: dict[str, Any]) -> None:
    """Refuse a header that has a name twice; pandas calls the second one `name.1`, and says nothing."""
    import pandas as pd

    if f"{name}.1" not in frame:
        return
    dialect = {key: options[key] for key in _DIALECT if key in options}
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, **dialect).iloc[0]
    count = int((header == name).sum())
    if count > 1:
        raise ValueError(f"Column {name!r} must occur once in the table. Received: {count} columns.")


def read_parquet(path: Any, columns: Sequence[Any]) -> "pd.DataFrame":
    """A Parquet file, or a folder of them."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    path = existing(path)
    try:
        table = ds.dataset(path, format="parquet")
        names = table.schema.names
        if not set(columns) <= set(names):
            return table.schema.empty_table().to_pandas()
        return table.to_table(columns=list(columns)).to_pandas(self_destruct=True, split_blocks=True)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"`path` must hold a Parquet table. Received: path={str(path)!r}, on which pyarrow says: {error}."
        ) from error


def read_sql(query: str, connection: Any, columns: Sequence[Any]) -> "pd.DataFrame":
    """The result of a query, read in chunks of which only the columns asked for are kept."""
    import pandas as pd

    chunks: list[pd.DataFrame] = []
    # Decimals stay what they are: as floats, long ids would lose digits.
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
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchmany(CHUNK_ROWS)
        while True:
            yield pd.DataFrame.from_records(rows, columns=names)
            rows = cursor.fetchmany(CHUNK_ROWS)
            if not rows:
                return
    finally:
        cursor.close()


def _as_written(column: "pd.Series[Any]", vocabulary: Any) -> "pd.Series[Any]":
    """Ids read as text: as integers where all are, or where the vocabulary given has integers."""
    import pandas as pd

    from kerasrec.data._columns import id_index

    if not pd.api.types.is_string_dtype(column):  # `parse_dates` made something else
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
        whole = np.array([*whole, None], object)  # which is what -1 points to
    return pd.Series(whole[codes], column.index)
