"""The context of lists: columns of the event that the model or the second stage reads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kerasrec._inputs import input_names, optional_inputs
from kerasrec.data._columns import shown
from kerasrec.recommender._state import Computed, State


def context_inputs(model: Any) -> list[str]:
    """Names of a model's inputs that neither users, items nor histories supply.

    Args:
        model: `keras.Model`, or `None`.
    """
    names = () if model is None else input_names(model)
    return [name for name in names if name not in ("user", "item", "history")]


def in_context(state: State, context: Any) -> State:
    """The state in a context.

    Args:
        state: `State`.
        context: entries by the name of the column, or `None` to leave it unchanged.
    """
    if context is None:
        return state
    if not isinstance(context, Mapping):
        raise TypeError(
            "`context` must be a dict of entries by the name of the column. "
            f"Received: {type(context).__name__}."
        )
    own = context_inputs(state.model)
    may = list(dict.fromkeys([*own, *_of_second(state)]))
    for name in context:
        if name not in may:
            raise ValueError(
                f"`context` must name context columns of the model: {', '.join(map(repr, may)) or 'none'}. "
                f"Received: {name!r}."
            )
    found = replace(state, context={**(state.context or {}), **context})
    if any(name in own for name in context):
        # Computed values belong to another context.
        found = replace(found, computed=Computed(state.model), index=None)
    order = state.order
    if order is not None and isinstance(order.second, State):
        mine = {name: x for name, x in context.items() if name in _names(order.second)}
        found = replace(found, order=replace(order, second=in_context(order.second, mine or None)))
    return found


def coded(state: State) -> dict[str, Any]:
    """The inputs of the model's context, categories as codes.

    Args:
        state: `State`.
    """
    found: dict[str, Any] = {}
    for name in context_inputs(state.model):
        entry = (state.context or {}).get(name)
        if entry is None:
            continue
        ids = state.context_ids.get(name)
        if ids is None:
            found[name] = entry
            continue
        place = np.flatnonzero(np.asarray(ids, object) == entry)
        if not len(place):
            raise ValueError(
                f"`context` must hold entries of {name!r} that occurred in training, such as "
                f"{shown(ids[0])}. Received: {shown(entry)}."
            )
        found[name] = place[0]
    return found


def check_context(state: State) -> None:
    """Refuse a context without a column that the model reads.

    Args:
        state: `State`.
    """
    optional = optional_inputs(state.model)
    for name in context_inputs(state.model):
        if name not in optional and (state.context or {}).get(name) is None:
            raise ValueError(
                f"`context` must hold {name!r}, a context column of the model: pass `context={{{name!r}: "
                "...}`. Received: a context without it."
            )


def _names(state: State) -> list[str]:
    return [*context_inputs(state.model), *_of_second(state)]


def _of_second(state: State) -> list[str]:
    """Columns that the second stage reads and a call may give."""
    if state.order is None:
        return []
    second = state.order.second
    if isinstance(second, State):
        return _names(second)
    from kerasrec.recommender._clicks import STAGE_COLUMNS

    columns = second.columns
    return [x for x in columns.fitted if x not in {columns.user, columns.item, *STAGE_COLUMNS}]
