"""One user's list and fold-in among 100,000 items, by ONNX among 5,000, lists of everybody, and a large file.

Latencies are medians of 200 calls after a warm-up, each of another user, 64 components. Lists of all users
stand beside the bare ranking, `kerasrec.evaluation`'s own of the same model and users, seen items left out,
without frames of raw ids. ONNX is run by onnxruntime in one thread, and the lists of all users are compared.
The file has a million users with text ids and 1,000 items, 8 components.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._measure import alternate, in_process, middle, ratio_row, spread

BACKENDS = ("tensorflow", "jax")
LIMITS = {
    "recommend ms": ("recommend for one user, 100,000 items, ms", 5),
    "fold-in ms": ("recommend_for_history, 100,000 items, ms", 5),
    "ONNX ms": ("ONNX, one user, 5,000 items, vectors, ms", 0.5),
    "ONNX EASE ms": ("ONNX, one user, 5,000 items, EASE, ms", 0.5),
    "ONNX item_knn ms": ("ONNX, one user, 5,000 items, item_knn, ms", 0.5),
    "ONNX wrong": ("ONNX, 5,000 items: lists that differ from recommend", 0),
    "load s": ("load a file of 1,000,000 text ids, s", 3),
    "all over bare": ("all users of MovieLens 1M over the bare ranking", 1.3),
}


def run(quick: bool = False) -> list[dict]:
    rounds = alternate(
        BACKENDS,
        1 if quick else 3,
        lambda backend: in_process("benchmarks.recommend:measure", {"quick": quick}, backend=backend),
    )
    rows = [
        ratio_row(f"{label}, {backend}", [result[name] for result in results], limit, lower_is_better=True)
        for name, (label, limit) in LIMITS.items()
        for backend, results in zip(BACKENDS, rounds, strict=True)
    ]
    for backend, results in zip(BACKENDS, rounds, strict=True):
        for name in (
            "recommend ms",
            "recommend p95 ms",
            "fold-in ms",
            "first call ms",
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


def measure(quick: bool) -> dict:
    return _latency(quick) | _onnx(quick) | _file(quick) | _everybody(quick)


def _latency(quick: bool) -> dict:
    n_items, n_calls = (5_000, 20) if quick else (100_000, 200)
    recommender = made(1_000, n_items, 64, 20 * 1_000)
    users, items = recommender.user_ids.tolist(), recommender.item_ids
    first = _seconds(lambda call: recommender.recommend(users[call]), 1)[0]
    alone = _seconds(lambda call: recommender.recommend(users[call % len(users)]), n_calls)
    histories = np.random.default_rng(0).integers(0, n_items, (n_calls, 20))
    recommender.recommend_for_history(items[histories[0]])
    folded = _seconds(
        lambda call: recommender.recommend_for_history(items[np.unique(histories[call])]), n_calls
    )
    return {
        "first call ms": 1e3 * first,
        "recommend ms": 1e3 * statistics.median(alone),
        "recommend p95 ms": 1e3 * sorted(alone)[int(0.95 * n_calls)],
        "fold-in ms": 1e3 * statistics.median(folded),
    }


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
    from kerasrec.evaluation._ranker import Ranker

    train = Interactions.from_csv(data_folder("movielens-1m-implicit") / "train.csv")
    recommender = Recommender.train(train, "implicit_als", n_components=64, iterations=1 if quick else 5)
    users = np.arange(recommender.n_users)
    ranker = Ranker(scorer_of(recommender.model, recommender.n_items))
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
