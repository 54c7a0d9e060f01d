"""Representations, scores and scales as Keras layers."""

from kerasrec.layers.catalogue import Catalogue as Catalogue
from kerasrec.layers.catalogue import find_catalogue as find_catalogue
from kerasrec.layers.concatenate_pairs import ConcatenatePairs as ConcatenatePairs
from kerasrec.layers.cosine_score import CosineScore as CosineScore
from kerasrec.layers.deep_repr import DeepRepr as DeepRepr
from kerasrec.layers.dot_score import DotScore as DotScore
from kerasrec.layers.euclidean_score import EuclideanScore as EuclideanScore
from kerasrec.layers.feature_bias import FeatureBias as FeatureBias
from kerasrec.layers.feature_dropout import FeatureDropout as FeatureDropout
from kerasrec.layers.feature_embedding import FeatureEmbedding as FeatureEmbedding
from kerasrec.layers.feature_lookup import FeatureLookup as FeatureLookup
from kerasrec.layers.frequency_regularization import FrequencyRegularization as FrequencyRegularization
from kerasrec.layers.host_he_normal import HostHeNormal as HostHeNormal
from kerasrec.layers.host_normal import HostNormal as HostNormal
from kerasrec.layers.id_limits import find_id_limits as find_id_limits
from kerasrec.layers.layers_repr import LayersRepr as LayersRepr
from kerasrec.layers.pass_through_repr import PassThroughRepr as PassThroughRepr
from kerasrec.layers.rating_scale import RatingScale as RatingScale
from kerasrec.layers.relu_repr import ReLURepr as ReLURepr
from kerasrec.layers.score import Score as Score
from kerasrec.layers.sparse_linear_repr import SparseLinearRepr as SparseLinearRepr
from kerasrec.layers.taste_mixture import TasteMixture as TasteMixture
from kerasrec.layers.towers import Towers as Towers
from kerasrec.layers.towers import find_towers as find_towers
from kerasrec.layers.unit_rows import UnitRows as UnitRows
from kerasrec.layers.weighted_pass_through_repr import WeightedPassThroughRepr as WeightedPassThroughRepr
