"""The command `python -m benchmarks`."""

import argparse
import ast
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import _report
from benchmarks._measure import in_process, machine, say, versions

FOLDER = Path(__file__).parent
# `import` cannot be the name of a module.
MODULES = {
    name.removesuffix("_time"): name
    for _, name, _ in pkgutil.iter_modules([str(FOLDER)])
    if not name.startswith("_")
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 1 where something that is required was not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "name", nargs="?", choices=[*MODULES, "all"], metavar="NAME", help="a benchmark, or all"
    )
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--json", action="store_true", help="print everything measured as JSON")
    parser.add_argument("--quick", action="store_true", help="small and once, to see that it runs")
    parser.add_argument(
        "--write", action="store_true", help="put the results into RESULTS.md, plots beside it"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="of rows: calls of fit that make few steps; of sequences and graphs: no whole training",
    )
    parser.add_argument("--rounds", type=int, help="how often all is measured, where a benchmark has rounds")
    parser.add_argument("--parts", help="a file that keeps what was measured, to go on from it after a stop")
    options = parser.parse_args(arguments)
    if options.list or not options.name:
        for name in MODULES:
            print(f"{name:14} {_docstring(name).splitlines()[0]}")
        return 0
    how: dict[str, Any] = {"quick": options.quick}
    if options.rounds:
        how["rounds"] = options.rounds
    if options.short:
        how["short"] = True
    if options.parts:
        os.environ["KERASREC_BENCHMARKS_PARTS"] = str(Path(options.parts).resolve())
    reports = []
    for name in MODULES if options.name == "all" else [options.name]:
        say(f"{name}: {_docstring(name).splitlines()[0]}")
        reports.append(_run(name, how))
        if not options.json:
            _report.show(reports[-1])
        if options.write:
            _report.write(reports[-1], FOLDER / "RESULTS.md")
            _plot(name, reports[-1]["rows"])
    if options.json:
        json.dump(reports if options.name == "all" else reports[0], sys.stdout, indent=1)
        print()
    missed = [row for report in reports for row in report["rows"] if row.get("reached") == "NO"]
    return int(bool(missed) and not options.quick)


def _run(name: str, how: dict[str, Any]) -> dict[str, Any]:
    how = {option: value for option, value in how.items() if option in _options(name)}
    result = in_process(f"benchmarks.{MODULES[name]}:run", how)
    return {
        "benchmark": f"{name} --short" if how.get("short") else name,
        "about": _docstring(name),
        "quick": how["quick"],
        "versions": versions(),
        "machine": machine(),
        "peak_mb": result["peak_mb"],
        "rows": result["rows"],
    }


def _docstring(name: str) -> str:
    return ast.get_docstring(_source(name)) or ""


def _options(name: str) -> set[str]:
    """The arguments of a benchmark's `run`."""
    functions = (node for node in _source(name).body if isinstance(node, ast.FunctionDef))
    return {argument.arg for node in functions if node.name == "run" for argument in node.args.args}


def _source(name: str) -> ast.Module:
    # Read, not imported: this process stays small.
    return ast.parse((FOLDER / f"{MODULES[name]}.py").read_text())


def _plot(name: str, rows: list[dict[str, Any]]) -> None:
    plot = getattr(importlib.import_module(f"benchmarks.{MODULES[name]}"), "plot", None)
    if plot is not None:
        plot(rows, FOLDER / f"{MODULES[name]}.png")


if __name__ == "__main__":
    sys.exit(main())
