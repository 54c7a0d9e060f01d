from typing import Any

import keras


@keras.saving.register_keras_serializable("kerasrec")
class RatingScale(keras.layers.Layer):
    """Maps any number to a rating between two bounds.

    `out = minimum + (maximum - minimum) * sigmoid(x)`.

    Args:
        minimum: float, the lowest rating. Defaults to `0.5`.
        maximum: float, the highest rating, above `minimum`. Defaults to `5.0`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: scores of any shape.

    Returns:
        Ratings of the same shape.

    Raises:
        ValueError: if the bounds are not finite or `maximum` is not above `minimum`.

    Example:
        >>> import numpy as np, kerasrec
        >>> float(kerasrec.layers.RatingScale(1.0, 5.0)(np.zeros(1, "float32"))[0])
        3.0
    """

    keeps_order = True

    def __init__(self, minimum: float = 0.5, maximum: float = 5.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # `not <` also refuses NaN.
        if not float("-inf") < minimum < maximum < float("inf"):
            raise ValueError(
                "`maximum` must be above `minimum`, both finite. "
                f"Received: minimum={minimum}, maximum={maximum}."
            )
        self.minimum = float(minimum)
        self.maximum = float(maximum)

    def build(self, input_shape: Any) -> None:
        """Create nothing."""
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Scale the scores."""
        return self.minimum + (self.maximum - self.minimum) * keras.ops.sigmoid(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "minimum": self.minimum, "maximum": self.maximum}
