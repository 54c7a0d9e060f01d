"""Functions with a gradient of their own."""

import contextlib
import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """`keras.ops.custom_gradient`, but on TensorFlow a traced gradient ends with its graph.

    TensorFlow keeps the gradient of every traced call in a registry, forever. The gradient holds tensors, and
    these hold their graph, so that every trained model would leave its graphs in memory.

    Args:
        function: function of tensors that returns a tensor and a gradient, as for Keras.

    Returns:
        A function of the same tensors that returns the tensor alone.
    """
    derived = ops.custom_gradient(function)
    if keras.backend.backend() != "tensorflow":
        return derived

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        result = derived(*args)
        if sys.modules["tensorflow"].is_symbolic_tensor(result):
            _end_with_graph(result.op)
        return result

    return call


@contextlib.contextmanager
def gradients_end_with_graph() -> Iterator[None]:
    """The same for custom gradients of Keras and TensorFlow that are traced in this context."""
    graph: Any = sys.modules["tensorflow"].compat.v1.get_default_graph()
    n = len(graph.get_operations())
    yield
    for operation in graph.get_operations()[n:]:
        if operation.type == "IdentityN":
            _end_with_graph(operation)


def _end_with_graph(operation: Any) -> None:
    """Let the graph hold the custom gradient of an operation, and the registry only refer to it."""
    try:
        name = operation.get_attr("_gradient_op_type").decode()
        registry = sys.modules["tensorflow.python.framework.ops"].gradient_registry
        gradient, entries = registry.lookup(name), registry._registry
    except (LookupError, AttributeError, ValueError):  # it has none, or this version stores it elsewhere
        return
    if gradient.__module__ == __name__:  # such a reference already
        return
    graph = operation.graph
    graph._kerasrec_gradients = [*getattr(graph, "_kerasrec_gradients", ()), gradient]
    held: Any = weakref.ref(gradient, lambda _: entries.pop(name, None))
    del entries[name]
    registry.register(lambda *args: held()(*args), name)
