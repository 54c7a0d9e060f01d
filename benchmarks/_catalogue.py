"""The recipe of `fit_ranking` over the whole catalogue, and the parts that all recipes share."""

import time
from typing import Any

import keras
import numpy as np

import kerasrec
from benchmarks._recall import N_ITEMS, N_USERS, Curve, interactions
from kerasrec.data import CatalogueBatches, Interactions
from kerasrec.layers import DotScore, FeatureEmbedding, FrequencyRegularization

N_COMPONENTS = 64


def full_softmax(seed: int = 0, epochs: int = 12, budget: float = 1e9) -> dict[str, Any]:
    """The recipe in the docstring of `fit_ranking`."""
    train, test = interactions()
    keras.utils.set_random_seed(seed)
    n_by_user = np.diff(train.indptr).astype("float32")
    n_by_item = np.bincount(train.indices, minlength=N_ITEMS).astype("float32")
    # Adam's step does not know the scale: so users, read once an epoch, move 10 times as far as items.
    scale, batch_size, rate, stddev = 10, 302, 0.05, 0.05

    def make() -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        user = keras.Input((1,), name="user", dtype="int32")
        item = keras.Input((None,), name="item", dtype="int32")
        users = FeatureEmbedding(N_USERS, N_COMPONENTS, normal(rng, stddev / scale))
        items = FeatureEmbedding(N_ITEMS, N_COMPONENTS, normal(rng, stddev))
        logarithms = np.log1p(n_by_item)
        biases = FeatureEmbedding(N_ITEMS, 1, given((logarithms - logarithms.mean())[:, None]))
        user_l2 = 0.1 * n_by_user.mean()
        user_decay = FrequencyRegularization.from_counts(n_by_user, user_l2)
        item_decay = FrequencyRegularization.from_counts(n_by_item, user_l2 / 2 / N_USERS, exponent=0.5)
        score = DotScore()(
            user_decay(keras.layers.Rescaling(scale)(users(user)), user),
            item_decay(items(item), item),
            item_bias=biases(item),
        )
        model = kerasrec.Model({"user": user, "item": item}, score)
        steps = N_USERS // batch_size * epochs
        schedule = keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0)
        optimizer = keras.optimizers.Adam(schedule, beta_1=0.8, beta_2=0.95)
        model.compile(optimizer, kerasrec.losses.FullSoftmax(), row_sparse="lazy")
        return model, lambda: all_scores(users, items, biases, scale)

    start = time.perf_counter()
    batches = CatalogueBatches(interactions_of(train), batch_size, seed=seed)
    return fit(make, batches, train, test, epochs, budget, start)


def interactions_of(train: Any) -> Interactions:
    """Of a sparse matrix `[U, I]`."""
    return Interactions(*train.nonzero(), user_ids=range(N_USERS), item_ids=range(N_ITEMS))


def fit(
    make: Any, batches: Any, train: Any, test: Any, epochs: int, budget: float, start: float
) -> dict[str, Any]:
    """Build a model and train it: its quality over time, which begins at `start`."""
    model, scores = make()
    built = time.perf_counter() - start
    curve = Curve(scores, train, test, start)  # building batches and model is part of the time

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            float(logs["loss"])  # JAX has computed the epoch once this is known
            curve.point()
            self.model.stop_training = curve.points[-1][0] > budget

    model.fit(batches, epochs=epochs, verbose=0, callbacks=[Watch()])
    return {"curve": curve.points, "built s": built}


def all_scores(users: Any, items: Any, biases: Any, scale: float) -> np.ndarray:
    """`[U, I]` from the tables."""
    user, item, bias = (keras.ops.convert_to_numpy(layer.embeddings) for layer in (users, items, biases))
    return np.asarray(scale * user @ item.T + bias[:, 0])


def normal(rng: np.random.Generator, stddev: float) -> Any:
    """An initializer."""
    # Drawn by NumPy: JAX would compile a program for each shape.
    return lambda shape, dtype=None: (stddev * rng.standard_normal(shape)).astype("float32")


def given(values: np.ndarray) -> Any:
    """An initializer."""
    return lambda shape, dtype=None: values.astype("float32")
