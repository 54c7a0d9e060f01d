"""What a model takes, before it is made."""

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
# Adam's two moments stand beside each weight.
_WITH_SLOTS = 3


@dataclass(frozen=True)
class Needs:
    """Bytes that a model takes at least, with its optimizer: as much memory, and as much of a disk.

    Args:
        n_bytes: int.
        of_what: what takes them, in words.
        trains: bool, whether the model is to be trained.
    """

    n_bytes: int
    of_what: str
    trains: bool

    def check(self) -> None:
        """Refuse a model that this process has no memory for."""
        check_memory(self.n_bytes, self.of_what, self.trains)


def needs_of(
    card: Card,
    interactions: "Interactions",
    settings: Mapping[str, Any],
    make: Callable[[], keras.Model],
) -> Needs:
    """What a model takes: of its tables of users and items alone where others cannot be known.

    Args:
        card: `Card` of the model.
        interactions: `Interactions` that it is made for.
        settings: hyperparameters, of which layers and other objects are used as they are.
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
    found.check()  # a size that nothing could be made of
    if not trained or not all(map(_is_plain, settings.values())):
        return found
    weights = sum(map(math.prod, shapes_of(make)))
    return Needs(_FLOAT * copies * weights, of_what, trained)


def _is_plain(value: Any) -> bool:
    """Numbers and text; a layer would be built with the model that nobody wants."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
