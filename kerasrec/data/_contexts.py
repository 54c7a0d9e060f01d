"""Further columns of a table larger than memory: numbers as they are, text as codes of categories."""

from collections.abc import Sequence
from typing import Any

from kerasrec.data import _duck
from kerasrec.data._raw_rows import RawRows
from kerasrec.data._sources import is_number
from kerasrec.data._vocabularies import MISSING, MOST_CODES

_DTYPES = {
    "BOOLEAN": "|b1",
    "TINYINT": "|i1",
    "SMALLINT": "<i2",
    "INTEGER": "<i4",
    "BIGINT": "<i8",
    "UTINYINT": "|u1",
    "USMALLINT": "<u2",
    "UINTEGER": "<u4",
    "UBIGINT": "<u8",
    "FLOAT": "<f4",
}
_REMEDY = "Drop those rows or fill them."
_WHOLE, _FRACTION = r"[+-]?\d+", r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_TRUTH = "('True', 'TRUE', 'true', 'False', 'FALSE', 'false')"


def inspected(rows: RawRows, names: Sequence[str], keep_na: bool) -> list[dict[str, Any]]:
    """Find the types of further columns, and make a table of categories (`context0`) of each text column.

    Args:
        rows: raw rows, with the columns `x0`, `x1` and so on; in a text file, columns whose entries all look
            like numbers are numbers.
        names: names of the columns, for messages.
        keep_na: whether entries that pandas takes for missing ones are categories.

    Returns:
        For each column, the SQL expression and join that give its entries, its dtype, and the number of
        categories, or `None` for numbers.
    """
    return [_inspected(rows, j, name, keep_na) for j, name in enumerate(names)]


def _inspected(rows: RawRows, j: int, name: str, keep_na: bool) -> dict[str, Any]:
    connection, table, type_ = rows.connection, rows.relation, rows.source.types[f"x{j}"]
    text, column = rows.source.is_text, f"x.x{j}"
    missing = f"x{j} IS NULL"
    if type_ in ("FLOAT", "DOUBLE"):
        missing += f" OR isnan(x{j})"
    if text and not keep_na:
        listed = ", ".join("'" + entry + "'" for entry in MISSING)
        missing += f" OR x{j} IN ({listed})"
    rows.refuse(f"x{j}", name, missing, "missing entries", _REMEDY)
    if text:
        type_, column = _written(connection, table, j)
    if type_ == "BOOLEAN" or is_number(type_):
        dtype = _DTYPES.get(type_, "<f8")
        as_double = "::DOUBLE" if dtype == "<f8" else ""
        return {"sql": f"{column}{as_double}", "join": "", "dtype": dtype, "n_categories": None}
    if type_ == "UUID" or type_.startswith("ENUM"):
        column += "::VARCHAR"
    elif type_ != "VARCHAR":
        raise ValueError(
            f"Column {name!r} must hold numbers, text or truth values. Received: a column of type {type_}. "
            "Convert it to text, e.g. with `CAST(column AS VARCHAR)` in a query."
        )
    rows.refuse(f"x{j}", name, _duck.is_blank(f"x{j}::VARCHAR"), "empty entries", _REMEDY)
    found = f"SELECT DISTINCT {column} AS raw FROM {table} AS x"
    connection.execute(
        f"CREATE OR REPLACE TABLE context{j} AS "
        f"SELECT raw, (row_number() OVER (ORDER BY raw) - 1)::BIGINT AS code FROM ({found})"
    )
    n = int(connection.execute(f"SELECT count(*) FROM context{j}").fetchall()[0][0])
    if n > MOST_CODES:
        raise ValueError(f"Column {name!r} must have fewer than 2**31 categories. Received: {n:,}.")
    return {
        "sql": f"context{j}.code::INTEGER",
        "join": f" JOIN context{j} ON {column} = context{j}.raw",
        "dtype": "<i4",
        "n_categories": n,
    }


def _written(connection: Any, table: str, j: int) -> tuple[str, str]:
    """The type that all entries of a text column can be read as, and the SQL expression of that type."""
    column = f"trim(x{j})"
    counts = [
        f"count(*) FILTER (regexp_full_match({column}, '{_WHOLE}') AND TRY_CAST({column} AS BIGINT) NOTNULL)",
        f"count(*) FILTER (regexp_full_match({column}, '{_FRACTION}'))",
        f"count(*) FILTER (x{j} IN {_TRUTH})",
    ]
    n, *found = connection.execute(f"SELECT count(*), {', '.join(counts)} FROM {table}").fetchall()[0]
    for type_, count in zip(("BIGINT", "DOUBLE", "BOOLEAN"), found, strict=True):
        if count == n:
            return type_, f"CAST(trim(x.x{j}) AS {type_})"
    return "VARCHAR", f"x.x{j}"
