from typing import Any

import keras
import numpy as np

from kerasrec.layers.host_normal import HostNormal


@keras.saving.register_keras_serializable("kerasrec")
class UnitRows(HostNormal):
    """Rows of length 1 in random directions: drawn from N(0, 1), then each divided by its length.

    NumPy draws on the host, as for `HostNormal`.

    Args:
        seed: int, or `None` for one from Keras's global generator. Defaults to `None`.

    Call arguments:
        shape: `[n, C]`.
        dtype: dtype of the result.

    Returns:
        Tensor `[n, C]`.

    Raises:
        TypeError: if `seed` is neither an integer nor `None`.

    Example:
        >>> import keras, kerasrec
        >>> rows = kerasrec.layers.UnitRows(seed=0)((5, 3))
        >>> keras.ops.convert_to_numpy(keras.ops.norm(rows, axis=-1)).round(4).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]

    References:
        Kirk, "TensorRec: LinearRepresentationGraph", 2018.
    """

    def __init__(self, seed: int | None = None) -> None:
        if not isinstance(seed, int | None):
            raise TypeError(f"`seed` must be an integer or `None`. Received: seed={seed!r}.")
        super().__init__(mean=0.0, stddev=1.0, seed=seed)

    def _draw(self, shape: Any) -> np.ndarray:
        rows = super()._draw(shape)
        rows /= np.sqrt(np.einsum("...i,...i->...", rows, rows))[..., None]
        return rows

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {"seed": super().get_config()["seed"]}
