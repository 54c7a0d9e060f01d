"""Representations, scores and scales as Keras layers."""

from kerasrec.layers.catalogue import Catalogue as Catalogue
from kerasrec.layers.catalogue import find_catalogue as find_catalogue
from kerasrec.layers.concatenate_pairs import ConcatenatePairs as ConcatenatePairs
from kerasrec.layers.dot_score import DotScore as DotScore
from kerasrec.layers.feature_embedding import FeatureEmbedding as FeatureEmbedding
from kerasrec.layers.rating_scale import RatingScale as RatingScale
from kerasrec.layers.towers import Towers as Towers
from kerasrec.layers.towers import find_towers as find_towers
