"""Interactions that do not fit memory: a few statements of DuckDB, and blocks of whole users after it."""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec import _partial
from kerasrec.data import _contexts, _sources, _text_files, _vocabularies
from kerasrec.data._events import merged
from kerasrec.data._folder import DTYPES, EVENTS, Context, Header, TableWriter, checksum, context_names
from kerasrec.data._kinds import TAIL, Meaning
from kerasrec.data._raw_ids import RawIds
from kerasrec.data._times import UNITS, check_one_unit

# Gets the stage, the rows done, and how many there will be, if that is known.
Progress = Callable[[str, int, int | None], None]

_BATCH = 1 << 20
_POLL_SECONDS = 0.25
_DATES = ("DATE", "TIMESTAMP")
_active: set[Path] = set()
_NUMERAL = r"[+-]?\d+(\.0*)?"
_FRACTION = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_ZONE = r"[T ]\d\d.*(Z|[+-]\d\d(:?\d\d)?)$"
_MOMENT = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]([01]?\d|2[0-3]):\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?"


@dataclass(frozen=True)
class Request:
    """What `Interactions.prepare` was given.

    Attributes:
        source: path, pattern, several of these, or query.
        columns: names of the columns of `user`, `item`, `value` and `time`.
        meaning: what the values are; whether times are dates is found out.
        least: what `at_least` keeps, or `None`.
        memory: how much DuckDB may take, such as `"2GB"`.
        attach: a database that a query reads, called `source` there, or `None`.
        sep: what separates the columns of a CSV, or `None`.
        keep_na: bool, `NA` and the like are ids.
        otherwise: what the values are if few of them are large, as of counts, or `None`: `meaning`.
        context: names of further columns to keep.
    """

    source: Any
    columns: Mapping[str, Any]
    meaning: Meaning
    least: float | None = None
    memory: str = "2GB"
    attach: str | None = None
    sep: str | None = None
    keep_na: bool = False
    otherwise: Meaning | None = None
    context: tuple[str, ...] = ()


class _Interrupted(ValueError):
    """What stopped a stage that can be gone on with."""


def _tidy(work: Path) -> None:
    """Remove what was spilled and half written; the stages that are done stay."""
    for part in ("spilled", "columns"):
        shutil.rmtree(work / part, ignore_errors=True)


def printed(stage: str, done: int, n_rows: int | None) -> None:
    """Print a line when a stage is done."""
    if n_rows is not None and done == n_rows and done:
        print(f"{stage.capitalize()}: {done:,} rows")


def prepare(request: Request, path: Path, progress: Progress | None = None) -> Path:
    """Write the folder `path`; what a killed call has done already is not done again.

    Args:
        request: `Request`.
        path: the folder to be.
        progress: told about each stage. Defaults to `None`.
    """
    path = Path(os.path.abspath(path))
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(
            "`path` must be a new or empty folder; remove it or write elsewhere. Received: "
            f"path={str(path)!r}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write to: make it first.")
    work = path.with_name(f".{path.name}.prepare")
    with _partial.writing(path):
        work.mkdir(exist_ok=True)
        with _alone(work):
            try:
                _Work(work, request, progress or (lambda *_: None)).run(path)
            except _Interrupted as stopped:
                _tidy(work)
                raise ValueError(*stopped.args) from stopped.__cause__
            except ValueError:  # another table or other arguments are needed, for which nothing is of use
                shutil.rmtree(work, ignore_errors=True)
                raise
            except BaseException:
                _tidy(work)
                raise
        shutil.rmtree(work, ignore_errors=True)
    return path


def names_of(source: Any, attach: str | None = None, sep: str | None = None) -> list[str]:
    """The names of a source's columns.

    Args:
        source: as in `Request`.
        attach: as in `Request`. Defaults to `None`.
        sep: as in `Request`. Defaults to `None`.
    """
    with contextlib.closing(_duckdb().connect()) as connection:
        _attach(connection, attach)
        return _sources.names_of(connection, source, sep)


@contextlib.contextmanager
def _alone(work: Path) -> Iterator[None]:
    """One call a folder: of this process by a set, of others by a lock that dies with its holder."""
    if work in _active:
        raise _taken(work)
    _active.add(work)
    try:
        with (work / "lock").open("a") as file:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # DuckDB's own lock is left
                pass
            except OSError as error:
                raise _taken(work) from error
            yield
    finally:
        _active.discard(work)


def _taken(work: Path) -> ValueError:
    name = work.name.removeprefix(".").removesuffix(".prepare")
    return ValueError(
        "A folder must be prepared by one process at a time; wait for the other one, or write elsewhere. "
        f"Received: path={str(work.with_name(name))!r}, which another call is preparing."
    )


class _Work:
    """The stages of one folder, kept in a database beside it until all are done."""

    def __init__(self, work: Path, request: Request, progress: Progress) -> None:
        self.work, self.request, self.progress = work, request, progress
        self.source: Any = None

    def run(self, path: Path) -> None:
        duckdb = _duckdb()
        try:
            with contextlib.closing(self._connect(duckdb)) as connection:
                self._stages(connection)
                header = self._header
        except duckdb.Error as error:
            text = _sources.said_by(error)
            if isinstance(error, duckdb.OutOfMemoryException):
                text += "; give more with `memory` (on the command line `--memory`)"
            if "No space left" in str(error):  # `writing` says what helps
                raise
            if (
                self.source is not None
                and self.source.is_text
                and isinstance(error, duckdb.InvalidInputException)
            ):
                raise self._bad_text(error, text) from error
            raise _Interrupted(
                "`source` must be readable from beginning to end; what was done is kept, and the same call "
                f"resumes. Received: {text}."
            ) from error
        self._place(header, path)

    def _bad_text(self, error: Exception, text: str) -> ValueError:
        if "unicode" in text:
            named = (path for path in self.source.files if str(path) in str(error))
            return _text_files.not_utf8(next(named, self.source.files[0]))
        return ValueError(
            "`source` must be CSV whose lines have the fields of the header and one kind of line ending "
            f"(`sep` separates columns); correct those lines. Received: a file on which DuckDB says: {text}."
        )

    def _connect(self, duckdb: Any) -> Any:
        self._database = self.work / "stages.duckdb"
        connection = self._opened(duckdb)
        request = self.request
        source = _sources.source_of(connection, request.source, request.columns, request.sep, request.context)
        asked = replace(self.request, memory="", source="")
        database = Path(self.request.attach or "")
        changed = database.stat().st_mtime_ns if database.is_file() else None
        stamp = json.dumps([source.stamp(), repr(asked), changed])
        known = self.work / "stages.json"
        state = json.loads(known.read_text()) if known.exists() else {}
        if state.get("stamp") != stamp:
            connection.close()
            for old in self.work.iterdir():
                if old.name != "lock":
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
            connection, state = self._opened(duckdb), {"stamp": stamp, "done": {}}
        self.source, self._state, self._known = source, state, known
        self._stamp = source.stamp()
        return connection

    def _opened(self, duckdb: Any) -> Any:
        spilled = self.work / "spilled"
        connection = duckdb.connect(str(self._database), config={"temp_directory": str(spilled)})
        try:
            connection.execute("SET memory_limit = ?", [self.request.memory])
        except duckdb.Error as error:
            connection.close()
            raise ValueError(
                f"`memory` must be a size such as '2GB' or '500MB'. Received: memory={self.request.memory!r}."
            ) from error
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        try:
            _attach(connection, self.request.attach)
        except ValueError:
            connection.close()
            raise
        return connection

    def _stages(self, connection: Any) -> None:
        source = self.source
        relation = f"({source.sql})"
        if source.read_once:
            read = f"CREATE OR REPLACE TABLE read_rows AS {source.sql}"
            self._stage("reading rows", connection, lambda: connection.execute(read), source.n_rows)
            relation = "read_rows"
        n_rows = source.n_rows
        if n_rows is None:
            n_rows = self._number(connection, f"SELECT count(*) FROM {relation}")
        if not n_rows:
            raise ValueError("The table must have at least one row. Received: an empty table.")
        if source.is_text:
            self._check_header(connection)
            self._stage("counting lines", connection, lambda: self._check_lines(n_rows), n_rows)
        sizes = {}
        for side in ("user", "item"):
            name, type_ = source.columns[side], source.types[side[0]]

            def number(side: str = side, name: Any = name, type_: str = type_) -> int:
                keep_na = self.request.keep_na
                return _vocabularies.number_ids(
                    connection, relation, side, name, type_, source.is_text, keep_na
                )

            sizes[side] = int(self._stage(f"numbering {side}s", connection, number, n_rows))
        dates = self._stage("looking at times", connection, lambda: self._dates(connection, relation), None)
        self._context: list[dict[str, Any]] = []
        if self.request.context:

            def look() -> str:
                names, types = self.request.context, source.types
                keep_na = self.request.keep_na
                found = _contexts.looked_at(connection, relation, names, types, source.is_text, keep_na)
                return json.dumps(found)

            self._context = json.loads(self._stage("looking at the context", connection, look, None))
        self._stage("coding rows", connection, lambda: self._code(connection, relation, dates), n_rows)
        coded = self._number(connection, "SELECT count(*) FROM events")
        counted = self._number(connection, "SELECT sum(n) FROM users")
        if coded != counted or coded != n_rows or source.stamp() != self._stamp:
            self._known.unlink(missing_ok=True)
            raise ValueError(
                "`source` must not change while it is read; run `prepare` again, which starts over. "
                f"Received: {counted:,} rows first and {coded:,} then."
            )
        self._check(connection, relation)
        self._meaning = self._settled(connection)
        self._header = self._write(connection, sizes, bool(dates), n_rows)

    def _stage(self, name: str, connection: Any, run: Callable[[], Any], n_rows: int | None) -> Any:
        """What a stage gives, from the notes if it was done before."""
        done = self._state["done"]
        if name not in done:
            with _watched(connection, name, n_rows, self.progress):
                found = run()
            done[name] = found if isinstance(found, (int, bool, str)) else None
            connection.execute("CHECKPOINT stages")
            replacing = self._known.with_suffix(".new")
            replacing.write_text(json.dumps(self._state))
            os.replace(replacing, self._known)
            self.progress(name, n_rows or 0, n_rows)
        return done[name]

    def _check_header(self, connection: Any) -> None:
        names = [str(self.source.columns[side]).replace("'", "''") for side in ("user", "item")]
        query = f"SELECT count(*) FROM read_rows WHERE u = '{names[0]}' AND i = '{names[1]}'"
        count = self._number(connection, query)
        if count:
            raise ValueError(
                f"The rows of a table must not repeat its header; remove such lines. Received: {count} such "
                "rows."
            )

    def _check_lines(self, n_rows: int) -> None:
        _text_files.check(self.source.files, self.source.sep, n_rows)

    def _dates(self, connection: Any, relation: str) -> bool:
        """Whether times are dates, and not numbers."""
        type_ = self.source.types.get("t")
        if type_ is None or _sources.is_number(type_):
            return False
        if type_.startswith(_DATES):
            return True
        name = self.source.columns["time"]
        if type_ != "VARCHAR":
            raise ValueError(
                f"Column {name!r} must hold times: dates, ISO 8601 text or whole numbers. "
                f"Received: a column of type {type_}."
            )
        numeral = f"regexp_full_match(trim(t), '{_NUMERAL}')"
        counts = f"count(*) FILTER (NOT {numeral}), count(*) FILTER (regexp_matches(t, '{_ZONE}')), count(t)"
        others, zoned, n = connection.execute(f"SELECT {counts} FROM {relation}").fetchall()[0]
        if 0 < zoned < n:
            raise ValueError(
                f"Column {name!r} must not have times without a zone mixed with times with one. Received: "
                f"{n - zoned:,} rows without. Give all of them, or none, the zone, as `Z` or `+01:00`."
            )
        return bool(others) or not self.source.is_text

    def _code(self, connection: Any, relation: str, dates: bool) -> None:
        """Rows as codes, floats and whole numbers; what is none is missing."""
        types, further = self.source.types, []
        if "v" in types:
            type_, name = types["v"], self.source.columns["value"]
            if type_ not in ("VARCHAR", "BOOLEAN") and not _sources.is_number(type_):
                raise ValueError(
                    f"Column {name!r} must not have entries that are not numbers. Received: a column of type "
                    f"{type_}. Correct those rows."
                )
            numeral = f"CASE WHEN regexp_full_match(trim(v), '{_FRACTION}') THEN v END"
            given = numeral if type_ == "VARCHAR" else "v"
            further.append(f"TRY_CAST(TRY_CAST({given} AS DOUBLE) AS FLOAT) AS v")
        if "t" in types:
            further.append(f"{self._time(types['t'], dates)} AS t")
        further += [f"{one['sql']} AS x{j}" for j, one in enumerate(self._context)]
        columns = ", ".join(["users.code::INTEGER AS u", "items.code::INTEGER AS i", *further, "r"])
        raw = {
            side: f"{side[0]}::VARCHAR"
            if types[side[0]] in ("UUID",) or types[side[0]].startswith("ENUM")
            else side[0]
            for side in ("user", "item")
        }
        connection.execute(
            f"CREATE OR REPLACE TABLE events AS SELECT {columns} FROM {relation} AS x "
            f"JOIN users ON x.{raw['user']} = users.raw JOIN items ON x.{raw['item']} = items.raw"
            + "".join(one["join"] for one in self._context)
        )

    def _time(self, type_: str, dates: bool) -> str:
        if dates and type_ == "VARCHAR":
            # DuckDB knows other ways to write a moment, and drops what is below a microsecond.
            moment = f"CASE WHEN regexp_full_match(trim(t), '{_MOMENT}') THEN t END"
            below = "rpad(left(regexp_extract(t, '\\.\\d{6}(\\d+)', 1), 3), 3, '0')"
            below = f"CASE WHEN regexp_matches(t, '\\.\\d{{7}}') THEN {below}::BIGINT ELSE 0 END"
            return f"TRY(epoch_ns(TRY_CAST({moment} AS TIMESTAMPTZ)) + {below})"
        if dates:
            return f"TRY(epoch_ns(TRY_CAST(t AS {type_})))"
        if type_ == "VARCHAR":
            return "TRY_CAST(regexp_replace(trim(t), '\\.0*$', '') AS BIGINT)"
        whole = "t" if "INT" in type_ else "CASE WHEN t = floor(t) THEN t END"
        return f"TRY_CAST({whole} AS BIGINT)"

    def _check(self, connection: Any, relation: str) -> None:
        """Refuse values and times that are missing or are none."""
        for column, bad in (("value", "v IS NULL OR NOT isfinite(v)"), ("time", "t IS NULL")):
            name = self.source.columns[column]
            if name is None:
                continue
            row = connection.execute(f"SELECT count(*), min(r) FROM events WHERE {bad}").fetchall()[0]
            if not row[0]:
                continue
            query = f"SELECT {column[0]} FROM {relation} WHERE r = {row[1]}"
            raw = connection.execute(query).fetchall()[0][0]
            what = {
                ("value", True): ("missing values", "Drop those rows or fill them."),
                ("value", False): ("entries that are not finite numbers in float32", "Correct those rows."),
                ("time", True): ("missing times", "Drop those rows."),
                ("time", False): (
                    "times that are neither whole numbers nor ISO 8601 dates from 1677 to 2262",
                    "Correct or drop those rows.",
                ),
            }[column, raw is None or raw == ""]
            rows = "1 row" if row[0] == 1 else f"{row[0]:,} rows"
            raise ValueError(
                f"Column {name!r} must not have {what[0]}. Received: {rows} of them, first {raw!r}. {what[1]}"
            )
        if self.source.columns["time"] is not None and not self._state["done"]["looking at times"]:
            parts = ", ".join(
                f"count(*) FILTER (t >= {least:.0f} AND t < {most:.0f}), "
                f"min_by(t, r) FILTER (t >= {least:.0f} AND t < {most:.0f})"
                for least, most in UNITS.values()
            )
            total, *found = connection.execute(f"SELECT count(*), {parts} FROM events").fetchall()[0]
            counts = dict(zip(UNITS, found[::2], strict=True))
            if sum(counts.values()) == total:  # else other numbers than moments since 1970
                firsts = dict(zip(UNITS, found[1::2], strict=True))
                counts = {unit: n for unit, n in counts.items() if n}
                check_one_unit(counts, firsts, self.source.columns["time"])

    def _settled(self, connection: Any) -> Meaning:
        """What the values are, if it depends on them: as `have_long_tail`, without sorting them."""
        otherwise = self.request.otherwise
        if otherwise is None or "v" not in self.source.types:
            return self.request.meaning
        query = f"SELECT min(v) >= 0 AND bool_and(v = floor(v)) AND max(v) > {TAIL}, max(v) FROM events"
        whole, highest = connection.execute(query).fetchall()[0]
        below = f"SELECT 2 * count(*) FILTER (v < {highest / TAIL}) > count(*) FROM events"
        return otherwise if whole and self._number(connection, below) else self.request.meaning

    def _write(self, connection: Any, sizes: dict[str, int], dates: bool, n_rows: int) -> Header:
        """The folder's files, in the folder `columns`."""
        shutil.rmtree(self.work / "columns", ignore_errors=True)
        out = self.work / "columns"
        out.mkdir()
        for side in ("user", "item"):
            connection.execute(
                f"COPY (SELECT id, sum(n)::BIGINT AS count FROM {side}s GROUP BY id ORDER BY id) "
                f"TO '{str(out / f'{side}s.parquet').replace(chr(39), chr(39) * 2)}' (FORMAT parquet)"
            )
        meaning = replace(self._meaning, dates=dates)
        names = tuple(name for name in ("value", "time") if self.source.columns[name] is not None)
        context = tuple(
            Context(name, one["dtype"], one["n_categories"])
            for name, one in zip(self.request.context, self._context, strict=True)
        )
        for j, one in enumerate(context):
            if one.n_categories is not None:
                path = str(out / f"context{j}.parquet").replace(chr(39), chr(39) * 2)
                connection.execute(
                    f"COPY (SELECT raw AS id FROM context{j} ORDER BY code) TO '{path}' (FORMAT parquet)"
                )
        rows = _Rows(out, names, meaning, self.request.least, sizes, self.source.columns, context)
        by = "u, t, r" if "time" in names else "u, r"
        chosen = ["u", "i", *(name[0] for name in names), *(f"x{j}" for j in range(len(context)))]
        query = f"SELECT {', '.join(chosen)} FROM events ORDER BY {by}"
        with _watched(connection, "sorting rows", n_rows, self.progress):
            reader = connection.sql(query).to_arrow_reader(_BATCH)
            first = next(reader, None)
        try:
            done = 0
            for part in _by_users(_chained(first, reader), names, context):
                rows.add(part)
                done += len(part["user"])
                self.progress("writing rows", done, n_rows)
            return rows.close()
        except BaseException:
            rows.abandon()
            raise

    def _place(self, header: Header, path: Path) -> None:
        """Move what is written to where it is to be, at once."""
        out = self.work / "columns"
        header.write(out)
        if path.is_dir():
            path.rmdir()  # Windows replaces no folder
        os.replace(out, path)

    @staticmethod
    def _number(connection: Any, query: str) -> int:
        return int(connection.execute(query).fetchall()[0][0] or 0)


def _attach(connection: Any, database: str | None) -> None:
    if database is None:
        return
    duckdb = _duckdb()
    name = str(database).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{name}' AS source (READ_ONLY)")
    except duckdb.Error as error:
        raise ValueError(
            "`attach` must be a database that DuckDB can attach: a file of DuckDB or SQLite, or "
            f"'postgres:...'. Received: attach={database!r}, on which DuckDB says: {_sources.said_by(error)}."
        ) from error


class _Rows:
    """Blocks of whole users, in which each pair comes to one row as in memory, on their way to disk."""

    def __init__(
        self,
        folder: Path,
        names: tuple[str, ...],
        meaning: Meaning,
        least: float | None,
        sizes: dict[str, int],
        columns: dict[str, Any],
        context: tuple[Context, ...],
    ) -> None:
        self._columns, self._context = columns, context
        self._folder, self._names, self._meaning, self._least = folder, names, meaning, least
        self._sizes = sizes
        counted = ("count",) if meaning.duplicates == "mean" else ()
        has_value = "value" in names or meaning.duplicates in ("sum", "mean")
        kept = ("value",) * has_value + ("time",) * ("time" in names) + counted
        self._rows = TableWriter(folder, kept, sizes["user"], context)
        # Made when a pair first has several events: most tables have none.
        self._events: TableWriter | None = None
        self._n_events, self._left_out = 0, False
        self._ids = {side: RawIds(folder / f"{side}s.parquet", sizes[side]) for side in ("user", "item")}

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """Add all rows of some users."""
        from kerasrec.data.interactions import Interactions

        users, items = columns["user"], columns["item"]
        values, times = columns.get("value"), columns.get("time")
        names = context_names(self._context)
        first = int(users[0])
        local = Interactions._of(
            users - first,
            items,
            np.ones(len(users), np.float32) if values is None else values,
            times,
            self._ids["user"].part(first, int(users[-1]) + 1),
            self._ids["item"],
            self._meaning,
            {one.name: columns[name] for one, name in zip(self._context, names, strict=True)},
        )
        part = merged(local)
        several = len(part) < len(local) or self._least is not None
        if times is not None and self._events is None and several:
            self._events = self._begin_events()
        if self._events is not None:
            self._events.write(users, items, local.context.values(), value=local.values, time=times)
        self._n_events += len(users)
        if self._least is not None:
            kept = part.at_least(self._least)
            self._left_out |= len(kept) < len(part)
            part = kept
        counts = part._counts
        if counts is None:
            counts = np.ones(len(part), np.int64)
        own = part.users + np.int32(first)
        further = part.context.values()
        self._rows.write(own, part.items, further, value=part.values, time=part.times, count=counts)

    def _begin_events(self) -> TableWriter:
        sizes = self._sizes["user"]
        events = TableWriter(self._folder / EVENTS, self._names, sizes, self._context)
        events.begin_as(self._rows)  # until here every event was a row
        return events

    def close(self) -> Header:
        files = self._rows.close()
        n_rows = self._rows.n_rows
        if not n_rows:
            raise ValueError(
                f"`at_least` must keep some rows. Received: at_least={self._least:g}, which no row reaches."
            )
        n_events = None
        if self._events is not None:
            files |= {f"{EVENTS}/{name}": known for name, known in self._events.close().items()}
            n_events = self._n_events
        for path in sorted(self._folder.glob("*.parquet")):
            files[path.name] = path.stat().st_size, checksum(path)
        meaning = replace(self._meaning, least=self._least, left_out=self._left_out)
        sizes = self._sizes["user"], self._sizes["item"]
        return Header(n_rows, *sizes, n_events, meaning, self._columns, files, self._context)

    def abandon(self) -> None:
        self._rows.abandon()
        if self._events is not None:
            self._events.abandon()


def _by_users(
    batches: Iterator[Any], names: tuple[str, ...], context: Sequence[Context]
) -> Iterator[dict[str, np.ndarray]]:
    """Batches cut where a user ends: the rows of one are never in two of them."""
    left: dict[str, np.ndarray] = {}
    dtypes = {name: DTYPES[name] for name in ("user", "item", *names)} | context_names(context)
    for batch in batches:
        part = {name: batch.column(j).to_numpy(zero_copy_only=False) for j, name in enumerate(dtypes)}
        part = {name: x.astype(dtypes[name], copy=False) for name, x in part.items()}
        if left:
            part = {name: np.concatenate([left[name], x]) for name, x in part.items()}
        users = part["user"]
        if not len(users):
            continue
        cut = int(np.searchsorted(users, users[-1]))
        if cut:
            yield {name: x[:cut] for name, x in part.items()}
        left = {name: x[cut:].copy() for name, x in part.items()}
    if left:
        yield left


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
        yield from rest


@contextlib.contextmanager
def _watched(connection: Any, name: str, n_rows: int | None, progress: Progress) -> Iterator[None]:
    """Say how far DuckDB is, from a thread beside it."""
    done = threading.Event()
    progress(name, 0, n_rows)

    def watch() -> None:
        while not done.wait(_POLL_SECONDS):
            share = connection.query_progress()
            if n_rows and 0 < share <= 100:
                progress(name, int(n_rows * share / 100), n_rows)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise ImportError(
            "`Interactions.prepare` needs DuckDB: `pip install 'kerasrec[large]'`. "
            "Received: no module duckdb."
        ) from error
    return duckdb
