from collections.abc import Sequence

import numpy as np

_BLOCK = 1 << 20


def normal(shape: Sequence[int], scale: float, seed: int, truncated: bool = False) -> np.ndarray:
    """Draw from N(0, scale²) with NumPy, so that a seed gives the same numbers on every backend.

    JAX would compile the draws again for each shape, which takes longer than drawing.

    Args:
        shape: shape of the result.
        scale: float, standard deviation.
        seed: int.
        truncated: bool, whether to redraw values more than two standard deviations from 0.

    Returns:
        float32 array of this shape.
    """
    generator = np.random.default_rng(seed)
    values = np.empty(shape, "float32")
    flat = values.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        generator.standard_normal(out=block, dtype="float32")
        while truncated and (far := np.flatnonzero(np.abs(block) > 2)).size:
            block[far] = generator.standard_normal(far.size, dtype="float32")
        block *= scale
    return values
