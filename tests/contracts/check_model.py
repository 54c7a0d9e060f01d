import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd
from trainers.problem import one_program

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions, ModelInputs, pairs
from kerasrec.layers import find_catalogue


@dataclass(frozen=True)
class ModelCase:
    """A model of the zoo, small, and how a batch of its training data is made from interactions.

    Args:
        name: the name in the registry.
        settings: hyperparameters that make it small, e.g. `n_components`.
        features: a function of the interactions that gives `user_features` and `item_features`.
        batch: a function of the interactions that gives what `fit` takes.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    features: Callable[[Interactions], Mapping[str, Any]] = lambda data: {}
    batch: Callable[[Interactions], tuple[Any, Any]] = pairs

    def create(self, data: Interactions, **changes: Any) -> keras.Model:
        return kerasrec.zoo.create(self.name, data, **self.features(data), **{**self.settings, **changes})


def small_data() -> Interactions:
    """Ratings from 1 to 5 of 12 users and 17 items; a third of the pairs, of rank one."""
    users, items = np.divmod(np.arange(0, 12 * 17, 3), 17)
    taste, kind = np.sin(np.arange(12)), np.cos(np.arange(17))
    values = np.round(3 + 2 * taste[users] * kind[items])
    ids = np.array([f"user {code}" for code in range(12)], object)
    times = np.arange(len(users)) * 7 % 11
    return Interactions(users, items, values, times, user_ids=ids, item_ids=np.arange(17) + 100)


def check_model(case: ModelCase, folder: Any) -> None:
    """What every model of the zoo owes; `folder` is for files."""
    data = small_data()
    model = case.create(data, **_seed(case))
    card = kerasrec.zoo.card(case.name)
    _check_card(card)
    assert isinstance(model, kerasrec.Model)
    assert model.name == card.name
    assert {tensor.name for tensor in model.inputs} in ({"user", "item"}, {"history", "item"})
    assert model.output_names == ["rating" if card.task == "rating" else "score"]
    assert find_catalogue(model).user_ids is data.user_ids
    assert len(json.dumps(model.get_config())) < 50_000, "what grows with the data belongs into assets"
    assert model.compiled
    x = _every_pair(model, data)
    scores = scores_of(model, x)
    _check_forms(model, data, x, scores)
    _check_towers(model, data, scores)
    model.save(folder / "model.keras")
    loaded = keras.models.load_model(folder / "model.keras", compile=False)
    np.testing.assert_array_equal(scores_of(loaded, x), scores)
    if card.optimizer is not None:
        _check_mixed_precision(case, data, model, x, scores)
    _check_recommender(case, model, data, folder / "recommender.keras")
    trainable = {} if card.optimizer is None else {"learning_rate": 0.05}
    again = case.create(data, **_seed(case), **trainable)
    if _seed(case):
        for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    if trainable:
        _check_learns(case, data, again)


def _check_card(card):
    factory = inspect.signature(card.factory).parameters
    for setting in card.hyperparameters:
        assert factory[setting.name].default == setting.default
    for text in (card.summary, card.reference):
        assert text.endswith(".")
    assert str(card).startswith(card.name)


def _seed(case):
    factory = inspect.signature(kerasrec.zoo.card(case.name).factory).parameters
    return {"seed": 7} if "seed" in factory else {}


def _every_pair(model, data):
    users, items = np.divmod(np.arange(data.n_users * data.n_items, dtype="int32"), data.n_items)
    return {**ModelInputs(model, data).users(users), "item": items[:, None]}


def scores_of(model, x):
    """The scores for a batch, without training."""
    return keras.ops.convert_to_numpy(one_program(lambda x: model(x, training=False))(x))


def _check_forms(model, data, x, scores):
    """Pairs `[B]` and `[B, 1]` and lists `[B, L]` agree, whatever the batch."""
    assert scores.shape == (data.n_users * data.n_items, 1)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    columns = {name: codes[:, 0] if codes.shape[1] == 1 else codes for name, codes in x.items()}
    flat = model.predict(columns, batch_size=51, verbose=0)  # a quarter: batches of one shape
    np.testing.assert_allclose(flat, scores, rtol=1e-5, atol=1e-6)
    lists = {
        **ModelInputs(model, data).users(np.arange(data.n_users)),
        "item": np.tile(np.arange(data.n_items, dtype="int32"), (data.n_users, 1)),
    }
    np.testing.assert_allclose(scores_of(model, lists).reshape(-1, 1), scores, rtol=1e-5, atol=1e-6)


def _check_towers(model, data, scores):
    """The towers of a factorised model give its order."""
    towers = model.towers
    if towers is None:
        return

    def of_all(users, items):
        user, item = towers.represent_user(users), towers.item(items)
        item = {name: x[:, 0] if len(x.shape) == 3 else x for name, x in item.items()}
        found = towers.score.all_pairs(**user, **item)
        for transform in towers.transforms:
            found = transform(found)
        return found

    users = ModelInputs(model, data).users(np.arange(data.n_users))
    found = one_program(of_all)(users, np.arange(data.n_items, dtype="int32")[:, None])
    found = keras.ops.convert_to_numpy(found).reshape(-1, 1)
    np.testing.assert_allclose(found, scores, rtol=1e-5, atol=1e-6)


def _check_recommender(case, model, data, path):
    """What is trained is measured, makes lists, also for somebody new, goes through a file, and grows."""
    measured = kerasrec.evaluation.evaluate(model, data, history=data, k=3, metrics=["ndcg"])
    assert 0 <= measured["ndcg@3"] <= 1
    features = case.features(data)
    made = Recommender(model, data, **features)
    lists = made.recommend(k=4)
    assert len(lists) == 4 * data.n_users and np.isfinite(lists["score"]).all()
    made.save(path)
    pd.testing.assert_frame_equal(Recommender.load(path).recommend(k=4), lists)
    newcomer = made.recommend_for_history([100, 103, 107], k=5)
    assert newcomer["score"].is_monotonic_decreasing and not {100, 103, 107} & set(newcomer["item"])
    if features:  # what is new needs a frame of features: tests/recommender/test_growing_features.py
        return
    made.add_items([2000])
    made.add_users(["somebody new"])
    scores = made.score(list(zip(lists["user"], lists["item"], strict=True)))
    np.testing.assert_allclose(scores, lists["score"], rtol=1e-5, atol=1e-6)
    assert len(made.recommend("somebody new", k=18)) == 18


def _check_learns(case, data, model, n_steps=None, epochs=10):
    x, y = case.batch(data)
    # Batches of one shape, for which JAX compiles one program.
    size = max(size for size in range(1, 18) if len(y) % size == 0) if n_steps is None else len(y) // n_steps
    losses = model.fit(x, y, batch_size=size, epochs=epochs, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def _check_mixed_precision(case, data, full, x, scores):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = case.create(data, learning_rate=0.05)
    finally:
        keras.config.set_dtype_policy(policy)
    half.set_weights(full.get_weights())
    found = scores_of(half, x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, scores, rtol=2e-2, atol=2e-2)
    if keras.backend.backend() == "tensorflow":  # a few steps take less time than to make a graph of one
        half.run_eagerly = True
        _check_learns(case, data, half, n_steps=1, epochs=4)
    else:
        _check_learns(case, data, half)
