"""Raw ids of a table larger than memory, checked by the rule of `_ids` and numbered by DuckDB."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kerasrec.data import _duck, _ids
from kerasrec.data._raw_rows import RawRows
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


def number_ids(rows: RawRows, side: str, keep_na: bool) -> int:
    """Make the table `users` or `items`, with columns `raw`, `id`, `n` and `code`.

    Args:
        rows: raw rows, with the columns `u` and `i`; in a text file, ids that are all written as integers
            become integers.
        side: `"user"` or `"item"`.
        keep_na: whether entries that pandas takes for missing ones are ids.

    Returns:
        The number of ids.
    """
    connection, name, type_ = rows.connection, rows.source.columns[side], rows.source.types[side[0]]
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
        f"CREATE OR REPLACE TABLE {found} AS SELECT {column} AS raw, count(*) AS n FROM {rows.relation} "
        "GROUP BY ALL"
    )
    ids = _Ids(rows, found, column, name)
    ids.refuse("raw IS NULL", "missing ids", "Drop those rows or fill them.")
    settled = _numbers(ids, type_) if is_number(type_) else _texts(ids, rows.source.is_text, keep_na)
    # dense_rank: `5863` and `5863.0` in a column of integers are one.
    connection.execute(
        f"CREATE OR REPLACE TABLE {side}s AS SELECT raw, {settled} AS id, n, "
        f"(dense_rank() OVER (ORDER BY {settled}) - 1) AS code FROM {found}"
    )
    connection.execute(f"DROP TABLE {found}")
    count = int(ids.one(f"SELECT coalesce(max(code), -1) + 1 FROM {side}s"))
    if count > MOST_CODES:
        raise ValueError(
            f"There must be fewer than 2**31 {side}s, so that codes fit 32 bits; drop some, or merge several "
            f"into one. Received: {count:,}."
        )
    return count


@dataclass(frozen=True)
class _Ids:
    """The different ids of a column.

    Attributes:
        rows: raw rows.
        found: table of ids (`raw`) and the number of rows of each (`n`).
        column: expression that gives the ids of `rows`.
        name: name of the column.
    """

    rows: RawRows
    found: str
    column: str
    name: Any

    def refuse(self, bad: str, fault: str, remedy: str) -> None:
        """Raise an error if any id is bad; `bad` is an SQL condition on `raw`."""
        if self.one(f"SELECT count(*) FROM {self.found} WHERE {bad}"):
            self._rows.refuse("raw", self.name, bad, fault, remedy)

    def entry(self, raw: str) -> str:
        """An id and the place of its first row, for a message."""
        row = self.one(f"SELECT min(r) FROM {self._rows.relation} WHERE raw = ?", raw)
        return self._rows.entry("raw", row)

    @property
    def _rows(self) -> RawRows:
        return replace(self.rows, relation=f"(SELECT {self.column} AS raw, r FROM {self.rows.relation})")

    def one(self, query: str, *given: Any) -> Any:
        """The only entry that a query gives."""
        return self.rows.connection.execute(query, list(given)).fetchall()[0][0]


def _numbers(ids: _Ids, type_: str) -> str:
    """The SQL expression that converts numbers to integers."""
    if type_ in ("FLOAT", "DOUBLE"):
        limit = 2.0**24 if type_ == "FLOAT" else 2.0**53
        bad = f"NOT isfinite(raw) OR raw <> floor(raw) OR abs(raw) >= {limit:.0f}"
        ids.refuse(bad, *_ids.NOT_WHOLE)
    elif type_.startswith("DECIMAL"):
        ids.refuse("raw <> floor(raw)", *_ids.NOT_WHOLE)
    beyond = ("ids beyond 64 bits", "Convert them to text, e.g. with `CAST(column AS VARCHAR)` in a query.")
    ids.refuse("TRY_CAST(raw AS BIGINT) IS NULL", *beyond)
    return "raw::BIGINT"


def _texts(ids: _Ids, written: bool, keep_na: bool) -> str:
    """The SQL expression that converts text to ids: unchanged, except for integers in a CSV."""
    ids.refuse(_duck.is_blank("raw"), *_EMPTY)
    if written:
        _check_written(ids, keep_na)
        number = "TRY_CAST(regexp_replace(raw, '\\.0+$', '') AS BIGINT)"
        others = (
            f"NOT regexp_full_match(raw, '{_WHOLE}') OR {number} IS NULL "
            f"OR (contains(raw, '.') AND abs({number}) >= {2**53})"
        )
        if not ids.one(f"SELECT count(*) FROM {ids.found} WHERE {others}"):
            return number
    _check_alike(ids)
    return "raw"


def _check_written(ids: _Ids, keep_na: bool) -> None:
    """Refuse entries of a CSV that are not ids."""
    if not keep_na:
        listed = ", ".join("'" + text + "'" for text in MISSING)
        ids.refuse(
            f"raw IN ({listed})",
            "missing ids",
            "It may be an id or may mean that there is none: drop those rows, or read it as an id with "
            "`keep_na=True` (on the command line `--keep-na`).",
        )
    rounded = "numbers that a spreadsheet has rounded: several became one"
    remedy = "Write the table again with that column as text."
    ids.refuse(f"regexp_full_match(raw, '{_ROUNDED}')", rounded, remedy)
    lines = "regexp_matches(raw, '[\\t\\r\\n]')"
    remedy = "Quotes must enclose whole fields; correct the file."
    ids.refuse(lines, "ids with tabs or line ends", remedy)


def _check_alike(ids: _Ids) -> None:
    """Refuse ids that look the same, as `_ids.alike` does, without loading all of them."""
    import pyarrow as pa

    connection, found, name = ids.rows.connection, ids.found, ids.name
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
        raise ValueError(f"Column {name!r} must not have {fault}. Received: {ids.entry(blank[0])}. {remedy}")
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
            f"Column {name!r} must not have ids that look the same. Received: "
            f"{ids.entry(pairs[0][0])} and {ids.entry(pairs[0][1])}. Write each id in one way "
            "first; `trim(column)` in a query removes spaces around them."
        )
