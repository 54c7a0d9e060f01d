"""One way to read a table by id, which a trainer can watch."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import keras


class LookupWatcher(Protocol):
    """What a trainer puts in place to see the rows that a step reads."""

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
    # A table whose rows lie on many devices reads them there.
    if hasattr(table, "take_rows"):
        return table.take_rows(ids)
    return keras.ops.take(table, ids, axis=0)


@contextlib.contextmanager
def keras_embeddings_seen(model: Any) -> Iterator[None]:
    """Let the plain `keras.layers.Embedding`s of a model read their tables through `lookup` as well.

    A layer with LoRA or quantised weights reads more than its rows, and a subclass may do anything: these are
    left alone.
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
