import math
from typing import Any

import keras
from keras import ops

from kerasrec.losses._ranking_loss import RankingLoss


@keras.saving.register_keras_serializable("kerasrec")
class BinaryCrossEntropy(RankingLoss):
    """Binary cross-entropy of each entry of a list: relevant or not, by the sigmoid of its score.

    The loss of a list is, with `P` its entries of label > 0, `N` its entries of label 0, `y_p` a label and
    `sigma` the sigmoid,

        - sum_{p in P} y_p * log(sigma(s_p)) - sum_{n in N} log(1 - sigma(s_n))

    so padding (label -1) is ignored, unlike in Keras's loss of the same name. With few sampled negatives per
    positive, the model becomes overconfident: see `GBCE`.

    With many negatives per positive, a model whose initial scores are near 0 overestimates all of them, and
    its first steps only lower every score; some models never recover. With a `prior`, a score of 0 means that
    probability: `sigma(s + log(prior / (1 - prior)))` replaces `sigma(s)`. The order of the scores stays the
    same.

    Args:
        prior: float between 0 and 1, the probability that a score of 0 means. The share of positives is a
            good choice. Defaults to `0.5`: the score is the logit.
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
        ValueError: if `prior` is not between 0 and 1, or the shapes are wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.BinaryCrossEntropy()
        >>> round(float(loss(np.array([[1.0, 0.0, -1.0]]), np.zeros((1, 3)))), 4)  # 2 * log(2)
        1.3863

    References:
        He et al., "Neural collaborative filtering", 2017, eq. 7; Kang and McAuley, "Self-attentive sequential
        recommendation", 2018, section 3.5; Lin et al., "Focal loss for dense object detection", 2017,
        section 3.3, of the prior.
    """

    def __init__(
        self,
        prior: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        if not isinstance(prior, (int, float)) or not 0 < prior < 1:
            raise ValueError(f"`prior` must be a number between 0 and 1. Received: prior={prior!r}.")
        self.prior = float(prior)

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, L]` with `[B, L]` to `[B]`."""
        scores = scores + math.log(self.prior / (1 - self.prior))
        gains, positives = self.positives(labels, scores)
        wrong = ops.sum(ops.where(ops.equal(labels, 0), ops.softplus(scores), 0.0), axis=-1)
        return ops.sum(gains * ops.softplus(-positives), axis=-1) * self.confidence(labels) + wrong

    def confidence(self, labels: Any) -> Any:
        """The exponent of the probability of a positive: 1, or `[B]`.

        Args:
            labels: `[B, L]`.
        """
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        config = super().get_config()
        del config["max_positives"]
        return {**config, "prior": self.prior}
