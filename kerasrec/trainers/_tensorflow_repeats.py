"""The ids that repeat in the batches of a run, as a compiled function of TensorFlow takes them."""

from typing import Any

import tensorflow as tf

from kerasrec.trainers._blocks import Run, on_host
from kerasrec.trainers._repeats import Limits, Repeats, repeats_of


class RepeatsOfRuns:
    """Finds the repeats of runs, and makes tensors of them.

    Attributes:
        limits: the columns in which repeats are looked for; grows while steps are traced.
    """

    def __init__(self) -> None:
        self.limits: Limits = {}
        self._nothing: dict[int, Repeats] = {}
        self._rooms: dict[tuple[int, int], int] = {}

    def find(self, run: Run, fixed: bool) -> dict[int, Repeats]:
        """The repeats in the columns in which they are looked for, as far as they were not found ahead.

        Args:
            run: the run.
            fixed: bool, whether they are for a program of fixed shape, which computes as many rows as there
                is room for.

        Returns:
            By the number of the column, its repeats.
        """
        ahead = run.get("repeats", {})
        found = repeats_of(run, {n: limit for n, limit in self.limits.copy().items() if n not in ahead})
        if fixed:
            found = {
                number: part._replace(ids=part.ids[:, : self._room(number, part)])
                for number, part in found.items()
            }
        return ahead | {number: Repeats(*map(tf.convert_to_tensor, part)) for number, part in found.items()}

    def of_all(self, run: Run, leaves: list[Any], fixed: bool) -> dict[int, Repeats]:
        """As `find`, and without any ids for other columns of integers: the function takes those, too."""
        found, n_batches = self.find(run, fixed), len(leaves[0])
        if n_batches not in self._nothing:
            no_ids = tf.zeros((n_batches, 0), "int32")
            self._nothing[n_batches] = Repeats(no_ids, no_ids, tf.zeros(n_batches, "int32"))
        return {number: found.get(number, self._nothing[n_batches]) for number in _integers(leaves)}

    def _room(self, number: int, found: Repeats) -> int:
        """How many ids a batch has room for in a program of fixed shape.

        As many as batches of its size had so far, and some more; once that was too few, as many as there can
        be, since for every room the program is compiled again.
        """
        size, most = found.inverse.shape[1], int(found.count.max())
        room = self._rooms.get((number, size), 0)
        if most > room:
            step = -(-size // 8)
            room = size if room else -(-(most + step // 2) // step) * step
            self._rooms[number, size] = room
        return room


def repeats_signature(leaves: list[Any]) -> dict[int, Repeats]:
    """What a function takes for the repeats of a stack with these leaves, of any number of steps and ids."""
    ids = tf.TensorSpec((None, None), tf.int32)
    return {number: Repeats(ids, ids, tf.TensorSpec((None,), tf.int32)) for number in _integers(leaves)}


def _integers(leaves: list[Any]) -> list[int]:
    """The leaves in which NumPy may look for repeats."""
    return [number for number, leaf in enumerate(leaves) if leaf.dtype.is_integer] if on_host() else []
