"""Runs each measurement in a new process, so peak memory and compilation are its own."""

import importlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("kerasrec", "keras", "tensorflow", "jax", "numpy", "scipy", "implicit", "cornac", "lightfm")


def in_process(
    function: str,
    arguments: dict[str, Any] | None = None,
    backend: str | None = None,
    environment: dict[str, str] | None = None,
    python: str = sys.executable,
    quiet: bool = True,
) -> dict[str, Any]:
    """Call a function in a fresh process.

    Args:
        function: "module:name"; it returns a dict that JSON can hold.
        arguments: keyword arguments that JSON can hold.
        backend: value of `KERAS_BACKEND` there.
        environment: further variables.
        python: the interpreter.
        quiet: whether what it says is shown only if it fails.

    Returns:
        What the function returned, with `peak_mb` and `versions` of the process.
    """
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **(environment or {})}
    if backend is not None:
        variables["KERAS_BACKEND"] = backend
    command = [python, "-m", "benchmarks._measure", function, json.dumps(arguments or {})]
    with tempfile.TemporaryFile("w+") as log:
        said_to = log if quiet else None
        done = subprocess.run(
            command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=said_to, text=True
        )
        log.seek(0)
        said = log.read()
    if done.returncode:
        raise RuntimeError(f"{function}({arguments}) failed on {backend or python}:\n{said[-4000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def alternate(
    cases: Sequence[Any], repetitions: int, measure: Callable[[Any], dict[str, Any]]
) -> list[list[dict[str, Any]]]:
    """Measure all cases `repetitions` times, each round in the opposite order of the one before.

    Where `KERASREC_BENCHMARKS_PARTS` names a file, what was measured stands in it and is not measured again.

    Returns:
        For each case its results, one a round, so that the results of one round can be set in ratio.
    """
    parts = os.environ.get("KERASREC_BENCHMARKS_PARTS")
    known = json.loads(Path(parts).read_text()) if parts and Path(parts).exists() else {}
    results: list[list[dict[str, Any]]] = [[] for _ in cases]
    for n in range(repetitions):
        for i in range(len(cases)) if n % 2 == 0 else reversed(range(len(cases))):
            name = f"round {n + 1}: {cases[i]}"
            if name not in known:
                say(f"{name}, of {repetitions} rounds")
                known[name] = measure(cases[i])
                if parts:
                    Path(parts).write_text(json.dumps(known))
            results[i].append(known[name])
    return results


def ratio_row(
    measure: str,
    values: Sequence[float],
    limit: float | None = None,
    aim: float | None = None,
    lower_is_better: bool = False,
) -> dict[str, Any]:
    """One line of the table of what must be reached: the median of the rounds and the verdict on it."""
    value = statistics.median(values)
    sign = -1 if lower_is_better else 1
    bound = "at most" if lower_is_better else "at least"
    if limit is None:
        verdict = ""
    elif aim is not None and sign * value >= sign * aim:
        verdict = "aim"
    else:
        verdict = "yes" if sign * value >= sign * limit else "NO"
    return {
        "measure": measure,
        "median": digits(value),
        "spread": f"{digits(min(values))} to {digits(max(values))}",
        "required": "" if limit is None else f"{bound} {limit:g}",
        "aim": "" if aim is None else f"{aim:g}",
        "reached": verdict,
        "rounds": [float(v) for v in values],
    }


def ratios(above: Sequence[dict[str, Any]], below: Sequence[dict[str, Any]], key: str) -> list[float]:
    """Quotients of two cases, round by round."""
    return [a[key] / b[key] for a, b in zip(above, below, strict=True)]


def middle(results: Sequence[dict[str, Any]], key: str) -> float:
    """The median of the rounds."""
    return digits(statistics.median(result[key] for result in results))


def spread(results: Sequence[dict[str, Any]], key: str) -> str:
    """The lowest and the highest of the rounds."""
    values = [result[key] for result in results]
    return f"{digits(min(values))} to {digits(max(values))}"


def digits(value: float, n: int = 3) -> float:
    """Rounded to significant digits."""
    rounded = float(f"{value:.{n}g}")
    return int(rounded) if abs(rounded) >= 10 ** (n - 1) else rounded


def data_folder(name: str) -> Path:
    """The folder of a data set, from `KERASREC_DATA` or `../shared/data` beside the checkout."""
    places = [Path(os.environ["KERASREC_DATA"])] if os.environ.get("KERASREC_DATA") else []
    places.append(ROOT.parent / "shared" / "data")
    for place in places:
        if (place / name).is_dir():
            return place / name
    raise FileNotFoundError(
        f"A folder {name!r} must be in {' or '.join(map(str, places))}; set KERASREC_DATA to the folder that "
        "has it. Received: no such folder."
    )


def memory_mb(field: str = "VmRSS") -> float:
    """This process's memory now (`VmRSS`) or at its highest (`VmHWM`), in MB; Linux alone has it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"/proc/self/status must have {field}.")


def reset_peak() -> None:
    """Let Linux count the highest memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def versions() -> dict[str, str]:
    """Versions of what is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "kerasrec" not in found:  # a checkout that is not installed
        scope: dict[str, str] = {}
        exec((ROOT / "kerasrec" / "_version.py").read_text(), scope)
        found["kerasrec"] = scope["__version__"]
    return found


def machine() -> str:
    """What the figures depend on, without the machine's name."""
    return f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, {platform.system()}"


def say(message: str) -> None:
    """Progress, apart from the results."""
    print(message, file=sys.stderr, flush=True)


def peak_mb() -> float:
    """The highest memory of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _main() -> None:
    module, name = sys.argv[1].split(":")
    # Whatever a library prints must not mix with the result.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    result = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    result = result if isinstance(result, dict) else {"rows": result}
    print(json.dumps({**result, "peak_mb": digits(peak_mb()), "versions": versions()}), file=out, flush=True)


if __name__ == "__main__":
    _main()
