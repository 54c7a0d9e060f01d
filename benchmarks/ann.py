"""The faiss index on a million clustered items with 64 components: recall, query time, build time and memory.

The item vectors lie around 2,000 centres and have lognormal lengths. Users lie around the same centres and
have 20 items each, which are left out of their lists. Recall is measured over the top ten of 500 users that
were not used to build the index. A query is one call of `Recommender.recommend` for one user.
"""

import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import in_process, ratio_row

LIMITS = {"recall@10": 0.98, "query ms": 2, "build s": 60}


def run(quick: bool = False) -> list[dict]:
    found = in_process("benchmarks.ann:measure", {"n_items": 20_000 if quick else 1_000_000})
    rows = [
        ratio_row(f"1,000,000 items: {name}", [found[name]], limit, lower_is_better=name != "recall@10")
        for name, limit in LIMITS.items()
    ]
    return [*rows, {name: x for name, x in found.items() if name not in LIMITS}]


def measure(n_items: int) -> dict:
    from kerasrec import Recommender
    from kerasrec.recommender._vector_file import read_vectors

    recommender = clustered(20_000, n_items)
    before = _peak_mb()
    about = recommender.build_index()
    after = _peak_mb()
    users = recommender.user_ids[np.random.default_rng(1).permutation(20_000)[:500]].tolist()
    how = {"k": 10, "with_scores": False}
    recommender.recommend(users[0], index="faiss", **how)
    taken, lists = [], []
    for user in users:
        start = time.perf_counter()
        frame = recommender.recommend(user, index="faiss", **how)
        taken.append(1e3 * (time.perf_counter() - start))
        lists.append(set(frame["item"]))
    start = time.perf_counter()
    exact = recommender.recommend(users, index="exact", **how)["item"].to_numpy().reshape(-1, 10)
    exact_ms = 1e3 * (time.perf_counter() - start) / len(users)
    hits = [len(found & set(row)) for found, row in zip(lists, exact, strict=True)]
    near = _similar(recommender, users)
    found = {
        "recall@10": sum(hits) / (10 * len(users)),
        "query ms": statistics.median(taken),
        "query p99 ms": sorted(taken)[int(0.99 * len(taken))],
        "exact, in blocks, ms": exact_ms,
        "similar items: recall@10": near["recall"],
        "similar items: query ms": near["ms"],
        "build s": about["seconds"],
        "recall at build": about["recall"],
        "lists": f"{about['n_probe']} of {about['n_lists']}",
        "peak MB before": before,
        "peak MB of build": after,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "many.keras")
        recommender.save(path)
        found["index MB"] = path.with_suffix(".index").stat().st_size / 1e6
        del recommender
        start = time.perf_counter()
        state = read_vectors(path)
        found["open s"] = time.perf_counter() - start
        held = Recommender._of(state)
        same = [set(held.recommend(user, index="faiss", **how)["item"]) for user in users[:50]]
        found["other lists from the file"] = sum(a != b for a, b in zip(same, lists, strict=False))
    return found


def _similar(recommender: Any, seeds: list[int]) -> dict:
    """Recall and time of the items most like an item."""
    hits, taken = 0, []
    recommender.similar_items(seeds[0], index="faiss")
    for item in seeds[:200]:
        start = time.perf_counter()
        found = recommender.similar_items(item, index="faiss")["similar"]
        taken.append(1e3 * (time.perf_counter() - start))
        hits += len(set(found) & set(recommender.similar_items(item, index="exact")["similar"]))
    return {"recall": hits / (10 * len(taken)), "ms": statistics.median(taken)}


def clustered(n_users: int, n_items: int, n_components: int = 64):
    """A factorised model whose vectors lie in clusters."""
    from kerasrec import Recommender
    from kerasrec.data import Interactions
    from kerasrec.zoo._fitted import factorised
    from kerasrec.zoo.implicit_als import CARD

    draw = np.random.default_rng(0)
    centres = draw.normal(size=(2_000, n_components)).astype(np.float32)
    tables = []
    for n, spread in ((n_users, 0.5), (n_items, 0.5)):
        noise = draw.normal(size=(n, n_components)).astype(np.float32)
        tables.append(centres[draw.integers(0, len(centres), n)] + np.float32(spread) * noise)
    tables[1] *= draw.lognormal(0, 0.3, (n_items, 1)).astype(np.float32)
    keys = np.unique(draw.integers(0, n_users * n_items, 20 * n_users))
    data = Interactions(
        keys // n_items, keys % n_items, user_ids=np.arange(n_users), item_ids=np.arange(n_items)
    )
    return Recommender(factorised(CARD, *tables), data)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
