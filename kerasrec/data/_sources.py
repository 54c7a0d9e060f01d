"""Sources of `Interactions.prepare` (Parquet, CSV or a query) as a relation of DuckDB, checked beforehand."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrec._source_files import TEXT, files_of, is_query
from kerasrec.data import _text_files

# Types that would round ids and times.
_OF_NUMBERS = {"whole numbers": "is_integer", "floats": "is_floating", "decimals": "is_decimal"}
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)")
# The upper bits of a row number are the number of the file.
_ROW_BITS = 40
# Maximum length of a DuckDB message in an error, because it may show whole lines.
_LONGEST = 300


@dataclass(frozen=True)
class Source:
    """A relation with one row per event.

    Attributes:
        sql: query for the unconverted columns `u`, `i`, and, if they exist, `v`, `t` and the context `x0`,
            `x1` and so on; and for `r`, which increases from row to row.
        types: DuckDB's types of `u`, `i`, `v`, `t`, `x0` and so on, by name.
        columns: names of the columns of `user`, `item`, `value` and `time`.
        files: files that are read.
        n_rows: number of rows, or `None` if it is unknown.
        is_text: whether all columns are text, as in a CSV.
        read_once: whether reading it again is expensive or may give another result.
        sep: separator of the columns of text.
    """

    sql: str
    types: dict[str, str]
    columns: dict[str, Any]
    files: tuple[Path, ...]
    n_rows: int | None
    is_text: bool
    read_once: bool
    sep: str = ","

    def stamp(self) -> str:
        """A value that changes if the files change."""
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in self.files]
        return json.dumps([self.sql, stamps])

    def place_of(self, connection: Any, row: int) -> tuple[Path | None, int]:
        """The file of a row, or `None` for a query, and the number of the row in it, from 0.

        Args:
            connection: DuckDB's.
            row: its `r`.
        """
        if not self.files:
            return None, row - 1
        if not self.is_text:
            file, row = divmod(row, 1 << _ROW_BITS)
            return self.files[file], row
        row -= 1
        for path in self.files[:-1]:
            table = _text_table([path], *_text_files.header(path, self.sep), self.sep)
            n_rows = int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
            if row < n_rows:
                return path, row
            row -= n_rows
        return self.files[-1], row


# Argument that named a column, name in SQL, and its name.
Named = tuple[str, str, Any]


def source_of(
    connection: Any, source: Any, columns: Mapping[str, Any], sep: str | None, context: Sequence[str] = ()
) -> Source:
    """The relation of a path, a pattern, several of them, or a query.

    Args:
        connection: DuckDB's.
        source: argument of `prepare`.
        columns: names of the columns of `user`, `item`, `value` and `time`; the last two may be `None`.
        sep: separator of the columns of a CSV, or `None` for a comma, and for a tab in `.tsv` files.
        context: names of further columns. Defaults to `()`.
    """
    named: list[Named] = [(side, side[0], name) for side, name in columns.items() if name is not None]
    named += [("context", f"x{j}", name) for j, name in enumerate(context)]
    relation, files, mark = _relation(source, sep)
    if mark is not None:
        sql = _text_sql(files, mark, named)
        types = {alias: "VARCHAR" for _, alias, _ in named}
        return Source(sql, types, dict(columns), files, None, True, True, mark)
    n_rows, row = None, "row_number() OVER ()"
    if files:
        n_rows = check_parquet(files, [(argument, name) for argument, _, name in named])
        row = f"(file_index::BIGINT << {_ROW_BITS}) + file_row_number"
    else:
        names_of(connection, source, sep)  # refuses what DuckDB cannot run
    types = _types(connection, relation, named)
    chosen = ", ".join(f"{_name(name)} AS {alias}" for _, alias, name in named)
    sql = f"SELECT {chosen}, {row} AS r FROM {relation}"
    return Source(sql, types, dict(columns), files, n_rows, False, n_rows is None)


def _text_sql(files: Sequence[Path], sep: str, named: Sequence[Named]) -> str:
    """CSV files as one relation; columns are found by the header of each file, and nothing is guessed."""
    parts = []
    for (header, empty), run in itertools.groupby(files, lambda path: _text_files.header(path, sep)):
        paths = [*run]
        chosen = []
        for argument, alias, name in named:
            if name not in header:
                _refuse_missing(argument, name, header, paths[0])
            if header.count(name) > 1:
                raise ValueError(
                    f"Column {name!r} must occur once in the table. "
                    f"Received: {header.count(name)} columns in {str(paths[0])!r}."
                )
            chosen.append(f"c{header.index(name)} AS {alias}")
        parts.append(f"SELECT {', '.join(chosen)} FROM {_text_table(paths, header, empty, sep)}")
    return f"SELECT *, row_number() OVER () AS r FROM ({' UNION ALL '.join(parts)})"


def _text_table(paths: Sequence[Path], header: Sequence[str], empty: int, sep: str) -> str:
    """CSV files with one header as a relation of text, with columns `c0`, `c1` and so on."""
    listed = ", ".join(_quoted(str(path)) for path in paths)
    given = ", ".join(f"c{j}: 'VARCHAR'" for j in range(len(header)))
    return (
        f"read_csv([{listed}], columns = {{{given}}}, auto_detect = false, header = true, skip = {empty}, "
        f"delim = {_quoted(sep)}, quote = '\"', escape = '\"', comment = '')"
    )


def check_parquet(files: Sequence[Path], columns: Sequence[tuple[str, Any]]) -> int:
    """Refuse incomplete files and columns of different types; return the number of rows.

    Args:
        files: Parquet.
        columns: arguments that named columns, and the names.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    first: dict[tuple[str, Any], tuple[str, Any]] = {}
    n_rows = 0
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                schema, n_rows = file.schema_arrow, n_rows + file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                "`source` must be complete Parquet files; copy or write that one again. Received: "
                f"{str(path)!r}, on which pyarrow says: {str(error).rstrip('.')}."
            ) from error
        for argument, name in columns:
            if name not in schema.names:
                _refuse_missing(argument, name, schema.names, path)
            kind = _kind(schema.field(name).type)
            if argument not in ("user", "item", "id", "time") and kind in _OF_NUMBERS:
                kind = "numbers"
            known, of = first.setdefault((argument, name), (kind, path))
            if kind != known:
                raise ValueError(
                    f"Column {name!r} must be of one type in all files; write one of them again. "
                    f"Received: {known} in {str(of)!r} and {kind} in {str(path)!r}."
                )
    return n_rows


def _kind(dtype: Any) -> str:
    """The kind of a column, which must be the same in all files."""
    import pyarrow.types as types

    if types.is_dictionary(dtype):
        return _kind(dtype.value_type)
    if types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype):
        return "text"
    for kind, is_one in _OF_NUMBERS.items():
        if getattr(types, is_one)(dtype):
            return kind
    if types.is_timestamp(dtype) and dtype.tz is not None:
        return "dates with a zone"
    if types.is_date(dtype) or types.is_timestamp(dtype):
        return "dates"
    return str(dtype)


def names_of(connection: Any, source: Any, sep: str | None) -> list[str]:
    """The names of the columns.

    Args:
        connection: DuckDB's.
        source: as `source_of` takes it; of several files, the first one is read.
        sep: as `source_of`.
    """
    import duckdb

    relation, files, mark = _relation(source, sep)
    if mark is not None:
        return _text_files.header(files[0], mark)[0]
    if len(files) > 1:
        relation, *_ = _relation(files[0], sep)
    try:
        return list(_described(connection, relation))
    except duckdb.Error as error:
        if not files:
            raise ValueError(
                "`source` must be a query that DuckDB can run; name the tables of a database with `attach=`, "
                f"as `source.table`. Received: a query on which DuckDB says: {message_of(error)}."
            ) from error
        raise ValueError(
            "`source` must be complete Parquet files, or CSV whose names end in .csv, .tsv or .txt. "
            f"Received: {str(files[0])!r}, on which DuckDB says: {message_of(error)}."
        ) from error


def _relation(source: Any, sep: str | None) -> tuple[str, tuple[Path, ...], str | None]:
    """The relation for FROM, the files, and the separator of a CSV or `None`."""
    if is_query(source):
        return f"({source.rstrip().rstrip(';')})", (), None
    files = files_of(source)
    listed = "[" + ", ".join(_quoted(str(path)) for path in files) + "]"
    if not files[0].name.lower().endswith(TEXT):
        # Columns come from the files alone, not from names of folders.
        return f"read_parquet({listed}, union_by_name = true, hive_partitioning = false)", files, None
    return "", files, sep or ("\t" if ".tsv" in files[0].name.lower() else ",")


def _described(connection: Any, relation: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {row[0]: row[1] for row in rows}


def _types(connection: Any, relation: str, named: Sequence[Named]) -> dict[str, str]:
    types = _described(connection, relation)
    for argument, _, name in named:
        if name not in types:
            _refuse_missing(argument, name, list(types), None)
    return {alias: types[name] for _, alias, name in named}


def is_number(type_: str) -> bool:
    """Whether a type of DuckDB is numeric."""
    return _NUMBER.fullmatch(type_) is not None


def message_of(error: Exception) -> str:
    """The message of a DuckDB error on one line, without its suggestions."""
    lines = []
    for line in str(error).strip().splitlines():
        if not line.strip() or line.startswith("Possible"):
            break
        lines.append(line.strip().rstrip("."))
    said = ", ".join(lines)
    return said if len(said) <= _LONGEST else said[:_LONGEST] + "..."


def _refuse_missing(side: str, name: Any, names: Sequence[str], path: Path | None) -> None:
    where = "" if path is None else f" of {str(path)!r}"
    raise ValueError(
        f"`{side}` must name a column of the table. Received: {side}={name!r}; the columns{where} are "
        f"{', '.join(map(repr, names))}."
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + str(column).replace('"', '""') + '"'
