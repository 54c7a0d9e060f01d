"""A list from two stages among 100,000 items with all rules, and lists for all users with two rules.

The latency is the median of 200 calls for different users after a warm-up. A model with 64 components
retrieves 200 candidates. A click model of user, item, brand and device (`deepfm`, hidden layers of 64)
re-ranks them. The rules `where`, `at_most`, `at_least`, `boost`, `diversity`, `calibrate` and `explore`
choose ten. The table also has each part alone, and each rule on a single stage. Lists of all users of
MovieLens 1M with `diversity` and `at_most` are compared with `recommend` without rules.
"""

import statistics
import time

import numpy as np
import pandas as pd

from benchmarks._measure import alternate, in_process, middle, ratio_row, spread
from benchmarks.recommend import _seconds, made

BACKENDS = ("tensorflow", "jax")
LIMITS = {
    "two stages ms": ("two stages, 100,000 items, 200 candidates, all rules, ms", 10),
    "all over bare": ("MovieLens 1M, diversity and at_most over the bare list", 3),
}
RULES = {
    "where": "price < 80",
    "at_most": {"brand": 2},
    "at_least": {"local": 1},
    "boost": {"new": 0.1},
    "diversity": 0.2,
    "calibrate": {"genre": 0.2},
    "explore": 0.1,
}
PARTS = ("bare ms", "stages ms", "rules ms", "p95 ms", *[f"{name} ms" for name in RULES])


def run(quick: bool = False, rounds: int = 3) -> list[dict]:
    measured = alternate(
        BACKENDS,
        1 if quick else rounds,
        lambda backend: in_process("benchmarks.rules:measure", {"quick": quick}, backend=backend),
    )
    rows = [
        ratio_row(f"{label}, {backend}", [result[name] for result in results], limit, lower_is_better=True)
        for name, (label, limit) in LIMITS.items()
        for backend, results in zip(BACKENDS, measured, strict=True)
    ]
    for backend, results in zip(BACKENDS, measured, strict=True):
        for name in PARTS:
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
    return _latency(quick) | _everybody(quick)


def _latency(quick: bool) -> dict:
    n_users, n_items, n_calls = (100, 5_000, 20) if quick else (1_000, 100_000, 200)
    first = made(n_users, n_items, 64, 20 * n_users)
    draw = np.random.default_rng(0)
    first.item_metadata = pd.DataFrame(
        {
            "price": draw.random(n_items) * 100,
            "brand": draw.integers(0, 500, n_items).astype(str),
            "genre": draw.integers(0, 20, n_items).astype(str),
            "local": draw.random(n_items) < 0.05,
            "new": draw.random(n_items) < 0.1,
        }
    )
    both = _two_stages(first, n_items, draw)
    users = first.user_ids.tolist()
    how = {"context": {"device": "phone"}}

    def of(recommender, **more) -> list[float]:
        def ask(call: int) -> None:
            recommender.recommend(users[call % len(users)], **more)

        _seconds(ask, 10)
        return _seconds(ask, n_calls)

    every = of(both, **how, **RULES)
    parts = {f"{name} ms": of(first, **{name: rule}) for name, rule in RULES.items()}
    parts |= {"bare ms": of(first), "stages ms": of(both, **how), "rules ms": of(first, **RULES)}
    found = {name: 1e3 * statistics.median(seconds) for name, seconds in parts.items()}
    return found | {
        "two stages ms": 1e3 * statistics.median(every),
        "p95 ms": 1e3 * sorted(every)[int(0.95 * n_calls)],
    }


def _two_stages(first, n_items: int, draw: np.random.Generator):
    from kerasrec import Ranker, TwoStage
    from kerasrec.data import Impressions

    n = 4 * n_items
    rows = draw.integers(0, len(first.user_ids), n), draw.permutation(n) % n_items
    frame = pd.DataFrame({"user": first.user_ids[rows[0]], "item": first.item_ids[rows[1]]})
    frame["brand"] = first.item_metadata["brand"].to_numpy()[rows[1]]
    frame["device"] = np.array(["phone", "tablet"], object)[draw.integers(0, 2, n)]
    frame["clicked"] = draw.integers(0, 2, n)
    kinds = {"brand": "category", "device": "category"}
    shown = Impressions.from_frame(frame, "clicked", kinds, user="user", item="item")
    ranker = Ranker.train(shown, model="deepfm", epochs=1, batch_size=8192, hidden=(64, 64), verbose=0)
    return TwoStage(first, ranker, n_candidates=200)


def _everybody(quick: bool) -> dict:
    from benchmarks._measure import data_folder
    from kerasrec import Recommender
    from kerasrec.data import Interactions

    train = Interactions.from_csv(data_folder("movielens-1m-implicit") / "train.csv")
    recommender = Recommender.train(train, "implicit_als", n_components=64, iterations=1 if quick else 5)
    brands = np.random.default_rng(0).integers(0, 18, recommender.n_items).astype(str)
    recommender.item_metadata = pd.DataFrame({"brand": brands})
    recommender.recommend(diversity=0.3, at_most={"brand": 2})
    ratios = []
    for _ in range(2 if quick else 9):
        start = time.perf_counter()
        recommender.recommend()
        bare = time.perf_counter()
        recommender.recommend(diversity=0.3, at_most={"brand": 2})
        ratios.append((time.perf_counter() - bare) / (bare - start))
    return {"all over bare": statistics.median(ratios)}
