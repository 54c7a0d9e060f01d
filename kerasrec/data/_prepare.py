"""Prepares interactions that do not fit into memory: with DuckDB, and then in blocks of whole users."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerasrec import _partial
from kerasrec.data import _coding, _contexts, _duck, _sources, _text_files, _vocabularies
from kerasrec.data._duck import Progress
from kerasrec.data._duck import duckdb as _duckdb
from kerasrec.data._folder import Context, Header
from kerasrec.data._kinds import Meaning
from kerasrec.data._part_folders import remove_stale
from kerasrec.data._raw_rows import RawRows, counted
from kerasrec.data._rows_by_user import RowsWriter, by_users

_BATCH = 1 << 20

_active: set[Path] = set()


@dataclass(frozen=True)
class Request:
    """The arguments of `Interactions.prepare`.

    Attributes:
        source: path, pattern, several of these, or query.
        columns: names of the columns of `user`, `item`, `value` and `time`.
        meaning: what the values are; whether times are dates is found while reading.
        least: value that `at_least` keeps, or `None`.
        memory: memory that DuckDB may use, such as `"2GB"`.
        attach: database that a query reads as `source`, or `None`.
        sep: separator of the columns of a CSV, or `None`.
        keep_na: whether `NA` and similar entries are ids.
        otherwise: what the values are if they have a long tail, like counts, or `None` for `meaning`.
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
    """A stage failed, and a later call can resume it."""


def _tidy(work: Path) -> None:
    """Remove temporary and unfinished files; finished stages stay."""
    for part in ("spilled", "columns"):
        shutil.rmtree(work / part, ignore_errors=True)


def printed(stage: str, done: int, n_rows: int | None) -> None:
    """Print a line when a stage is done."""
    if n_rows is not None and done == n_rows and done:
        print(f"{stage.capitalize()}: {done:,} rows", flush=True)


def prepare(request: Request, path: Path, progress: Progress | None = None) -> Path:
    """Write the folder `path`; stages that a killed call finished are not repeated.

    Args:
        request: `Request`.
        path: folder to write.
        progress: called at each stage. Defaults to `None`.
    """
    path = Path(os.path.abspath(path))
    _partial.check_new_folder(path)
    remove_stale(path)
    work = path.with_name(f".{path.name}.prepare")
    with _partial.writing(path):
        work.mkdir(exist_ok=True)
        with _locked(work):
            try:
                _Work(work, request, progress or (lambda *_: None)).run(path)
            except _Interrupted as stopped:
                _tidy(work)
                raise ValueError(*stopped.args) from stopped.__cause__
            except (ValueError, FileNotFoundError):  # other arguments are needed, so the stages are useless
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
        _duck.attach(connection, attach)
        return _sources.names_of(connection, source, sep)


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Allow one call per folder: by a set in this process, by a lock file among processes."""
    if work in _active:
        raise _locked_elsewhere(work)
    _active.add(work)
    try:
        with (work / "lock").open("a") as file:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # DuckDB's own lock is left
                pass
            except OSError as error:
                raise _locked_elsewhere(work) from error
            yield
    finally:
        _active.discard(work)


def _locked_elsewhere(work: Path) -> ValueError:
    name = work.name.removeprefix(".").removesuffix(".prepare")
    return ValueError(
        "A folder must be prepared by one process at a time; wait for the other one, or write elsewhere. "
        f"Received: {str(work.with_name(name))!r}, which another call is preparing."
    )


class _Work:
    """The stages of one folder, kept in a database next to it until all are done."""

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
            text = _sources.message_of(error)
            if isinstance(error, duckdb.OutOfMemoryException):
                raise _Interrupted(
                    "`memory` (on the command line `--memory`) must be enough for the stage; give more, and "
                    f"the same call resumes. Received: memory={self.request.memory!r}, of which DuckDB says: "
                    f"{text}."
                ) from error
            if "No space left" in str(error):  # `writing` names the remedy
                raise
            is_text = self.source is not None and self.source.is_text
            if is_text and isinstance(error, duckdb.InvalidInputException):
                raise self._bad_text(error, text) from error
            raise _Interrupted(
                "`source` must be readable from beginning to end; finished stages are kept, and this call "
                f"resumes. Received: {text}."
            ) from error
        self._place(header, path)

    def _bad_text(self, error: Exception, text: str) -> ValueError:
        named = (path for path in self.source.files if str(path) in str(error))
        path = next(named, self.source.files[0])
        if "unicode" in text:
            return _text_files.not_utf8(path)
        return ValueError(
            "`source` must be CSV whose lines have the fields of the header and one kind of line ending "
            f"(`sep` separates columns); correct those lines. Received: {str(path)!r}, on "
            f"which DuckDB says: {text}."
        )

    def _connect(self, duckdb: Any) -> Any:
        self._database = self.work / "stages.duckdb"
        connection = self._opened(duckdb)
        request = self.request
        source = _sources.source_of(connection, request.source, request.columns, request.sep, request.context)
        # The stages do not depend on what the values mean.
        asked = request.columns, request.attach, request.sep, request.keep_na, request.context
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
            _duck.attach(connection, self.request.attach)
        except ValueError:
            connection.close()
            raise
        return connection

    def _stages(self, connection: Any) -> None:
        source = self.source
        rows, n_rows = RawRows(connection, source, f"({source.sql})"), source.n_rows
        if source.read_once:
            rows = RawRows(connection, source, "read_rows")

            def read() -> int:
                connection.execute(f"CREATE OR REPLACE TABLE read_rows AS {source.sql}")
                return _duck.number(connection, "SELECT count(*) FROM read_rows")

            n_rows = int(self._stage("reading rows", connection, read, None))
        if not n_rows:
            raise ValueError("The table must have at least one row. Received: an empty table.")
        if source.is_text:
            self._check_header(rows)
            self._stage("counting lines", connection, lambda: self._check_lines(n_rows), n_rows)
        sizes = {}
        for side in ("user", "item"):

            def number(side: str = side) -> int:
                return _vocabularies.number_ids(rows, side, self.request.keep_na)

            sizes[side] = int(self._stage(f"numbering {side}s", connection, number, n_rows))
        dates = self._stage("looking at times", connection, lambda: _coding.are_dates(rows), n_rows)
        self._context: list[dict[str, Any]] = []
        if self.request.context:

            def look() -> str:
                return json.dumps(_contexts.inspected(rows, self.request.context, self.request.keep_na))

            self._context = json.loads(self._stage("looking at the context", connection, look, n_rows))
        context = self._context
        self._stage("coding rows", connection, lambda: _coding.code_rows(rows, dates, context), n_rows)
        coded = _duck.number(connection, "SELECT count(*) FROM events")
        numbered = _duck.number(connection, "SELECT sum(n) FROM users")
        if coded != numbered or coded != n_rows or source.stamp() != self._stamp:
            self._known.unlink(missing_ok=True)
            raise ValueError(
                "`source` must not change while it is read; run `prepare` again, which starts over. "
                f"Received: {numbered:,} rows at first and {coded:,} later."
            )
        _coding.check_rows(rows, dates)
        request = self.request
        try:
            self._meaning = _coding.settled_meaning(connection, source, request.meaning, request.otherwise)
            self._header = self._write(rows, sizes, bool(dates), n_rows)
        except ValueError as error:
            raise _Interrupted(
                f"{error} The rows that were read are kept in {str(self.work)!r}; a call with another "
                "`kind`, `duplicates` or `at_least` resumes there."
            ) from error.__cause__

    def _stage(self, name: str, connection: Any, run: Callable[[], Any], n_rows: int | None) -> Any:
        """The result of a stage, from the stored results if it was done before.

        Args:
            name: name of the stage.
            connection: connection of DuckDB.
            run: does the work.
            n_rows: number of rows, or `None` if it is the result.
        """
        done = self._state["done"]
        if name not in done:
            with _duck.watched(connection, name, n_rows, self.progress):
                found = run()
            done[name] = found if isinstance(found, (int, bool, str)) else None
            connection.execute("CHECKPOINT stages")
            replacing = self._known.with_suffix(".new")
            replacing.write_text(json.dumps(self._state))
            os.replace(replacing, self._known)
            total = found if n_rows is None else n_rows
            self.progress(name, total, total)
        return done[name]

    def _check_header(self, rows: RawRows) -> None:
        names = [str(self.source.columns[side]).replace("'", "''") for side in ("user", "item")]
        query = f"SELECT count(*), min(r) FROM read_rows WHERE u = '{names[0]}' AND i = '{names[1]}'"
        count, row = rows.connection.execute(query).fetchall()[0]
        if count:
            raise ValueError(
                "The rows of a table must not repeat its header; remove such lines. Received: "
                f"{counted(count)} of them, first {rows.place(row)}."
            )

    def _check_lines(self, n_rows: int) -> None:
        _text_files.check(self.source.files, self.source.sep, n_rows)

    def _write(self, raw: RawRows, sizes: dict[str, int], dates: bool, n_rows: int) -> Header:
        """The folder's files, in the folder `columns`."""
        connection = raw.connection
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
        rows = RowsWriter(out, names, meaning, self.request.least, sizes, self.source.columns, context)
        by = "u, t, r" if "time" in names else "u, r"
        chosen = ["u", "i", *(name[0] for name in names), *(f"x{j}" for j in range(len(context)))]
        query = f"SELECT {', '.join(chosen)} FROM events ORDER BY {by}"
        with _duck.watched(connection, "sorting rows", n_rows, self.progress):
            reader = connection.sql(query).to_arrow_reader(_BATCH)
            first = next(reader, None)
        self.progress("sorting rows", n_rows, n_rows)
        try:
            done = 0
            for part in by_users(_chained(first, reader), names, context):
                rows.add(part)
                done += len(part["user"])
                self.progress("writing rows", done, n_rows)
            return rows.close()
        except BaseException as error:
            rows.abandon()
            if isinstance(error, ValueError) and meaning.duplicates == "error":
                _coding.check_pairs(replace(raw, connection=connection.cursor()))
            raise

    def _place(self, header: Header, path: Path) -> None:
        """Move the written files to their place in one step."""
        out = self.work / "columns"
        header.write(out)
        if path.is_dir():
            path.rmdir()  # Windows replaces no folder
        os.replace(out, path)


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
        yield from rest
