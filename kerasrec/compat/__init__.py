"""TensorRec's interface, built from kerasrec's parts: use `import kerasrec.compat as tensorrec`."""

from kerasrec.compat import errors as errors
from kerasrec.compat import eval as eval
from kerasrec.compat import input_utils as input_utils
from kerasrec.compat import loss_graphs as loss_graphs
from kerasrec.compat import prediction_graphs as prediction_graphs
from kerasrec.compat import representation_graphs as representation_graphs
from kerasrec.compat import util as util
from kerasrec.compat.errors import BatchNonSparseInputException as BatchNonSparseInputException
from kerasrec.compat.errors import ModelNotBiasedException as ModelNotBiasedException
from kerasrec.compat.errors import ModelNotFitException as ModelNotFitException
from kerasrec.compat.errors import ModelWithoutAttentionException as ModelWithoutAttentionException
from kerasrec.compat.errors import TensorRecException as TensorRecException
from kerasrec.compat.loss_graphs import AbstractLossGraph as AbstractLossGraph
from kerasrec.compat.loss_graphs import BalancedWMRBLossGraph as BalancedWMRBLossGraph
from kerasrec.compat.loss_graphs import RMSEDenseLossGraph as RMSEDenseLossGraph
from kerasrec.compat.loss_graphs import RMSELossGraph as RMSELossGraph
from kerasrec.compat.loss_graphs import SeparationDenseLossGraph as SeparationDenseLossGraph
from kerasrec.compat.loss_graphs import SeparationLossGraph as SeparationLossGraph
from kerasrec.compat.loss_graphs import WMRBLossGraph as WMRBLossGraph
from kerasrec.compat.prediction_graphs import AbstractPredictionGraph as AbstractPredictionGraph
from kerasrec.compat.prediction_graphs import (
    CosineSimilarityPredictionGraph as CosineSimilarityPredictionGraph,
)
from kerasrec.compat.prediction_graphs import DotProductPredictionGraph as DotProductPredictionGraph
from kerasrec.compat.prediction_graphs import (
    EuclideanSimilarityPredictionGraph as EuclideanSimilarityPredictionGraph,
)
from kerasrec.compat.representation_graphs import (
    AbstractKerasRepresentationGraph as AbstractKerasRepresentationGraph,
)
from kerasrec.compat.representation_graphs import AbstractRepresentationGraph as AbstractRepresentationGraph
from kerasrec.compat.representation_graphs import (
    FeaturePassThroughRepresentationGraph as FeaturePassThroughRepresentationGraph,
)
from kerasrec.compat.representation_graphs import LinearRepresentationGraph as LinearRepresentationGraph
from kerasrec.compat.representation_graphs import (
    NormalizedLinearRepresentationGraph as NormalizedLinearRepresentationGraph,
)
from kerasrec.compat.representation_graphs import ReLURepresentationGraph as ReLURepresentationGraph
from kerasrec.compat.representation_graphs import (
    WeightedFeaturePassThroughRepresentationGraph as WeightedFeaturePassThroughRepresentationGraph,
)
from kerasrec.compat.tensorrec import TensorRec as TensorRec
