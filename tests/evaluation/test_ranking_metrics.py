import copy

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.data import pairs, splits
from kerasrec.evaluation import RankingMetrics, evaluate


@pytest.fixture
def split():
    data = kerasrec.datasets.synthetic(n_users=40, n_items=30, n_interactions=600, seed=0).interactions
    return splits.random_split(data, test_size=0.2, seed=0)


def model_of(train, **settings):
    return kerasrec.zoo.create("recommender_v2", train, n_components=4, seed=0, **settings)


def test_logs_are_the_figures_of_evaluate(split):
    train, test = split
    model = model_of(train)
    ranking = RankingMetrics(test, train, k=(5, 10), metrics=["ndcg", "recall", "auc"])
    history = model.fit(*pairs(train), epochs=3, batch_size=64, verbose=0, callbacks=[ranking]).history
    report = evaluate(model, test, train, k=(5, 10), metrics=["ndcg", "recall", "auc"])
    for name in ("ndcg@5", "recall@5", "ndcg@10", "recall@10", "auc"):
        assert len(history[f"val_{name}"]) == 3
        assert history[f"val_{name}"][-1] == report[name] == ranking.report[name]
    assert len(set(history["val_auc"])) > 1  # the weights of each epoch, not the first ones


def test_subclassed_models_are_evaluated_once_they_are_built(split):
    train, test = split

    class Mine(kerasrec.Model):
        def __init__(self):
            super().__init__()
            self.users, self.items = keras.layers.Embedding(40, 3), keras.layers.Embedding(30, 3)

        def call(self, inputs):
            both = self.users(inputs["user"]) * self.items(inputs["item"])
            return keras.ops.sum(both, axis=-1)

    model = Mine()
    model.compile("adam", "mean_squared_error")
    x, y = pairs(train)
    x = {name: codes[:, None] for name, codes in x.items()}
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[RankingMetrics(test, train)]).history
    assert history["val_ndcg@10"][-1] == evaluate(model, test, train)["ndcg@10"]


def test_every_so_many_epochs_and_for_some_users(split):
    train, test = split
    ranking = RankingMetrics(test, train, every=3, n_users=10)
    made = []

    class Made(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            made.append(id(ranking.report))

    model_of(train).fit(*pairs(train), epochs=6, verbose=0, callbacks=[ranking, Made()])
    assert [now != before for before, now in zip(made, made[1:], strict=False)] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert ranking.report.n_users == 10


@pytest.mark.slow
def test_early_stopping_and_checkpoints_follow_it(split, tmp_path):
    train, test = split
    model = model_of(train, learning_rate=0.05)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_ndcg@10", mode="max", save_best_only=True
    )
    stop = keras.callbacks.EarlyStopping("val_ndcg@10", mode="max", patience=2, restore_best_weights=True)
    callbacks = [RankingMetrics(test, train), stop, best]
    history = model.fit(*pairs(train), epochs=40, verbose=0, callbacks=callbacks).history["val_ndcg@10"]
    assert len(history) < 40
    assert len(history) == int(np.argmax(history)) + 3
    assert evaluate(model, test, train)["ndcg@10"] == max(history)
    saved = keras.models.load_model(tmp_path / "best.keras")
    assert evaluate(saved, test, train)["ndcg@10"] == max(history)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorBoard writes by TensorFlow")
def test_tensorboard_shows_it(split, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train, test = split
    callbacks = [RankingMetrics(test, train), keras.callbacks.TensorBoard(tmp_path)]
    model_of(train).fit(*pairs(train), epochs=2, verbose=0, callbacks=callbacks)
    (events,) = (tmp_path / "validation").glob("events.*")
    tags = EventAccumulator(str(events)).Reload().Tags()
    assert "epoch_ndcg@10" in tags["tensors"]


def test_a_copy_shares_the_data_and_starts_anew(split):
    train, test = split
    ranking = RankingMetrics(test, train)
    model_of(train).fit(*pairs(train), verbose=0, callbacks=[ranking])
    other = copy.deepcopy(ranking)
    assert other.report is None and ranking.report is not None
    assert other._plan is ranking._plan


def test_bad_input(split):
    train, test = split
    with pytest.raises(ValueError, match="`every` must be a positive integer. Received: every=0"):
        RankingMetrics(test, train, every=0)
    with pytest.raises(ValueError, match="`n_users` must be a positive integer. Received: n_users=0"):
        RankingMetrics(test, train, n_users=0)
    with pytest.raises(ValueError, match="`metrics` must be one of"):
        RankingMetrics(test, train, metrics=["x"])
