"""Turns a table of interactions into a trained, evaluated and saved recommender."""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from kerasrec._version import __version__ as __version__

if TYPE_CHECKING:
    from kerasrec import compat as compat
    from kerasrec import data as data
    from kerasrec import datasets as datasets
    from kerasrec import evaluation as evaluation
    from kerasrec import layers as layers
    from kerasrec import losses as losses
    from kerasrec import recommender as recommender
    from kerasrec import serving as serving
    from kerasrec import trainers as trainers
    from kerasrec import tuning as tuning
    from kerasrec import zoo as zoo
    from kerasrec.recommender import Ranker as Ranker
    from kerasrec.recommender import Recommender as Recommender
    from kerasrec.recommender import Rules as Rules
    from kerasrec.recommender import TwoStage as TwoStage
    from kerasrec.recommender import train_two_stages as train_two_stages
    from kerasrec.trainers import Model as Model

# These packages register the classes that a model file can contain.
_REGISTERING = ("layers", "losses", "trainers", "zoo", "compat")
_CLASSES = {
    "Model": "trainers",
    "Ranker": "recommender",
    "Recommender": "recommender",
    "Rules": "recommender",
    "TwoStage": "recommender",
    "train_two_stages": "recommender",
}
# These packages may import pandas and scipy, so they are imported at their first use.
_LAZY = ("data", "datasets", "evaluation", "recommender", "serving", "tuning")


def _load() -> None:
    for name in _REGISTERING:
        importlib.import_module(f"kerasrec.{name}")


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(f"kerasrec.{_CLASSES[name]}"), name)
    if name in (*_REGISTERING, *_LAZY):
        return importlib.import_module(f"kerasrec.{name}")
    raise AttributeError(f"module 'kerasrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_REGISTERING, *_LAZY, *_CLASSES})


# `import keras, kerasrec` is enough for `keras.models.load_model`. Only the `kerasrec` command loads them
# later: otherwise `--help` would take seconds, and print TensorFlow's messages about the machine.
if os.path.basename("".join(sys.argv[:1])) not in ("kerasrec", "kerasrec.exe"):
    _load()
