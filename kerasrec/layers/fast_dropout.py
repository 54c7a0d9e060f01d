import math
from typing import Any

import keras
from keras import ops

# Chris Wellons's `lowbias32`, and the golden ratio as a share of 2^32.
_FIRST, _SECOND, _GOLDEN = 0x7FEB352D, 0x846CA68B, 0x9E3779B9


@keras.saving.register_keras_serializable("kerasrec")
class FastDropout(keras.layers.Dropout):
    """Keras's dropout, whose random numbers cost little on JAX.

    On a CPU, JAX's generator takes about as long as the layers around it. A mask of dropout needs no more
    than a hash of each place and two keys, which are new in each step; XLA computes it where it is used. On
    other backends this is `keras.layers.Dropout`.

    Args:
        rate: float, share of the inputs that are set to 0 in training, `0 <= rate <= 1`. The others are
            divided by `1 - rate`.
        noise_shape: as in `keras.layers.Dropout`; a mask of another shape than the inputs is Keras's own.
            Defaults to `None`.
        seed: int. Defaults to `None`: a different one each time.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: any shape.
        training: bool, whether inputs are dropped.

    Returns:
        The shape of the inputs.

    Raises:
        ValueError: if `rate` is not between 0 and 1.

    Example:
        >>> import numpy as np, kerasrec
        >>> layer = kerasrec.layers.FastDropout(0.5, seed=0)
        >>> sorted(set(np.asarray(layer(np.ones((10, 10)), training=True)).ravel().tolist()))
        [0.0, 2.0]

    References:
        Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Drop."""
        hashed = keras.backend.backend() == "jax" and self.noise_shape is None and 0 < self.rate < 1
        if not training or not hashed:
            return super().call(inputs, training=training)
        kept = _hashes(inputs.shape, self.seed_generator.next()) >= _number(int(self.rate * 2**32))
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))


def _hashes(shape: Any, key: Any) -> Any:
    """Numbers of 32 bits, evenly spread, by their place and a key of two numbers."""
    key = ops.cast(key, "uint32")
    first = _mixed(key[0] ^ _mixed(key[1] + _number(_GOLDEN)))
    x = ops.reshape(ops.arange(math.prod(shape), dtype="uint32"), shape)
    return _mixed(x + first, between=_mixed(first + _number(_GOLDEN)))


def _mixed(x: Any, between: Any = 0) -> Any:
    x = (x ^ (x >> 16)) * _number(_FIRST)
    x = (x ^ (x >> 15) ^ between) * _number(_SECOND)
    return x ^ (x >> 16)


def _number(x: int) -> Any:
    return ops.convert_to_tensor(x, dtype="uint32")
