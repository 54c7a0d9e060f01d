"""A copy of a model to train while the original serves lists."""

import contextlib
import warnings
from collections.abc import Iterator

import keras
import numpy as np

from kerasrec._forks import check_fork
from kerasrec.data import Interactions
from kerasrec.recommender import _vectors
from kerasrec.recommender._resizing import Growth, is_of_a_graph, resized, value_of
from kerasrec.recommender._state import State


def is_graph(model: keras.Model) -> bool:
    """Whether a model is functional.

    Args:
        model: `keras.Model`.
    """
    try:
        return model.inputs is not None
    except (AttributeError, ValueError):
        return False


def copied(state: State, interactions: Interactions) -> keras.Model:
    """A model with the same weights and optimizer state.

    A graph model gets the edges of these interactions, including new ones. A model that cannot be recreated
    from its config is returned itself, with a warning.

    Args:
        state: `State`.
        interactions: `Interactions`.
    """
    check_fork()
    try:
        if is_graph(state.model):
            with contextlib.suppress(TypeError, ValueError):
                return _same_size(state, interactions)
        return _cloned(state)
    except Exception as error:  # a user's class can raise anything
        warnings.warn(
            "`update` trains the model itself, because it cannot be copied, so lists that are served during "
            "the update come from changing weights; define `get_config` and `from_config` in its class, or "
            f"stop serving during an update. Received: {state.name!r} of type {type(state.model).__name__} "
            f"({type(error).__name__}: {str(error).strip().partition(chr(10))[0]}).",
            stacklevel=6,
        )
        return state.model


@contextlib.contextmanager
def restored_on_error(model: keras.Model) -> Iterator[None]:
    """Restore a model's weights if training fails.

    Args:
        model: `keras.Model`.
    """
    optimizer = [] if model.optimizer is None else model.optimizer.variables
    kept = [(x, value_of(x)) for x in (*model.variables, *optimizer)]
    try:
        yield
    except Exception:
        for variable, value in kept:
            variable.assign(value)
        raise


def _same_size(state: State, interactions: Interactions) -> keras.Model:
    same = {"user": Growth(state.n_users, state.n_users), "item": Growth(state.n_items, state.n_items)}
    edges = None
    if any(map(is_of_a_graph, state.model.layers)):
        from kerasrec.zoo._fitted import positives

        edges = positives(interactions).nonzero()
    return resized(state.model, same, edges)


def _cloned(state: State) -> keras.Model:
    """A copy of a model of any class, made from its config; it shares the loss, which has no state."""
    model = state.model
    classes = {type(part).__name__: type(part) for part in model._flatten_layers()}
    with keras.saving.custom_object_scope(classes):
        copy = type(model).from_config(model.get_config())
        copy.name = model.name
        if not is_graph(copy):  # it creates its weights when it is called
            first = np.zeros(1, np.int32)
            copy({**_vectors.inputs(state).users(first), "item": first[:, None]}, training=False)
        _assign(model.variables, copy.variables)
        if not model.compiled:
            return copy
        settings = {name: entry for name, entry in model.get_compile_config().items() if name != "loss"}
        copy.compile(**keras.saving.deserialize_keras_object(settings), loss=model.loss)
    if model.optimizer is not None and model.optimizer.built:
        if not copy.optimizer.built:
            copy.optimizer.build(copy.trainable_variables)
        _assign(model.optimizer.variables, copy.optimizer.variables)
    return copy


def _assign(before: list[keras.Variable], after: list[keras.Variable]) -> None:
    shapes = [[tuple(variable.shape) for variable in variables] for variables in (before, after)]
    if shapes[0] != shapes[1] or {id(x) for x in before} & {id(x) for x in after}:
        raise ValueError("a model made from its config has different variables, or shares the original's")
    for old, new in zip(before, after, strict=True):
        new.assign(value_of(old))
