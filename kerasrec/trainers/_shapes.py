"""The tables that a model would have, found without any memory for them."""

import random
import warnings
from collections.abc import Callable
from typing import Any

from kerasrec.trainers._keras import StatelessScope, global_state

# What making a model changes for those made after it: their names, and the seeds that nobody gave.
_NAMES, _SEEDS = "object_name_uids", "global_seed_generator"


def shapes_of(make: Callable[[], Any]) -> list[tuple[int, ...]]:
    """Shapes of the variables that `make()` would make; what it raises is for the real one to say.

    Args:
        make: function that makes a model of layers of its own.
    """
    left = global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True)
    before = list(left)
    names, seeds = global_state.get_global_attribute(_NAMES), global_state.get_global_attribute(_SEEDS)
    names = None if names is None else names.copy()
    drawn = random.getstate()
    try:
        with warnings.catch_warnings(), StatelessScope(initialize_variables=False):
            warnings.simplefilter("ignore")
            make()
    except Exception:  # noqa: BLE001, S110
        pass  # metrics of a compiled model cannot be made there, nor can what has wrong settings
    finally:
        made = [tuple(variable.shape) for variable in left[len(before) :]]
        left[:] = before
        random.setstate(drawn)
        global_state.set_global_attribute(_NAMES, names)
        global_state.set_global_attribute(_SEEDS, seeds)
    return made
