"""Time and memory that `import kerasrec` adds to `import keras`.

Each import happens in a fresh process. Memory is what the process holds afterwards, not its peak. The package
is compiled to bytecode first, as pip does on installation.
"""

import compileall
import time

from benchmarks._measure import ROOT, alternate, in_process, memory_mb, middle, ratio_row, spread

BACKENDS = ("tensorflow", "jax")


def run(quick: bool = False) -> list[dict]:
    compileall.compile_dir(ROOT / "kerasrec", quiet=1)
    rounds = alternate(
        BACKENDS,
        1 if quick else 7,
        lambda backend: in_process("benchmarks.import_time:measure", backend=backend),
    )
    rows = [
        ratio_row(
            f"import kerasrec above import keras, seconds, {backend}",
            [result["kerasrec s"] for result in results],
            limit=0.1,
            lower_is_better=True,
        )
        for backend, results in zip(BACKENDS, rounds, strict=True)
    ]
    for backend, results in zip(BACKENDS, rounds, strict=True):
        rows.append(
            {
                "backend": backend,
                "keras s": middle(results, "keras s"),
                "kerasrec s": middle(results, "kerasrec s"),
                "spread s": spread(results, "kerasrec s"),
                "keras MB": middle(results, "keras MB"),
                "kerasrec MB": middle(results, "kerasrec MB"),
                "peak MB": middle(results, "peak_mb"),
            }
        )
    return rows


def measure() -> dict:
    before, start = memory_mb(), time.perf_counter()
    import keras  # noqa: F401

    between, middle_time = memory_mb(), time.perf_counter()
    import kerasrec  # noqa: F401

    after, end = memory_mb(), time.perf_counter()
    return {
        "keras s": middle_time - start,
        "kerasrec s": end - middle_time,
        "keras MB": between - before,
        "kerasrec MB": after - between,
    }
