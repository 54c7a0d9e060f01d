"""Fused steps and updates by rows on TensorFlow: one graph around a while loop on resource variables."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kerasrec.layers._lookup import keras_embeddings_seen, watch_lookups
from kerasrec.trainers._blocks import runs_of
from kerasrec.trainers._checks import DataCheck
from kerasrec.trainers._keras import in_stateless_scope, tree
from kerasrec.trainers._rows import (
    RowView,
    own_loss,
    regularizer_gradient,
    regularizer_penalty,
    slot_lists,
    views_in_place,
    why_not_by_rows,
    why_not_this_table,
    without_regularizers,
)

# Up to this many samples a step, handing work to threads costs more than it saves.
_SMALL_BATCH = 1024


class TensorFlowEngine:
    """The compiled functions of one compiled model.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups a step to whether it is updated by rows.
    """

    def __init__(self, model: Any, by_rows: Callable[[keras.Variable, int], bool]) -> None:
        self._model = model
        self._by_rows = by_rows
        self._check = DataCheck(model, targets=True)
        self._compiled: dict[Any, Any] = {}
        self._decided: dict[int, bool] = {}

    def prepare(self, mode: str, stacks: list[Any]) -> None:
        """Nothing: one trace serves every shape."""

    def train(self, iterator: Iterator[Any]) -> Any:
        """Run the next block's training steps; logs behind the last one."""
        return self._each_run(iterator, "train")

    def test(self, iterator: Iterator[Any]) -> Any:
        """Run the next block's evaluation steps; logs behind the last one."""
        return self._each_run(iterator, "test")

    def predict(self, blocks: list[Any]) -> Any:
        """Outputs of the blocks' batches, one behind the other."""
        outputs = [self._call("predict", run) for item in blocks for run in runs_of(item, self._check)]
        return tree.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)

    def _each_run(self, iterator: Iterator[Any], mode: str) -> Any:
        logs = None
        for run in runs_of(next(iterator), self._check):
            logs = self._call(mode, run)
        return logs

    def _call(self, mode: str, run: dict[str, Any]) -> Any:
        stack = tree.map_structure(tf.convert_to_tensor, run["stack"])
        leaves = tree.flatten(stack)
        # A leaf of one row is one for all samples (a list of items that they share), and stays so.
        batch_size = max(leaf.shape[1] for leaf in leaves)
        spec = tuple((leaf.dtype, leaf.shape[1] == 1 < batch_size, leaf.shape[2:]) for leaf in leaves)
        if (mode, spec) not in self._compiled:
            self._compiled[mode, spec] = self._trace(mode, stack, batch_size)
        single_threaded, compiled = self._compiled[mode, spec]
        with _executor(single_threaded):
            return compiled(stack)

    def _trace(self, mode: str, stack: Any, batch_size: int) -> tuple[bool, Any]:
        """Trace for any number of steps and samples, so that the last batch needs no second graph.

        Returns:
            Whether the function is for the single-threaded executor, which must be known while tracing, and
            the function.
        """
        signature = tree.map_structure(
            lambda a: tf.TensorSpec(
                (None, 1 if a.shape[1] == 1 < batch_size else None, *a.shape[2:]), a.dtype
            ),
            stack,
        )
        body = {"train": self._train, "test": self._test, "predict": self._predict}[mode]
        for single_threaded in (True, False) if batch_size <= _SMALL_BATCH else (False,):
            function = tf.function(lambda data: body(data, batch_size), autograph=False)
            with _executor(single_threaded):
                graph = function.get_concrete_function(signature).graph
            if not (single_threaded and _branches(graph)):
                break
        return single_threaded, function

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
        plain = why_not_by_rows(self._model.optimizer) or own_loss(self._model)
        self._loop(
            stack, self._model.train_step if plain else lambda batch: self._train_step(batch, batch_size)
        )
        return self._model.get_metrics_result()

    def _train_step(self, batch: Any, batch_size: int) -> None:
        model, optimizer = self._model, self._model.optimizer
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        watcher = _Lookups(batch_size)
        with tf.GradientTape() as tape:
            watcher.tape = tape
            with watch_lookups(watcher), keras_embeddings_seen(model):
                y_pred = model(x, training=True)
                with without_regularizers(watcher.tables):
                    loss = model._compute_loss(
                        x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True
                    )
            scaled = optimizer.scale_loss(loss)
        variables = model.trainable_variables
        if not optimizer.built:
            with tf.init_scope():
                optimizer.build(variables)
        watcher.keep(variables)
        gradients = tape.gradient(
            scaled, [v.value for v in variables] + [read.rows for read in watcher.reads]
        )
        by_variable = {id(v): gradient for v, gradient in zip(variables, gradients, strict=False)}
        for read, gradient in zip(watcher.reads, gradients[len(variables) :], strict=True):
            read.gradient = gradient

        by_rows: list[Any] = []
        whole: list[Any] = []
        for table in watcher.tables:
            # A table with a gradient of its own is used in another way as well.
            alone = by_variable[id(table)] is None
            # A short last batch must not change what was decided for the others.
            decided = self._decided.setdefault(id(table), self._by_rows(table, watcher.n(table)))
            (by_rows if alone and decided else whole).append(table)
        rows = {id(table): _Rows(table, watcher.of(table), watcher.unique) for table in by_rows}
        for table in by_rows:
            by_variable[id(table)] = rows[id(table)].gradient
        for table in whole:
            by_variable[id(table)] = _whole_gradient(table, watcher.of(table), by_variable[id(table)])

        penalty = sum(
            (
                regularizer_penalty(table.regularizer, values, scale)
                for table, values, scale in _regularized(whole, rows)
            ),
            start=tf.zeros([], keras.config.floatx()),
        )
        if rows or not whole:
            self._update(by_variable, rows, whole)
        else:
            # One pass over weights, slots and gradients; as separate operations it is ten.
            update = tf.function(
                lambda given: self._update(given, {}, whole), jit_compile=True, autograph=False
            )
            update(by_variable)
        model._loss_tracker.update_state(loss + penalty, sample_weight=tf.shape(tree.flatten(x)[0])[0])
        model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def _update(self, gradients: dict[int, Any], rows: "dict[int, _Rows]", whole: list[Any]) -> None:
        """Run the optimizer once, on whole variables and on rows."""
        model, optimizer = self._model, self._model.optimizer
        gradients = dict(gradients)
        loss_scale = optimizer.scale_loss(1.0)
        for table, values, scale in _regularized(whole, rows):
            gradient = regularizer_gradient(table.regularizer, values, scale)
            gradients[id(table)] = gradients[id(table)] + gradient * loss_scale

        slots = slot_lists(optimizer)
        positions = {id(v): i for i, v in enumerate(optimizer._trainable_variables)}
        views: dict[str, dict[int, RowView]] = {name: {} for name in slots}
        apply_to: list[Any] = list(model.trainable_variables)
        scatters: list[tuple[Any, RowView, Any]] = []
        for part in rows.values():
            position = positions[id(part.table)]
            apply_to[position] = RowView(part.table, part.values)
            scatters.append((part.table, apply_to[position], part.ids))
            for name, of_variable in slots.items():
                if (slot := of_variable[position]) is not None:
                    views[name][position] = RowView(slot, slot.value.sparse_read(part.ids))
                    scatters.append((slot, views[name][position], part.ids))
        with views_in_place(optimizer, views):
            optimizer.apply([gradients[id(v)] for v in model.trainable_variables], apply_to)
        for variable, view, ids in scatters:
            variable.value.scatter_update(tf.IndexedSlices(view.value, ids))


@dataclass(eq=False)
class _Read:
    """One lookup of a step: the table, the ids, the rows they gave and the loss's gradient in them."""

    table: Any
    ids: Any
    rows: Any
    gradient: Any = None


class _Rows:
    """The rows of a table that a step read, each once, with the sum of their gradients."""

    def __init__(self, table: Any, reads: list[_Read], unique: dict[Any, Any]) -> None:
        self.table = table
        key = tuple(id(read.ids) for read in reads)
        if key not in unique:  # tables that are read by the same column share it
            unique[key] = tf.unique(_flat([read.ids for read in reads], ()))
        self.ids, inverse = unique[key]
        gradient = _flat([read.gradient for read in reads], table.shape[1:])
        self.gradient = tf.math.unsorted_segment_sum(gradient, inverse, tf.size(self.ids))
        self.values = table.value.sparse_read(self.ids)
        self.regularizer_scale = table.shape[0] / tf.cast(tf.size(self.ids), table.dtype)


def _regularized(whole: list[Any], rows: dict[int, _Rows]) -> Iterator[tuple[Any, Any, Any]]:
    """The tables with a regularizer, what it acts on, and by which factor."""
    for table in whole:
        if table.regularizer is not None:
            yield table, table.value, 1.0
    for part in rows.values():
        if part.table.regularizer is not None:
            yield part.table, part.values, part.regularizer_scale


def _whole_gradient(table: Any, reads: list[_Read], other: Any) -> Any:
    gradient = tf.math.unsorted_segment_sum(
        _flat([read.gradient for read in reads], table.shape[1:]),
        _flat([read.ids for read in reads], ()),
        table.shape[0],
    )
    return gradient if other is None else gradient + other


def _flat(parts: list[Any], row_shape: Any) -> Any:
    parts = [tf.reshape(part, [-1, *row_shape]) for part in parts]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)


class _Lookups:
    """Sees the lookups of one step and makes the rows that they give differentiable."""

    tape: tf.GradientTape

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.reads: list[_Read] = []
        self.unique: dict[Any, Any] = {}

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        # Keras builds layers under a stateless scope, without values.
        if not table.trainable or why_not_this_table(table) or in_stateless_scope():
            return None
        rows = tf.stop_gradient(table.value.sparse_read(ids))
        self.tape.watch(rows)
        self.reads.append(_Read(table, ids, rows))
        return rows

    def keep(self, variables: list[Any]) -> None:
        """Forget lookups in tables that are none of these."""
        known = {id(v) for v in variables}
        self.reads = [read for read in self.reads if id(read.table) in known]

    @property
    def tables(self) -> list[Any]:
        return list({id(read.table): read.table for read in self.reads}.values())

    def of(self, table: Any) -> list[_Read]:
        return [read for read in self.reads if read.table is table]

    def n(self, table: Any) -> int:
        return sum(
            int(read.ids.shape[0] or self._batch_size) * int(read.ids.shape[1:].num_elements() or 1)
            for read in self.of(table)
        )


def _branches(graph: Any) -> bool:
    """Whether a graph has conditionals: nested ones never return on the single-threaded executor."""
    functions = graph.as_graph_def().library.function
    return any("If" in node.op or "Case" in node.op for function in functions for node in function.node_def)


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
