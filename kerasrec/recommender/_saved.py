"""A recommender's state as a file, and back."""

import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from kerasrec._inputs import input_names
from kerasrec.data import Features
from kerasrec.layers import find_catalogue
from kerasrec.recommender import _index, _metadata, _second
from kerasrec.recommender._archive import WEIGHTS, one_line
from kerasrec.recommender._history import History
from kerasrec.recommender._ids import Ids
from kerasrec.recommender._second import SECOND
from kerasrec.recommender._state import Computed, State
from kerasrec.recommender.file import load_model, new_path, save_model
from kerasrec.recommender.rules import Rules
from kerasrec.trainers._processes import written_by_the_first

# Errors of arrays and JSON of an unexpected form.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def save(state: State, path: str | os.PathLike[str]) -> None:
    """Write everything to one `.keras` file; if several processes train together, only the first writes.

    Args:
        state: `State`.
        path: the file.
    """
    attachments = {"history": state.history.to_arrays()}
    for side in ("user", "item"):
        features = state.features(side)
        if features is not None:
            attachments[f"{side}_features"] = features.to_arrays()
    if state.item_metadata is not None:
        attachments["item_metadata"] = _metadata.to_arrays(state.item_metadata)
    if state.rules is not None:
        attachments["rules"] = state.rules.to_arrays()
    if state.order is not None:
        attachments[SECOND] = _second.to_arrays(state.order)
    if state.context_ids:
        attachments["context"] = _second.ids_to_arrays(state.context_ids)
    try:
        catalogue = find_catalogue(state.model)
    except (AttributeError, ValueError):
        catalogue = None
    if catalogue is not None:
        catalogue.attachments = attachments
    with written_by_the_first(new_path(path)) as place:
        save_model(state.model, place)  # refuses a model without a catalogue
        if state.index is None:
            _index.remove(Path(place))
            return
        with zipfile.ZipFile(place) as archive:
            _index.write(state.index, Path(place), archive.getinfo(WEIGHTS).CRC)


def load(path: str | os.PathLike[str]) -> State:
    """Read a file of `save` or of `save_model(..., seen=True)`.

    Args:
        path: the file.
    """
    model = load_model(path)
    catalogue: Any = find_catalogue(model)
    if "columns" in catalogue.attachments:
        raise ValueError(
            "A recommender's file must hold its users' items; `kerasrec.Ranker.load` reads a click model. "
            f"Received: {os.fspath(path)}, a click model."
        )
    if catalogue.seen is None:
        raise ValueError(
            "A recommender's file must say which user has which item; write it with `Recommender.save` "
            f"or `save_model(..., interactions, seen=True)`. Received: {os.fspath(path)}, which does not."
        )
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo(WEIGHTS).CRC
    index = _index.read(Path(path), weights, len(catalogue.item_ids))
    try:
        state = replace(_restored(model, catalogue), index=index)
        if SECOND not in catalogue.attachments:
            return state
        return replace(state, order=_second.from_arrays(catalogue.attachments[SECOND], load))
    except _UNREADABLE as error:
        raise ValueError(
            f"{os.fspath(path)} holds a recommender that cannot be read: {one_line(str(error))}."
        ) from error


def _restored(model: keras.Model, catalogue: Any) -> State:
    users, items = Ids(catalogue.user_ids, "user"), Ids(catalogue.item_ids, "item")
    attached, (starts, seen) = catalogue.attachments, catalogue.seen
    arrays, ordered = attached.get("history", {}), "history" in input_names(model)
    history = History.from_arrays(starts, seen, arrays, users.raw, items.raw, ordered)
    known: dict[str, Any] = {}
    for ids in (users, items):
        name = f"{ids.side}_features"
        features = Features.from_arrays(attached[name]) if name in attached else None
        if features is not None and (
            len(features) != len(ids) or (features.ids is not None and list(features.ids) != list(ids.raw))
        ):
            raise ValueError(f"{name} must have a row for each of the {len(ids)} ids")
        known[name] = features
    if "item_metadata" in attached:
        known["item_metadata"] = _metadata.from_arrays(attached["item_metadata"], len(items))
    if "rules" in attached:
        known["rules"] = Rules.from_arrays(attached["rules"])
    if "context" in attached:
        known["context_ids"] = _second.ids_from_arrays(attached["context"])
    return State(model, model.name, users, items, history, computed=Computed(model), **known)
