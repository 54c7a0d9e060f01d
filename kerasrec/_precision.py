"""Half precision, where it would overflow or lose a floor to 0."""

from typing import Any

import keras
from keras import ops


def at_least_float32(x: Any) -> Any:
    """`x` in float32 where it is of half precision."""
    if keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16"):
        return ops.cast(x, "float32")
    return x
