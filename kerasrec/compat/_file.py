"""A fitted model as one file in a folder."""

from pathlib import Path
from typing import Any

import keras

from kerasrec._partial import replacing

_NAME = "tensorrec.keras"


def write(model: keras.Model, folder: Path) -> None:
    """Write a model under another name and move it into place; the folder is created."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / _NAME) as partial:
        model.save(partial)


def read(folder: Path) -> Any:
    """Read what `write` wrote."""
    if (folder / _NAME).is_file():
        return keras.models.load_model(folder / _NAME)
    if (folder / "tensorrec.pkl").is_file():
        raise ValueError(
            "`directory_path` must contain a kerasrec model; models of the original TensorRec are TensorFlow "
            f"1 graphs and must be fitted again. Received: {folder}."
        )
    raise FileNotFoundError(f"`directory_path` must have a {_NAME}; there is none in {folder}.")
