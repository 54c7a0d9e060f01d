"""Conversion from half precision, which would overflow or round small bounds to 0."""

from typing import Any

import keras
from keras import ops


def at_least_float32(x: Any) -> Any:
    """`x` in float32 if it has half precision; otherwise unchanged."""
    if keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16"):
        return ops.cast(x, "float32")
    return x
