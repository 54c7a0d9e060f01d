"""A training step with `FullSoftmax`, compared with its three matrix products.

There are 256 users in a batch, 23,715 items and 128 components. The three products compute the scores and
both gradients. They are compiled by the same backend and timed in the same process, before and after the
training. The model is the tuned hybrid without features: biases, weight decay by count, and Adam on the whole
item table. The interactions are synthetic: 31,013 users and 230,000 pairs, with item popularity following a
power law, as in a shop. The time of a step is that of the fastest epoch after the first, divided by the
number of steps. The labels are those of `CatalogueBatches`, which lists the positions of each user's
positives.
"""

import time
from typing import Any

import numpy as np

from benchmarks._clock import EpochClock
from benchmarks._measure import alternate, in_process, middle, ratio_row, spread

N_USERS, N_ITEMS, N_PAIRS = 31_013, 23_715, 230_000
BATCH_SIZE, N_COMPONENTS = 256, 128


def run(quick: bool = False, rounds: int = 3) -> list[dict]:
    cases = ["tensorflow", "jax"]
    results = dict(
        zip(cases, alternate(cases, 1 if quick else rounds, lambda case: _measure(case, quick)), strict=True)
    )
    rows = [
        ratio_row(
            f"step / its three products, {backend}", [r["ratio"] for r in result], 2.5, lower_is_better=True
        )
        for backend, result in results.items()
    ]
    for backend, result in results.items():
        rows.append(
            {
                "backend": backend,
                "step ms": middle(result, "step ms"),
                "spread ms": spread(result, "step ms"),
                "products ms": middle(result, "products ms"),
                "spread of products ms": spread(result, "products ms"),
                "first epoch s": middle(result, "first epoch s"),
                "peak MB": middle(result, "peak_mb"),
                "rounds": result,
            }
        )
    return rows


def step(n_items: int, epochs: int) -> dict[str, Any]:
    """Seconds of a step and of its products, in a fresh process."""
    from kerasrec import zoo
    from kerasrec.data import CatalogueBatches, Interactions

    rng = np.random.default_rng(0)
    items = (n_items * rng.random(N_PAIRS) ** 3).astype("int32")
    pairs = np.unique(rng.integers(0, N_USERS, N_PAIRS) * n_items + rng.permutation(n_items)[items])
    x = Interactions(pairs // n_items, pairs % n_items, user_ids=range(N_USERS), item_ids=range(n_items))
    model = zoo.create(
        "hybrid", x, n_components=N_COMPONENTS, loss="full_softmax", decay=0.2, learning_rate=0.02, seed=0
    )
    batches = CatalogueBatches(x, BATCH_SIZE, seed=0)
    before = _products(n_items)
    clock = EpochClock()
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[clock])
    products = min(before, _products(n_items))
    seconds = min(clock.seconds[1:]) / len(batches)
    return {
        "step ms": 1e3 * seconds,
        "products ms": 1e3 * products,
        "ratio": seconds / products,
        "first epoch s": clock.seconds[0],
    }


def _products(n_items: int, times: int = 20) -> float:
    import keras
    from keras import ops

    def three(user: Any, item: Any) -> Any:
        scores = ops.matmul(user, ops.transpose(item))
        return ops.matmul(scores, item), ops.matmul(ops.transpose(scores), user)

    if keras.backend.backend() == "jax":
        import jax

        function = jax.jit(three)
    else:
        import tensorflow as tf

        function = tf.function(three, autograph=False)
    rng = np.random.default_rng(0)
    shapes = (BATCH_SIZE, N_COMPONENTS), (n_items, N_COMPONENTS)
    given = [ops.convert_to_tensor(rng.normal(size=shape).astype("float32")) for shape in shapes]
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        ops.convert_to_numpy(function(*given)[0])
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _measure(backend: str, quick: bool) -> dict[str, Any]:
    arguments = {"n_items": 2000 if quick else N_ITEMS, "epochs": 2 if quick else 4}
    return in_process("benchmarks.full_softmax:step", arguments, backend)
