"""Tables larger than memory, lists by workers and training in two processes, and the usual ways.

Each part can also run alone, and prints each figure as soon as it has it: `python -m benchmarks.scale PART
[--events N] [--folder FOLDER]`.

- `prepare`: 25 million events with text ids in one Parquet file, read into memory and prepared with 500 MB.
- `large`: 200 million events of 2 million users and 200,000 items, in 20 pieces from two draws of
  `synthetic`, each with its own users. They are prepared and split by time. `matrix_factorization` with 32
  components is trained for one epoch on ratings of at least 4 (batches of 4096, 128 shared samples) and
  evaluated on 20,000 users. Needs 20 GB of disk. On JAX.
- `windows`: two epochs of such a training on 5 million positives from a prepared folder, and from memory.
- `lists`: ten of 200,000 items for some of 2 million users, 32 components, by a worker's `Lists` and by
  `recommend_to_parquet`, compared with the bare ranker of `kerasrec.evaluation`; seen items are left out. One
  core.
- `processes`: an epoch of such a training on tables of 200,000 and 50,000 rows, spread over two processes by
  `RowSharded`, and in one process; every process has one core. On JAX.

Memory is the peak of a process's private memory beyond what it held after its imports. It excludes the pages
of mapped files, which the system takes back when it needs them.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import ROOT, alternate, in_process, memory_mb, ratio_row, ratios, say

PIECE, DRAWS = 10_000_000, 2
COMPONENTS, BATCH, SAMPLED = 32, 4096, 128
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NPROC": "2"}


def run(quick: bool = False) -> list[dict]:
    return [row for part in PARTS.values() for row in part(quick=quick)]


def prepare(quick: bool = False, n: int | None = None, folder: Path | None = None) -> list[dict]:
    from benchmarks.loading import write

    n = n or (100_000 if quick else 25_000_000)
    with _work(folder) as place:
        write(place / "events.parquet", n, text=True)
        read, prepared = alternate(
            ("from_parquet", "prepare"),
            1 if quick else 3,
            lambda how: _told(in_process("benchmarks.scale:load", {"folder": str(place), "how": how})),
        )
    return [
        ratio_row("prepare / from_parquet, seconds", ratios(prepared, read, "seconds"), 1.2, 0.7, True),
        ratio_row("prepare with 500 MB, peak MB", [x["MB"] for x in prepared], 1000, 700, True),
        ratio_row("from_parquet, peak MB", [x["MB"] for x in read]),
    ]


def load(folder: str, how: str) -> dict[str, Any]:
    from kerasrec.data import Interactions, _prepare

    _prepare._duckdb()
    path, names = Path(folder) / "events.parquet", {"value": "value", "time": "time"}
    with _measured() as found:
        if how == "prepare":
            Interactions.prepare(path, Path(folder) / "out", memory="500MB", verbose=False, **names)
        else:
            Interactions.from_parquet(path, **names)
    shutil.rmtree(Path(folder) / "out", ignore_errors=True)
    return {"how": how, **found}


def large(quick: bool = False, n: int | None = None, folder: Path | None = None) -> list[dict]:
    n = n or (200_000 if quick else 200_000_000)
    with _work(folder) as place:
        given = {"folder": str(place), "n": n}
        stages = [
            _told(in_process(f"benchmarks.scale:{stage}", given, backend, quiet=False))
            for stage, backend in (("make", None), ("prepare_large", None), ("train_large", "jax"))
        ]
    rows = [row for stage in stages for row in stage["rows"]]
    most = max(row["peak MB"] for row in rows[1:])
    limit = (6000, 3000) if n == 200_000_000 else (None, None)
    return [ratio_row(f"{n:,} events: peak MB beyond the tables", [most], *limit, True), *rows]


def make(folder: str, n: int) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kerasrec.datasets import synthetic

    size = min(n, PIECE)
    n_users, n_items = size // 100, max(1000, size // 50)
    events = Path(folder) / "events"
    events.mkdir(exist_ok=True)
    with _measured() as found:
        for draw in range(min(DRAWS, n // size)):
            pieces = [
                piece for piece in range(draw, n // size, DRAWS) if not (events / f"{piece}.parquet").exists()
            ]
            if not pieces:
                continue
            x = synthetic(n_users, n_items, size, seed=draw).interactions
            for piece in pieces:
                order = np.random.default_rng(piece).permutation(size)
                columns = {
                    "user": (x.users + np.int64(piece * n_users))[order],
                    "item": x.items[order],
                    "rating": x.values[order],
                    "time": x.times[order],
                }
                partial = events / f"{piece}.new"
                pq.write_table(pa.table(columns), partial)
                partial.rename(events / f"{piece}.parquet")
                say(f"made {piece + 1} of {n // size} pieces")
    return {"rows": [_row("make", n, found)]}


def prepare_large(folder: str, n: int) -> dict[str, Any]:
    from kerasrec.data import Interactions, _prepare

    _prepare._duckdb()
    names = {"value": "rating", "time": "time", "kind": "ratings"}
    out = Path(folder) / "out"
    with _measured() as found:
        if not out.exists():
            Interactions.prepare(f"{folder}/events/*.parquet", out, memory="1GB", **names)
    bytes_ = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {"rows": [_row("prepare", n, found)], "GB on disk": bytes_ / 1e9}


def train_large(folder: str, n: int) -> dict[str, Any]:
    import keras

    import kerasrec
    from kerasrec.data import Interactions, splits

    model, rows = None, []

    def stage(name: str, work: Callable[[], Any]) -> Any:
        with _measured(lambda: tables_mb(model)) as found:
            result = work()
        rows.append(_row(name, n, found))
        return result

    keras.ops.zeros(1)
    whole = stage("open", lambda: Interactions.open(f"{folder}/out", verify=False))
    parts = stage("split by time", lambda: splits.time_split(whole, test_size=0.05))
    train, test = stage("keep the likes", lambda: [part.at_least(4) for part in parts])
    model = stage("make the model", lambda: _model(train))
    batches = stage("make the batches", lambda: _batches(train))
    stage("train an epoch", lambda: model.fit(batches, verbose=0))
    users = np.unique(test.users)
    users = np.random.default_rng(0).choice(users, min(20_000, len(users)), replace=False)
    chosen = test.user_ids[np.sort(users)]
    report = stage(
        f"evaluate {len(chosen):,} users",
        lambda: kerasrec.evaluation.evaluate(model, test, train, users=chosen),
    )
    return {
        "rows": rows,
        "ndcg@10": report["ndcg@10"],
        "positives": len(train),
        "tables MB": tables_mb(model),
    }


def windows(quick: bool = False, n: int | None = None, folder: Path | None = None) -> list[dict]:
    from benchmarks.loading import write

    n = n or (100_000 if quick else 5_000_000)
    with _work(folder) as place:
        write(place / "events.parquet", n, text=False)
        memory, disk = alternate(
            ("memory", "windows"),
            1 if quick else 3,
            lambda how: _told(in_process("benchmarks.scale:train", {"folder": str(place), "how": how})),
        )
    return [
        ratio_row("windows / memory, positives a second", ratios(disk, memory, "a second"), 0.7, 0.9),
        *({"training from": x[0]["how"], "positives a second": x[0]["a second"]} for x in (memory, disk)),
    ]


def train(folder: str, how: str) -> dict[str, Any]:
    from kerasrec.data import Interactions

    place = Path(folder)
    if how == "memory":
        data = Interactions.from_parquet(place / "events.parquet")
    else:
        if not (place / "out").exists():
            Interactions.prepare(place / "events.parquet", place / "out", verbose=False)
        data = Interactions.open(place / "out")
    return {"how": how, "a second": len(data) / _later_epoch(_model(data), _batches(data))}


def lists(quick: bool = False, n: int | None = None, folder: Path | None = None) -> list[dict]:
    given = {"n_users": n or (2000 if quick else 2_000_000), "n_items": 2000 if quick else 200_000}
    with _work(folder) as place:
        found = in_process(
            "benchmarks.scale:rank", {**given, "folder": str(place)}, None, _ONE_CORE, quiet=False
        )
    return [
        ratio_row("lists of a worker / bare ranker, users a second", found["worker"], 0.7, 0.85),
        ratio_row("recommend_to_parquet / bare ranker, users a second", found["parquet"], 0.7, 0.85),
        ratio_row("bare ranker, users a second", found["a second"]),
    ]


def rank(folder: str, n_users: int, n_items: int) -> dict[str, Any]:
    import pyarrow as pa

    from benchmarks.recommend import made
    from kerasrec.evaluation._models import scorer_of
    from kerasrec.evaluation._ranker import CatalogueRanker
    from kerasrec.recommender._state_holder import current_state

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    recommender = made(n_users, n_items, COMPONENTS, 20 * n_users)
    call = recommender.lists(Path(folder) / "lists", k=10)
    ranker = CatalogueRanker(scorer_of(recommender.model, n_items))
    seen = current_state(recommender).history
    some = np.random.default_rng(0).choice(n_users, min(n_users, 4096), replace=False)
    ids = recommender.user_ids[some]
    batch = pa.table({"user": pa.array(ids.tolist())})

    def bare() -> None:
        for _ in ranker.rank(some, 10, seen):
            pass

    ways = {
        "bare": bare,
        "worker": lambda: call(batch),
        "parquet": lambda: recommender.recommend_to_parquet(
            Path(folder) / "lists.parquet", ids, k=10, verbose=False
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(4):
        for name, way in list(ways.items())[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
            say(f"{name}: {len(some) / seconds[name][-1]:,.0f} users a second")
    of = {name: np.array(found[1:]) for name, found in seconds.items()}  # the first loads what is on disk
    return {
        "worker": (of["bare"] / of["worker"]).tolist(),
        "parquet": (of["bare"] / of["parquet"]).tolist(),
        "a second": (len(some) / of["bare"]).tolist(),
    }


def processes(quick: bool = False, n: int | None = None, folder: Path | None = None) -> list[dict]:
    n = n or (40_000 if quick else 1_000_000)

    def measure(count: int) -> dict[str, Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started = [_started(number, count, port, n) for number in range(count)]
        try:
            return _told(
                {"processes": count, "seconds": max(float(p.communicate()[0].split()[-1]) for p in started)}
            )
        finally:
            for process in started:
                process.kill()

    one, two = alternate((1, 2), 1 if quick else 3, measure)
    return [ratio_row("epoch of 2 processes / of one, seconds", ratios(two, one, "seconds"), 0.8, 0.6, True)]


def _started(number: int, count: int, port: int, n: int) -> subprocess.Popen[str]:
    variables = {**os.environ, **_ONE_CORE, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    code = f"from benchmarks.scale import one_of; one_of({number}, {count}, {port}, {n})"
    core = sorted(os.sched_getaffinity(0))[number % os.cpu_count()]
    return subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, "-c", code],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def one_of(number: int, count: int, port: int, n: int) -> None:
    """One of some processes that train together: prints the seconds of an epoch."""
    import keras

    if count > 1:
        keras.distribution.initialize(f"127.0.0.1:{port}", count, number)
    from kerasrec.data import Interactions
    from kerasrec.trainers import RowSharded

    if count > 1:
        keras.distribution.set_distribution(RowSharded())
    rng = np.random.default_rng(0)
    n_users, n_items = (20_000, 5000) if n < 100_000 else (200_000, 50_000)
    users, items = rng.integers(0, n_users, n), rng.integers(0, n_items, n)
    data = Interactions(users, items, user_ids=np.arange(n_users), item_ids=np.arange(n_items))
    print(_later_epoch(_model(data), _batches(data, drop_remainder=True)), flush=True)
    os._exit(0)  # JAX would wait for the other process


def _model(data: Any) -> Any:
    import kerasrec

    return kerasrec.zoo.create(
        "matrix_factorization", data, n_components=COMPONENTS, loss="sampled_softmax", seed=0
    )


def _batches(data: Any, **how: Any) -> Any:
    from kerasrec.data import RankingBatches, samplers

    return RankingBatches(data, BATCH, SAMPLED, samplers.UniformSampler(shared=True), seed=0, **how)


def _later_epoch(model: Any, batches: Any) -> float:
    """Seconds of an epoch for which all is compiled: the median of five."""
    import keras

    begins: list[float] = []
    each = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: begins.append(time.perf_counter()))
    model.fit(batches, epochs=7, shuffle=False, verbose=0, callbacks=[each])
    return float(np.median(np.diff(begins)[1:]))


def tables_mb(model: Any) -> float:
    """Weights and slots, in MB."""
    if model is None:
        return 0.0
    variables = [*model.variables, *model.optimizer.variables]
    return sum(4 * float(np.prod(v.shape)) for v in variables) / 1e6


@contextlib.contextmanager
def _measured(without: Callable[[], float] = lambda: 0.0) -> Iterator[dict[str, float]]:
    """Seconds, and the most own memory, of what is done within."""
    found: dict[str, float] = {}
    done, most = threading.Event(), [0.0]

    def watch() -> None:
        while True:
            most[0] = max(most[0], memory_mb("RssAnon"))
            if done.wait(0.02):
                return

    global _held
    _held = _held or memory_mb("RssAnon")
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    begin = time.perf_counter()
    try:
        yield found
    finally:
        found["seconds"] = time.perf_counter() - begin
        done.set()
        thread.join()
        found["MB"] = most[0] - _held - without()


_held = 0.0  # after the imports


def _row(stage: str, n: int, found: dict[str, float]) -> dict[str, Any]:
    row = {"stage": stage, "seconds": round(found["seconds"], 1), "peak MB": round(found["MB"])}
    row["events a second"] = round(n / max(found["seconds"], 1e-3))
    return _told(row)


def _told(found: dict[str, Any]) -> dict[str, Any]:
    say(json.dumps({name: x for name, x in found.items() if name != "versions"}))
    return found


@contextlib.contextmanager
def _work(folder: Path | None) -> Iterator[Path]:
    """A folder to work in: the given one, which stays, or one that is removed."""
    if folder is not None:
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


PARTS = {"prepare": prepare, "large": large, "windows": windows, "lists": lists, "processes": processes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--events", type=int, help="or users, of lists")
    parser.add_argument("--folder", type=Path, help="where to work, and to go on after a stop")
    options = parser.parse_args()
    for row in PARTS[options.part](options.quick, options.events, options.folder):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
