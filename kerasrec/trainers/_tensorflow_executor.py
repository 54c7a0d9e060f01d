"""How TensorFlow traces and runs a function: its executor, of which one thread is faster for small steps."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf


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


def whole_numbers(n: int, beside: Any) -> Any:
    """A variable of `n` zeros beside a Keras variable on its device, which may be made in a trace.

    Even in an `init_scope`, TensorFlow would notice it and trace the whole function a second time. What
    another thread makes belongs to no trace.
    """

    def made() -> Any:
        with tf.device(beside.value.device):
            return tf.Variable(tf.zeros((n,), "int32"), trainable=False)

    with ThreadPoolExecutor(max_workers=1) as alone:
        return alone.submit(made).result()
