"""Lists, fold-ins and similar items from Python, ONNX and the command line; all users; a large file.

Latencies are medians of 1,000 calls for different users after a warm-up, with 64 components. The commands
`kerasrec recommend` and `kerasrec similar` are timed from start to end on a file with 20,000 users and 5,000
items. Lists for all users are compared with the bare ranking of `kerasrec.evaluation`, which has the same
model and users, leaves out seen items and creates no frames of raw ids. onnxruntime runs the ONNX files in
one thread, and the lists of all users are compared with kerasrec's. The large file has a million users with
text ids, 1,000 items and 8 components.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._measure import ROOT, alternate, in_process, middle, ratio_row, spread

COMMAND = "import sys; sys.argv[0] = 'kerasrec'; from kerasrec.cli import main; main()"
BACKENDS = ("tensorflow", "jax")
LIMITS = {
    "recommend ms, 5,000": ("recommend for one user, 5,000 items, ms", 0.5),
    "fold-in ms, 5,000": ("recommend_for_history, 5,000 items, ms", 0.5),
    "similar ms, 5,000": ("similar_items, 5,000 items, ms", 0.5),
    "recommend ms, 100,000": ("recommend for one user, 100,000 items, ms", 2.5),
    "fold-in ms, 100,000": ("recommend_for_history, 100,000 items, ms", 2.5),
    "similar ms, 100,000": ("similar_items, 100,000 items, ms", 2.5),
    "kerasrec recommend s": ("kerasrec recommend, s", 2),
    "kerasrec similar s": ("kerasrec similar, s", 2),
    "ONNX ms": ("ONNX, one user, 5,000 items, vectors, ms", 0.5),
    "ONNX EASE ms": ("ONNX, one user, 5,000 items, EASE, ms", 0.5),
    "ONNX item_knn ms": ("ONNX, one user, 5,000 items, item_knn, ms", 0.5),
    "ONNX wrong": ("ONNX, 5,000 items: lists that differ from recommend", 0),
    "load s": ("load a file of 1,000,000 text ids, s", 3),
    "all over bare": ("all users of MovieLens 1M over the bare ranking", 1.3),
}


def run(quick: bool = False, rounds: int = 3) -> list[dict]:
    cases = [f"{part} {backend}" for part in PARTS for backend in BACKENDS]
    found = alternate(cases, 1 if quick else rounds, lambda case: _in_process(*case.split(), quick))
    measured = {}
    for n, backend in enumerate(BACKENDS):
        own = zip(*found[n :: len(BACKENDS)], strict=True)
        measured[backend] = [{name: x for part in parts for name, x in part.items()} for parts in own]
    rows = [
        ratio_row(f"{label}, {backend}", [result[name] for result in results], limit, lower_is_better=True)
        for name, (label, limit) in LIMITS.items()
        for backend, results in measured.items()
    ]
    for backend, results in measured.items():
        for name in (
            "recommend p95 ms, 5,000",
            "recommend p95 ms, 100,000",
            "first call ms, 100,000",
            "load s",
            "save s",
            "MB",
        ):
            rows.append(
                {
                    "backend": backend,
                    "what": name,
                    "median": middle(results, name),
                    "spread": spread(results, name),
                }
            )
    return rows


def _in_process(part: str, backend: str, quick: bool) -> dict:
    return in_process("benchmarks.recommend:measure", {"part": part, "quick": quick}, backend=backend)


def measure(part: str, quick: bool) -> dict:
    return PARTS[part](quick)


def _latencies(quick: bool) -> dict:
    found = {}
    for n_items in (5_000, 100_000):
        found |= {f"{name}, {n_items:,}": x for name, x in _latency(n_items, 20 if quick else 1000).items()}
    return found


def _latency(n_items: int, n_calls: int) -> dict:
    recommender = made(1_000, n_items, 64, 20 * 1_000)
    users, items = recommender.user_ids.tolist(), recommender.item_ids
    first = _seconds(lambda call: recommender.recommend(users[call]), 1)[0]
    alone = _seconds(lambda call: recommender.recommend(users[call % len(users)]), n_calls)
    drawn = np.random.default_rng(0).integers(0, n_items, (n_calls, 20))
    histories = [items[np.unique(codes)] for codes in drawn]
    recommender.recommend_for_history(histories[0])
    folded = _seconds(lambda call: recommender.recommend_for_history(histories[call]), n_calls)
    recommender.similar_items(items[0])
    near = _seconds(lambda call: recommender.similar_items(items[call]), n_calls)
    return {
        "first call ms": 1e3 * first,
        "recommend ms": 1e3 * statistics.median(alone),
        "recommend p95 ms": 1e3 * sorted(alone)[int(0.95 * n_calls)],
        "fold-in ms": 1e3 * statistics.median(folded),
        "similar ms": 1e3 * statistics.median(near),
    }


def _commands(quick: bool) -> dict:
    """The commands from start to end, in processes of their own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "shop.keras")
        made(20_000, 5_000, 64, 400_000).save(path)
        for command, of in (("recommend", "--user=user-7"), ("similar", "--item=item-7")):

            def ask(_: int, command=command, of=of) -> None:
                subprocess.run(
                    [sys.executable, "-c", COMMAND, command, str(path), of],
                    env=environment,
                    check=True,
                    stdout=subprocess.DEVNULL,
                )

            found[f"kerasrec {command} s"] = statistics.median(_seconds(ask, 2 if quick else 5))
    return found


def _onnx(quick: bool) -> dict:
    import onnxruntime

    from kerasrec import Recommender

    n_users, n_items, n_calls = (300, 500, 20) if quick else (5_000, 5_000, 500)
    data = _popular(n_users, n_items, 60)
    found, wrong = {}, 0
    for name in ("", "ease", "item_knn"):
        if name:
            recommender = Recommender.train(data, name, verbose=0)
        else:
            recommender = made(n_users, n_items, 64, 60 * n_users)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            recommender.export(Path(folder, "x.onnx"))
            runs = onnxruntime.InferenceSession(
                str(Path(folder, "x.onnx")), options, providers=["CPUExecutionProvider"]
            )
        users, k = recommender.user_ids.astype(object), np.array(10)

        def ask(call: int, runs=runs, users=users, k=k) -> None:
            runs.run(None, {"user": users[call % len(users) :][:1], "k": k})

        _seconds(ask, 20)
        label = {"": "ONNX ms", "ease": "ONNX EASE ms"}.get(name, f"ONNX {name} ms")
        found[label] = 1e3 * statistics.median(_seconds(ask, n_calls))
        items = [runs.run(None, {"user": users[n : n + 100], "k": k})[0] for n in range(0, n_users, 100)]
        expected = recommender.recommend(k=10)["item"].to_numpy().reshape(-1, 10)
        wrong += int((np.concatenate(items) != expected).any(axis=1).sum())
    return found | {"ONNX wrong": wrong}


def _popular(n_users: int, n_items: int, each: int):
    """Who has what, a few items being had by many."""
    from kerasrec.data import Interactions

    draw = np.random.default_rng(0)
    share = 1 / (20.0 + np.arange(n_items))
    items = draw.choice(n_items, n_users * each, p=share / share.sum())
    keys = np.unique(np.repeat(np.arange(n_users), each) * n_items + items)
    return Interactions(
        keys // n_items,
        keys % n_items,
        user_ids=np.array([f"user-{code}" for code in range(n_users)], object),
        item_ids=np.array([f"item-{code}" for code in range(n_items)], object),
    )


def _file(quick: bool) -> dict:
    from kerasrec import Recommender

    recommender = made(10_000 if quick else 1_000_000, 1_000, 8, 2_000_000 if not quick else 20_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.keras")
        start = time.perf_counter()
        recommender.save(path)
        saved = time.perf_counter()
        Recommender.load(path)
        return {
            "save s": saved - start,
            "load s": time.perf_counter() - saved,
            "MB": path.stat().st_size / 1e6,
        }


def _everybody(quick: bool) -> dict:
    from benchmarks._measure import data_folder
    from kerasrec import Recommender
    from kerasrec.data import Interactions
    from kerasrec.evaluation._models import scorer_of
    from kerasrec.evaluation._ragged import Ragged
    from kerasrec.evaluation._ranker import CatalogueRanker

    train = Interactions.from_csv(data_folder("movielens-1m-implicit") / "train.csv")
    recommender = Recommender.train(train, "implicit_als", n_components=64, iterations=1 if quick else 5)
    users = np.arange(recommender.n_users)
    ranker = CatalogueRanker(scorer_of(recommender.model, recommender.n_items))
    seen = Ragged(train.users, train.items, train.n_users)

    def bare(_: int) -> None:
        for _block in ranker.rank(users, 10, seen):
            pass

    ratios = []
    for _ in range(3 if quick else 9):
        (bare_s,), (all_s,) = _seconds(bare, 1), _seconds(lambda _: recommender.recommend(), 1)
        ratios.append(all_s / bare_s)
    return {"all over bare": statistics.median(ratios[1:])}


def made(n_users: int, n_items: int, n_components: int, n_seen: int, seed: int = 0):
    """A factorised model of random vectors; what is measured does not depend on them."""
    from kerasrec import Recommender
    from kerasrec.data import Interactions
    from kerasrec.zoo._fitted import factorised
    from kerasrec.zoo.implicit_als import CARD

    draw = np.random.default_rng(seed)
    keys = np.unique(draw.integers(0, n_users * n_items, n_seen))
    data = Interactions(
        keys // n_items,
        keys % n_items,
        user_ids=np.array([f"user-{code}" for code in range(n_users)], object),
        item_ids=np.array([f"item-{code}" for code in range(n_items)], object),
    )
    tables = (draw.normal(size=(n, n_components)).astype(np.float32) for n in (n_users, n_items))
    return Recommender(factorised(CARD, *tables), data)


def _seconds(call, n: int) -> list[float]:
    found = []
    for number in range(n):
        start = time.perf_counter()
        call(number)
        found.append(time.perf_counter() - start)
    return found


PARTS = {
    "latencies": _latencies,
    "commands": _commands,
    "onnx": _onnx,
    "file": _file,
    "everybody": _everybody,
}
