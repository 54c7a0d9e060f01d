"""Seeds of everything random."""

import random

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from keras.src.utils import rng_utils


def set_random_seed(seed: int) -> None:
    """As `keras.utils.set_random_seed`, without loading TensorFlow, which takes seconds, on JAX."""
    if keras.backend.backend() != "jax":
        keras.utils.set_random_seed(seed)
        return
    global_state.set_global_attribute(rng_utils.GLOBAL_RANDOM_SEED, seed)
    global_state.set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, None)
    random.seed(seed)
    np.random.seed(seed)
