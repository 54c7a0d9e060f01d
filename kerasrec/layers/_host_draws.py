from collections.abc import Sequence

import numpy as np

_BLOCK = 1 << 20


def normal(shape: Sequence[int], scale: float, seed: int, truncated: bool = False) -> np.ndarray:
    """Draw from N(0, scale²) by NumPy, the same for a seed wherever it runs.

    JAX would compile the draws again for each shape, which takes longer than drawing.

    Args:
        shape: of the result.
        scale: float, factor of what is drawn from N(0, 1).
        seed: int.
        truncated: bool, whether values more than two standard deviations off are drawn again.

    Returns:
        Array of that shape, float32.
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
