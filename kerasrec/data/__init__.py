"""Interactions and features, their splits, samplers and batches."""

from kerasrec.data import samplers as samplers
from kerasrec.data import splits as splits
from kerasrec.data.catalogue_batches import CatalogueBatches as CatalogueBatches
from kerasrec.data.features import Features as Features
from kerasrec.data.interactions import Interactions as Interactions
from kerasrec.data.model_inputs import ModelInputs as ModelInputs
from kerasrec.data.pairs import pairs as pairs
from kerasrec.data.ranking_batches import RankingBatches as RankingBatches
from kerasrec.data.sequences import Sequences as Sequences
