"""Whoever reads rows that are made good, whenever and through whatever, sees what plain Keras has there."""

import keras
import numpy as np
import pytest
from keras import callbacks, optimizers
from trainers import rare
from trainers.problem import compiled, fused
from trainers.rare import BATCH, N_ITEMS, N_USERS, assert_close, fit, samples, slots, tables

import kerasrec
from kerasrec.trainers._missed import Missed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not fused, reason="every row is updated on this backend")]

EVERY = {
    "user": np.arange(N_USERS, dtype="int32")[:, None],
    "item": (np.arange(N_USERS, dtype="int32") % N_ITEMS)[:, None],
}
STEPS_A_CALL = 10


def adam():
    return optimizers.Adam(0.01)


def model(cls, optimizer=adam, **settings):
    return rare.model(cls, optimizer, steps_per_execution=STEPS_A_CALL, **settings)


def outputs(model):
    return model.predict(EVERY, batch_size=40, verbose=0)


class Reads(callbacks.Callback):
    """Reads the model in all ways behind each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen += [*self.model.get_weights(), outputs(self.model), np.array(logs["val_loss"])]


class Stops(callbacks.Callback):
    """Ends a training in the middle of its second epoch."""

    def __init__(self, error):
        super().__init__()
        self.error, self.epoch = error, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1 and batch >= 25:
            raise self.error("stopped")


def readers_between_calls(cls, folder):
    trained, seen = model(cls), []
    for _ in range(3):
        fit(trained, 40)
        seen += [*trained.get_weights(), outputs(trained)]
    x, y = samples(5)
    seen.append(np.array(trained.evaluate(x, y, batch_size=8, verbose=0)))
    return [*seen, *tables(trained), *slots(trained)]


def readers_in_training(cls, folder):
    trained, reads = model(cls), Reads()
    fit(trained, 40, epochs=3, callbacks=[reads], validation_data=samples(5))
    assert len(reads.seen) == 3 * 5
    return reads.seen


def learning_rates(cls, folder):
    trained = model(cls)
    fit(trained, 40, epochs=3, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.3)])
    trained.optimizer.learning_rate = 0.02
    fit(trained, 40)
    trained.optimizer.learning_rate.assign(0.001)
    fit(trained, 40)
    return [*tables(trained), *slots(trained)]


def initial_epoch(cls, folder):
    trained = model(cls)
    rate = callbacks.LearningRateScheduler(lambda epoch: 0.02 / (1 + epoch))
    fit(trained, 40, epochs=2, callbacks=[rate])
    fit(trained, 40, initial_epoch=2, epochs=4, callbacks=[rate])
    return [*tables(trained), *slots(trained)]


def stopped_in_an_epoch(cls, folder):
    trained = model(cls)
    with pytest.raises(KeyboardInterrupt):
        fit(trained, 60, epochs=3, callbacks=[Stops(KeyboardInterrupt)])
    seen = tables(trained)
    fit(trained, 40)
    return [*seen, *tables(trained), *slots(trained)]


def resumed_in_an_epoch(cls, folder):
    def backup():
        return callbacks.BackupAndRestore(folder / "backup", save_freq=20)

    with pytest.raises(RuntimeError, match="stopped"):
        fit(model(cls), 60, epochs=3, callbacks=[backup(), Stops(RuntimeError)])
    trained = model(cls)
    fit(trained, 60, epochs=3, callbacks=[backup()])
    return [*tables(trained), *slots(trained)]


def loss_scale(cls, folder):
    # Plain Keras on TensorFlow cannot divide gradients of tables by it. A power of two changes nothing.
    scale = 64.0 if cls is kerasrec.Model else None
    trained = model(cls, lambda: optimizers.Adam(0.01, loss_scale_factor=scale))
    fit(trained, 40, epochs=2)
    return [*tables(trained), *slots(trained)]


def loaded_in_training(cls, folder):
    trained = model(cls)
    fit(trained, 40, epochs=3, callbacks=[callbacks.ModelCheckpoint(folder / "{epoch}.keras")])
    seen = []
    for epoch in (1, 3):
        loaded = keras.models.load_model(folder / f"{epoch}.keras")
        seen += [*tables(loaded), *slots(loaded)]
    return seen


SCENARIOS = (
    readers_between_calls,
    readers_in_training,
    learning_rates,
    initial_epoch,
    stopped_in_an_epoch,
    resumed_in_an_epoch,
    loss_scale,
    loaded_in_training,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_they_are_up_to_date(scenario, tmp_path):
    seen = []
    for name, cls in (("ours", kerasrec.Model), ("plain", keras.Model)):
        folder = tmp_path / name
        folder.mkdir()
        seen.append(scenario(cls, folder))
    assert_close(*seen, 1e-4)


@pytest.fixture(scope="module")
def plain():
    """Tables and slots of plain Keras after four epochs."""
    trained = model(keras.Model)
    fit(trained, 40, epochs=4)
    return [*tables(trained), *slots(trained)]


@pytest.mark.parametrize("before, after", [(True, False), (False, True), (True, True)])
def test_a_file_goes_on_under_another_setting(tmp_path, before, after, plain):
    ours = model(kerasrec.Model, row_sparse=before)
    fit(ours, 40, epochs=2)
    ours.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    loaded.compile(loaded.optimizer, "mean_squared_error", row_sparse=after, jit_compile=False)
    fit(loaded, 40, epochs=2)
    assert_close([*tables(loaded), *slots(loaded)], plain, 1e-4)


@pytest.mark.parametrize("optimizer", [adam, lambda: optimizers.AdamW(0.01, weight_decay=0.05)])
def test_counting_begins_again(monkeypatch, optimizer):
    """The number of steps that are remembered is passed several times in a training and between two."""
    monkeypatch.setattr(Missed, "limit", 64)
    trained = [model(cls, optimizer) for cls in (kerasrec.Model, keras.Model)]
    for each in trained:
        fit(each, 50, epochs=3)
        fit(each, 50, epochs=2)
    ours, plain = trained
    assert_close([*tables(ours), *slots(ours)], [*tables(plain), *slots(plain)], 1e-4)


@pytest.mark.usefixtures("training_steps")
def test_a_table_that_two_lookups_read():
    trained = []
    x, y = samples(60)
    x["item"] = x["item"] + N_USERS
    for cls in (kerasrec.Model, keras.Model):
        keras.utils.set_random_seed(5)
        inputs = {name: keras.Input((1,), dtype="int32", name=name) for name in ("user", "item")}
        table = kerasrec.layers.FeatureEmbedding(
            N_USERS + N_ITEMS, 4, keras.initializers.RandomNormal(stddev=0.5)
        )
        score = kerasrec.layers.DotScore()(table(inputs["user"]), table(inputs["item"]))
        made = cls(inputs, keras.ops.expand_dims(score, -1))
        settings = {"row_sparse": True} if cls is kerasrec.Model else {}
        trained.append(compiled(made, adam, steps_per_execution=STEPS_A_CALL, **settings))
        made.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)
    ours, plain = trained
    assert_close([*tables(ours), *slots(ours)], [*tables(plain), *slots(plain)], 1e-4)
