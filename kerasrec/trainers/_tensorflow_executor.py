"""The choice of TensorFlow's executor for a compiled function; one thread is faster for small steps."""

import contextlib
from collections.abc import Iterator
from typing import Any


def branches(graph: Any) -> bool:
    """Whether a graph has conditionals: nested ones never return on the single-threaded executor."""
    functions = graph.as_graph_def().library.function
    return any("If" in node.op or "Case" in node.op for function in functions for node in function.node_def)


@contextlib.contextmanager
def executor(single: bool) -> Iterator[None]:
    """TensorFlow's single-threaded executor, if this release has one."""
    try:
        from tensorflow.python.eager.context import function_executor_type
    except ImportError:
        yield
        return
    with function_executor_type("SINGLE_THREADED_EXECUTOR" if single else ""):
        yield
