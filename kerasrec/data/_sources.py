"""What `Interactions.prepare` reads: Parquet, CSV or a query, as a relation of DuckDB, checked beforehand."""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_QUERY = re.compile(r"\s*(select|with|from)\s", re.IGNORECASE)
_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".csv.zst", ".tsv.zst")
_NUMBERS = ("INT", "FLOAT", "DOUBLE", "DECIMAL")
# A row of a file has the number of the file in the upper bits.
_ROW_BITS = 40


@dataclass(frozen=True)
class Source:
    """A relation with a row an event.

    Attributes:
        sql: selects `u`, `i`, and `v` and `t` if there are such columns, as they stand there, and `r`, which
            rises with the rows.
        types: DuckDB's types of `u`, `i`, `v` and `t`, by name.
        columns: names of the columns of `user`, `item`, `value` and `time`.
        files: that are read.
        n_rows: int, or `None` if it is not known.
        is_text: bool, all columns are text, as in a CSV.
        read_once: bool, reading it again is dear or may give something else.
    """

    sql: str
    types: dict[str, str]
    columns: dict[str, Any]
    files: tuple[Path, ...]
    n_rows: int | None
    is_text: bool
    read_once: bool

    def stamp(self) -> str:
        """What is another one when the files are."""
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in self.files]
        return json.dumps([self.sql, stamps])


def source_of(connection: Any, source: Any, columns: Mapping[str, Any], sep: str | None) -> Source:
    """The relation that a path, a pattern, several of them, or a query stand for.

    Args:
        connection: DuckDB's.
        source: what `prepare` was given.
        columns: names of the columns of `user`, `item`, `value` and `time`; the last two may be `None`.
        sep: what separates the columns of a CSV, or `None`: a comma, of `.tsv` a tab.
    """
    relation, files, mark = _relation(source, sep)
    if not files:
        names_of(connection, source, sep)  # refuses what DuckDB cannot run
    n_rows, row = None, "row_number() OVER ()"
    if mark is not None:
        for path in files:
            given = names_of(connection, path, mark)
            for side, name in columns.items():
                if name is not None and name not in given:
                    _refuse_missing(side, name, given, path)
    elif files:
        n_rows = _check_parquet(files, columns)
        row = f"(file_index::BIGINT << {_ROW_BITS}) + file_row_number"
    types = _types(connection, relation, columns)
    chosen = ", ".join(
        f"{_name(columns[side])} AS {side[0]}"
        for side in ("user", "item", "value", "time")
        if side[0] in types
    )
    sql = f"SELECT {chosen}, {row} AS r FROM {relation}"
    return Source(sql, types, dict(columns), files, n_rows, mark is not None, n_rows is None)


def _csv_options(sep: str) -> str:
    return (
        f"delim = {_quoted(sep)}, header = true, all_varchar = true, quote = '\"', escape = '\"', "
        "comment = '', union_by_name = true"
    )


def _files(source: Any) -> tuple[Path, ...]:
    """The files of a path, a folder, a pattern or several of these, in order."""
    several = [source] if isinstance(source, (str, Path)) else list(source)
    found: list[Path] = []
    for one in several:
        path = Path(one)
        if path.is_dir():
            inside = sorted(x for x in path.rglob("*.parquet") if x.is_file())
            found += inside or sorted(x for x in path.iterdir() if x.name.lower().endswith(_CSV))
        elif path.is_file():
            found.append(path)
        else:
            found += sorted(Path(x) for x in glob.glob(str(one), recursive=True) if Path(x).is_file())
    if not found:
        raise FileNotFoundError(
            "`source` must name existing files, a folder of them, or be a query that begins with SELECT, "
            f"WITH or FROM. Received: source={several[0]!r}, which matches nothing."
        )
    texts = {path.name.lower().endswith(_CSV) for path in found}
    if len(texts) > 1:
        raise ValueError(
            "`source` must be of one format, Parquet or CSV. Received: "
            f"{str(found[0])!r} and {str(found[-1])!r}, among others."
        )
    return tuple(path.resolve() for path in found)


def _check_parquet(files: Sequence[Path], columns: Mapping[str, Any]) -> int:
    """Refuse files that are cut or whose columns are of other types; how many rows there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first: dict[str, tuple[str, Any]] = {}
    n_rows = 0
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                schema, n_rows = file.schema_arrow, n_rows + file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise ValueError(
                "`source` must be whole Parquet files; copy or write that one again. "
                f"Received: {str(path)!r}, on which pyarrow says: {error}."
            ) from error
        for side, name in columns.items():
            if name is None:
                continue
            if name not in schema.names:
                _refuse_missing(side, name, schema.names, path)
            kind = _kind(schema.field(name).type)
            known, of = first.setdefault(side, (kind, path))
            if kind != known:
                raise ValueError(
                    f"Column {name!r} must be of one type in all files; write one of them again. "
                    f"Received: {known} in {str(of)!r} and {kind} in {str(path)!r}."
                )
    return n_rows


def _kind(dtype: Any) -> str:
    """What a column is, as far as files may not differ in it."""
    import pyarrow.types as types

    if types.is_dictionary(dtype):
        return _kind(dtype.value_type)
    if types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype):
        return "text"
    if types.is_integer(dtype) or types.is_floating(dtype) or types.is_decimal(dtype):
        return "numbers"
    if types.is_temporal(dtype):
        return "dates"
    return str(dtype)


def names_of(connection: Any, source: Any, sep: str | None) -> list[str]:
    """The names of the columns.

    Args:
        connection: DuckDB's.
        source: as `source_of` takes it; of several files the first one's.
        sep: as `source_of`.
    """
    import duckdb

    relation, files, mark = _relation(source, sep)
    if len(files) > 1:
        relation, *_ = _relation(files[0], sep)
    try:
        return list(_described(connection, relation))
    except duckdb.Error as error:
        if not files:
            raise ValueError(
                "`source` must be a query that DuckDB can run; name the tables of a database with `attach=`, "
                f"as `source.table`. Received: a query on which DuckDB says: {first_line(error)}."
            ) from error
        what = "whole Parquet files" if mark is None else "CSV tables with a header (`sep` separates columns)"
        raise ValueError(
            f"`source` must be {what}. "
            f"Received: {str(files[0])!r}, on which DuckDB says: {first_line(error)}."
        ) from error


def _relation(source: Any, sep: str | None) -> tuple[str, tuple[Path, ...], str | None]:
    """What stands after FROM, the files, and what separates the columns of a CSV; `None` of others."""
    if isinstance(source, str) and _QUERY.match(source):
        return f"({source.rstrip().rstrip(';')})", (), None
    files = _files(source)
    listed = "[" + ", ".join(_quoted(str(path)) for path in files) + "]"
    if not files[0].name.lower().endswith(_CSV):
        return f"read_parquet({listed}, union_by_name = true)", files, None
    mark = sep or ("\t" if ".tsv" in files[0].name.lower() else ",")
    return f"read_csv({listed}, {_csv_options(mark)})", files, mark


def _described(connection: Any, relation: str) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {row[0]: row[1] for row in rows}


def _types(connection: Any, relation: str, columns: Mapping[str, Any]) -> dict[str, str]:
    types = _described(connection, relation)
    for side, name in columns.items():
        if name is not None and name not in types:
            _refuse_missing(side, name, list(types), None)
    return {side[0]: types[name] for side, name in columns.items() if name is not None}


def is_number(type_: str) -> bool:
    """Whether a type of DuckDB is one of numbers."""
    return any(part in type_ for part in _NUMBERS) and "[" not in type_ and "STRUCT" not in type_


def first_line(error: Exception) -> str:
    """What DuckDB says, without its proposals."""
    return str(error).strip().split("\n")[0]


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
