"""Repeated ids in the batches of a run, as inputs of a compiled TensorFlow function."""

from typing import Any

import tensorflow as tf

from kerasrec.trainers._blocks import Run, on_host
from kerasrec.trainers._repeats import Limits, Repeats, repeats_of


class RepeatsOfRuns:
    """Finds the repeated ids of runs, and converts them to tensors.

    Attributes:
        limits: the columns in which to look for repeated ids; grows while steps are traced.
    """

    def __init__(self) -> None:
        self.limits: Limits = {}
        self._nothing: dict[int, Repeats] = {}
        self._rooms: dict[tuple[int, int], int] = {}

    def find(self, run: Run, fixed: bool) -> dict[int, Repeats]:
        """The repeated ids in the columns of `limits`, unless they were found ahead.

        Args:
            run: the run.
            fixed: bool, whether the program has a fixed shape, and so computes as many rows as it has room
                for.

        Returns:
            The repeats by number of the column.
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
        """The same as `find`, with empty repeats for other integer columns, which the function also takes."""
        found, n_batches = self.find(run, fixed), len(leaves[0])
        if n_batches not in self._nothing:
            no_ids = tf.zeros((n_batches, 0), "int32")
            self._nothing[n_batches] = Repeats(no_ids, no_ids, tf.zeros(n_batches, "int32"))
        return {number: found.get(number, self._nothing[n_batches]) for number in _integers(leaves)}

    def _room(self, number: int, found: Repeats) -> int:
        """The room for ids of a batch in a program of fixed shape.

        First, this is a little more than batches of this size had so far. If it was too little once, it is
        the maximum possible number, because the program is compiled again for each value.
        """
        size, most = found.inverse.shape[1], int(found.count.max())
        room = self._rooms.get((number, size), 0)
        if most > room:
            step = -(-size // 8)
            room = size if room else -(-(most + step // 2) // step) * step
            self._rooms[number, size] = room
        return room


def repeats_signature(leaves: list[Any]) -> dict[int, Repeats]:
    """The signature of the repeats of a stack with these leaves, for any number of steps and ids."""
    ids = tf.TensorSpec((None, None), tf.int32)
    return {number: Repeats(ids, ids, tf.TensorSpec((None,), tf.int32)) for number in _integers(leaves)}


def _integers(leaves: list[Any]) -> list[int]:
    """The leaves in which NumPy may look for repeats."""
    return [number for number, leaf in enumerate(leaves) if leaf.dtype.is_integer] if on_host() else []
