"""Raw ids of a table larger than memory, checked by the rule of `_ids` and numbered by DuckDB."""

from typing import Any

import numpy as np

from kerasrec.data import _ids
from kerasrec.data._columns import shown
from kerasrec.data._sources import is_number

# Codes are int32.
MOST_CODES = 2**31 - 1
_CHUNK = 1 << 17
_WHOLE = r"(0|-?[1-9]\d{0,18})(\.0+)?"
_ROUNDED = r".*\d([.,]\d+)?E\+1\d"
# Entries of a CSV that pandas takes for missing ones.
MISSING = (
    "#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null|\\N"
).split("|")
_EMPTY = ("empty ids", "Drop those rows or fill them.")
_NO_IDS = (
    "ids that are neither text nor whole numbers",
    "Name the column of ids, or convert them to text, e.g. with `CAST(column AS VARCHAR)` in a query.",
)


def number_ids(
    connection: Any, table: str, side: str, name: Any, type_: str, text: bool, keep_na: bool
) -> int:
    """Make the table `users` or `items`, with columns `raw`, `id`, `n` and `code`.

    Args:
        connection: connection of DuckDB; `{table}` has the columns `u` and `i`.
        table: relation of events.
        side: `"user"` or `"item"`.
        name: name of the column, for messages.
        type_: its type.
        text: whether it comes from a text file, in which the writing decides what is an integer.
        keep_na: whether entries that pandas takes for missing ones are ids.

    Returns:
        The number of ids.
    """
    if type_ == "UUID" or type_.startswith("ENUM"):
        column = f"{side[0]}::VARCHAR"
    elif type_ == "VARCHAR" or is_number(type_):
        column = side[0]
    else:
        raise ValueError(
            f"Column {name!r} must not have {_NO_IDS[0]}. Received: a column of type {type_}. {_NO_IDS[1]}"
        )
    found = f"{side}s_found"
    connection.execute(
        f"CREATE OR REPLACE TABLE {found} AS SELECT {column} AS raw, count(*) AS n FROM {table} GROUP BY ALL"
    )
    _refuse(connection, found, name, "raw IS NULL", "missing ids", "Drop those rows or fill them.")
    if is_number(type_):
        settled = _numbers(connection, found, name, type_)
    else:
        settled = _texts(connection, found, name, text, keep_na)
    # dense_rank: `5863` and `5863.0` in a column of integers are one.
    connection.execute(
        f"CREATE OR REPLACE TABLE {side}s AS SELECT raw, {settled} AS id, n, "
        f"(dense_rank() OVER (ORDER BY {settled}) - 1) AS code FROM {found}"
    )
    connection.execute(f"DROP TABLE {found}")
    count = int(_one(connection, f"SELECT coalesce(max(code), -1) + 1 FROM {side}s"))
    if count > MOST_CODES:
        raise ValueError(
            f"There must be fewer than 2**31 {side}s, so that codes fit 32 bits; drop some, or merge several "
            f"into one. Received: {count:,}."
        )
    return count


def _numbers(connection: Any, found: str, name: Any, type_: str) -> str:
    """The SQL expression that converts numbers to integers."""
    if type_ in ("FLOAT", "DOUBLE"):
        limit = 2.0**24 if type_ == "FLOAT" else 2.0**53
        bad = f"NOT isfinite(raw) OR raw <> floor(raw) OR abs(raw) >= {limit:.0f}"
        _refuse(connection, found, name, bad, *_ids.NOT_WHOLE)
    elif type_.startswith("DECIMAL"):
        _refuse(connection, found, name, "raw <> floor(raw)", *_ids.NOT_WHOLE)
    beyond = ("ids beyond 64 bits", "Convert them to text, e.g. with `CAST(column AS VARCHAR)` in a query.")
    _refuse(connection, found, name, "TRY_CAST(raw AS BIGINT) IS NULL", *beyond)
    return "raw::BIGINT"


def _texts(connection: Any, found: str, name: Any, written: bool, keep_na: bool) -> str:
    """The SQL expression that converts text to ids: unchanged, except for integers in a CSV."""
    _refuse(connection, found, name, "trim(raw, E' \\t\\n\\r\\v\\f') = ''", *_EMPTY)
    if written:
        _check_written(connection, found, name, keep_na)
        number = "TRY_CAST(regexp_replace(raw, '\\.0+$', '') AS BIGINT)"
        others = (
            f"NOT regexp_full_match(raw, '{_WHOLE}') OR {number} IS NULL "
            f"OR (contains(raw, '.') AND abs({number}) >= {2**53})"
        )
        if not _one(connection, f"SELECT count(*) FROM {found} WHERE {others}"):
            return number
    _check_alike(connection, found, name)
    return "raw"


def _check_written(connection: Any, found: str, name: Any, keep_na: bool) -> None:
    """Refuse entries of a CSV that are not ids."""
    if not keep_na:
        listed = ", ".join("'" + text + "'" for text in MISSING)
        _refuse(
            connection,
            found,
            name,
            f"raw IN ({listed})",
            "missing ids",
            "It may be an id or may mean that there is none: drop those rows, or read it as an id with "
            "`keep_na=True` (on the command line `--keep-na`).",
        )
    rounded = "numbers that a spreadsheet has rounded: several became one"
    remedy = "Write the table again with that column as text."
    _refuse(connection, found, name, f"regexp_full_match(raw, '{_ROUNDED}')", rounded, remedy)
    lines = "regexp_matches(raw, '[\\t\\r\\n]')"
    remedy = "Quotes must enclose whole fields; correct the file."
    _refuse(connection, found, name, lines, "ids with tabs or line ends", remedy)


def _check_alike(connection: Any, found: str, name: Any) -> None:
    """Refuse ids that look the same, as `_ids.alike` does, without loading all of them."""
    import pyarrow as pa

    keys: list[tuple[str, str]] = []
    for batch in connection.sql(f"SELECT raw FROM {found}").to_arrow_reader(_CHUNK):
        raw = np.array(batch.column(0).to_pylist(), object)
        if not _ids.all_plain(raw):
            keys += [(key, entry) for entry in raw if (key := _ids.key(entry)) is not entry]
    if not keys:
        return
    blank = [raw for key, raw in keys if not key]
    if blank:
        fault, remedy = _EMPTY
        raise ValueError(f"Column {name!r} must not have {fault}. Received: {shown(blank[0])}. {remedy}")
    odd = pa.table({"key": [key for key, _ in keys], "raw": [raw for _, raw in keys]})
    connection.register("odd_ids", odd)
    try:
        pairs = connection.execute(
            f"SELECT f.raw, o.raw FROM odd_ids o JOIN {found} f ON f.raw = o.key "
            "UNION ALL SELECT min(raw), max(raw) FROM odd_ids GROUP BY key HAVING count(*) > 1 LIMIT 1"
        ).fetchall()
    finally:
        connection.unregister("odd_ids")
    if pairs:
        raise ValueError(
            f"Column {name!r} must not have ids that look the same. Received: {shown(pairs[0][0])} and "
            f"{shown(pairs[0][1])}. Write each id in one way first; `trim(column)` in a query "
            "removes spaces around them."
        )


def _refuse(connection: Any, found: str, name: Any, bad: str, fault: str, remedy: str) -> None:
    row = connection.execute(f"SELECT sum(n), min(raw) FROM {found} WHERE {bad}").fetchall()[0]
    if row[0]:
        count = "1 row" if row[0] == 1 else f"{row[0]:,} rows"
        first = "" if row[1] is None else f", such as {shown(row[1])}"
        raise ValueError(f"Column {name!r} must not have {fault}. Received: {count} of them{first}. {remedy}")


def _one(connection: Any, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]
