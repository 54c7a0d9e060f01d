"""Rows of results as tables: in the terminal and in RESULTS.md."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._measure import digits


def tables(rows: list[dict[str, Any]]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Headers and cells; neighbouring rows of the same keys make one table, lists and dicts are for JSON."""
    for keys, group in itertools.groupby(rows, key=_keys):
        yield keys, [[_text(row[key]) for key in keys] for row in group]


def show(report: dict[str, Any]) -> None:
    """Print a report."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"\n[bold]{report['benchmark']}[/bold]")
    console.print(report["about"], highlight=False, markup=False)
    for headers, cells in tables(report["rows"]):
        table = Table(*headers)
        for line in cells:
            table.add_row(*line)
        console.print(table)
    console.print(_conditions(report), highlight=False, markup=False)


def write(report: dict[str, Any], path: Path) -> None:
    """Replace the section of a benchmark in RESULTS.md, or add it."""
    begin, end = f"<!-- {report['benchmark']} -->\n", f"<!-- end of {report['benchmark']} -->\n"
    section = "\n".join(
        [_conditions(report), *(_markdown(headers, cells) for headers, cells in tables(report["rows"]))]
    )
    text = path.read_text() if path.exists() else ""
    if begin not in text:
        text += f"\n## {report['benchmark']}\n\n{report['about']}\n\n{begin}{end}"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    path.write_text(f"{before}{begin}\n{section}\n{end}{after}")


def _keys(row: dict[str, Any]) -> list[str]:
    return [key for key, value in row.items() if not isinstance(value, list | dict)]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{digits(value):g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _conditions(report: dict[str, Any]) -> str:
    names = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    quick = " A quick run: the figures mean nothing." if report["quick"] else ""
    return f"{report['machine']}; {names}.{quick}\n"


def _markdown(headers: list[str], cells: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
