"""The order of the samples in each epoch of a training."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrec.trainers._keras import ArrayDataAdapter, tree
from kerasrec.trainers._processes import several_processes


def whether_to_shuffle(x: Any, shuffle: Any) -> Any:
    """The value of `shuffle` that suits the data and works for several processes.

    Args:
        x: the data of `fit`.
        shuffle: the argument of `fit`.
    """
    # Keras would put such batches in another order, which depends on no seed of theirs, and in which windows
    # of a file would be read again for each batch.
    if not shuffle or getattr(x, "shuffles_itself", False):
        return False
    if not several_processes():
        return shuffle
    if not getattr(x, "batches_in_thread", False):  # kerasrec's batches draw the same order in all processes
        warnings.warn(
            "Processes that train together read the data in the given order, because each would shuffle it "
            "differently; shuffle it beforehand, in the same way in all processes, or use "
            f"`kerasrec.data.RankingBatches` with a seed. Received: shuffle={shuffle!r}.",
            stacklevel=4,
        )
    return False


def orders(n: int, batch_size: int, shuffle: Any) -> Callable[[], np.ndarray]:
    """A function that draws the order of the `n` samples of an epoch.

    Keras's own adapter draws it, so a seed gives the same order as in plain Keras.
    """
    if not shuffle:
        in_order = np.arange(n)
        return lambda: in_order
    adapter = ArrayDataAdapter(
        np.arange(n), batch_size=batch_size if shuffle == "batch" else n, shuffle=shuffle
    )

    def draw(parts: Any) -> np.ndarray:
        return np.concatenate([np.asarray(tree.flatten(part)[0]) for part in parts])

    if keras.backend.backend() != "tensorflow":
        return lambda: draw(adapter.get_numpy_iterator())
    # Starting a TensorFlow data set takes as long as training on ten thousand samples. With a seed every
    # epoch has the same order, so it is drawn once; without a seed NumPy can draw it.
    if _tensorflow_is_seeded():
        order = draw(adapter.get_tf_dataset())
        return lambda: order
    if shuffle == "batch":
        dataset = adapter.get_tf_dataset()
        return lambda: draw(dataset)
    generator = np.random.default_rng()
    return lambda: generator.permutation(n)


def _tensorflow_is_seeded() -> bool:
    """Whether TensorFlow's random operations have a seed."""
    import tensorflow as tf

    seeds: list[Any] = []
    # Outside of a function, asking for a seed would draw one.
    tf.function(lambda: seeds.extend(tf.compat.v1.get_seed(None)), autograph=False).get_concrete_function()
    return seeds != [None, None]
