"""Interactions and features, their splits, samplers and batches."""

import importlib
from typing import TYPE_CHECKING, Any

from kerasrec.data import columns as columns
from kerasrec.data import samplers as samplers
from kerasrec.data import splits as splits
from kerasrec.data.features import Features as Features
from kerasrec.data.impressions import Impressions as Impressions
from kerasrec.data.input_columns import InputColumns as InputColumns
from kerasrec.data.interactions import Interactions as Interactions
from kerasrec.data.model_inputs import ModelInputs as ModelInputs
from kerasrec.data.pairs import pairs as pairs
from kerasrec.data.sequences import Sequences as Sequences

if TYPE_CHECKING:
    from kerasrec.data.catalogue_batches import CatalogueBatches as CatalogueBatches
    from kerasrec.data.ranking_batches import RankingBatches as RankingBatches
    from kerasrec.data.sequence_batches import SequenceBatches as SequenceBatches

# Imported when asked for: batches need Keras, and tables do not.
_MODULES = {
    "CatalogueBatches": "catalogue_batches",
    "RankingBatches": "ranking_batches",
    "SequenceBatches": "sequence_batches",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"kerasrec.data.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'kerasrec.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
