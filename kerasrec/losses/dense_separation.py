from typing import Any

import keras

from kerasrec._arguments import positive_integer
from kerasrec.losses._rating_loss import missing_weights
from kerasrec.losses.separation import Separation


@keras.saving.register_keras_serializable("kerasrec")
class DenseSeparation(Separation):
    """`Separation` over all items, where a missing value counts as a negative.

    Of the users of the batch and all items, those of value > 0 are positives and all others negatives. A row
    contains either the whole catalogue (`n_items=None`), or the user's values and a sample of the items
    without one (label 0). With `n_items`, the weight of the latter is (n_items - number of values) / (number
    of zeros) each in the negatives' mean and variance. Either way a batch takes memory for its own rows,
    never for users by items.

    Args:
        n_items: int, size of the catalogue that the zeros of a row are sampled from, or `None` if a row
            contains the whole catalogue. Defaults to `None`.
        reduction: as in `keras.losses.Loss`; over one figure, they all give it. Defaults to
            `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: values `[B, L]`, 0 where missing; or `[1, N, 3]`: rows, places and values of those that are
            there, as `CatalogueBatches` gives them.
        y_pred: scores `[B, L]`.
        sample_weight: `[B, L]` (0 for padding), or `[B]` or `[B, 1]` for one weight per row, or `None`.

    Returns:
        A scalar; 0 for a batch without positives or without negatives.

    Raises:
        ValueError: if `n_items` is not a positive integer, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.DenseSeparation()
        >>> values, scores = np.array([[1.0, 1.0, 0.0, -1.0]]), np.array([[2.0, 0.0, 1.0, -1.0]])
        >>> round(float(loss(values, scores)), 4)  # the normal CDF at -1 / sqrt(2)
        0.2398

    References:
        Kirk, "TensorRec: SeparationDenseLossGraph", 2018.
    """

    takes_catalogue = True  # `losses._names` reads it

    def __init__(
        self,
        n_items: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.n_items = None if n_items is None else positive_integer("n_items", n_items)

    def statistic(self, values: Any, predictions: Any, weights: Any) -> Any:
        """The statistic of three tensors of one shape, a scalar."""
        return super().statistic(values, predictions, missing_weights(values, weights, self.n_items))

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n_items": self.n_items}
