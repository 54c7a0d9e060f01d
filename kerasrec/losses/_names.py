"""The losses by name, and which of them compare the whole catalogue."""

from typing import Any

import keras

from kerasrec import losses

NAMES: dict[str, type[keras.losses.Loss]] = {
    "balanced_wmrb": losses.BalancedWMRB,
    "binary_cross_entropy": losses.BinaryCrossEntropy,
    "bpr": losses.BPR,
    "bpr_max": losses.BPRMax,
    "catalogue_cross_entropy": losses.CatalogueCrossEntropy,
    "dense_rmse": losses.DenseRMSE,
    "dense_separation": losses.DenseSeparation,
    "full_softmax": losses.FullSoftmax,
    "gbce": losses.GBCE,
    "koswarp": losses.KOSWARP,
    "pairwise_hinge": losses.PairwiseHinge,
    "pairwise_logistic": losses.PairwiseLogistic,
    "rmse": losses.RMSE,
    "sampled_softmax": losses.SampledSoftmax,
    "separation": losses.Separation,
    "top1": losses.TOP1,
    "warp": losses.WARP,
    "wmrb": losses.WMRB,
}
# What papers of sequence models call them. Only these models take them: "bce" elsewhere is Keras's.
SHORT = {"ce": "catalogue_cross_entropy", "sampled": "sampled_softmax", "bce": "binary_cross_entropy"}


def takes_catalogue(loss: Any) -> bool:
    """Whether a loss compares the whole catalogue, so that nothing is sampled for it.

    Args:
        loss: a loss, or its name; `None` and losses of other libraries do not.
    """
    kind = NAMES.get(SHORT.get(loss, loss)) if isinstance(loss, str) else loss
    return bool(getattr(kind, "takes_catalogue", False))
