"""Losses of ratings and of rankings as Keras losses."""

from kerasrec.losses.balanced_wmrb import BalancedWMRB as BalancedWMRB
from kerasrec.losses.binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
from kerasrec.losses.bpr import BPR as BPR
from kerasrec.losses.bpr_max import BPRMax as BPRMax
from kerasrec.losses.catalogue_cross_entropy import CatalogueCrossEntropy as CatalogueCrossEntropy
from kerasrec.losses.dense_rmse import DenseRMSE as DenseRMSE
from kerasrec.losses.dense_separation import DenseSeparation as DenseSeparation
from kerasrec.losses.full_softmax import FullSoftmax as FullSoftmax
from kerasrec.losses.gbce import GBCE as GBCE
from kerasrec.losses.koswarp import KOSWARP as KOSWARP
from kerasrec.losses.pairwise_hinge import PairwiseHinge as PairwiseHinge
from kerasrec.losses.pairwise_logistic import PairwiseLogistic as PairwiseLogistic
from kerasrec.losses.rmse import RMSE as RMSE
from kerasrec.losses.sampled_softmax import SampledSoftmax as SampledSoftmax
from kerasrec.losses.separation import Separation as Separation
from kerasrec.losses.top1 import TOP1 as TOP1
from kerasrec.losses.warp import WARP as WARP
from kerasrec.losses.wmrb import WMRB as WMRB
