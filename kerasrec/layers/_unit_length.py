from typing import Any

from keras import ops

from kerasrec._precision import at_least_float32


def unit_length(x: Any) -> Any:
    """Vectors of the last axis over their length, whose square is floored at 1e-12.

    Below the floor there is no gradient: it would be a million times that of the result, which leaves half
    precision, and the vector is one without features or direction.
    """
    wide = at_least_float32(x)
    square = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    short = square < 1e-12
    wide = ops.where(short, ops.stop_gradient(wide), wide)
    return ops.cast(wide * ops.rsqrt(ops.where(short, 1e-12 * ops.ones_like(square), square)), x.dtype)
