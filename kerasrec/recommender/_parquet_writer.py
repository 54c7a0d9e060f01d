"""A Parquet file that is written some rows at a time, with a progress bar."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec._partial import replacing

if TYPE_CHECKING:
    import pandas as pd


class ParquetLists:
    """Writes frames to one file, which appears when all are written.

    Args:
        path: the file, ending in `.parquet`.
        n_users: number of users to write.
        verbose: bool, show a progress bar on standard error.
    """

    def __init__(self, path: str | os.PathLike[str], n_users: int, verbose: bool) -> None:
        self.path = Path(path)
        if self.path.suffix != ".parquet":
            raise ValueError(f"`path` must end in .parquet. Received: {os.fspath(path)!r}.")
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"`path` must be in a folder that exists; make {self.path.parent} first.")
        self.n_users, self.verbose = n_users, verbose
        if self.path.is_dir():
            raise ValueError(f"`path` must be a file. Received: {self.path}, a folder.")
        self._writer: Any = None

    def __enter__(self) -> "ParquetLists":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._place = contextlib.ExitStack()
        self._partial = self._place.enter_context(replacing(self.path))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True, quiet=not self.verbose))
        self._place.enter_context(self._progress)
        self._task = self._progress.add_task("Recommending", total=self.n_users)
        return self

    def write(self, frame: "pd.DataFrame", done: int) -> None:
        """Add rows.

        Args:
            frame: rows.
            done: number of users done so far.
        """
        import pyarrow
        import pyarrow.parquet

        schema = None if self._writer is None else self._writer.schema
        try:
            table = pyarrow.Table.from_pandas(frame, schema, preserve_index=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
            raise ValueError(
                "Columns of a Parquet file must each be of one type; convert ids and metadata with "
                f"`.astype(str)`. Received: {error}."
            ) from error
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._partial, table.schema)
            self._place.callback(self._writer.close)
        self._writer.write_table(table)
        self._progress.update(self._task, completed=done)

    def __exit__(self, *error: Any) -> None:
        self._place.__exit__(*error)
