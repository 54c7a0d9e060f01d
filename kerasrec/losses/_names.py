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
# Names in papers on sequential models, which only these models accept; elsewhere, "bce" is Keras's loss.
SHORT = {"ce": "catalogue_cross_entropy", "sampled": "sampled_softmax", "bce": "binary_cross_entropy"}


def takes_catalogue(loss: Any) -> bool:
    """Whether a loss compares the whole catalogue, so that it needs no samples.

    Args:
        loss: a loss, or its name; `False` for `None` and losses of other libraries.
    """
    kind = NAMES.get(SHORT.get(loss, loss)) if isinstance(loss, str) else loss
    return bool(getattr(kind, "takes_catalogue", False))
