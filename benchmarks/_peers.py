"""The other libraries, in an environment that has them: 64 components, otherwise their defaults."""

import importlib.util
import os
import time
from typing import Any

import numpy as np

from benchmarks._recall import N_COMPONENTS, Curve, K, factors, interactions, recall

MODULES = {
    "LightFM WARP": "lightfm",
    "implicit ALS": "implicit",
    "implicit BPR": "implicit",
    "cornac BPR": "cornac",
}


def missing() -> dict[str, Any]:
    """The peers whose module is not there."""
    return {"missing": [name for name, module in MODULES.items() if importlib.util.find_spec(module) is None]}


def measure(name: str, epochs: int) -> dict[str, Any]:
    """The curve of a peer."""
    train, test = interactions()
    return {"curve": _FIT[name](train, test, epochs)}


def recommend(repetitions: int) -> dict[str, Any]:
    """Seconds of implicit's `recommend` for all users, of each repetition, and the sum of the scores."""
    from implicit.cpu.als import AlternatingLeastSquares

    train, _ = interactions()
    model = AlternatingLeastSquares(factors=N_COMPONENTS)
    model.user_factors, model.item_factors = factors()
    users = np.arange(len(model.user_factors))
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        _, scores = model.recommend(users, train, N=K, filter_already_liked_items=True)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds[1:], "sum": float(scores.sum(dtype="float64"))}


def als() -> dict[str, Any]:
    """Seconds of implicit's weighted alternating least squares."""
    from implicit.cpu.als import AlternatingLeastSquares

    train, _ = interactions()
    model = AlternatingLeastSquares(factors=N_COMPONENTS, iterations=15, random_state=0)
    start = time.perf_counter()
    model.fit(train, show_progress=False)
    return {"seconds": time.perf_counter() - start}


def _lightfm(train: Any, test: Any, epochs: int) -> list[tuple[float, float]]:
    from lightfm import LightFM

    model = LightFM(no_components=64, loss="warp", random_state=0)

    def scores() -> np.ndarray:
        _, users = model.get_user_representations()
        bias, items = model.get_item_representations()
        return users @ items.T + bias

    curve = Curve(scores, train, test)
    for _ in range(epochs):
        model.fit_partial(train, num_threads=os.cpu_count())
        curve.point()
    return curve.points


def _implicit(model: Any, train: Any, test: Any) -> list[tuple[float, float]]:
    def scores() -> np.ndarray:
        return np.asarray(model.user_factors @ model.item_factors.T)

    curve = Curve(scores, train, test)
    model.fit(train, show_progress=False, callback=lambda *_: curve.point())
    return curve.points


def _implicit_als(train: Any, test: Any, epochs: int) -> list[tuple[float, float]]:
    from implicit.cpu.als import AlternatingLeastSquares

    return _implicit(AlternatingLeastSquares(factors=64, iterations=epochs, random_state=0), train, test)


def _implicit_bpr(train: Any, test: Any, epochs: int) -> list[tuple[float, float]]:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return _implicit(BayesianPersonalizedRanking(factors=64, iterations=epochs, random_state=0), train, test)


def _cornac_bpr(train: Any, test: Any, epochs: int) -> list[tuple[float, float]]:
    import cornac

    users, items = train.nonzero()
    data = cornac.data.Dataset.from_uir(zip(users, items, np.ones(len(users)), strict=True), seed=0)
    user_codes = [data.uid_map[user] for user in range(train.shape[0]) if user in data.uid_map]
    known = [user for user in range(train.shape[0]) if user in data.uid_map]
    columns = sorted(data.iid_map)
    places = [data.iid_map[item] for item in columns]
    points = []
    # It has no hook for an epoch: each point is a fit from the start.
    for share in (0.1, 0.25, 0.5, 1.0):
        n = max(1, int(epochs * share))
        model = cornac.models.BPR(k=64, max_iter=n, seed=0, num_threads=os.cpu_count() or 1)
        start = time.perf_counter()
        model.fit(data)
        seconds = time.perf_counter() - start
        scores = np.full(train.shape, -1e30, np.float32)
        found = model.u_factors[user_codes] @ model.i_factors[places].T + model.i_biases[places]
        scores[np.ix_(known, columns)] = found
        points.append((seconds, recall(scores, train, test)))
    return points


_FIT = {
    "LightFM WARP": _lightfm,
    "implicit ALS": _implicit_als,
    "implicit BPR": _implicit_bpr,
    "cornac BPR": _cornac_bpr,
}
