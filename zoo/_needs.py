"""The memory and disk space that a model needs, estimated before it is made."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from kerasrec._memory import check_memory
from kerasrec.trainers._shapes import shapes_of
from kerasrec.zoo._card import Card

if TYPE_CHECKING:
    from kerasrec.data import Interactions

_FLOAT = 4
# A weight and Adam's two moments.
_WITH_SLOTS = 3


@dataclass(frozen=True)
class Needs:
    """The minimum number of bytes that a model and its optimizer need, both in memory and on disk.

    Args:
        n_bytes: int.
        of_what: what needs them, in words.
        trains: bool, whether the model will be trained.
    """

    n_bytes: int
    of_what: str
    trains: bool

    def check(self) -> None:
        """Refuse a model that does not fit into this process's memory."""
        check_memory(self.n_bytes, self.of_what, self.trains)


def needs_of(
    card: Card,
    interactions: "Interactions",
    settings: Mapping[str, Any],
    make: Callable[[], keras.Model],
) -> Needs:
    """The needs of a model; only those of its user and item tables if others cannot be found.

    Args:
        card: `Card` of the model.
        interactions: `Interactions` that it is made for.
        settings: hyperparameters.
        make: makes the model.
    """
    trained = card.optimizer is not None
    copies = _WITH_SLOTS if trained else 1
    of_what = f"the weights of {card.name}" + (" and the moments of its optimizer" if trained else "")
    n_components = settings.get("n_components", 0)
    least = 0
    if _is_plain(n_components) and isinstance(n_components, (int, float)) and 0 < n_components < math.inf:
        least = int(n_components) * (interactions.n_users + interactions.n_items)
    found = Needs(_FLOAT * copies * least, of_what, trained)
    found.check()  # too large even to trace the model
    if not trained or not all(map(_is_plain, settings.values())):
        return found
    weights = sum(map(math.prod, shapes_of(make)))
    return Needs(_FLOAT * copies * weights, of_what, trained)


def _is_plain(value: Any) -> bool:
    """Whether a setting is a number or text; a layer would be built together with the traced model."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
