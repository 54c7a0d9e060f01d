"""The output of a command, for people or for machines, and its errors."""

import contextlib
import json
import math
import sys
import traceback
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.table import Table

# Wider than any table.
_WIDEST = 10_000
_GOES_ON = ", continued"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error happened.")]


class Report:
    """Tables and lines for people on standard output, or one JSON document; progress on standard error."""

    def __init__(self, as_json: bool) -> None:
        from rich.console import Console

        self.result: dict[str, Any] = {}
        # Entries of the document that do not depend on `result`.
        self.always: dict[str, Any] = {}
        self._as_json = as_json
        # Ids and titles are printed unchanged: `[/x]` is not markup, and `:heart:` not an emoji.
        self._console = Console(quiet=as_json, highlight=False, markup=False, emoji=False)
        progress = Console(stderr=True, markup=False, emoji=False)
        # No progress in log files of commands with `--json`.
        self._progress = progress if progress.is_terminal or not as_json else Console(quiet=True)

    def line(self, text: str = "") -> None:
        """A line for people."""
        self._console.print(text, markup=False, soft_wrap=True)

    def table(
        self,
        title: str,
        rows: Sequence[Mapping[str, Any]],
        header: bool = True,
        as_written: Collection[str] = (),
        keys: int = 0,
    ) -> None:
        """A table for people: one row per mapping, numbers aligned right, ids as they are written.

        Args:
            title: title of the table.
            rows: one mapping per row, all with the same names.
            header: whether to show the names.
            as_written: names whose entries are shown unchanged.
            keys: number of leading columns that identify a row. A table that is too wide is printed in parts
                with these columns in each. Defaults to `0`: its cells are folded.
        """
        names = list(rows[0]) if rows else []
        while True:
            n = len(names)
            table = _made(title, names, rows, header, as_written)
            while keys and n > keys + 1 and self._width(table) > self._console.width:
                n -= 1
                table = _made(title, names[:n], rows, header, as_written)
            self._console.print(table)
            if n == len(names):
                return
            names = names[:keys] + names[n:]
            title = title if title.endswith(_GOES_ON) else title + _GOES_ON

    def _width(self, table: "Table") -> int:
        """Width of a table in characters if nothing is folded."""
        wide = self._console.options.update(max_width=_WIDEST)
        return self._console.measure(table, options=wide).maximum

    def facts(self, title: str, facts: Mapping[str, Any]) -> None:
        """A table of names and values."""
        self.table(title, [{"": name, "value": shown(value)} for name, value in facts.items()], header=False)

    def histogram(self, title: str, counts: Mapping[str, int]) -> None:
        """One bar per count."""
        from rich.table import Table

        table = Table(title=title, title_justify="left", show_header=False, box=None, title_style="bold")
        block = "█" if self._console.encoding.startswith("utf") else "#"
        for name, count in counts.items():
            table.add_row(name, block * round(40 * count / max(counts.values())), f"{count:,}")
        self._console.print(table)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A spinner for work of unknown length; in a log file, a line."""
        from rich.text import Text

        self._begin(what)
        with self._progress.status(Text(what)):
            yield

    def _begin(self, what: str) -> None:
        """Print a line in a log file, which shows no spinner, and bars only when they are done."""
        if not self._progress.is_terminal:
            self._progress.print(f"{what} ...", soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, what: str | None = None) -> Iterator["Progress"]:
        """Progress bars.

        Args:
            what: work that begins; a log file gets a line with it. Defaults to `None`: no line.
        """
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class DoneColumn(MofNCompleteColumn):
            """The share that is done, or the elapsed time if the total is unknown."""

            def render(self, task: "Task") -> Text:
                if task.total is not None:
                    return super().render(task)
                return Text(f"{task.elapsed or 0:.0f} s", style="progress.elapsed")

        if what is not None:
            self._begin(what)
        said = TextColumn("{task.description}", markup=False)
        columns = (said, BarColumn(), DoneColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._progress) as progress:
            yield progress

    @contextlib.contextmanager
    def saying_warnings(self) -> Iterator[None]:
        """Show the library's warnings as lines, and as `warnings` in the document."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            yield
        texts = [str(warning.message) for warning in said if issubclass(warning.category, UserWarning)]
        texts = [text for text in dict.fromkeys(texts) if text not in self.always.get("warnings", ())]
        for text in texts:
            self.line(text)
        if texts:
            self.always["warnings"] = [*self.always.get("warnings", ()), *texts]

    def finish(self) -> None:
        """Print the JSON document, if it was requested."""
        if self._as_json:
            print(json.dumps(_plain({**self.result, **self.always}), indent=2, allow_nan=False))


@contextlib.contextmanager
def reporting(as_json: bool, debug: bool) -> Iterator[Report]:
    """A command's report. Errors end the command with one line and a status: 2 for a mistake by the user."""
    report = Report(as_json)
    try:
        # Standard output is only for the document.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            yield report
        report.finish()
    except KeyboardInterrupt:
        _fail("Interrupted.", 130)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        raise
    except OSError as error:
        _fail(f"{error.strerror}: {error.filename}" if error.strerror and error.filename else error, 2, debug)
    except ValueError as error:
        _fail(error, 2, debug)
    except typer.Exit:
        raise
    except Exception as error:
        name = type(error).__name__
        _fail(f"kerasrec failed: {name}: {error} (`--debug` shows where)", 1, debug)


def _made(
    title: str,
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    header: bool,
    as_written: Collection[str],
) -> "Table":
    """A table of some columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_header=header, title_style="bold")
    for name in names:
        number = all(isinstance(row[name], (int, float)) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        texts = (str(row[name]) if name in as_written else shown(row[name]) for name in names)
        table.add_row(*map(Text, texts))
    return table


def shown(value: Any) -> str:
    """The text of a cell."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, float):
        if math.isnan(value):  # does not apply
            return ""
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _fail(error: object, status: int, debug: bool = False) -> None:
    if debug:
        traceback.print_exc()
    print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
    raise typer.Exit(status)


def _plain(value: Any) -> Any:
    """A value in a form that JSON can store."""
    if isinstance(value, Mapping):
        return {str(name): _plain(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(x) for x in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
