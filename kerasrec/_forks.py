"""Detects processes that were forked after the backend started its threads, which a fork does not copy."""

import os
import sys
from typing import Any

import keras

_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}
_forked = False


def check_fork() -> None:
    """Refuse to call the backend if it would wait for threads that do not exist.

    Raises:
        RuntimeError: if this process was forked after TensorFlow or JAX had computed something.
    """
    if _forked:
        raise RuntimeError(
            "A process must not be forked after the backend has computed: its threads are not copied, so "
            "calls would hang. Load the recommender in each worker (gunicorn without --preload) or start "
            f"workers by 'spawn'. Received: a call of {_NAMES[keras.backend.backend()]} in forked process "
            f"{os.getpid()}."
        )


def _has_computed() -> bool:
    """Whether the backend has started its threads; `False` if that cannot be found out."""
    try:
        if keras.backend.backend() == "tensorflow":
            context: Any = sys.modules["tensorflow.python.eager.context"]
            return context.context()._context_handle is not None
        if keras.backend.backend() == "jax":
            bridge: Any = sys.modules["jax._src.xla_bridge"]
            return bool(bridge.backends_are_initialized())
    except (KeyError, AttributeError):  # other versions store it elsewhere
        return False
    return False


def _in_child() -> None:
    global _forked
    _forked = _forked or _has_computed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
