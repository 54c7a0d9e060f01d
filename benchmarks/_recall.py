"""The ranking task of all libraries: MovieLens 1M, implicit, recall@10 with seen items left out.

It needs only NumPy and SciPy, so the environments of other libraries do not need kerasrec.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._measure import data_folder

N_USERS, N_ITEMS = 6040, 3706
K = 10
N_COMPONENTS = 64


def interactions() -> tuple[Any, Any]:
    """Training and test interactions, sparse `[U, I]`."""
    from scipy import sparse

    def read(name: str) -> Any:
        path = data_folder("movielens-1m-implicit") / name
        users, items = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.int32, unpack=True)
        return sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), (N_USERS, N_ITEMS))

    return read("train.csv"), read("test.csv")


def factors() -> tuple[np.ndarray, np.ndarray]:
    """Given vectors of users and items, the same for all that rank with them."""
    rng = np.random.default_rng(0)
    users = rng.normal(0, 0.3, (N_USERS, N_COMPONENTS)).astype(np.float32)
    items = rng.normal(0, 0.3, (N_ITEMS, N_COMPONENTS)).astype(np.float32)
    return users, items


def recall(scores: np.ndarray, train: Any, test: Any) -> float:
    """Mean over the users with test items of the share of them among the first 10 that were not seen.

    Args:
        scores: `[U, I]`, overwritten.
        train: sparse `[U, I]`, what was seen.
        test: sparse `[U, I]`.
    """
    scores[train.nonzero()] = -np.inf
    top = np.argpartition(-scores, K, axis=1)[:, :K]
    hits = np.take_along_axis(test.toarray() > 0, top, axis=1).sum(axis=1)
    n = np.diff(test.indptr)
    return float(np.mean(hits[n > 0] / n[n > 0]))


class Curve:
    """Quality over time; the clock stands still while quality is measured.

    Args:
        scores: function that gives `[U, I]`.
        train: sparse `[U, I]`.
        test: sparse `[U, I]`.
        start: when the clock started; now, by default.
    """

    def __init__(
        self, scores: Callable[[], np.ndarray], train: Any, test: Any, start: float | None = None
    ) -> None:
        self._scores, self._train, self._test = scores, train, test
        self._start = time.perf_counter() if start is None else start
        self.points: list[tuple[float, float]] = []

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self._start

    def point(self) -> None:
        """Measure the quality now."""
        seconds = self.seconds
        stopped = time.perf_counter()
        self.points.append((seconds, recall(self._scores(), self._train, self._test)))
        self._start += time.perf_counter() - stopped


def calibration(products: int) -> dict[str, float]:
    """Seconds for products of `6040 x 64` by `64 x 3706` with the top 10 of each row, as for 100 of them."""
    rng = np.random.default_rng(0)
    users = rng.standard_normal((N_USERS, 64), dtype="float32")
    items = rng.standard_normal((64, N_ITEMS), dtype="float32")
    start = time.perf_counter()
    for _ in range(products):
        np.argpartition(-(users @ items), K, axis=1)[:, :K]
    return {"seconds": (time.perf_counter() - start) * 100 / products}
