"""Seeds of everything random."""

import numbers
import random

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from keras.src.utils import rng_utils


def check_seed(seed: int) -> int:
    """The seed, or a `ValueError` if it is invalid."""
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise ValueError(
            "`seed` must be a whole number from 0 to below 2^32; `seed % 2**32` turns any integer into one. "
            f"Received: seed={seed!r}."
        )
    return int(seed)


def set_random_seed(seed: int) -> None:
    """`keras.utils.set_random_seed`, but without importing TensorFlow on JAX, which takes seconds."""
    seed = check_seed(seed)
    if keras.backend.backend() != "jax":
        keras.utils.set_random_seed(seed)
        return
    global_state.set_global_attribute(rng_utils.GLOBAL_RANDOM_SEED, seed)
    global_state.set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, None)
    random.seed(seed)
    np.random.seed(seed)
