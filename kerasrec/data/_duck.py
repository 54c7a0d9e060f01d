"""DuckDB: the module, a database to read from, and the progress of a statement."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kerasrec.data import _sources

# Called with the stage, the number of rows done, and the total number of rows if it is known.
Progress = Callable[[str, int, int | None], None]

_POLL_SECONDS = 0.25
# Python's white space characters, none of which needs quoting in SQL.
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))


def duckdb() -> Any:
    """The module, or an error that says how to install it."""
    try:
        import duckdb as module
    except ImportError as error:
        raise ImportError(
            "`Interactions.prepare` needs DuckDB: `pip install 'kerasrec[large]'`. "
            "Received: no module duckdb."
        ) from error
    return module


def is_blank(text: str) -> str:
    """The SQL condition that a text is empty or white space alone, as for `str.isspace`.

    Args:
        text: SQL expression.
    """
    return f"trim({text}, '{_SPACES}') = ''"


def attach(connection: Any, database: str | None) -> None:
    """Make a database known to a query as `source`; `None` attaches nothing."""
    if database is None:
        return
    module = duckdb()
    name = str(database).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{name}' AS source (READ_ONLY)")
    except module.Error as error:
        raise ValueError(
            "`attach` must be a database that DuckDB can attach: a file of DuckDB or SQLite, or "
            f"'postgres:...'. Received: attach={database!r}, on which DuckDB says: "
            f"{_sources.message_of(error)}."
        ) from error


@contextlib.contextmanager
def watched(connection: Any, name: str, n_rows: int | None, progress: Progress) -> Iterator[None]:
    """Report the progress of a statement from another thread."""
    done = threading.Event()
    progress(name, 0, n_rows)

    def watch() -> None:
        while not done.wait(_POLL_SECONDS):
            share = connection.query_progress()
            if n_rows and 0 < share <= 100:
                # The caller reports the end, once.
                progress(name, min(int(n_rows * share / 100), n_rows - 1), n_rows)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def number(connection: Any, query: str) -> int:
    """The number that a query gives; 0 for NULL."""
    return int(connection.execute(query).fetchall()[0][0] or 0)
