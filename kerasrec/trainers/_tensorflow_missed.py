"""Missed updates on TensorFlow: variables next to the tables, and sums that a step looks up."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python.xla import optimization_barrier

from kerasrec.trainers._forms import Gap, Slots, catch_up_slots, catch_up_weights, gap
from kerasrec.trainers._missed import Missed, Table
from kerasrec.trainers._tensorflow_executor import whole_numbers


class TensorFlowMissed(Missed):
    """`Missed` for resource variables."""

    def read(self, variable: Any, ids: np.ndarray) -> np.ndarray:
        return np.asarray(variable._value.sparse_read(ids).numpy())

    def write(self, variable: Any, ids: np.ndarray, rows: np.ndarray) -> None:
        variable._value.scatter_update(tf.IndexedSlices(rows, ids))

    def last_steps(self, key: Any) -> np.ndarray:
        return np.asarray(self.lasts[key].numpy())

    def new_last_steps(self, variable: Any) -> Any:
        return whole_numbers(variable.shape[0], variable)

    def clear_last_steps(self, key: Any) -> None:
        self.lasts[key].assign(tf.zeros_like(self.lasts[key]))

    def in_trace(self) -> bool:
        return not tf.executing_eagerly()

    def outside_of_traces(self) -> contextlib.AbstractContextManager[Any]:
        return tf.init_scope()

    def _mapped(self, schedule: Any, steps: Any) -> Any:
        @tf.function(autograph=False)
        def every(steps: Any) -> Any:
            return tf.map_fn(
                lambda step: tf.cast(schedule(step), tf.float32), steps, fn_output_signature=tf.float32
            )

        return every(steps)

    def signature(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """The inputs of a traced function."""
        clock = tf.TensorSpec((3,), tf.int32)
        return clock, tf.TensorSpec((self.limit + 1, self.form.columns), tf.float32)

    @contextlib.contextmanager
    def call(self, optimizer: Any, tables: frozenset[int], n_steps: int) -> Iterator[tuple[Any, Any]]:
        """The inputs of a call of `n_steps` steps, which are counted after it.

        Args:
            optimizer: the optimizer.
            tables: identities of the tables' variables.
            n_steps: int.
        """
        before = int(optimizer._iterations.numpy())
        rate = optimizer._learning_rate
        rate = float(rate.numpy()) if isinstance(rate, keras.Variable) else None
        given = self.begin(tables, n_steps, before, rate)
        try:
            yield given
        finally:  # an error may end the call after any step
            self.end(int(optimizer._iterations.numpy()) - before)


class CatchUp:
    """Brings the rows that a step reads up to date, while the step is traced.

    Args:
        missed: `TensorFlowMissed` with the tables.
        given: result of `Missed.begin`: `[3]` and the table of sums.
        step: scalar, the number of the step in its call.
        xla: bool, whether XLA compiles the step.

    Attributes:
        readers: by identity of a table's variable, the columns of ids that read it.
    """

    def __init__(self, missed: TensorFlowMissed, given: tuple[Any, Any], step: Any, xla: bool) -> None:
        clock, self._sums = given
        self.missed = missed
        self._xla = xla
        self.readers: dict[int, set[int]] = {}
        self._now = clock[0] + step
        self._since, self._since_weights = clock[1], clock[2]
        self._gaps: dict[Any, tuple[Any, Gap]] = {}
        self._read: dict[Any, list[Any]] = {}

    def add(self, variable: Any, column: Any) -> None:
        """Note that the step reads a table by a column of ids."""
        self.readers.setdefault(id(variable), set()).add(id(column))

    def rows(self, variable: Any, ids: Any, weights: Any) -> tuple[Any, Slots]:
        """Weights and slots of rows, up to date.

        Args:
            variable: the table.
            ids: `[R]`.
            weights: `[R, ...]`, as stored in the table.
        """
        table = self.missed.table(variable, self.readers)
        form, dtype = self.missed.form, _precision(table)
        slots = {name: tf.cast(slot._value.sparse_read(ids), dtype) for name, slot in table.slots.items()}
        key = table.last, id(ids), dtype
        if key not in self._gaps:
            self._gaps[key] = ids, self._gap(table, ids, dtype)
        _, missed = self._gaps[key]
        weights = catch_up_weights(form, tf, tf.cast(weights, dtype), slots, missed, table.decayed)
        slots = catch_up_slots(form, slots, missed)
        rows = [tf.cast(part, variable._dtype) for part in (weights, *slots.values())]
        if self._xla:
            # Without the barrier, XLA would read rows again for the write, and copy the tables first.
            rows = optimization_barrier(*rows)
        return rows[0], dict(zip(slots, rows[1:], strict=True))

    def write(self, parts: Iterable[Any]) -> None:
        """Remember that the rows of these parts are up to date after this step."""
        ids_of = {self.missed.tables[id(part.table)].last: part.ids for part in parts}
        for last, ids in ids_of.items():
            steps = tf.fill(tf.shape(ids), self._now + 1)
            if self._xla:
                # No row's last step is after this one, so the maximum changes nothing. It makes the write
                # depend on the read: otherwise XLA might write first, and would copy the whole array for that
                # at every step.
                *others, latest = self._read[last]
                steps = tf.maximum(steps, latest)
                for read in others:
                    steps = tf.maximum(steps, tf.reduce_max(read))
            self.missed.lasts[last].scatter_update(tf.IndexedSlices(steps, ids))

    def _gap(self, table: Table, ids: Any, dtype: str) -> Gap:
        form = self.missed.form
        last = self.missed.lasts[table.last].sparse_read(ids)
        if self._xla:
            (last,) = optimization_barrier(last)  # read once for all uses
        self._read.setdefault(table.last, []).append(last)
        begin = tf.maximum(last, self._since)
        missed = tf.cast(self._now - begin, dtype)
        if not form.columns:
            return gap(form, tf, missed, missed, [], [])
        settled = tf.maximum(begin, self._since_weights)
        then = tf.unstack(tf.cast(tf.gather(self._sums, settled), dtype), num=form.columns, axis=1)
        now = tf.unstack(tf.cast(tf.gather(self._sums, self._now), dtype), num=form.columns)
        return gap(form, tf, missed, tf.cast(settled - begin, dtype), then, now)


def _precision(table: Table) -> str:
    """The precision in which a table's rows are brought up to date."""
    return "float64" if table.variable._dtype == "float64" else "float32"
