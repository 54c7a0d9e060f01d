"""A recommender holds one state, which never changes, and puts another one in its place."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest

from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.recommender import _training


@pytest.fixture
def made(data):
    return Recommender.train(data, "matrix_factorization", epochs=1, n_components=2, verbose=0)


def events(*rows):
    return Interactions.from_frame(
        pd.DataFrame(rows, columns=["user", "item"]).assign(value=1.0), value="value"
    )


def weights(model):
    return [keras.ops.convert_to_numpy(x).copy() for x in (*model.variables, *model.optimizer.variables)]


def test_a_state_does_not_change(made):
    with pytest.raises(dataclasses.FrozenInstanceError):
        made._now().history = None


@pytest.mark.slow
def test_an_update_leaves_the_model_before_as_it_was(made):
    model, before, lists = made.model, weights(made.model), made.recommend(k=3)
    old = made._held.state
    made.update(events(("u1", 0), ("u2", 10)), epochs=2, verbose=0)
    assert made.model is not model
    assert int(made.model.optimizer.iterations.numpy()) > int(model.optimizer.iterations.numpy())
    for now, then in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    made._held.state = old  # whoever holds it still gets its lists
    pd.testing.assert_frame_equal(made.recommend(k=3), lists)


@pytest.mark.slow
@pytest.mark.parametrize("new", [(), (("new", 5000),)], ids=["known ids", "new ids"])
def test_a_training_that_fails_changes_nothing(made, monkeypatch, new):
    model, before, lists = made.model, weights(made.model), made.recommend(k=3)
    fit = _training.fit

    def fails_when_done(*args, **kwargs):
        fit(*args, **kwargs)
        raise RuntimeError("out of luck")

    monkeypatch.setattr(_training, "fit", fails_when_done)
    with pytest.raises(RuntimeError, match="out of luck"):
        made.update(events(("u1", 0), *new), verbose=0)
    assert made.model is model and made.n_users == 12 and made.n_items == 20
    for now, then in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    pd.testing.assert_frame_equal(made.recommend(k=3), lists)


class Own(keras.Model):
    """A score per item."""

    def __init__(self, start=0.0, name="own"):
        super().__init__(name=name)
        self.start = start
        self.table = keras.layers.Embedding(20, 1)

    def get_config(self):
        return {"start": float(self.start), "name": self.name}

    def call(self, inputs):
        return keras.ops.reshape(self.table(inputs["item"]), (-1, 1)) + self.start


class Uncopied(Own):
    def get_config(self):
        raise NotImplementedError("no config")


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.slow
def test_lists_during_an_update_are_those_before_it(data, monkeypatch):
    model = Own(0.5)
    model.compile(keras.optimizers.Adam(0.1), own_loss)
    made = Recommender(model, data)
    made.recommend(k=3)  # which makes the weights of a subclassed model
    made.update(events(("u1", 0)), verbose=0)
    model, before, lists = made.model, weights(made.model), made.recommend(k=3)
    fit, during = _training.fit, []

    def fits_and_reads(*args, **kwargs):
        history = fit(*args, **kwargs)
        with ThreadPoolExecutor() as pool:
            during.append(pool.submit(made.recommend, k=3).result())
        return history

    monkeypatch.setattr(_training, "fit", fits_and_reads)
    made.update(events(("u1", 0)), verbose=0)
    pd.testing.assert_frame_equal(during[0], lists)
    assert made.model is not model and made.model.name == model.name
    assert not made.recommend(k=3)["score"].equals(lists["score"])
    for now, then in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    # Training has gone on from the optimizer's state: as many steps came again.
    steps = [int(keras.ops.convert_to_numpy(x.optimizer.iterations)) for x in (model, made.model)]
    assert 0 < steps[0] < steps[1]


@pytest.mark.slow
def test_a_model_that_cannot_be_copied_gets_its_weights_back(data, monkeypatch):
    model = Uncopied()
    model.compile("adam", "mse")
    made = Recommender(model, data)
    lists = made.recommend(k=3)
    said = r"`update` trains the model itself, because it cannot be copied.*'own' of type Uncopied \(NotImpl"
    with pytest.warns(UserWarning, match=said):
        made.update(events(("u1", 0)), verbose=0)
    assert made.model is model
    assert not made.recommend(k=3)["score"].equals(lists["score"])
    before, fit = weights(model), _training.fit

    def fails_when_done(*args, **kwargs):
        fit(*args, **kwargs)
        raise RuntimeError("out of luck")

    monkeypatch.setattr(_training, "fit", fails_when_done)
    with pytest.raises(RuntimeError, match="out of luck"), pytest.warns(UserWarning, match=said):
        made.update(events(("u1", 0)), verbose=0)
    for now, then in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.slow
def test_threads_see_one_state_while_items_come(data, films):
    """A list has as many items as its own catalogue, and titles of the same, whatever comes meanwhile."""
    made = Recommender.train(data, "implicit_als", n_components=4, l2=0.5, item_metadata=films)
    wrong, done = [], threading.Event()

    def read():
        while not done.is_set():
            frame = made.recommend("u1", k=1000, exclude_seen=False, short="fewer")
            titles = [f"Film {item // 10}" for item in frame["item"]]
            if len(frame) % 10 or frame["title"].tolist() != titles:
                wrong.append(frame)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for start in range(20, 100, 10):
        ids = range(start, start + 10)
        new = {"title": [f"Film {i}" for i in ids], "genres": "Drama"}
        made.add_items(pd.DataFrame(new, index=[10 * i for i in ids]))
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(made.recommend("u1", k=1000, exclude_seen=False, short="fewer")) == 100


def test_metadata_can_be_put_in_their_place(made):
    made.item_metadata = pd.DataFrame({"label": np.arange(20)})
    assert made.rank("u1", [50])["label"].tolist() == [5]
    made.item_metadata = None
    assert "label" not in made.rank("u1", [50])
    with pytest.raises(ValueError, match=r"must have one row per item.*Received: 3 rows for 20 items"):
        made.item_metadata = pd.DataFrame({"label": np.arange(3)})


class TestVectors:
    def test_frames_of_raw_ids(self, made):
        items, users = made.item_vectors(), made.user_vectors()
        assert items.index.tolist() == made.item_ids.tolist() and items.index.name == "item"
        assert users.index.tolist() == made.user_ids.tolist() and users.index.name == "user"
        assert [*users.columns[:2]] == ["component_0", "component_1"]
        parts = [frame.filter(like="component").to_numpy() for frame in (users, items)]
        scores = parts[0] @ parts[1].T
        for frame, axis in ((users, 1), (items, 0)):
            if "bias" in frame:
                scores += np.expand_dims(frame["bias"].to_numpy(), axis)
        pairs = [(user, item) for user in made.user_ids for item in made.item_ids]
        np.testing.assert_allclose(scores.ravel(), made.score(pairs), rtol=1e-4, atol=1e-6)

    def test_none(self, data):
        with pytest.raises(ValueError, match=r"must represent users and items by vectors.*'popularity'"):
            Recommender.train(data, "popularity").item_vectors()
