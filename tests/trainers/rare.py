"""A problem in which most rows of the tables are rare, and some are never read; and two trainings of it."""

from typing import Any

import keras
import numpy as np
from trainers.problem import compiled

import kerasrec

N_USERS, N_ITEMS, NEVER, BATCH = 120, 90, 20, 8


def samples(n_steps: int) -> Any:
    """Batches of `BATCH` ratings; no id comes twice in one, where plain Keras on TensorFlow has a fault."""
    rng = np.random.default_rng(0)

    def column(n: int) -> np.ndarray:
        often = 1 / np.arange(1, n - NEVER + 1)
        often /= often.sum()
        batches = [rng.choice(n - NEVER, BATCH, replace=False, p=often) for _ in range(n_steps)]
        return np.concatenate(batches)[:, None].astype("int32")

    x = {"user": column(N_USERS), "item": column(N_ITEMS)}
    return x, rng.normal(size=(n_steps * BATCH, 1)).astype("float32")


def build(cls: Any = keras.Model) -> Any:
    """Two tables, and a bias that the users' column reads too; the same initial weights at every call."""
    keras.utils.set_random_seed(5)
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    user_vector, item_vector, bias = (
        kerasrec.layers.FeatureEmbedding(n, width, keras.initializers.RandomNormal(stddev=0.5), name=name)(
            ids
        )
        for n, width, name, ids in (
            (N_USERS, 4, "users", user),
            (N_ITEMS, 4, "items", item),
            (N_USERS, 1, "bias", user),
        )
    )
    score = kerasrec.layers.DotScore()(user_vector, item_vector, user_bias=bias)
    return cls({"user": user, "item": item}, keras.ops.expand_dims(score, -1))


def model(cls: Any, optimizer: Any, **settings: Any) -> Any:
    """The model, compiled; by rows where it is a `kerasrec.Model` and nothing else is asked for."""
    if issubclass(cls, kerasrec.Model):
        settings = {"row_sparse": True, **settings}
    else:
        settings.setdefault("steps_per_execution", 10)
    return compiled(build(cls), optimizer, **settings)


def fit(model: Any, n_steps: int, **arguments: Any) -> Any:
    """Train in the order of the data; the logs."""
    arguments = {"shuffle": False, "verbose": 0, **arguments}
    return model.fit(*samples(n_steps), batch_size=BATCH, **arguments).history


def tables(model: Any) -> list[np.ndarray]:
    """Copies of the weights."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]


def slots(model: Any) -> list[np.ndarray]:
    """Copies of what the optimizer holds."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.optimizer.variables]


def assert_close(ours: list[np.ndarray], plain: list[np.ndarray], rtol: float, before: Any = None) -> None:
    """Arrays agree to within `rtol` of the farthest that an element moved."""
    assert len(ours) == len(plain)
    for mine, theirs, start in zip(ours, plain, before or [0.0] * len(plain), strict=True):
        far = max(float(np.abs(theirs - start).max()), 1e-30)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=rtol * far)
