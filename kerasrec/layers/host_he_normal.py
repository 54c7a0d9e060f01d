import math
from typing import Any

import keras

from kerasrec.layers._host_draws import normal

# Standard deviation of N(0, 1) truncated at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978


@keras.saving.register_keras_serializable("kerasrec")
class HostHeNormal(keras.initializers.HeNormal):
    """`keras.initializers.HeNormal` of matrices, drawn by NumPy on the host.

    A truncated normal distribution with standard deviation `sqrt(2 / rows)`: values more than two standard
    deviations (before truncation) from 0 are drawn again. A seed gives the same numbers on every backend, and
    JAX has nothing to compile: its own draws take most of a second for each new shape of a table.

    Args:
        seed: int, or a `keras.random.SeedGenerator`, with which Keras draws; `None` for one from Keras's
            global generator. Defaults to `None`.

    Call arguments:
        shape: `[rows, columns]`.
        dtype: dtype of the result.

    Returns:
        Tensor `[rows, columns]`.

    Example:
        >>> import keras, kerasrec
        >>> values = kerasrec.layers.HostHeNormal(seed=0)((200, 100))
        >>> round(float(keras.ops.std(values)), 2)  # the root of 2 / 200
        0.1

    References:
        He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Draw a tensor."""
        if not isinstance(self.seed, int) or len(shape) != 2:
            return super().__call__(shape, dtype)
        values = normal(
            shape, math.sqrt(2.0 / max(1, shape[0])) / _TRUNCATED_STDDEV, self.seed, truncated=True
        )
        return keras.ops.convert_to_tensor(values, dtype or keras.config.floatx())
