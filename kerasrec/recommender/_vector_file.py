"""The vectors of a factorised model in a file, from which lists are made without Keras.

`save_model` computes them from the weights that it has just written, and stores the weights' checksum.
They are not assets of Keras, so that `model.save`, which writes other weights, omits them.
"""

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._assets import read_assets
from kerasrec._temporary import temporary
from kerasrec.recommender import _index, _metadata
from kerasrec.recommender._archive import VECTORS, WEIGHTS, check_room, keras_path, one_line, opened
from kerasrec.recommender._factors import Factors
from kerasrec.recommender._history import History
from kerasrec.recommender._ids import Ids
from kerasrec.recommender._state import Computed, State
from kerasrec.recommender.rules import Rules

# The name of a second stage among the assets.
SECOND = "second_stage"
_ABOUT = f"{VECTORS}about.json"
_TABLES = ("user", "item", "user_bias", "item_bias")
# Errors of arrays and JSON of an unexpected form.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def add_vectors(path: Path, factors: Factors, name: str, inputs: tuple[str, ...]) -> None:
    """Add vectors to a file that was just written.

    Args:
        path: the file.
        factors: `Factors` of its weights.
        name: name of the model.
        inputs: names of its inputs other than `item`.
    """
    with zipfile.ZipFile(path, "a") as archive:
        about = {"name": name, "weights": archive.getinfo(WEIGHTS).CRC, "scales": factors.scales}
        about["by_history"] = "history" in inputs and "user" not in inputs
        archive.writestr(_ABOUT, json.dumps(about))
        for table in _TABLES:
            array = getattr(factors, table)
            if array is not None:
                with archive.open(f"{VECTORS}{table}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_vectors(path: str | os.PathLike[str], newcomers: bool = False) -> State | None:
    """The state in a file with vectors, without its model; `None` if the model must be loaded.

    Args:
        path: the file.
        newcomers: whether lists for histories are needed, for which some models must be loaded.
            Defaults to `False`.
    """
    path = keras_path(path)
    with opened(path) as (archive, folder):
        if _ABOUT not in archive.namelist():
            return None
        check_room(archive, path, without=WEIGHTS)
        try:
            about = json.loads(archive.read(_ABOUT))
            if archive.getinfo(WEIGHTS).CRC != about["weights"]:
                return None  # other weights have been written since
            if newcomers and about["by_history"]:
                return None
            if f"{folder}{SECOND}.npz" in archive.namelist():
                return None  # the second stage is a model
            arrays = {
                table: _array(archive, f"{VECTORS}{table}.npy")
                for table in _TABLES
                if f"{VECTORS}{table}.npy" in archive.namelist()
            }
            factors = Factors(
                **arrays, scales=tuple((float(low), float(high)) for low, high in about["scales"])
            )
            state = _state(archive, folder, factors, str(about["name"]))
        except _UNREADABLE as error:
            raise ValueError(f"{path} holds vectors that cannot be read: {one_line(str(error))}.") from error
    if state is None:
        return None
    return replace(state, index=_index.read(path, about["weights"], state.n_items))


def _state(archive: zipfile.ZipFile, folder: str, factors: Factors, name: str) -> State | None:
    with temporary() as extracted:
        for member in archive.namelist():
            if member.startswith(folder) and not member.endswith("_features.npz"):
                archive.extract(member, extracted)
        assets = read_assets(extracted / folder, ("history", "item_metadata", "rules"))
    if assets is None or assets.seen is None:
        return None
    users, items = Ids(assets.user_ids, "user"), Ids(assets.item_ids, "item")
    factors.check(len(users), len(items))
    starts, seen = assets.seen
    history = History.from_arrays(starts, seen, assets.attachments.get("history", {}), users.raw, items.raw)
    metadata = None
    if "item_metadata" in assets.attachments:
        metadata = _metadata.from_arrays(assets.attachments["item_metadata"], len(items))
    computed = Computed()
    computed.once("factors", lambda: factors)
    rules = Rules.from_arrays(assets.attachments["rules"]) if "rules" in assets.attachments else None
    return State(None, name, users, items, history, item_metadata=metadata, rules=rules, computed=computed)


def _array(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
