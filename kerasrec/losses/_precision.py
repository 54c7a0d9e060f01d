from typing import Any

import keras


def at_least_float32(x: Any) -> Any:
    """`x` in float32 where it is of half precision: sums over a list overflow there."""
    if keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16"):
        return keras.ops.cast(x, "float32")
    return x
