"""The orders in which the epochs of a training see its samples."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrec.trainers._keras import ArrayDataAdapter, tree


def orders(n: int, batch_size: int, shuffle: Any) -> Callable[[], np.ndarray]:
    """What draws the order of an epoch's `n` samples.

    Keras's own adapter draws it, so that a seed gives the order of plain Keras.
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
    # To begin a data set of TensorFlow takes as long as to train some ten thousand samples. Each starts
    # from the seed again, so all its epochs have one order; without a seed nobody can tell who drew it.
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
    # Outside of a function, to ask for a seed would draw one.
    tf.function(lambda: seeds.extend(tf.compat.v1.get_seed(None)), autograph=False).get_concrete_function()
    return seeds != [None, None]
