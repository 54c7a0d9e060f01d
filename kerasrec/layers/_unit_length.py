from typing import Any

from keras import ops

from kerasrec._precision import at_least_float32


def unit_length(x: Any) -> Any:
    """Vectors of the last axis divided by their length, whose square is at least 1e-12.

    Below this bound, there is no gradient: it would be a million times the gradient of the result, which
    overflows half precision, and such a vector has no direction anyway.
    """
    wide = at_least_float32(x)
    square = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    short = square < 1e-12
    wide = ops.where(short, ops.stop_gradient(wide), wide)
    return ops.cast(wide * ops.rsqrt(ops.where(short, 1e-12 * ops.ones_like(square), square)), x.dtype)
