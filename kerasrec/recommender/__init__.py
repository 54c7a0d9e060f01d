"""The object that a product holds: a model, its ids and what users have, in one file."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasrec.recommender.explanation import Explanation as Explanation
    from kerasrec.recommender.file import load_model as load_model
    from kerasrec.recommender.file import read_catalogue as read_catalogue
    from kerasrec.recommender.file import save_model as save_model
    from kerasrec.recommender.ranker import Ranker as Ranker
    from kerasrec.recommender.recommender import Recommender as Recommender
    from kerasrec.recommender.rules import Rules as Rules
    from kerasrec.recommender.two_stage import TwoStage as TwoStage
    from kerasrec.recommender.two_stage_training import train_two_stages as train_two_stages

# Imported when asked for: lists of a file that holds vectors are made without Keras.
_MODULES = {
    "Explanation": "explanation",
    "load_model": "file",
    "read_catalogue": "file",
    "save_model": "file",
    "Ranker": "ranker",
    "Recommender": "recommender",
    "Rules": "rules",
    "TwoStage": "two_stage",
    "train_two_stages": "two_stage_training",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"kerasrec.recommender.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'kerasrec.recommender' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
