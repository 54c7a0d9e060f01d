"""One case for every public loss."""

import numpy as np

from contracts.check_loss import LossCase
from kerasrec import losses

_random = np.random.default_rng(0)
SCORES = _random.normal(size=(6, 5)).astype("float32")
# Two positives of different labels, two negatives and padding.
LABELS = np.tile(np.array([1.0, 2.0, 0.0, 0.0, -1.0], "float32"), (6, 1))
VALUES = np.tile(np.array([4.0, -2.0, 0.0, 0.0, 1.0], "float32"), (6, 1))

LOSSES: list[LossCase] = [
    LossCase(losses.BPR, LABELS, SCORES, {"max_positives": 2}),
    LossCase(losses.BPRMax, LABELS, SCORES, {"regularization": 0.5, "max_positives": 2}),
    LossCase(losses.BalancedWMRB, LABELS, SCORES, {"n_items": 30, "max_positives": 2}),
    LossCase(losses.BinaryCrossEntropy, LABELS, SCORES, {"prior": 0.2}),
    LossCase(losses.DenseRMSE, VALUES, SCORES, {"n_items": 30}, mean_of_rows=False),
    LossCase(losses.DenseSeparation, VALUES, SCORES, {"n_items": 30}, mean_of_rows=False),
    LossCase(losses.FullSoftmax, LABELS, SCORES, {"temperature": 0.5}),
    LossCase(losses.GBCE, LABELS, SCORES, {"n_items": 30, "calibration": 0.5, "prior": 0.2}),
    LossCase(losses.KOSWARP, LABELS, SCORES, {"n_items": 30, "k": 2, "max_sampled": 3}),
    LossCase(losses.PairwiseHinge, LABELS, SCORES, {"margin": 2.0, "max_positives": 2}),
    LossCase(losses.PairwiseLogistic, LABELS, SCORES, {"max_positives": 2}),
    LossCase(losses.RMSE, VALUES, SCORES, mean_of_rows=False),
    LossCase(
        losses.SampledSoftmax,
        LABELS,
        SCORES,
        {
            "temperature": 0.5,
            "correct_sampling": False,
            "remove_accidental_hits": False,
            "max_positives": 2,
        },
    ),
    LossCase(losses.Separation, VALUES, SCORES, mean_of_rows=False),
    LossCase(losses.TOP1, LABELS, SCORES, {"max_positives": 2}),
    LossCase(losses.WARP, LABELS, SCORES, {"n_items": 30, "max_sampled": 3, "max_positives": 2}),
    LossCase(losses.WMRB, LABELS, SCORES, {"n_items": 30, "max_positives": 2}),
]
