"""From a table of who did what with which item to a trained, measured, saved recommender."""

import importlib
from typing import TYPE_CHECKING, Any

# Whatever registers a class that a model file can name is imported here, so that
# `import keras, kerasrec` is enough for `keras.models.load_model`.
from kerasrec import layers as layers
from kerasrec import losses as losses
from kerasrec import metrics as metrics
from kerasrec import trainers as trainers
from kerasrec import zoo as zoo
from kerasrec._version import __version__ as __version__
from kerasrec.trainers import Model as Model

if TYPE_CHECKING:
    from kerasrec import compat as compat
    from kerasrec import data as data
    from kerasrec import datasets as datasets
    from kerasrec import evaluation as evaluation
    from kerasrec import recommender as recommender
    from kerasrec import tuning as tuning

# The rest may take pandas and scipy along, so it waits for its first use.
_LAZY = ("compat", "data", "datasets", "evaluation", "recommender", "tuning")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"kerasrec.{name}")
    raise AttributeError(f"module 'kerasrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
