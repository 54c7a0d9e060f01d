from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.losses.binary_cross_entropy import BinaryCrossEntropy


@keras.saving.register_keras_serializable("kerasrec")
class GBCE(BinaryCrossEntropy):
    """Binary cross-entropy with calibrated probabilities although negatives are sampled.

    A list has `k` sampled negatives from `n_items` items, a share `alpha = k / (n_items - 1)`. A model
    trained on so few negatives is overconfident. The probability of a positive is therefore raised to the
    power

        beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha) = 1 - t * (1 - alpha)

    and the loss of a list is

        - beta * sum_{p in P} y_p * log(sigma(s_p)) - sum_{n in N} log(1 - sigma(s_n))

    With `calibration` t = 0 this is `BinaryCrossEntropy`. With t = 1 the probabilities are those of a model
    trained on all negatives.

    Args:
        n_items: int, items that the negatives are sampled from.
        calibration: float from 0 to 1, `t` above. Defaults to `0.75`.
        prior: as in `BinaryCrossEntropy`. Defaults to `0.5`.
        reduction: as in `keras.losses.Loss`, over lists. Defaults to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: labels `[B, L]`: > 0 positive and its weight, 0 negative, -1 padding.
        y_pred: scores `[B, L]`.
        sample_weight: `[B]` or `[B, 1]`, one weight per list, or `None`.

    Returns:
        The reduced loss; with `reduction=None` the loss of each list, `[B]`.

    Raises:
        ValueError: if `n_items` is not an integer of at least 2, `calibration` is not from 0 to 1, `prior` is
            not between 0 and 1, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.GBCE(n_items=101, calibration=1.0)
        >>> y_true = np.array([[1.0, 0.0, 0.0]])  # two of 100 negatives: beta is 0.02
        >>> round(float(loss(y_true, np.zeros((1, 3)))), 4)  # 2.02 * log(2)
        1.4002

    References:
        Petrov and Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained with
        negative sampling", 2023, eq. 8 to 11.
    """

    def __init__(
        self,
        n_items: int,
        calibration: float = 0.75,
        prior: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(prior=prior, reduction=reduction, name=name, dtype=dtype)
        self.n_items = positive_integer("n_items", n_items)
        if self.n_items < 2:
            raise ValueError(f"`n_items` must be at least 2. Received: n_items={n_items}.")
        if not isinstance(calibration, (int, float)) or not 0 <= calibration <= 1:
            raise ValueError(
                f"`calibration` must be a number from 0 to 1. Received: calibration={calibration!r}."
            )
        self.calibration = float(calibration)

    def confidence(self, labels: Any) -> Any:
        """`beta`, from the number of a list's negatives, `[B]`.

        Args:
            labels: `[B, L]`.
        """
        n_negatives = ops.sum(ops.cast(ops.equal(labels, 0), labels.dtype), axis=-1)
        share = ops.minimum(n_negatives / (self.n_items - 1), 1.0)
        return 1 - self.calibration * (1 - share)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n_items": self.n_items, "calibration": self.calibration}
