"""Builds a compiled model from graphs."""

import contextlib
import inspect
import random
from collections.abc import Iterator
from typing import Any

import keras

from kerasrec.compat._model import TensorRecModel


def instance_of(name: str, graph: Any, base: type, default: type | None) -> Any:
    """A graph, given as an object or as its class; the default for `None`."""
    if graph is None and default is not None:
        graph = default
    if inspect.isclass(graph) and issubclass(graph, base):
        graph = graph()
    if graph is not None and not isinstance(graph, base):
        raise ValueError(f"`{name}` must be an {base.__name__}. Received: {name}={graph!r}.")
    return graph


def build(tensorrec: Any, n_user_features: int, n_item_features: int) -> TensorRecModel:
    """The compiled model of a `TensorRec` for these numbers of features."""
    n_components, n_tastes = tensorrec.n_components, tensorrec.n_tastes

    def layer(name: str, n_features: int) -> Any:
        made = getattr(tensorrec, name).create_layer(n_features, n_components)
        if not isinstance(made, keras.layers.Layer):
            raise TypeError(f"`create_layer` of `{name}` must return a Keras layer. Received: {made!r}.")
        return made

    with _seeded(tensorrec.seed):
        n_attentions = 0 if tensorrec.attention_graph is None else n_tastes
        model = TensorRecModel(
            [layer("user_repr_graph", n_user_features) for _ in range(n_tastes)],
            [layer("attention_graph", n_user_features) for _ in range(n_attentions)],
            layer("item_repr_graph", n_item_features),
            tensorrec.prediction_graph.create_score(),
            tensorrec.loss_graph,
            tensorrec.biased,
            n_user_features,
            n_item_features,
            n_components,
        )
    # The original's Adam moves every row in every step. A step is a large batch, so one per call is enough.
    model.compile(keras.optimizers.Adam(epsilon=1e-8), row_sparse=False, steps_per_execution=1)
    return model


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Derive the seeds of layers without one from `seed`; Keras draws them from Python's generator."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
