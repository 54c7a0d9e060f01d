"""The order in which `fit` sees arrays; that a seed gives Keras's own is tested with blocks."""

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.data import Interactions, RankingBatches, SequenceBatches
from kerasrec.trainers import _orders

N = 40


class Order(keras.callbacks.Callback):
    """Reads from the means of the losses so far which sample each batch of one was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.before = 0.0
        self.epochs = [*getattr(self, "epochs", []), []]

    def on_train_batch_end(self, batch, logs=None):
        sum_so_far = logs["loss"] * (batch + 1)
        self.epochs[-1].append(round(np.sqrt(max(sum_so_far - self.before, 0))))
        self.before = sum_so_far


def seen(**options):
    """The samples of each epoch, by number."""
    inputs = keras.Input((1,), name="x")
    outputs = keras.layers.Dense(1, kernel_initializer="zeros")(inputs)
    model = kerasrec.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), "mean_squared_error", steps_per_execution=1)
    order = Order()
    samples = np.arange(N, dtype="float32")[:, None]
    model.fit(samples, samples, batch_size=1, epochs=3, verbose=0, callbacks=[order], **options)
    return order.epochs


@pytest.fixture
def without_a_seed():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(None)


def test_without_a_seed_each_epoch_has_an_order_of_its_own(without_a_seed):
    first, second, third = seen()
    assert sorted(first) == sorted(second) == sorted(third) == list(range(N))
    assert len({tuple(first), tuple(second), tuple(third), tuple(range(N))}) == 4


def test_with_a_seed_the_same_orders_come_again():
    trainings = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        trainings.append(seen())
    assert trainings[0] == trainings[1]
    assert trainings[0][0] != trainings[2][0]


def test_without_shuffling_samples_come_as_they_are():
    assert seen(shuffle=False) == [list(range(N))] * 3


def test_processes_that_train_together_do_not_shuffle(monkeypatch):
    """Each would draw an order of its own; batches of kerasrec draw the same one in all of them."""
    assert _orders.whether_to_shuffle(np.zeros(3), True) is True
    monkeypatch.setattr(_orders, "several_processes", lambda: True)
    with pytest.warns(UserWarning, match="read the data in the given order.*shuffle=True"):
        assert _orders.whether_to_shuffle(np.zeros(3), True) is False
    data = Interactions([0, 1], [0, 1], user_ids=[0, 1], item_ids=[0, 1, 2])
    assert _orders.whether_to_shuffle(RankingBatches(data, 2, 1, seed=0), True) is False
    twice = Interactions([0, 0], [0, 1], user_ids=[0], item_ids=[0, 1, 2])
    with pytest.warns(UserWarning, match="missing|rows"):
        sequences = SequenceBatches(twice, 2, seed=0)
    assert _orders.whether_to_shuffle(sequences, True) is False
    assert _orders.whether_to_shuffle(np.zeros(3), False) is False


def test_batches_that_shuffle_themselves_keep_their_order():
    data = Interactions(np.arange(40), np.arange(40), user_ids=range(40), item_ids=range(40))

    class Batches(RankingBatches):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    for own in (True, False):
        asked = []
        batches = Batches(data, 2, 3, seed=0)
        batches.shuffles_itself = own
        user, item = keras.Input((1,), name="user"), keras.Input((4,), name="item")
        vectors = [kerasrec.layers.FeatureEmbedding(40, 2)(ids) for ids in (user, item)]
        scores = kerasrec.layers.DotScore()(*vectors)
        model = kerasrec.Model({"user": user, "item": item}, scores)
        model.compile("sgd", kerasrec.losses.SampledSoftmax())
        model.fit(batches, epochs=2, verbose=0)
        first, second = asked[-40:-20], asked[-20:]
        assert sorted(first) == sorted(second) == list(range(20))
        assert (first == second == list(range(20))) == own
