"""Models and batches of `fit_ranking` on kerasrec's side."""

import time
from typing import Any

import keras
import numpy as np

import kerasrec
from benchmarks._recall import N_ITEMS, N_USERS, Curve, interactions
from kerasrec.data import CatalogueBatches, Interactions, RankingBatches
from kerasrec.layers import DotScore, FeatureEmbedding, FrequencyRegularization

N_COMPONENTS = 64
SAMPLED = {
    "SampledSoftmax": {"log_q": True},
    "WMRB": {"n_items": N_ITEMS},
    "BalancedWMRB": {"n_items": N_ITEMS},
    "WARP": {"n_items": N_ITEMS},
    "KOSWARP": {"n_items": N_ITEMS},
    "BPR": {},
    "BPRMax": {},
    "TOP1": {},
    "PairwiseHinge": {},
    "PairwiseLogistic": {},
}


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
        users = FeatureEmbedding(N_USERS, N_COMPONENTS, _normal(rng, stddev / scale))
        items = FeatureEmbedding(N_ITEMS, N_COMPONENTS, _normal(rng, stddev))
        logarithms = np.log1p(n_by_item)
        biases = FeatureEmbedding(N_ITEMS, 1, _given((logarithms - logarithms.mean())[:, None]))
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
        model.compile(optimizer, kerasrec.losses.FullSoftmax())
        return model, lambda: _all_scores(users, items, biases, scale)

    return _fit(make, CatalogueBatches(_data(train), batch_size, seed=seed), train, test, epochs, budget)


def sampled(name: str, seed: int = 0, epochs: int = 1000, budget: float = 60.0) -> dict[str, Any]:
    """A loss on sampled negatives: one row an interaction, 64 uniform negatives."""
    train, test = interactions()
    keras.utils.set_random_seed(seed)
    settings = dict(SAMPLED[name])
    log_q = settings.pop("log_q", False)
    batches = RankingBatches(_data(train), 4096, 64, seed=seed, log_q=log_q, balanced=name == "BalancedWMRB")

    def make() -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        user = keras.Input((1,), name="user", dtype="int32")
        item = keras.Input((None,), name="item", dtype="int32")
        users = FeatureEmbedding(N_USERS, N_COMPONENTS, _normal(rng, 0.1))
        items = FeatureEmbedding(N_ITEMS, N_COMPONENTS, _normal(rng, 0.1))
        biases = FeatureEmbedding(N_ITEMS, 1, _given(np.zeros((N_ITEMS, 1))))
        score = DotScore()(users(user), items(item), item_bias=biases(item))
        model = kerasrec.Model({"user": user, "item": item}, score)
        model.compile(keras.optimizers.Adam(2e-3), getattr(kerasrec.losses, name)(**settings))
        return model, lambda: _all_scores(users, items, biases, 1)

    return _fit(make, batches, train, test, epochs, budget)


def _data(train: Any) -> Interactions:
    return Interactions(*train.nonzero(), user_ids=range(N_USERS), item_ids=range(N_ITEMS))


def _fit(make: Any, batches: Any, train: Any, test: Any, epochs: int, budget: float) -> dict[str, Any]:
    start = time.perf_counter()
    model, scores = make()
    built = time.perf_counter() - start
    curve = Curve(scores, train, test, start)  # building the model is part of the time

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            float(logs["loss"])  # JAX has computed the epoch once this is known
            curve.point()
            self.model.stop_training = curve.points[-1][0] > budget

    model.fit(batches, epochs=epochs, verbose=0, callbacks=[Watch()])
    return {"curve": curve.points, "built s": built}


def _all_scores(users: Any, items: Any, biases: Any, scale: float) -> np.ndarray:
    user, item, bias = (keras.ops.convert_to_numpy(layer.embeddings) for layer in (users, items, biases))
    return np.asarray(scale * user @ item.T + bias[:, 0])


def _normal(rng: np.random.Generator, stddev: float) -> Any:
    # Drawn by NumPy: JAX would compile a program for each shape.
    return lambda shape, dtype=None: (stddev * rng.standard_normal(shape)).astype("float32")


def _given(values: np.ndarray) -> Any:
    return lambda shape, dtype=None: values.astype("float32")
