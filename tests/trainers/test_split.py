"""Which trainings are divided among devices by parts of the batch, each of which computes alone."""

import copy
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import kerasrec

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX alone has it")

B = 128


def samples(n=2 * B):
    rng = np.random.default_rng(0)
    ids = {name: rng.integers(0, 50, (n, 1)).astype("int32") for name in ("user", "item")}
    return ids, rng.normal(size=(n, 1)).astype("float32")


def trained(score=lambda users, items: kerasrec.layers.DotScore()(users, items)):
    """A model that was trained for an epoch, and the plan of its step."""
    user, item = (keras.Input((1,), name=name, dtype="int32") for name in ("user", "item"))
    users, items = (kerasrec.layers.FeatureEmbedding(50, 2, name=name) for name in ("users", "items"))
    model = kerasrec.Model({"user": user, "item": item}, score(users(user), items(item)))
    model.compile("adam", "mean_squared_error", row_sparse=True)
    model.fit(*samples(), batch_size=B, verbose=0)
    ((plan, _),) = model._engine._programs.values()
    return model, plan


@pytest.fixture(scope="module")
def simple():
    return trained()


@pytest.fixture
def found(simple):
    """What `find_split` finds for two devices, given some settings."""
    from kerasrec.trainers._jax_split import find_split

    def find(
        model=simple[0], plan=simple[1], split_batch=None, n_devices=2, n_batch=B, shapes=None, **changed
    ):
        places = SimpleNamespace(n_devices=n_devices, split_batch=split_batch, mine=[0])
        plan = copy.copy(plan)
        plan.owned = [SimpleNamespace(n_rows=25)] * len(plan.tables)
        for name, value in changed.items():
            setattr(plan, name, value)
        ids = keras.KerasTensor((3, n_batch, 1), "int32")
        stack = ({"user": ids, "item": ids}, keras.KerasTensor((3, n_batch, 1))) if shapes is None else shapes
        return find_split(model, plan, stack, places)

    return find


def test_tables_alone_and_a_mean_over_rows_are_divided(found):
    split = found()
    assert [group.leaves for group in split.groups] == [(1,), (0,)]
    assert [(group.n_rows, group.limit[0]) for group in split.groups] == [(25, 50)] * 2


def test_a_setting_forbids_it_or_takes_small_parts_too(found):
    assert found(split_batch=False) is None
    assert found(n_batch=126) is None
    assert found(n_batch=126, split_batch=True) is not None


def test_parts_must_have_one_size(found):
    assert found(n_batch=129) is None
    assert found(n_devices=1) is None
    ids, one = keras.KerasTensor((3, B, 1), "int32"), keras.KerasTensor((3, 1, B + 2, 3))
    # Labels of own and of shared items for all rows at once cannot be cut.
    assert found(shapes=({"user": ids, "item": ids}, one)) is None


def test_all_tables_must_lie_by_rows_and_be_read_by_ids_of_the_batch(found, simple):
    assert found(owned=[None, SimpleNamespace(n_rows=25)]) is None
    assert found(leaves=[None, 0]) is None
    assert found(tables=simple[1].tables[:1]) is None


@pytest.mark.parametrize("setting", ["clipnorm", "global_clipnorm"])
def test_norms_of_whole_gradients_need_whole_gradients(found, simple, monkeypatch, setting):
    monkeypatch.setattr(simple[0].optimizer, setting, 1.0)
    assert found() is None


def test_a_regularizer_counts_the_rows_of_the_batch(found, simple, monkeypatch):
    monkeypatch.setattr(simple[0].get_layer("users").embeddings, "regularizer", keras.regularizers.L2(0.1))
    assert found() is None


def test_a_loss_of_a_whole_batch_is_not_divided(found, simple, monkeypatch):
    (of_loss,) = simple[0]._compile_loss._flat_losses
    for loss in (
        keras.losses.MeanSquaredError("sum"),
        keras.losses.CosineSimilarity(),
        kerasrec.losses.RMSE(),
        type("Own", (kerasrec.losses.BPR,), {})(),
    ):
        monkeypatch.setattr(simple[0]._compile_loss, "_flat_losses", [of_loss._replace(loss=loss)])
        assert found() is None
    for loss in (keras.losses.MeanSquaredError(), kerasrec.losses.BPR()):
        monkeypatch.setattr(simple[0]._compile_loss, "_flat_losses", [of_loss._replace(loss=loss)])
        assert found() is not None


def test_a_layer_that_compares_the_rows_of_a_batch_is_not_divided(found):
    def centred(users, items):
        score = kerasrec.layers.DotScore()(users, items)
        return score - keras.ops.mean(score, axis=0, keepdims=True)

    assert found(*trained(centred)) is None
