from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasrec")
class UnitRows(keras.initializers.RandomNormal):
    """Rows of length 1 in random directions: drawn from N(0, 1), then each divided by its length.

    Args:
        seed: int, or `None` for one from Keras's global generator. Defaults to `None`.

    Call arguments:
        shape: `[n, C]`.
        dtype: dtype of the result.

    Returns:
        Tensor `[n, C]`.

    Example:
        >>> import keras, kerasrec
        >>> rows = kerasrec.layers.UnitRows(seed=0)((5, 3))
        >>> keras.ops.convert_to_numpy(keras.ops.norm(rows, axis=-1)).round(4).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]

    References:
        Kirk, "TensorRec: LinearRepresentationGraph", 2018.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(mean=0.0, stddev=1.0, seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Draw rows."""
        rows = super().__call__(shape, dtype)
        return rows / keras.ops.norm(rows, axis=-1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {"seed": super().get_config()["seed"]}
