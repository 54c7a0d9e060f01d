"""Ranking the whole catalogue, compared with `implicit` and with the arithmetic limit; fitting baselines.

First, the top 10 of all users of MovieLens 1M (implicit) are ranked without seen items, by kerasrec and by
implicit, from the same vectors of 64 components; then the default metrics are computed as well. Second,
100,000 users x 100,000 items x 64 components with 50 seen items per user are ranked. The limit is 2 * items *
components operations per user, at the speed of a product of two matrices of 4096 x 4096 on the same cores;
the peak memory excludes the vectors. Third, EASE and ImplicitALS (64 components, 15 iterations, compared with
implicit's) are fitted on MovieLens 1M (implicit).

implicit runs in the environment whose interpreter `KERASREC_PEERS_PYTHON` names (see `requirements.txt`).
"""

import time
from typing import Any

import numpy as np

from benchmarks._measure import (
    alternate,
    data_folder,
    digits,
    in_process,
    memory_mb,
    middle,
    ratio_row,
    ratios,
    reset_peak,
    say,
)
from benchmarks._recall import N_COMPONENTS, N_ITEMS, N_USERS, K, factors, interactions
from benchmarks.fit_ranking import peer

BACKEND = "tensorflow"
EASE_SECONDS = 5.0


def run(quick: bool = False) -> list[dict]:
    data_folder("movielens-1m-implicit")
    rounds, n = (1, 4_000) if quick else (5, 100_000)
    beside = "implicit ALS" not in peer("missing", {})["missing"]
    if not beside:
        say("implicit is missing; see benchmarks/requirements.txt and KERASREC_PEERS_PYTHON.")
    cases = ["ranking", "implicit ranking", "ImplicitALS", "implicit ALS", "EASE"]
    cases = [case for case in cases if beside or not case.startswith("implicit ")]
    found = dict(zip(cases, alternate(cases, rounds, lambda case: _measure(case, rounds)), strict=True))
    large = alternate(["large"], 1 if quick else 3, lambda _: _own("large", {"n": n}))[0]

    rows: list[dict] = []
    ours = found["ranking"]
    if beside:
        assert_same(ours[0]["sum"], found["implicit ranking"][0]["sum"])
        values = ratios(ours, found["implicit ranking"], "seconds")
        rows.append(ratio_row("top 10 of all users: kerasrec / implicit", values, 1, lower_is_better=True))
    values = [result["metrics s"] / result["seconds"] for result in ours]
    rows.append(ratio_row("the default metrics / the ranking", values, 1, lower_is_better=True))
    values = [result["seconds"] / result["limit s"] for result in large]
    rows.append(ratio_row(f"{n:,} x {n:,}: time / arithmetic limit", values, 5, 3, True))
    values = [result["seconds"] for result in found["EASE"]]
    rows.append(ratio_row("EASE, seconds to fit", values, EASE_SECONDS, lower_is_better=True))
    if beside:
        values = ratios(found["ImplicitALS"], found["implicit ALS"], "seconds")
        rows.append(ratio_row("ImplicitALS / implicit, seconds to fit", values, 2, lower_is_better=True))
    rows += [
        {"what": case, "seconds": middle(results, "seconds"), "rounds": results}
        for case, results in found.items()
    ]
    rows.append(
        {
            "users": n,
            "items": n,
            "users a second": middle(large, "users a second"),
            "seconds": middle(large, "seconds"),
            "matrix product GFLOP/s": middle(large, "GFLOP/s"),
            "limit s": middle(large, "limit s"),
            "memory beyond the vectors MB": middle(large, "beyond MB"),
            "rounds": large,
        }
    )
    return rows


def assert_same(ours: float, theirs: float) -> None:
    """Both must have found lists of the same scores."""
    if abs(ours - theirs) > 1e-5 * abs(theirs):
        raise ValueError(f"Both must find the same scores. Received: sums {ours} and {theirs}.")


def _measure(case: str, rounds: int) -> dict[str, Any]:
    if case == "implicit ranking":
        result = peer("recommend", {"repetitions": rounds})
        return {**result, "seconds": float(np.median(result["seconds"]))}
    if case == "implicit ALS":
        return peer("als", {})
    if case == "ranking":
        return _own("ranking", {"repetitions": rounds})
    return _own("fit", {"name": case})


def _own(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return in_process(f"benchmarks.evaluate:{function}", arguments, BACKEND)


def ranking(repetitions: int) -> dict[str, Any]:
    """Median seconds of the lists alone, and of what `evaluate` adds to them."""
    import kerasrec
    from kerasrec.evaluation._models import scorer_of
    from kerasrec.evaluation._ragged import Ragged
    from kerasrec.evaluation._ranker import CatalogueRanker

    train, test = data()
    model = kerasrec.zoo.RecommenderV1(N_USERS, N_ITEMS, N_COMPONENTS)
    model.set_weights(list(factors()))
    lists, whole = [], []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        seen = Ragged(train.users, train.items, N_USERS)
        ranked = list(CatalogueRanker(scorer_of(model, N_ITEMS)).rank(np.arange(N_USERS), K, seen))
        lists.append(time.perf_counter() - start)
        start = time.perf_counter()
        kerasrec.evaluation.evaluate(model, test, train)
        whole.append(time.perf_counter() - start)
    seconds = float(np.median(lists[1:]))
    total = float(sum(block.scores.sum(dtype="float64") for block in ranked))
    return {"seconds": seconds, "metrics s": float(np.median(whole[1:])) - seconds, "sum": total}


def fit(name: str) -> dict[str, Any]:
    """Seconds to fit a baseline."""
    import kerasrec

    train, _ = data()
    kerasrec.zoo.Popularity(train)  # imports happen before the clock starts
    start = time.perf_counter()
    getattr(kerasrec.zoo, name)(train)
    return {"seconds": time.perf_counter() - start}


def large(n: int) -> dict[str, Any]:
    """n users and as many items, beside the arithmetic limit."""
    from kerasrec.evaluation._ragged import Ragged
    from kerasrec.evaluation._ranker import CatalogueRanker
    from kerasrec.evaluation._scorers import FactorScorer

    rng = np.random.default_rng(0)
    users, items = (rng.normal(0, 0.3, (n, N_COMPONENTS)).astype(np.float32) for _ in range(2))
    seen = Ragged(np.repeat(np.arange(n), 50), rng.integers(0, n, 50 * n), n)
    before = _rate()
    reset_peak()
    held = memory_mb()
    start = time.perf_counter()
    ranker = CatalogueRanker(FactorScorer(lambda codes: users[codes], items))
    for _ in ranker.rank(np.arange(n), K, seen):
        pass
    seconds = time.perf_counter() - start
    beyond = memory_mb("VmHWM") - held
    rate = max(before, _rate())
    return {
        "seconds": seconds,
        "users a second": n / seconds,
        "GFLOP/s": digits(rate / 1e9),
        "limit s": n * 2 * n * N_COMPONENTS / rate,
        "beyond MB": beyond,
    }


def _rate() -> float:
    """Operations a second of the best of some products of two large matrices."""
    size = 4096
    one = np.random.default_rng(0).random((size, size), dtype=np.float32)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        one @ one
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def data() -> tuple[Any, Any]:
    """Training and test interactions as kerasrec has them."""
    from kerasrec.data import Interactions

    ids = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}
    return tuple(Interactions(*matrix.nonzero(), **ids) for matrix in interactions())
