"""The time of a training step as the number of rows grows: batches of 8192, 16 components, Adam.

Rows are counted over both tables: a model of 10 million rows has 5 million users and 5 million items. Ids are
drawn uniformly, so a step reads close to 8192 rows of each table. The time of a step is the median epoch of
the second half of a `fit` on arrays, divided by the number of steps. By then, compilation is done and large
tables have moved to huge pages. The floor is NumPy: a gather and a scatter of the rows of both tables and of
both of Adam's slots, for the same ids. Training memory is the peak of `fit` after the model was built, minus
what the process held after its imports. The peak of the whole process, which includes drawing the initial
weights, is listed next to it.

`--short` measures repeated calls of `fit` with 40 steps each instead: the median of the second half of 16
calls.
"""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks._measure import (
    alternate,
    in_process,
    memory_mb,
    middle,
    ratio_row,
    ratios,
    reset_peak,
    spread,
)

BATCH_SIZE, N_COMPONENTS = 8192, 16
MILLION = 1_000_000
PLAIN_LIMIT = MILLION  # a step of plain Keras on more takes seconds


def run(quick: bool = False, rounds: int | None = None, short: bool = False) -> list[dict]:
    if short:
        return _run_short(quick, rounds or 5)
    sizes = [10_000, 100_000] if quick else [10_000, 100_000, MILLION, 10 * MILLION]
    cases: list[tuple[str, str, int]] = [("NumPy", "floor", n) for n in sizes]
    for backend in ("tensorflow", "jax"):
        cases += [(backend, "plain Keras", n) for n in sizes if n <= PLAIN_LIMIT]
        cases += [(backend, "kerasrec", n) for n in sizes]
    # Large tables wait for memory, which whatever else the machine does slows down most: they get more
    # rounds, and what is set in ratio comes one behind the other.
    results = {}
    for some, most in (
        ([case for case in cases if case[2] < MILLION], 1 if quick else 3),
        ([case for case in cases if case[2] >= MILLION], 7),
    ):
        measured = alternate(some, min(rounds or most, most), lambda case: _measure(case, quick))
        results |= dict(zip(some, measured, strict=True))
    results = {case: results[case] for case in cases}
    rows = []
    if not quick:
        floors = [results["NumPy", "floor", n] for n in (10 * MILLION, MILLION)]
        rows.append(ratio_row("10 million rows / 1 million, NumPy", ratios(*floors, "step ms")))
    for backend in ("tensorflow", "jax"):
        ours = {n: results[backend, "kerasrec", n] for n in sizes}
        if not quick:
            values = ratios(ours[10 * MILLION], ours[MILLION], "step ms")
            rows.append(ratio_row(f"10 million rows / 1 million, {backend}", values, 1.4, 1.15, True))
            values = ratios(results[backend, "plain Keras", MILLION], ours[MILLION], "step ms")
            least = {"tensorflow": 36, "jax": 20}[backend]
            rows.append(ratio_row(f"plain Keras / kerasrec, 1 million rows, {backend}", values, least, 100))
            values = ratios(ours[MILLION], results["NumPy", "floor", MILLION], "step ms")
            rows.append(ratio_row(f"kerasrec / NumPy, 1 million rows, {backend}", values, 5, 2, True))
        values = [result["memory ratio"] for result in ours[sizes[-1]]]
        limits = (None, None) if quick else (1.3, 1.1)
        rows.append(
            ratio_row(f"memory / (weights + slots), {sizes[-1]:,} rows, {backend}", values, *limits, True)
        )
    for (backend, code, n), result in results.items():
        rows.append(
            {
                "backend": backend,
                "code": code,
                "rows": n,
                "step ms": middle(result, "step ms"),
                "spread ms": spread(result, "step ms"),
                "weights + slots MB": middle(result, "state MB"),
                "imports MB": middle(result, "imports MB"),
                "training MB": middle(result, "training MB"),
                "peak MB": middle(result, "peak_mb"),
                "rounds": result,
            }
        )
    return rows


def _run_short(quick: bool, rounds: int) -> list[dict]:
    """Calls of `fit` that make few steps must not pay for the rows that they do not read."""
    sizes = (10_000, 100_000) if quick else (MILLION, 10 * MILLION)
    cases = [(backend, n) for backend in ("tensorflow", "jax") for n in sizes]
    measured = alternate(
        [("short", *case) for case in cases],
        1 if quick else rounds,
        lambda case: in_process(
            "benchmarks.rows:measure_short",
            {"n": case[2], "steps": 4 if quick else 40, "calls": 3 if quick else 16},
            case[1],
            {"KERASREC_COMPILATION_CACHE": "0"},
        ),
    )
    results = dict(zip(cases, measured, strict=True))
    rows = []
    for backend in ("tensorflow", "jax"):
        values = ratios(results[backend, sizes[1]], results[backend, sizes[0]], "fit ms")
        rows.append(
            ratio_row(
                f"fit of few steps, {sizes[1]:,} rows / {sizes[0]:,}, {backend}", values, 1.5, None, True
            )
        )
    for (backend, n), result in results.items():
        rows.append(
            {
                "backend": backend,
                "rows": n,
                "fit ms": middle(result, "fit ms"),
                "spread ms": spread(result, "fit ms"),
                "first fit ms": middle(result, "first fit ms"),
                "rounds": result,
            }
        )
    return rows


def _measure(case: tuple[str, str, int], quick: bool) -> dict[str, Any]:
    backend, code, n = case
    few = quick or code == "plain Keras"
    arguments: dict[str, Any] = {"n": n, "steps": 4 if few else 64}
    environment = {"KERASREC_COMPILATION_CACHE": "0"}
    if code == "floor":
        return in_process("benchmarks.rows:floor", arguments)
    arguments |= {"code": code, "epochs": 8 if few else 24}
    return in_process("benchmarks.rows:measure", arguments, backend, environment)


def measure(code: str, n: int, steps: int, epochs: int) -> dict[str, Any]:
    import keras

    import kerasrec
    from benchmarks._clock import EpochClock

    x = ids(n, steps)
    y = np.random.default_rng(1).random(len(x["user"]), dtype="float32")
    keras.ops.convert_to_numpy(keras.ops.matmul(np.ones((64, 64)), np.ones((64, 64))))  # the backend is up
    imports = memory_mb()
    model = (_plain if code == "plain Keras" else _ours)(keras, kerasrec, n // 2)
    model.optimizer.build(model.trainable_variables)
    reset_peak()
    clock = EpochClock()
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0, callbacks=[clock])
    training = memory_mb("VmHWM") - imports
    state = 3 * n * N_COMPONENTS * 4 / 1e6
    return {
        "step ms": statistics.median(clock.seconds[epochs // 2 :]) / steps * 1e3,
        "epochs s": clock.seconds,
        "state MB": state,
        "imports MB": imports,
        "training MB": training,
        "memory ratio": training / state,
    }


def measure_short(n: int, steps: int, calls: int) -> dict[str, Any]:
    import keras

    import kerasrec

    x = ids(n, steps)
    y = np.random.default_rng(1).random(len(x["user"]), dtype="float32")
    model = _ours(keras, kerasrec, n // 2)
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        float(model.fit(x, y, batch_size=BATCH_SIZE, verbose=0).history["loss"][0])
        seconds.append(time.perf_counter() - start)
    return {
        "fit ms": statistics.median(seconds[calls // 2 :]) * 1e3,
        "first fit ms": seconds[0] * 1e3,
        "seconds": seconds,
    }


def floor(n: int, steps: int) -> dict[str, Any]:
    imports = memory_mb()
    codes = ids(n, steps)
    tables = [[np.full((n // 2, N_COMPONENTS), 0.1, "float32") for _ in range(3)] for _ in ("user", "item")]
    seconds = []
    for step in range(steps):
        batch = [codes[name][step * BATCH_SIZE : (step + 1) * BATCH_SIZE, 0] for name in ("user", "item")]
        start = time.perf_counter()
        for arrays, read in zip(tables, batch, strict=True):
            for array in arrays:
                array[read] = array[read]
        seconds.append(time.perf_counter() - start)
    state = 3 * n * N_COMPONENTS * 4 / 1e6
    training = memory_mb("VmHWM") - imports
    return {
        "step ms": statistics.median(seconds) * 1e3,
        "state MB": state,
        "imports MB": imports,
        "training MB": training,
        "memory ratio": training / state,
    }


def ids(n: int, steps: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, n // 2, (steps * BATCH_SIZE, 1), dtype="int32") for name in ("user", "item")
    }


def _ours(keras: Any, kerasrec: Any, n: int) -> Any:
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    score = kerasrec.layers.DotScore()(
        kerasrec.layers.FeatureEmbedding(n, N_COMPONENTS)(user),
        kerasrec.layers.FeatureEmbedding(n, N_COMPONENTS)(item),
    )
    model = kerasrec.Model({"user": user, "item": item}, keras.ops.expand_dims(score, -1))
    model.compile("adam", "mean_squared_error")
    return model


def _plain(keras: Any, kerasrec: Any, n: int) -> Any:
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    vectors = [
        keras.layers.Flatten()(keras.layers.Embedding(n, N_COMPONENTS, embeddings_initializer="he_normal")(i))
        for i in (user, item)
    ]
    model = keras.Model({"user": user, "item": item}, keras.layers.Dot(axes=1)(vectors))
    model.compile("adam", "mean_squared_error")
    return model
