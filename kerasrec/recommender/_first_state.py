"""The first state of a recommender, from a model and its training data."""

import warnings
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerasrec._inputs import input_names
from kerasrec.data import Features, Interactions, Sequences
from kerasrec.layers import Catalogue, FeatureLookup, find_catalogue
from kerasrec.recommender import _metadata, _training
from kerasrec.recommender._context import context_inputs
from kerasrec.recommender._history import History
from kerasrec.recommender._ids import Ids
from kerasrec.recommender._model_parts import find_sides
from kerasrec.recommender._reading import check_features
from kerasrec.recommender._state import Computed, State
from kerasrec.recommender.file import with_catalogue


def made(
    model: keras.Model,
    interactions: Interactions,
    user_features: Features | None = None,
    item_features: Features | None = None,
    item_metadata: Any = None,
) -> State:
    """A state from the arguments of `Recommender`, after checks.

    Args:
        model: `keras.Model`.
        interactions: `Interactions`.
        user_features: `Features` or `None`.
        item_features: `Features` or `None`.
        item_metadata: frame or `None`.
    """
    if not isinstance(interactions, Interactions):
        raise TypeError(
            "`interactions` must be `kerasrec.data.Interactions`, the training data; make them with "
            f"`Interactions.from_frame` or `from_csv`. Received: {type(interactions).__name__}."
        )
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a `keras.Model` with inputs `user` and `item`. Received: {model!r}."
        )
    known = find_catalogue(model)
    if known is not None and known.filled:
        for side in ("user", "item"):
            _check_same(side, getattr(known, f"{side}_ids"), getattr(interactions, f"{side}_ids"))
    features: dict[str, Any] = {
        "user_features": _aligned("user_features", user_features, interactions.user_ids, "user"),
        "item_features": _aligned("item_features", item_features, interactions.item_ids, "item"),
    }
    _check_features(model, features)
    if item_metadata is not None:
        item_metadata = _metadata.aligned(item_metadata, interactions.item_ids)
    return state_of(model, interactions, item_metadata=item_metadata, **features)


def trained(
    interactions: Interactions,
    model: str,
    user_features: Features | None = None,
    item_features: Features | None = None,
    item_metadata: Any = None,
    verbose: Any = 0,
    **how: Any,
) -> State:
    """A state with a newly trained model of the zoo.

    Args:
        interactions: `Interactions`.
        model: name in `kerasrec.zoo`.
        user_features: `Features` or `None`.
        item_features: `Features` or `None`.
        item_metadata: frame or `None`.
        verbose: as in `keras.Model.fit`.
        **how: arguments of `_training.trained`.
    """
    if item_metadata is not None and isinstance(interactions, Interactions):
        # Refused before the training rather than after it.
        _metadata.aligned(item_metadata, interactions.item_ids)
    features = {"user_features": user_features, "item_features": item_features}
    tell = print if verbose else None
    if isinstance(interactions, Interactions):
        _training.say_what_values_are(interactions, model, tell)
    training = _training.trained(interactions, model, features=features, verbose=verbose, tell=tell, **how)
    if training.worse:
        warnings.warn(training.worse, stacklevel=3)
    return made(training.model, interactions, user_features, item_features, item_metadata)


def with_metadata(state: State, frame: Any) -> State:
    """The state with other metadata.

    Args:
        state: `State`.
        frame: one row per item, in the order of the codes, or `None`.
    """
    if frame is not None and len(frame) != state.n_items:
        raise ValueError(
            "`item_metadata` must have one row per item, in the order of `item_ids`. "
            f"Received: {len(frame)} rows for {state.n_items} items."
        )
    return replace(state.recomputed(), item_metadata=frame, index=state.index)


def state_of(
    model: keras.Model, interactions: Interactions, sequences: Sequences | None = None, **known: Any
) -> State:
    """The state of a model and its interactions, which it also stores in the model's catalogue.

    Args:
        model: `keras.Model`.
        interactions: `Interactions` over all ids.
        sequences: `Sequences` of the users, if they are known. Defaults to `None`: those of the
            interactions.
        **known: features and metadata.
    """
    try:
        model = with_catalogue(model)
        catalogue = find_catalogue(model) or Catalogue()
    except ValueError:  # a subclassed model can be used but not saved
        catalogue = Catalogue()
    history = History(interactions, sequences or "history" in input_names(model))
    catalogue.fill(interactions)
    catalogue.seen = history.starts, history.items
    users, items = Ids(interactions.user_ids, "user"), Ids(interactions.item_ids, "item")
    known.setdefault(
        "context_ids",
        {x: interactions.context_ids[x] for x in context_inputs(model) if x in interactions.context_ids},
    )
    return State(model, model.name, users, items, history, computed=Computed(model), **known)


def _aligned(name: str, features: Any, ids: np.ndarray, side: str) -> Features | None:
    if features is None:
        return None
    if not isinstance(features, Features):
        raise TypeError(f"`{name}` must be `kerasrec.data.Features`. Received: {type(features).__name__}.")
    return features.align(ids, side)


def _check_features(model: keras.Model, features: dict[str, Features | None]) -> None:
    """Refuse features other than those of the model: new items would read other items' rows."""
    given = {name.removesuffix("_features"): x for name, x in features.items() if x is not None}
    sides: Any = find_sides(model) if given else None
    for side, own in given.items() if sides is not None else ():
        for layer in getattr(sides, side).layers:
            if isinstance(layer, FeatureLookup) and layer.n_values is not None:
                check_features(layer, own.matrix, side)


def _check_same(side: str, known: Any, given: np.ndarray) -> None:
    if len(known) != len(given) or not (np.asarray(known) == np.asarray(given)).all():
        raise ValueError(
            f"`interactions` must have the {side}s that the model was made for, with the same codes: pass "
            f"the interactions that the training data was split from. Received: {len(given)} {side}s for "
            f"{len(known)}."
        )
