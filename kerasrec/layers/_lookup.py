"""The function by which all layers read tables by id, so that a trainer can watch it."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import keras


class LookupWatcher(Protocol):
    """A trainer's object that sees the rows that a step reads."""

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        """The rows `ids` of `table`, or `None` to leave the lookup to the layer."""


_state = threading.local()


@contextlib.contextmanager
def watch_lookups(watcher: LookupWatcher) -> Iterator[None]:
    """Send every `lookup` of this thread to `watcher` while the context is open."""
    previous = getattr(_state, "watcher", None)
    _state.watcher = watcher
    try:
        yield
    finally:
        _state.watcher = previous


def lookup(table: keras.Variable, ids: Any) -> Any:
    """Rows of a table by integer id; every layer that reads a table by id reads it here.

    Args:
        table: `keras.Variable` of shape `[n, ...]`.
        ids: integer tensor of any shape, values in `0..n-1`.

    Returns:
        Tensor of shape `ids.shape + table.shape[1:]`.
    """
    watcher = getattr(_state, "watcher", None)
    if watcher is not None:
        rows = watcher.lookup(table, ids)
        if rows is not None:
            return rows
    # A sharded table reads its rows on their devices.
    if hasattr(table, "take_rows"):
        return table.take_rows(ids)
    return keras.ops.take(table, ids, axis=0)


@contextlib.contextmanager
def keras_embeddings_seen(model: Any) -> Iterator[None]:
    """Let the plain `keras.layers.Embedding`s of a model read their tables through `lookup` as well.

    Layers with LoRA or quantised weights, which read more than rows, and subclasses are left unchanged.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if type(layer) is keras.layers.Embedding and not layer.lora_enabled and not layer.quantization_mode
    ]

    def reader(layer: Any) -> Any:
        def call(inputs: Any) -> Any:
            ids = inputs if keras.backend.is_int_dtype(inputs.dtype) else keras.ops.cast(inputs, "int32")
            return keras.ops.cast(lookup(layer._embeddings, ids), layer.compute_dtype)

        return call

    try:
        for layer in layers:
            layer.__dict__["call"] = reader(layer)
        yield
    finally:
        for layer in layers:
            del layer.__dict__["call"]
