"""Loading interactions from a frame and from Parquet: rows per second and memory.

The table is generated: shuffled rows, each pair of user and item once, in the proportions of MovieLens 25M.
Each case runs in its own process. `input MB` is the size of the frame or the Parquet file, `peak MB` the peak
memory while loading beyond what the process held before, and `result MB` the size of the resulting columns.
"""

import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

N_USERS, N_ITEMS = 162_541, 59_047
CASES = ("frame, integer ids", "Parquet, integer ids", "Parquet, text ids")


def run(quick: bool = False) -> list[dict]:
    n = 250_000 if quick else 25_000_000
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        return [pool.apply(measure, (case, n)) for case in CASES]


def measure(case: str, n: int) -> dict:
    from kerasrec.data import Interactions

    names = {"value": "value", "time": "time"}
    small = table(1000)
    Interactions.from_frame(small, **names)  # imports happen before the clock starts
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        if case.startswith("frame"):
            frame = table(n)
            input_bytes = int(frame.memory_usage().sum())
        else:
            write(path, n, text="text" in case)
            small.to_parquet(Path(folder) / "small.parquet")
            Interactions.from_parquet(Path(folder) / "small.parquet", **names)
            input_bytes = path.stat().st_size
        reset_peak()
        held = memory("VmRSS")
        start = time.perf_counter()
        if case.startswith("frame"):
            x = Interactions.from_frame(frame, **names)
        else:
            x = Interactions.from_parquet(path, **names)
        seconds = time.perf_counter() - start
        peak = memory("VmHWM") - held
    columns = (x.users, x.items, x.values, x.times)
    return {
        "case": case,
        "rows": len(x),
        "seconds": round(seconds, 2),
        "rows/s": round(len(x) / seconds),
        "input MB": round(input_bytes / 1e6),
        "peak MB": round(peak / 1e6),
        "result MB": round(sum(column.nbytes for column in columns) / 1e6),
    }


def table(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    gap = N_USERS * N_ITEMS // n
    cells = np.cumsum(rng.integers(1, 2 * gap, n))[rng.permutation(n)]
    return pd.DataFrame(
        {
            "user": cells // N_ITEMS + 1,
            "item": cells % N_ITEMS * 3 + 1,
            "value": rng.integers(1, 11, n).astype(np.float32) / 2,
            "time": rng.integers(0, 2**31, n),
        }
    )


def write(path: Path, n: int, text: bool) -> None:
    frame = table(n)
    if text:
        for name in ("user", "item"):
            codes, ids = pd.factorize(frame[name])
            frame[name] = pd.Categorical.from_codes(codes, [f"{name}-{i}" for i in ids]).astype(
                "string[pyarrow]"
            )
    frame.to_parquet(path, index=False)


def reset_peak() -> None:
    """Linux starts to count the highest memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def memory(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    print(pd.DataFrame(run()).to_string(index=False))
