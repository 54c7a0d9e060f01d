import gc
import weakref

import keras
import numpy as np
import pytest

from kerasrec import zoo
from kerasrec.data import Interactions, ModelInputs, RankingBatches
from kerasrec.evaluation import evaluate
from kerasrec.evaluation._models import user_outputs
from kerasrec.trainers._inference import call

MANY = 12  # from the tenth call on, TensorFlow traces a model


@pytest.fixture
def data():
    users, items = np.divmod(np.arange(0, 30 * 40, 7), 40)
    times = np.arange(len(users))
    return Interactions(users, items, times=times, user_ids=np.arange(30), item_ids=np.arange(40))


@pytest.fixture
def deep(monkeypatch):
    """Every model counts as one of many operations."""
    monkeypatch.setattr("kerasrec.trainers._inference._DEEP", 0)


def numpy(outputs):
    return {name: keras.ops.convert_to_numpy(x) for name, x in outputs.items()}


def _table(tower):
    """The vectors `[40, 4]` of the items."""
    (table,) = [weight for weight in tower.trainable_variables if weight.shape == (40, 4)]
    return table


def test_calls_are_those_of_the_model_whatever_their_number_and_shape(data):
    model = zoo.create("sasrec", data, n_components=4, history_length=8)
    tower, inputs = model.towers.user, ModelInputs(model, data)
    for n in [1, 3] * (MANY // 2):
        given = model.towers.of_user(inputs.users(np.arange(n)))
        ours, theirs = numpy(call(tower, given)), numpy(tower(given, training=False))
        assert ours.keys() == theirs.keys()
        for name, x in ours.items():
            np.testing.assert_allclose(x, theirs[name], rtol=1e-5, atol=1e-6)


def test_calls_read_the_weights_of_now(data, deep):
    model = zoo.create("matrix_factorization", data, n_components=4)
    tower, codes = model.towers.item, np.arange(40)[:, None]
    for n in range(MANY):
        table = _table(tower)
        table.assign(np.full(table.shape, n, "float32"))
        assert numpy(call(tower, codes))["item"].min() == n


def test_calls_read_rows_that_training_has_left_behind(data, deep):
    model = zoo.create("matrix_factorization", data, n_components=4)
    by_rows = keras.backend.backend() != "torch"  # which updates all
    model.compile(keras.optimizers.Adam(0.1), model.loss, row_sparse=by_rows)
    codes = np.arange(40)[:, None]
    batches = RankingBatches(data, 4, n_sampled_items=3, seed=0)
    for _ in range(3):
        model.fit(batches, epochs=1, verbose=0)
        for _ in range(MANY):
            found = numpy(call(model.towers.item, codes))["item"]
        # Keras's own way to the weights, which brings rows up to date.
        np.testing.assert_array_equal(found.reshape(40, -1), np.asarray(_table(model.towers.item)))


def test_nothing_keeps_a_model_that_was_evaluated(data):
    model = zoo.create("sasrec", data, n_components=4, history_length=8)
    for _ in range(MANY):
        evaluate(model, data, history=data, k=3, metrics=["ndcg"])
    held = weakref.ref(model)
    del model
    gc.collect()
    assert held() is None


def test_an_evaluation_uses_the_programs_of_the_one_before(data, monkeypatch):
    model = zoo.create("sasrec", data, n_components=4, history_length=8)
    towers = set()
    monkeypatch.setattr(
        "kerasrec.evaluation._models.call", lambda tower, x: towers.add(id(tower)) or call(tower, x)
    )
    for _ in range(3):
        evaluate(model, data, history=data, k=3, metrics=["ndcg"])
    assert len(towers) == 2
    assert user_outputs(model.towers, np.arange(3), ModelInputs(model, data))["user"].shape == (3, 4)
