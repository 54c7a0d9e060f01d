"""Callbacks see and change what they see and change under `keras.Model.fit`, and training resumes."""

import numpy as np
import pytest
from keras import callbacks, optimizers
from trainers.problem import (
    BATCH,
    assert_same,
    assert_same_arrays,
    assert_same_logs,
    build,
    compiled,
    fused,
    samples,
    train,
)

import kerasrec

HELD_OUT = samples(48, seed=1)


def adam():
    return optimizers.Adam(0.05)


def ours(row_sparse=False, **settings):
    return compiled(build(kerasrec.Model), adam, row_sparse=row_sparse, **settings)


def plain(**settings):
    return compiled(build(), adam, **settings)


@pytest.mark.slow
def test_the_usual_callbacks_together(tmp_path):
    def fit(model, folder):
        folder.mkdir()
        chosen = [
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * (3.0 if epoch == 2 else 0.9)),
            callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=1.0),
            callbacks.EarlyStopping("val_loss", patience=3, min_delta=0.5, restore_best_weights=True),
            callbacks.CSVLogger(folder / "log.csv"),
            callbacks.ModelCheckpoint(
                folder / "best.weights.h5", "val_loss", save_best_only=True, save_weights_only=True
            ),
        ]
        return train(model, epochs=12, validation_data=HELD_OUT, callbacks=chosen)

    trained = fit(ours(), tmp_path / "ours"), fit(plain(), tmp_path / "plain")
    assert_same(trained)
    assert 3 < len(trained[1].logs["loss"]) < 12  # it did stop early
    tables = [
        np.genfromtxt(tmp_path / name / "log.csv", delimiter=",", names=True) for name in ("ours", "plain")
    ]
    assert tables[0].dtype.names == tables[1].dtype.names
    for column in tables[0].dtype.names:
        np.testing.assert_allclose(tables[0][column], tables[1][column], atol=1e-5)
    # Either file goes into either model.
    for each, other in zip(trained, ("plain", "ours"), strict=True):
        each.model.load_weights(tmp_path / other / "best.weights.h5")
    assert_same_arrays(trained[0].weights, trained[1].weights)


class Interruption(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise InterruptedError


@pytest.mark.parametrize("row_sparse", [False, True] if fused else [False])
def test_backup_and_restore_resumes_to_the_same_weights(tmp_path, row_sparse, training_steps):
    arguments = {"epochs": 4, "shuffle": False, "validation_data": HELD_OUT}
    backup = [callbacks.BackupAndRestore(tmp_path / "backup")]
    with pytest.raises(InterruptedError):
        train(ours(row_sparse), callbacks=[*backup, Interruption()], **arguments)
    resumed = train(ours(row_sparse), callbacks=backup, **arguments)
    whole = train(ours(row_sparse) if row_sparse else plain(), **arguments)
    assert_same_logs(resumed.logs, {name: values[2:] for name, values in whole.logs.items()})
    assert_same_arrays(resumed.weights, whole.weights)
    assert_same_arrays(resumed.slots, whole.slots)


class Meddler(callbacks.Callback):
    """Sets weights at the end of the first epoch, at a batch end, and raises the learning rate."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.model.set_weights([np.full_like(w, 0.3) for w in self.model.get_weights()])
            self.model.optimizer.learning_rate = 0.1

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            layer = self.model.get_layer("user_table")
            layer.embeddings.assign(layer.embeddings * 0.5)
            self.seen = self.model.get_layer("item_table").get_weights()[0]


@pytest.mark.slow
@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_weights_that_a_callback_changes_are_trained_on():
    meddlers = Meddler(), Meddler()
    trained = (
        train(ours(steps_per_execution=1), callbacks=[meddlers[0]]),
        train(plain(steps_per_execution=1), callbacks=[meddlers[1]]),
    )
    assert_same(trained)
    np.testing.assert_allclose(meddlers[0].seen, meddlers[1].seen, atol=1e-5)


class Stopper(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch >= 3


def test_training_stops_behind_the_block_that_asked_for_it():
    trained = train(ours(steps_per_execution=2 if fused else 1), callbacks=[Stopper()])
    assert int(trained.model.optimizer.iterations) == 4
    assert len(trained.logs["loss"]) == 1


@pytest.mark.slow
def test_compiling_again_begins_with_a_fresh_optimizer():
    model = ours()
    train(model, epochs=1)
    weights = model.get_weights()
    again = train(compiled(model, "sgd", **({"row_sparse": False})), epochs=1)
    expected = plain()
    expected.set_weights(weights)
    assert_same((again, train(compiled(expected, "sgd"), epochs=1)))


class CtrlC(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch >= 3:
            self.kept = self.model.get_weights()
            raise KeyboardInterrupt


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize("row_sparse", [False, True])
def test_a_model_stays_usable_after_ctrl_c(row_sparse):
    x, y = samples()
    model = ours(row_sparse, steps_per_execution=2)
    interruption = CtrlC()
    with pytest.raises(KeyboardInterrupt):
        train(model, callbacks=[interruption], shuffle=False)
    assert_same_arrays(model.get_weights(), interruption.kept, atol=0)
    assert int(model.optimizer.iterations) == 4
    assert np.isfinite(model.predict(x, verbose=0)).all()
    assert np.isfinite(train(model).logs["loss"]).all()


@pytest.mark.slow
@pytest.mark.skipif(not fused, reason="plain on this backend")
def test_data_that_fail_in_the_middle_leave_the_last_block():
    x, y = samples()

    def batches():
        for start in range(0, 48, BATCH):
            yield (
                {name: column[start : start + BATCH] for name, column in x.items()},
                y[start : start + BATCH],
            )
        raise KeyboardInterrupt

    model = ours(steps_per_execution=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches(), verbose=0, shuffle=False)
    first = {name: column[:48] for name, column in x.items()}, y[:48]
    expected = train(plain(), data=first, epochs=1, shuffle=False)
    assert_same_arrays(model.get_weights(), expected.weights)
    assert np.isfinite(model.predict(x, verbose=0)).all()


@pytest.mark.slow
def test_stop_on_nan_names_the_step():
    x, y = samples()
    y = y.copy()
    y[2 * BATCH + 1] = np.nan
    stop = kerasrec.trainers.StopOnNaN()
    with pytest.raises(
        FloatingPointError, match=r"The loss became nan in step 2 of epoch 0; the weights of layer '\w+'"
    ):
        train(ours(steps_per_execution=1), data=(x, y), shuffle=False, callbacks=[stop])
    if not fused:
        return
    with pytest.raises(
        FloatingPointError, match=r"The loss became nan in steps 0 to [34] of epoch 0; .* Lower the"
    ):
        train(ours(steps_per_execution=4), data=(x, y), shuffle=False, callbacks=[stop])


def test_stop_on_nan_lets_numbers_pass():
    assert len(train(ours(), callbacks=[kerasrec.trainers.StopOnNaN()]).logs["loss"]) == 3
