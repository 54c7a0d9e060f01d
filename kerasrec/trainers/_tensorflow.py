"""Fused steps and updates by rows on TensorFlow: one graph around a while loop, resource gathers and scatters."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasrec.layers._lookup import watch_lookups
from kerasrec.trainers._blocks import runs_of
from kerasrec.trainers._keras import tree
from kerasrec.trainers._rows import RowView, regularize, slot_lists, views_in_place, without_regularizers

# Up to this many samples a step, handing work to threads costs more than it saves.
_SMALL_BATCH = 1024


class _UsedDensely(Exception):
    def __init__(self, tables: list[keras.Variable]) -> None:
        self.tables = tables


class TensorFlowEngine:
    """The compiled functions of one compiled model.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups a step to whether it is updated by rows.
    """

    def __init__(self, model: Any, by_rows: Callable[[keras.Variable, int], bool]) -> None:
        self._model = model
        self._by_rows = by_rows
        self._dense: set[int] = set()
        self._compiled: dict[Any, Any] = {}

    def train(self, iterator: Iterator[Any]) -> Any:
        """Run the next block's training steps; logs behind the last one."""
        return self._each_run(iterator, "train")

    def test(self, iterator: Iterator[Any]) -> Any:
        """Run the next block's evaluation steps; logs behind the last one."""
        return self._each_run(iterator, "test")

    def predict(self, blocks: list[Any]) -> Any:
        """Outputs of the blocks' batches, one behind the other."""
        outputs = [self._call("predict", run) for item in blocks for run in runs_of(item)]
        return tree.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)

    def _each_run(self, iterator: Iterator[Any], mode: str) -> Any:
        logs = None
        for run in runs_of(next(iterator)):
            logs = self._call(mode, run)
        return logs

    def _call(self, mode: str, run: dict[str, Any]) -> Any:
        stack = tree.map_structure(tf.convert_to_tensor, run["stack"])
        leaves = tree.flatten(stack)
        spec = tuple((leaf.dtype, leaf.shape[2:]) for leaf in leaves)
        batch_size = leaves[0].shape[1]
        with _executor(batch_size <= _SMALL_BATCH):
            compiled = self._compiled.get((mode, spec))
            if compiled is None:
                compiled = self._compiled[mode, spec] = self._trace(mode, stack, batch_size)
            return compiled(stack)

    def _trace(self, mode: str, stack: Any, batch_size: int) -> Any:
        """Trace for any number of steps and samples, so that the last batch needs no second graph."""
        signature = tree.map_structure(
            lambda a: tf.TensorSpec((None,) * min(2, len(a.shape)) + tuple(a.shape[2:]), a.dtype), stack
        )
        while True:
            body = {"train": self._train, "test": self._test, "predict": self._predict}[mode]
            function = tf.function(lambda data, body=body: body(data, batch_size), autograph=False)
            try:
                function.get_concrete_function(signature)
            except _UsedDensely as error:
                self._dense.update(id(table) for table in error.tables)
                continue
            return function

    def _loop(self, stack: Any, step: Callable[[Any], Any]) -> None:
        steps = tf.shape(tree.flatten(stack)[0])[0]

        def body(i: Any) -> tuple[Any]:
            step(tree.map_structure(lambda a: a[i], stack))
            return (i + 1,)

        tf.while_loop(lambda i: i < steps, body, [0], parallel_iterations=1)

    def _test(self, stack: Any, batch_size: int) -> Any:
        self._loop(stack, self._model.test_step)
        return self._model.get_metrics_result()

    def _predict(self, stack: Any, batch_size: int) -> Any:
        steps = tf.shape(tree.flatten(stack)[0])[0]
        first = self._model.predict_step(tree.map_structure(lambda a: a[0], stack))
        flat = tree.flatten(first)
        outputs = [tf.TensorArray(leaf.dtype, size=steps, element_shape=leaf.shape) for leaf in flat]

        def body(i: Any, arrays: Any) -> Any:
            values = tree.flatten(self._model.predict_step(tree.map_structure(lambda a: a[i], stack)))
            return i + 1, [array.write(i, value) for array, value in zip(arrays, values, strict=True)]

        outputs = [array.write(0, value) for array, value in zip(outputs, flat, strict=True)]
        _, outputs = tf.while_loop(lambda i, _: i < steps, body, [1, outputs], parallel_iterations=1)
        return tree.pack_sequence_as(first, [array.concat() for array in outputs])

    def _train(self, stack: Any, batch_size: int) -> Any:
        self._loop(stack, lambda batch: self._train_step(batch, batch_size))
        return self._model.get_metrics_result()

    def _train_step(self, batch: Any, batch_size: int) -> None:
        model, optimizer = self._model, self._model.optimizer
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        variables = model.trainable_variables
        watcher = _Lookups(variables, lambda table, n: id(table) not in self._dense and self._by_rows(table, n), batch_size)
        with tf.GradientTape() as tape:
            watcher.tape = tape
            with watch_lookups(watcher), contextlib.ExitStack() as stack:
                # Which tables are read by rows is known only behind the call, the penalties come from there.
                y_pred = model(x, training=True)
                stack.enter_context(without_regularizers(watcher.tables))
                loss = model._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            scaled = optimizer.scale_loss(loss)
        tables = watcher.tables
        watched = [row for reads in watcher.reads.values() for _, row in reads]
        gradients = tape.gradient(scaled, [v.value for v in variables] + watched)
        by_variable = dict(zip((id(v) for v in variables), gradients, strict=False))
        by_rows = iter(gradients[len(variables) :])
        if used := [table for table in tables if by_variable[id(table)] is not None]:
            raise _UsedDensely(used)

        slots = slot_lists(optimizer)
        positions = {id(v): i for i, v in enumerate(optimizer._trainable_variables)}
        unique: dict[Any, Any] = {}
        views: dict[str, dict[int, RowView]] = {name: {} for name in slots}
        scatters: list[tuple[Any, RowView, Any]] = []
        apply_to: list[Any] = list(variables)
        penalty = 0.0
        for table in tables:
            reads = watcher.reads[id(table)]
            key = tuple(id(ids) for ids, _ in reads)
            if key not in unique:
                ids = tf.concat([tf.reshape(ids, [-1]) for ids, _ in reads], 0) if len(reads) > 1 else tf.reshape(reads[0][0], [-1])
                unique[key] = tf.unique(ids)
            ids, inverse = unique[key]
            row_shape = table.shape[1:]
            gradient = [tf.reshape(next(by_rows), [-1, *row_shape]) for _ in reads]
            gradient = tf.math.unsorted_segment_sum(
                tf.concat(gradient, 0) if len(gradient) > 1 else gradient[0], inverse, tf.size(ids)
            )
            rows = table.value.sparse_read(ids)
            if table.regularizer is not None:
                scale = table.shape[0] / tf.cast(tf.size(ids), rows.dtype)
                penalty_here, gradient_here = regularize(table.regularizer, rows, scale)
                penalty = penalty + penalty_here
                gradient = gradient + gradient_here * tf.cast(optimizer.scale_loss(1.0), rows.dtype)
            position = positions[id(table)]
            view = RowView(table, rows)
            apply_to[position] = view
            by_variable[id(table)] = gradient
            scatters.append((table, view, ids))
            for name, by_index in slots.items():
                slot = by_index[position]
                if slot is not None:
                    views[name][position] = RowView(slot, slot.value.sparse_read(ids))
                    scatters.append((slot, views[name][position], ids))
        model._loss_tracker.update_state(loss + penalty, sample_weight=tf.shape(tree.flatten(x)[0])[0])
        with views_in_place(optimizer, views):
            optimizer.apply([by_variable[id(v)] for v in variables], apply_to)
        for variable, view, ids in scatters:
            variable.value.scatter_update(tf.IndexedSlices(view.value, ids))
        model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


class _Lookups:
    """Sees the lookups of one step and makes the rows that they give differentiable."""

    tape: tf.GradientTape

    def __init__(self, variables: list[Any], by_rows: Callable[[Any, int], bool], batch_size: int) -> None:
        self._variables = {id(v) for v in variables}
        self._by_rows = by_rows
        self._batch_size = batch_size
        self.tables: list[Any] = []
        self.reads: dict[int, list[tuple[Any, Any]]] = {}

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        if id(table) not in self._variables:
            return None
        if id(table) not in self.reads:
            n = self._batch_size * int(tf.TensorShape(ids.shape[1:]).num_elements() or 1)
            if not self._by_rows(table, n):
                return None
            self.tables.append(table)
            self.reads[id(table)] = []
        rows = tf.stop_gradient(table.value.sparse_read(ids))
        self.tape.watch(rows)
        self.reads[id(table)].append((ids, rows))
        return rows


@contextlib.contextmanager
def _executor(single: bool) -> Iterator[None]:
    """TensorFlow's single-threaded executor, where this release has it."""
    try:
        from tensorflow.python.eager.context import function_executor_type
    except ImportError:
        yield
        return
    with function_executor_type("SINGLE_THREADED_EXECUTOR" if single else ""):
        yield
