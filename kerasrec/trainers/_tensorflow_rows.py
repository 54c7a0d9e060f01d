"""The rows of tables that a training step on TensorFlow reads and changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrec.trainers._keras import AutocastScope, in_stateless_scope
from kerasrec.trainers._repeats import Repeats
from kerasrec.trainers._rows import why_not_this_table


@dataclass(eq=False)
class Read:
    """One lookup of a step: the table, the ids, their rows and the gradient of the loss.

    If the repeated ids are known, it also has `repeats` and, as `values`, the rows of their `ids`. If rows
    are brought up to date, it has their `slots`.
    """

    table: Any
    ids: Any
    rows: Any
    repeats: Repeats | None = None
    values: Any = None
    slots: dict[str, Any] | None = None
    gradient: Any = None


class Rows:
    """The rows of a table that a step read, each once, with the sum of their gradients.

    Args:
        table: `keras.Variable`.
        ids: `[R]`.
        values: `[R, ...]`, the rows.
        gradient: `[R, ...]`.
        gaps: bool, whether ids may equal the table's size; these have no row, and are not written.
        slots: by name, `[R, ...]`, if they were brought up to date; otherwise they are read for the update.
    """

    def __init__(
        self,
        table: Any,
        ids: Any,
        values: Any,
        gradient: Any,
        gaps: bool,
        slots: dict[str, Any] | None = None,
    ) -> None:
        self.table = table
        self.ids = ids
        self.values = values
        self.gradient = gradient
        self.gaps = gaps
        self.slots = slots

    @property
    def regularizer_scale(self) -> Any:
        """The weight of the regularizer for each row, `[R, 1, ...]` or a scalar."""
        if not self.gaps:
            return self.table.shape[0] / tf.cast(tf.size(self.ids), self.table.dtype)
        there = tf.cast(self.ids < self.table.shape[0], self.table.dtype)
        scale = there * (self.table.shape[0] / tf.reduce_sum(there))
        return tf.reshape(scale, [-1, *[1] * (len(self.table.shape) - 1)])


def regularized(whole: list[Any], rows: dict[int, Rows]) -> Iterator[tuple[Any, Any, Any]]:
    """The tables with a regularizer, the values that it acts on, and its factor."""
    for table in whole:
        if table.regularizer is not None:
            yield table, table.value, 1.0
    for part in rows.values():
        if part.table.regularizer is not None:
            yield part.table, part.values, part.regularizer_scale


def whole_gradient(table: Any, reads: list[Read], other: Any) -> Any:
    gradient = tf.math.unsorted_segment_sum(
        flat([read.gradient for read in reads], table.shape[1:]),
        flat([read.ids for read in reads], ()),
        table.shape[0],
    )
    return gradient if other is None else gradient + other


def memory_of(variable: tf.Variable, at_least: int) -> list[tuple[int, int]]:
    """Address and size of a variable with at least `at_least` bytes in main memory; empty for others."""
    n_bytes = variable.dtype.size * variable.shape.num_elements()
    if n_bytes < at_least or tf.DeviceSpec.from_string(variable.device).device_type != "CPU":
        return []
    # Before the first change of a variable, reading gives its own memory; afterwards a copy, freed at once.
    array = np.frombuffer(memoryview(variable.read_value()), "uint8")
    return [(array.ctypes.data, n_bytes)]


def column(ids: Any) -> Any:
    """The integers whose shape or type a layer changed to get its ids; layers may share this column."""
    # A cast to fewer bits would change some ids.
    while ids.op.type in ("Squeeze", "Reshape", "ExpandDims", "Cast") and (
        ids.op.inputs[0].dtype.is_integer and ids.dtype.size >= min(4, ids.op.inputs[0].dtype.size)
    ):
        ids = ids.op.inputs[0]
    return ids


def flat(parts: list[Any], row_shape: Any) -> Any:
    parts = [tf.reshape(part, [-1, *row_shape]) for part in parts]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)


def _unique(ids: Any) -> Repeats:
    once, inverse = tf.unique(ids)
    return Repeats(once, inverse, tf.size(once))


# Function of a table, ids `[R]` and their rows `[R, ...]` that returns up-to-date rows and slots.
CatchUpRows = Callable[[Any, Any, Any], tuple[Any, dict[str, Any]]]


class Lookups:
    """Records the lookups of one step, and makes the rows that they read differentiable.

    Args:
        batch_size: int, number of samples in a batch.
        repeats: function of a table, the number of rows that a lookup reads, and the tensor of ids; returns
            the repeats that NumPy found in these ids, or `None`.
        catch_up: function of the same arguments; returns a function that brings rows of the table up to date,
            or `None`.
        unique: bool, whether repeated ids can be found in the graph, which XLA cannot do.
    """

    tape: tf.GradientTape

    def __init__(
        self,
        batch_size: int,
        repeats: Callable[[Any, int, Any], Repeats | None],
        catch_up: Callable[[Any, int, Any], CatchUpRows | None],
        unique: bool,
    ) -> None:
        self._batch_size = batch_size
        self._repeats = repeats
        self._catch_up = catch_up
        self._unique = unique
        self._columns: dict[int, tuple[Any, Any]] = {}
        self.reads: list[Read] = []
        self.repeats: dict[Any, Any] = {}

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        # Keras builds layers in a stateless scope, without values.
        if not table.trainable or why_not_this_table(table) or in_stateless_scope():
            return None
        n = self._n(ids)
        repeats = self._repeats(table, n, column(ids))
        with AutocastScope(None):  # in a half-precision layer, `value` would be a converted copy
            catch_up = self._catch_up(table, n, column(ids))
            if catch_up is not None and repeats is None and self._unique:
                repeats = self._of_column(ids, _unique)
            read = Read(table, ids, None, repeats)
            if repeats is not None:
                read.values = table.value.sparse_read(repeats.ids)
                if catch_up is not None:
                    read.values, read.slots = catch_up(table, repeats.ids, read.values)
                rows = tf.gather(read.values, tf.reshape(repeats.inverse, tf.shape(ids)))
            elif catch_up is not None:
                flat_ids = self._of_column(ids, lambda flat_ids: flat_ids)
                values, read.slots = catch_up(table, flat_ids, table.value.sparse_read(flat_ids))
                rows = tf.reshape(values, [*tf.unstack(tf.shape(ids)), *table.shape[1:]])
            else:
                rows = table.value.sparse_read(ids)
            read.rows = tf.stop_gradient(rows)
            read.rows.set_shape([*ids.shape, *table.shape[1:]])
        self.tape.watch(read.rows)
        self.reads.append(read)
        return read.rows

    def _of_column(self, ids: Any, made: Callable[[Any], Any]) -> Any:
        """A value made from a column's ids `[N]`, once for all tables that they read."""
        key = id(column(ids))
        if key not in self._columns:
            self._columns[key] = ids, made(tf.reshape(ids, [-1]))
        return self._columns[key][1]

    def keep(self, variables: list[Any]) -> None:
        """Forget lookups of tables other than these."""
        known = {id(v) for v in variables}
        self.reads = [read for read in self.reads if id(read.table) in known]

    @property
    def tables(self) -> list[Any]:
        return list({id(read.table): read.table for read in self.reads}.values())

    def of(self, table: Any) -> list[Read]:
        return [read for read in self.reads if read.table is table]

    def n(self, table: Any) -> int:
        return sum(self._n(read.ids) for read in self.of(table))

    def _n(self, ids: Any) -> int:
        return int(ids.shape[0] or self._batch_size) * int(ids.shape[1:].num_elements() or 1)
