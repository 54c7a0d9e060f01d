"""New items, new users and new events: a new state, or an error that changes nothing."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrec._arguments import share, whole_number
from kerasrec.data import Features, Interactions, Sequences
from kerasrec.data._access import event_counts_of, meaning_of, with_columns, with_meaning
from kerasrec.data._columns import id_array, id_index, several, shown, vocabulary
from kerasrec.data._encoders import Indicator
from kerasrec.recommender import _training, _vectors
from kerasrec.recommender._copies import copied, is_graph, restored_on_error
from kerasrec.recommender._first_state import state_of
from kerasrec.recommender._history import appended
from kerasrec.recommender._history import updated as history_after
from kerasrec.recommender._ids import Ids
from kerasrec.recommender._metadata import aligned
from kerasrec.recommender._reading import reads
from kerasrec.recommender._rescaled import Scale, reads_scores, rescaled
from kerasrec.recommender._resizing import Growth, is_of_a_graph, resized
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    import pandas as pd

_NONE = np.empty(0, np.int32)


def with_items(state: State, metadata: Any) -> State:
    """The state with new items.

    Args:
        state: `State`.
        metadata: frame indexed by the new raw ids, or raw ids alone.
    """
    ids, frame = _new(state.items, metadata)
    table = state.item_metadata
    known = frame if frame is not None and len(frame.columns) else None
    if table is not None and known is not None:
        missing = [name for name in table.columns if name not in known.columns]
        if missing:
            raise ValueError(
                "`metadata` must have the columns of the recommender's metadata: "
                f"{', '.join(table.columns)}. Received: no column {missing[0]!r}."
            )
    features, growth = _grown(state, "item", ids, frame)
    if table is not None and known is not None:
        import pandas as pd

        table = pd.concat([table, aligned(known[table.columns], ids)], ignore_index=True)
    elif table is not None:  # missing entries, as for items without metadata in training
        table = table.reindex(range(len(table) + len(ids)))
    state = replace(state, item_features=features, item_metadata=table)
    found = _resized(
        state,
        {"user": Growth(state.n_users, state.n_users), "item": growth},
        state.users.raw,
        _joined(state.items.raw, ids),
    )
    return _with_second(found, lambda second: with_items(second, metadata))


def with_users(state: State, features: Any) -> State:
    """The state with new users.

    Args:
        state: `State`.
        features: frame indexed by the new raw ids, or raw ids alone.
    """
    ids, frame = _new(state.users, features)
    grown, growth = _grown(state, "user", ids, frame)
    found = _resized(
        replace(state, user_features=grown),
        {"user": growth, "item": Growth(state.n_items, state.n_items)},
        _joined(state.users.raw, ids),
        state.items.raw,
    )
    return _with_second(found, lambda second: with_users(second, features))


def updated(
    state: State,
    interactions: Interactions,
    epochs: int = 1,
    replay: float = 0.1,
    user_features: Any = None,
    item_metadata: Any = None,
    batch_size: int | None = None,
    seed: int = 0,
    verbose: Any = "auto",
) -> tuple[State, Any]:
    """The state after new events, on which its model was trained, and what `fit` returned.

    Args:
        state: `State`, which stays unchanged, including its model.
        interactions: `Interactions`, the new events.
        epochs: int, passes over them. Defaults to `1`.
        replay: share of the old events that are trained on as well. Defaults to `0.1`.
        user_features: frame of at least the new users. Defaults to `None`.
        item_metadata: frame of at least the new items. Defaults to `None`.
        batch_size: int. Defaults to `None`.
        seed: int. Defaults to `0`.
        verbose: as in `keras.Model.fit`. Defaults to `"auto"`.
    """
    if not isinstance(interactions, Interactions):
        raise TypeError(
            f"`interactions` must be `kerasrec.data.Interactions`. Received: {type(interactions).__name__}."
        )
    replay = share("replay", replay)
    if not state.model.trainable_variables:
        raise ValueError(
            "The model must have trainable weights; train a closed-form model again with `Recommender.train` "
            f"on all interactions. Received: {state.name!r}."
        )
    epochs = whole_number("epochs", epochs)
    before, scale = state.model, _scale(state)
    for side, given in (("user", user_features), ("item", item_metadata)):
        own = getattr(interactions, f"{side}_ids")[np.unique(getattr(interactions, f"{side}s"))]
        new = own[state.ids(side).index.get_indexer(own) < 0]
        if len(new):
            grow = with_users if side == "user" else with_items
            state = grow(state, new if given is None else _rows(given, new, side))
    old, fresh = state.interactions, _recoded(state, interactions)
    whole = history_after(old, fresh)
    keys = _keys(fresh)
    new = whole.take(np.isin(_keys(whole), keys))
    if not len(new):
        raise ValueError(
            f"`interactions` must have likes, values of at least {meaning_of(whole).least:g} as in training. "
            f"Received: {len(interactions)} events without a like."
        )
    draw = np.random.default_rng(seed)
    if state.history.sequences is None:
        replayed = draw.random(len(old)) < replay
        trained_on = _concatenated(old.take(replayed & ~np.isin(_keys(old), keys)), new)
    else:  # a history consists of earlier rows, so all rows of a user are needed
        replayed = draw.random(state.n_users) < replay
        replayed[new.users] = True
        trained_on = whole.take(replayed[whole.users])
    model = state.model
    if model is before or any(map(is_of_a_graph, model.layers)):
        model = copied(state, whole)
    recipe = _training.recipe_of(model, whole).replace(epochs=epochs, batch_size=batch_size)
    with restored_on_error(model) if model is before else contextlib.nullcontext():
        history = _training.fit(model, trained_on, recipe, seed, verbose, known=whole)
    found = _after(state, model, whole, _sequences(state, interactions))
    how = (epochs, replay, user_features, item_metadata, batch_size, seed, verbose)
    found = _with_second(found, lambda second: updated(second, interactions, *how)[0])
    return _rescaled(found, scale), history


def _sequences(state: State, events: Interactions) -> Sequences | None:
    """The sequences of users after new events; `None` if no model needs them."""
    known = state.history.sequences
    if known is None:
        return None
    users, items = (
        ids.find(new)[0] for ids, new in ((state.users, events.user_ids), (state.items, events.item_ids))
    )
    return appended(known, Sequences(events), users, items, state.n_users, state.n_items)


def _with_second(state: State, grow: Callable[[State], State]) -> State:
    """The state after its second stage has grown or been trained as well; a click ranker stays unchanged."""
    order = state.order
    if order is None or not isinstance(order.second, State):
        return state
    return replace(state, order=replace(order, second=grow(order.second)))


def _scale(state: State) -> Scale | None:
    """The scale of the candidates' scores, if a click ranker reads them."""
    order = state.order
    if order is None or isinstance(order.second, State) or not reads_scores(order.second):
        return None
    return Scale.of(state, order.n_candidates)


def _rescaled(state: State, before: Scale | None) -> State:
    """The state with its click ranker adapted to the scores of the first stage after more training."""
    order: Any = state.order
    if before is None:
        return state
    second = rescaled(order.second, before, Scale.of(state, order.n_candidates))
    return replace(state, order=replace(order, second=second))


def _after(
    state: State, model: keras.Model, interactions: Interactions, sequences: Sequences | None
) -> State:
    """The state with another model and history."""
    return state_of(
        model,
        interactions,
        sequences,
        user_features=state.user_features,
        item_features=state.item_features,
        item_metadata=state.item_metadata,
        rules=state.rules,
        order=state.order,
        context_ids=state.context_ids,
    )


def _recoded(state: State, events: Interactions) -> Interactions:
    """Events with the recommender's codes, and with times if the recommender has them."""
    users = state.users.codes(events.user_ids[events.users])
    items = state.items.codes(events.item_ids[events.items])
    times = None if state.history.times is None else events.times
    found = Interactions(
        users, items, events.values, times, user_ids=state.users.raw, item_ids=state.items.raw
    )
    return with_meaning(found, meaning_of(events), event_counts_of(events))


def _grown(
    state: State, side: str, ids: np.ndarray, frame: "pd.DataFrame | None"
) -> tuple[Features | None, Growth]:
    """Features of one side with rows for new entities, and the growth of its tables."""
    n, features = len(state.ids(side)), state.features(side)
    sides = _vectors.sides(state)
    read = sides is not None and reads(getattr(sides, side), features)
    if read and features is None:
        raise ValueError(
            f"`{side}_features` must be given to the recommender if its model reads them, so that new "
            f"{side}s can be encoded. Received: {side}_features=None."
        )
    if features is None:
        return None, Growth(n, n + len(ids))
    if frame is None and all(isinstance(encoder, Indicator) for encoder in features._encoders):
        import pandas as pd

        frame = pd.DataFrame(index=id_index(ids))
    if frame is None:
        raise ValueError(
            f"New {side}s must come as a frame with the columns that the {side} features were made from. "
            f"Received: {len(ids)} ids without a frame."
        )
    grown = _with_rows(features, frame, ids)
    if not read:
        return grown, Growth(n, n + len(ids))
    return grown, Growth(n, n + len(ids), grown, features.n_features)


def _resized(state: State, growth: dict[str, Growth], user_ids: np.ndarray, item_ids: np.ndarray) -> State:
    if not is_graph(state.model):
        raise ValueError(
            "`model` must be a functional model to grow. "
            f"Received: {state.name!r} of type {type(state.model).__name__}."
        )
    interactions = state.history.interactions(user_ids, item_ids)
    sequences = state.history.sequences
    if sequences is not None:
        nothing = Sequences.of_lists([], len(item_ids))
        sequences = appended(sequences, nothing, _NONE, _NONE, len(user_ids), len(item_ids))
    return _after(state, resized(state.model, growth), interactions, sequences)


def _new(known: Ids, given: Any) -> tuple[np.ndarray, "pd.DataFrame | None"]:
    """New raw ids, and the frame that they came with."""
    side = known.side
    frame = given if hasattr(given, "columns") else None
    ids = id_array(vocabulary(given.index if frame is not None else several(given), f"new {side}s"))
    if not len(ids):
        raise ValueError(f"There must be at least one new {side}. Received: none.")
    again = np.flatnonzero(known.index.get_indexer(id_index(ids)) >= 0)
    if len(again):
        raise ValueError(
            f"New {side}s must not be known yet. "
            f"Received: {len(again)} that are, first {shown(ids[again[0]])}."
        )
    if isinstance(ids[0], str) != isinstance(known.raw[0], str):
        raise ValueError(
            f"New {side}s must have ids of the type of the others, such as {shown(known.raw[0])}. "
            f"Received: {shown(ids[0])}."
        )
    return ids, frame


def _with_rows(features: Features, frame: "pd.DataFrame", ids: np.ndarray) -> Features:
    """The features with rows for new entities, and a column for each of them if there are indicators.

    New columns come after the old ones, so the rows of the tables stay in place. An entity that the encoders
    know already has a column.
    """
    import scipy.sparse

    new = features.transform(frame)
    old_matrix, matrix, encoders = features.matrix, new.matrix, list(features._encoders)
    indicators = [encoder for encoder in encoders if isinstance(encoder, Indicator)]
    if indicators:
        known = id_index(np.concatenate([encoder.vocabulary.astype(object) for encoder in indicators]))
        without = np.flatnonzero(known.get_indexer(id_index(ids)) < 0)
        nothing = scipy.sparse.csr_matrix((len(features), len(without)), dtype=np.float32)
        old_matrix = scipy.sparse.hstack([old_matrix, nothing], "csr")
        own = np.ones(len(without), np.float32), (without, np.arange(len(without)))
        own_columns = scipy.sparse.csr_matrix(own, (len(ids), len(without)))
        matrix = scipy.sparse.hstack([matrix, own_columns], "csr")
        if len(without):
            encoders.append(Indicator("id", np.asarray(ids[without])))
    joined = None if features.ids is None else _joined(features.ids, ids)
    return Features(scipy.sparse.vstack([old_matrix, matrix], "csr"), encoders, joined)


def _rows(given: Any, ids: np.ndarray, side: str) -> Any:
    missing = np.setdiff1d(ids, np.asarray(given.index))
    if len(missing):
        raise ValueError(
            f"The frame of new {side}s must have a row for each. "
            f"Received: none for {len(missing)} of {len(ids)}, first {shown(missing[0])}."
        )
    return given.loc[ids.tolist()]


def _joined(ids: np.ndarray, new: np.ndarray) -> np.ndarray:
    same = ids.dtype == new.dtype
    return np.concatenate([ids, new] if same else [ids.astype(object), new.astype(object)])


def _keys(interactions: Interactions) -> np.ndarray:
    return interactions.users.astype(np.int64) * interactions.n_items + interactions.items


def _concatenated(first: Interactions, second: Interactions) -> Interactions:
    columns = {
        name: np.concatenate([getattr(x, name) for x in (first, second)])
        for name in ("users", "items", "values")
    }
    return with_columns(second, **columns, times=None)
