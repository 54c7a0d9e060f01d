"""A search that is interrupted goes on as if it had not been."""

import errno

import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.tuning import _record

HOW = {"objective": "val_loss", "max_trials": 3, "epochs": 3}


def build(hp):
    """A model with dropout and Adam, on ratings in an order; eager, as nothing here is worth compiling."""
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    model = kerasrec.zoo.RecommenderNet(
        40, 30, 4, hidden=(4,), dropouts=(0.2, 0.2), learning_rate=rate, seed=0
    )
    model.compile(model.optimizer, model.loss, run_eagerly=True)
    return model


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C at the end of an epoch of the whole search; copies for each trial share the count."""

    left = 0

    def on_epoch_end(self, epoch, logs=None):
        type(self).left -= 1
        if type(self).left == 0:
            raise KeyboardInterrupt


def same(one, other):
    """Frames of one search: the same trials with the same results."""
    pd.testing.assert_frame_equal(one.drop(columns="started"), other.drop(columns="started"), rtol=1e-4)


@pytest.fixture(scope="module")
def whole(ratings, tmp_path_factory):
    """An uninterrupted search of a model with dropout, Adam and an order of its ratings."""
    folder = tmp_path_factory.mktemp("whole") / "search"
    return kerasrec.tuning.search(
        ratings[0], build, tuner="random", directory=folder, verbose=False, **HOW
    ).frame()


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [2, 5])
def test_an_interrupted_search_ends_as_an_uninterrupted_one(search, whole, epoch):
    def again(*callbacks):
        return search(build, callbacks=callbacks, **HOW)

    Interrupt.left = epoch
    with pytest.raises(KeyboardInterrupt):
        again(Interrupt())
    result = again()
    same(result.frame(), whole)
    # What had been done was not done again.
    frame = again().frame()
    assert frame["started"].equals(result.frame()["started"])


def test_the_state_of_a_trial_is_that_of_the_model_and_its_optimizer(tmp_path):
    def made():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.Dropout(0.5)])
        model.compile("adam", "mse")
        return model

    x, y = np.ones((8, 2)), np.ones((8, 1))
    model = made()
    model.fit(x, y, verbose=0)
    record = _record.Record(tmp_path, "0")
    record.save(model, _record.Progress([1.0], 3), best=True)
    other = made()
    assert record.restore(other) == _record.Progress([1.0], 3)
    for before, after in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (before, after)))
    assert int(other.optimizer.iterations) == 1
    # Behind what `fit` does first with a new model, which draws numbers on PyTorch; as a trial does.
    seed = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: keras.utils.set_random_seed(0))
    for each in (model, other):
        each.fit(x, y, verbose=0, shuffle=False, callbacks=[seed])
    np.testing.assert_allclose(model.get_weights()[0], other.get_weights()[0], rtol=1e-6)


def test_a_full_disk_ends_the_search_and_leaves_it_resumable(search, monkeypatch):
    saved = []

    def full(self, model, progress, best):
        saved.append(1)
        if len(saved) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, model, progress, best)

    save = _record.Record.save
    monkeypatch.setattr(_record.Record, "save", full)
    with pytest.raises(OSError, match="No space left on device; make room and start the search again"):
        search()
    result = search()
    assert (result.frame()["status"] == "completed").all() and len(result.frame()) == 3
    assert len(saved) == 4  # the second trial twice


@pytest.mark.slow
def test_a_grid_goes_on_where_it_was(search, tmp_path):
    space = {"n_neighbors": [5, 10], "weighting": ["cosine", "jaccard"]}
    how = {"tuner": "grid", "max_trials": 10, "space": space}
    whole = search(directory=tmp_path / "whole", **how).frame()
    Interrupt.left = 3
    with pytest.raises(KeyboardInterrupt):
        search(callbacks=[Interrupt()], **how)
    result = search(**how)
    columns = ["n_neighbors", "weighting", "shrinkage", "values"]
    for frame in (whole, result.frame()):
        assert not frame[[x for x in columns if x in frame]].duplicated().any()
    assert len(result.frame()) == len(whole) == 10
