"""Closed-form models on large data: time and peak memory of a fit.

The interactions are synthetic, about five per user, with item popularity following a power law. `ease` is
fitted with 36,514 items, the largest catalogue that its own limit accepts in 16 GB, by way of the users, and
with 24,000 items by way of the items, where the time grows with the cube of their number. The other models
have no such limit.
"""

from typing import Any

from benchmarks._measure import alternate, digits, in_process

CASES = [
    ("ease", 5000, 36_514, {"max_bytes": 16e9}),
    ("ease", 100_000, 24_000, {"max_bytes": 16e9}),
    ("pure_svd", 1_000_000, 500_000, {}),
    ("implicit_als", 1_000_000, 500_000, {}),
    ("item_knn", 200_000, 100_000, {}),
    ("user_knn", 100_000, 200_000, {}),
]


def run(quick: bool = False) -> list[dict]:
    share = 100 if quick else 1
    cases = [
        (name, n_users // share, n_items // share, settings) for name, n_users, n_items, settings in CASES
    ]
    rows = []
    for (name, n_users, n_items, _), (result,) in zip(cases, alternate(cases, 1, _measure), strict=True):
        rows.append(
            {
                "model": name,
                "users": n_users,
                "items": n_items,
                "pairs": result["pairs"],
                "seconds": digits(result["seconds"]),
                "peak MB": result["peak_mb"],
            }
        )
    return rows


def _measure(case: tuple[str, int, int, dict[str, Any]]) -> dict[str, Any]:
    return in_process(
        "benchmarks.limits:fit", dict(zip(("name", "n_users", "n_items", "settings"), case, strict=True))
    )


def fit(name: str, n_users: int, n_items: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a fit, in a fresh process."""
    import time

    import numpy as np

    from kerasrec import zoo
    from kerasrec.data import Interactions

    rng = np.random.default_rng(0)
    items = rng.permutation(n_items)[(n_items * rng.random(5 * n_users) ** 3).astype("int64")]
    pairs = np.unique(rng.integers(0, n_users, 5 * n_users) * n_items + items)
    x = Interactions(pairs // n_items, pairs % n_items, user_ids=range(n_users), item_ids=range(n_items))
    start = time.perf_counter()
    zoo.create(name, x, **settings)
    return {"seconds": time.perf_counter() - start, "pairs": len(x)}
