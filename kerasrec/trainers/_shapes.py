"""The shapes of a model's tables, found without allocating memory for them."""

import random
import warnings
from collections.abc import Callable
from typing import Any

from kerasrec.trainers._keras import StatelessScope, global_state

# Global state that making a model changes: the names of later layers, and the default seeds.
_NAMES, _SEEDS = "object_name_uids", "global_seed_generator"


def shapes_of(make: Callable[[], Any]) -> list[tuple[int, ...]]:
    """Shapes of the variables that `make()` would create; errors are left to the real call.

    Args:
        make: function that makes a model from new layers.
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
        pass  # metrics of a compiled model cannot be made here, nor a model with wrong settings
    finally:
        made = [tuple(variable.shape) for variable in left[len(before) :]]
        left[:] = before
        random.setstate(drawn)
        global_state.set_global_attribute(_NAMES, names)
        global_state.set_global_attribute(_SEEDS, seeds)
    return made
