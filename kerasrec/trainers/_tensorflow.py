"""Fused steps and updates by rows on TensorFlow: one graph with a while loop over resource variables.

XLA compiles the loop if the training is long enough to benefit.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasrec._custom_gradient import gradients_end_with_graph
from kerasrec.layers._lookup import keras_embeddings_seen, watch_lookups
from kerasrec.trainers import _huge_pages
from kerasrec.trainers._blocks import Run, runs_of
from kerasrec.trainers._checks import DataCheck
from kerasrec.trainers._keras import model_supports_jit, tree
from kerasrec.trainers._missed import at_work, settle_weights
from kerasrec.trainers._repeats import Limits, Repeats
from kerasrec.trainers._rows import (
    RowView,
    own_loss,
    regularizer_gradient,
    regularizer_penalty,
    slot_lists,
    views_in_place,
    why_not_by_rows,
    without_regularizers,
)
from kerasrec.trainers._tensorflow_executor import branches, executor, whole_numbers
from kerasrec.trainers._tensorflow_missed import CatchUp, TensorFlowMissed
from kerasrec.trainers._tensorflow_repeats import RepeatsOfRuns, repeats_signature
from kerasrec.trainers._tensorflow_rows import (
    CatchUpRows,
    Lookups,
    Rows,
    column,
    flat,
    memory_of,
    regularized,
    whole_gradient,
)

# Up to this many samples per step, passing work to threads costs more than it saves.
_SMALL_BATCH = 1024
# From this many samples, scores or steps over all epochs on, XLA saves more than the seconds that it takes to
# compile each shape. It saves half a microsecond per sample in large batches, some hundred microseconds per
# step in small batches, and some nanoseconds per score if each row has a list of items.
_SAMPLES_WORTH_COMPILING = 2_000_000
_SCORES_WORTH_COMPILING = 300_000_000
_STEPS_WORTH_COMPILING = 20_000
# Maximum number of shapes that XLA compiles; data with ever new shapes would otherwise never stop compiling.
_MOST_PROGRAMS = 8
# In earlier versions, XLA's scatters on the CPU are ten times slower than TensorFlow's own.
_COMPILING_SINCE = (2, 21)


def worth_compiling(model: Any, setting: bool | str, n_steps: int, batch_size: int, n_scores: int) -> bool:
    """Whether XLA should compile the training steps of a model.

    Args:
        model: a compiled `kerasrec.Model`.
        setting: the value of `jit_compile` that it was compiled with.
        n_steps: int, number of steps over all epochs of the training; 0 if unknown.
        batch_size: int, samples per step; 0 if unknown.
        n_scores: int, approximate number of scores per step; 0 if unknown.

    Returns:
        bool.
    """
    if setting != "auto":
        return bool(model.jit_compile)
    version = tuple(int(part) for part in tf.__version__.split(".")[:2])
    long = (
        n_steps >= _STEPS_WORTH_COMPILING
        or n_steps * batch_size >= _SAMPLES_WORTH_COMPILING
        or n_steps * n_scores >= _SCORES_WORTH_COMPILING
    )
    return long and version >= _COMPILING_SINCE and model_supports_jit(model)


class _WrongAssumption(Exception):
    """A step was traced on assumptions about its tables that do not hold."""


class TensorFlowEngine:
    """The compiled functions of one compiled model.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups per step, whether to update it by rows.
        missed: applies the updates that rows missed; `None` if there are none.
    """

    def __init__(
        self, model: Any, by_rows: Callable[[keras.Variable, int], bool], missed: TensorFlowMissed | None
    ) -> None:
        self._model = model
        self._by_rows = by_rows
        self._missed = missed
        self._check = DataCheck(model, targets=True)
        self._traced: dict[Any, Any] = {}
        self._decided: dict[int, bool] = {}
        self._scratch: dict[tuple[int, int], tf.Variable] = {}
        self._in_huge_pages: set[int] = set()
        self._compiled: set[Any] = set()
        self._repeats = RepeatsOfRuns()
        self._not_compiled = False

    @property
    def limits(self) -> Limits:
        """The columns in which NumPy looks for repeated ids."""
        return self._repeats.limits

    def prepare(self, mode: str, stacks: list[Any]) -> None:
        """Do nothing, because one trace serves all shapes."""

    def ahead(self, run: Run) -> Run:
        """A run as tensors with its repeated ids, possibly made while TensorFlow works on another run."""
        repeats = self._repeats.find(run, self._model._xla)
        return run | {"stack": tree.map_structure(tf.convert_to_tensor, run["stack"]), "repeats": repeats}

    def train(self, iterator: Iterator[Any]) -> Any:
        """Run the next block's training steps; returns the logs after the last one."""
        return self._each_run(iterator, "train")

    def test(self, iterator: Iterator[Any]) -> Any:
        """Run the next block's evaluation steps; returns the logs after the last one."""
        settle_weights(self._model.trainable_variables)
        return self._each_run(iterator, "test")

    def predict(self, blocks: list[Any]) -> Any:
        """The concatenated outputs of the blocks' batches."""
        settle_weights(self._model.trainable_variables)
        outputs = [self._call("predict", run) for item in blocks for run in runs_of(item, self._check)]
        return tree.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)

    def _each_run(self, iterator: Iterator[Any], mode: str) -> Any:
        logs = None
        for run in runs_of(next(iterator), self._check):
            logs = self._call(mode, run)
        return logs

    def _call(self, mode: str, run: dict[str, Any]) -> Any:
        stack = tree.map_structure(tf.convert_to_tensor, run["stack"])
        steps = tf.constant(run["steps"])
        shapes = tuple((leaf.dtype, *leaf.shape) for leaf in tree.flatten(stack))
        if mode == "train" and self._takes_xla(shapes):
            try:
                logs = self._function(mode, run, stack, xla=True)(steps)
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
                if shapes in self._compiled:
                    raise
                self._not_compiled = True
                warnings.warn(
                    f"XLA cannot compile the training steps of model '{self._model.name}', so they run "
                    "without it; compile(..., jit_compile=False) avoids the attempt. "
                    f"{str(error).splitlines()[0]}",
                    stacklevel=2,
                )
            else:
                self._compiled.add(shapes)
                return logs
        return self._function(mode, run, stack)(steps)

    def _takes_xla(self, shapes: Any) -> bool:
        """Whether XLA runs the training steps of these shapes."""
        if not self._model._xla or self._not_compiled:
            return False
        asked_for = self._model._jit_setting != "auto"
        return asked_for or shapes in self._compiled or len(self._compiled) < _MOST_PROGRAMS

    def _function(self, mode: str, run: Any, stack: Any, xla: bool = False) -> Callable[[Any], Any]:
        """A function of a number of steps that runs these first steps of a run."""
        leaves = tree.flatten(stack)
        # A leaf with one row is shared by all samples, such as a list of items, and keeps this length while
        # tracing. So do all leaves of a batch with one sample, because lists of an unknown number of rows
        # would have an unknown length.
        batch_size = max(leaf.shape[1] for leaf in leaves)
        stays = batch_size > 1 or mode != "predict"
        spec = tuple((leaf.dtype, leaf.shape[1] == 1 and stays, leaf.shape[2:]) for leaf in leaves)
        key = mode, repr(tree.map_structure(lambda _: None, stack)), spec, xla
        if key not in self._traced:
            with at_work(self._missed):
                self._traced[key] = self._trace(mode, stack, batch_size, xla)
                if mode == "train" and _huge_pages.on_request():
                    self._into_huge_pages()
        single_threaded, function, tables = self._traced[key]
        repeats = self._repeats.of_all(run, leaves, xla) if mode == "train" else {}

        def call(steps: Any) -> Any:
            with executor(single_threaded):
                if mode != "train" or self._missed is None:
                    return function(stack, repeats, (), steps)
                with self._missed.call(self._model.optimizer, tables, run["steps"]) as missed:
                    return function(stack, repeats, tree.map_structure(tf.convert_to_tensor, missed), steps)

        return call

    def _trace(self, mode: str, stack: Any, batch_size: int, xla: bool) -> tuple[bool, Any, frozenset[int]]:
        """Trace for any number of steps and samples, so that the last batch needs no second graph.

        Returns:
            Whether the function is for the single-threaded executor, which must be known while tracing; the
            function; and the tables with missed updates that it applies.
        """
        if mode == "train" and self._model.built and not self._model.optimizer.built:
            # A trace in which slots are made is of no use if updates are made good.
            self._model.optimizer.build(self._model.trainable_variables)
        stays = batch_size > 1 or mode != "predict"
        signature = tree.map_structure(
            lambda a: tf.TensorSpec((None, 1 if a.shape[1] == 1 and stays else None, *a.shape[2:]), a.dtype),
            stack,
        )
        repeats = repeats_signature(tree.flatten(stack)) if mode == "train" else {}
        missed = () if mode != "train" or self._missed is None else self._missed.signature()
        body = {"train": self._train, "test": self._test, "predict": self._predict}[mode]
        for single_threaded in (True, False) if batch_size <= _SMALL_BATCH and not xla else (False,):
            while True:
                self._caught_up: frozenset[int] = frozenset()
                function = tf.function(
                    lambda data, repeats, missed, steps: body(data, repeats, missed, steps, batch_size, xla),
                    autograph=False,
                    jit_compile=xla,
                )
                try:
                    with executor(single_threaded):
                        function = function.get_concrete_function(
                            signature, repeats, missed, tf.TensorSpec((), tf.int32)
                        )
                except _WrongAssumption:
                    continue
                break
            if not (single_threaded and branches(function.graph)):
                break
        return single_threaded, function, self._caught_up

    def _into_huge_pages(self) -> None:
        """Move large tables and their slots to huge pages; training keeps them in place."""
        optimizer = self._model.optimizer
        lists = [optimizer._trainable_variables, *slot_lists(optimizer).values()]
        by_rows = [i for i, table in enumerate(lists[0]) if self._decided.get(id(table))]
        variables = [
            of_variable[i].value for of_variable in lists for i in by_rows if of_variable[i] is not None
        ]
        parts = []
        lasts = self._missed.lasts.values() if self._missed is not None else ()
        for variable in [*variables, *self._scratch.values(), *lasts]:
            if id(variable) not in self._in_huge_pages:
                self._in_huge_pages.add(id(variable))
                parts += memory_of(variable, _huge_pages.LARGE)
        if parts:
            _huge_pages.move(parts)

    def _loop(self, stacks: Any, steps: Any, step: Callable[..., Any], xla: bool) -> None:
        def at(i: Any) -> Any:
            return tree.map_structure(lambda a: a[i], stacks)

        if not xla:

            def body(i: Any) -> tuple[Any]:
                step(i, *at(i))
                return (i + 1,)

            tf.while_loop(lambda i: i < steps, body, [0], parallel_iterations=1)
            return

        # With a slice, the number of steps would be a constant of the program, compiled again for each value.
        def gathered(i: Any) -> Any:
            return tree.map_structure(lambda a: tf.gather(a, i), stacks)

        # Read the next batch ahead, because XLA does not vectorise loops that read from the stack directly.
        def ahead(i: Any, now: Any) -> tuple[Any, Any]:
            step(i, *now)
            return i + 1, gathered(tf.minimum(i + 1, steps - 1))

        tf.while_loop(lambda i, now: i < steps, ahead, [0, at(0)], parallel_iterations=1)

    def _test(self, stack: Any, repeats: Any, missed: Any, steps: Any, batch_size: int, xla: bool) -> Any:
        self._loop((stack,), steps, lambda _, batch: self._model.test_step(batch), xla)
        return self._model.get_metrics_result()

    def _predict(self, stack: Any, repeats: Any, missed: Any, steps: Any, batch_size: int, xla: bool) -> Any:
        first = self._model.predict_step(tree.map_structure(lambda a: a[0], stack))
        flat = tree.flatten(first)
        outputs = [tf.TensorArray(leaf.dtype, size=steps, element_shape=leaf.shape) for leaf in flat]

        def body(i: Any, arrays: Any) -> Any:
            values = tree.flatten(self._model.predict_step(tree.map_structure(lambda a: a[i], stack)))
            return i + 1, [array.write(i, value) for array, value in zip(arrays, values, strict=True)]

        outputs = [array.write(0, value) for array, value in zip(outputs, flat, strict=True)]
        _, outputs = tf.while_loop(lambda i, _: i < steps, body, [1, outputs], parallel_iterations=1)
        return tree.pack_sequence_as(first, [array.concat() for array in outputs])

    def _train(self, stack: Any, repeats: Any, missed: Any, steps: Any, batch_size: int, xla: bool) -> Any:
        # Under loss scaling, Keras looks for infinities in table gradients, but misses those of repeated ids.
        scaled = isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer)
        plain = (why_not_by_rows(self._model.optimizer) and not scaled) or own_loss(self._model)
        if plain:
            train_step = gradients_end_with_graph()(self._model.train_step)
            self._loop((stack,), steps, lambda _, batch: train_step(batch), xla)
        else:
            self._loop(
                (stack, repeats),
                steps,
                lambda i, batch, found: self._train_step(i, batch, found, missed, batch_size, xla),
                xla,
            )
        return self._model.get_metrics_result()

    def _train_step(
        self,
        step: Any,
        batch: Any,
        repeats: dict[int, Repeats],
        missed: Any,
        batch_size: int,
        xla: bool,
    ) -> None:
        model, optimizer = self._model, self._model.optimizer
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        leaves = tree.flatten(batch)
        in_column = {
            id(leaves[number]): (number, found if xla else found._replace(ids=found.ids[: found.count]))
            for number, found in repeats.items()
        }
        assumed: dict[int, bool] = {}

        def by_rows(table: Any, n: int) -> bool:
            return assumed.setdefault(id(table), self._decided.get(id(table), self._by_rows(table, n)))

        def repeats_in(table: Any, n: int, ids: Any) -> Repeats | None:
            number, found = in_column.get(id(ids), (0, None))
            if found is not None and by_rows(table, n):
                limit = table.shape[0], table.path
                self.limits[number] = min(limit, self.limits.get(number, limit))
                return found
            return None

        catch_up = None if self._missed is None else CatchUp(self._missed, missed, step, xla)
        known = {id(v) for v in optimizer._trainable_variables}

        def catch_up_in(table: Any, n: int, ids: Any) -> CatchUpRows | None:
            if catch_up is None or id(table) not in known or not by_rows(table, n):
                return None
            catch_up.add(table, ids)
            return catch_up.rows

        watcher = Lookups(batch_size, repeats_in, catch_up_in, unique=not xla)
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
            if catch_up is not None:
                raise _WrongAssumption
        watcher.keep(variables)
        gradients = tape.gradient(
            scaled, [v.value for v in variables] + [read.rows for read in watcher.reads]
        )
        by_variable = {id(v): gradient for v, gradient in zip(variables, gradients, strict=False)}
        for read, gradient in zip(watcher.reads, gradients[len(variables) :], strict=True):
            read.gradient = gradient

        updated_by_rows: list[Any] = []
        whole: list[Any] = []
        for table in watcher.tables:
            # A table with a gradient of its own is also used in another way.
            alone = by_variable[id(table)] is None
            # A short last batch must not change earlier decisions.
            decided = self._decided.setdefault(id(table), self._by_rows(table, watcher.n(table)))
            (updated_by_rows if alone and decided else whole).append(table)
        if catch_up is not None:
            self._check_decided(assumed, updated_by_rows, whole, catch_up)
        rows = {id(table): self._rows(table, watcher, xla, catch_up) for table in updated_by_rows}
        for table in updated_by_rows:
            by_variable[id(table)] = rows[id(table)].gradient
        for table in whole:
            by_variable[id(table)] = whole_gradient(table, watcher.of(table), by_variable[id(table)])

        penalty = sum(
            (
                regularizer_penalty(table.regularizer, values, scale, xla)
                for table, values, scale in regularized(whole, rows)
            ),
            start=tf.zeros([], keras.config.floatx()),
        )
        if rows or xla or not whole or why_not_by_rows(optimizer):
            self._update(by_variable, rows, whole, xla)
            if catch_up is not None:
                catch_up.write(rows.values())
        else:
            # One pass over weights, slots and gradients instead of ten by separate operations.
            update = tf.function(
                lambda given: self._update(given, {}, whole, xla), jit_compile=True, autograph=False
            )
            update(by_variable)
        model._loss_tracker.update_state(loss + penalty, sample_weight=tf.shape(tree.flatten(x)[0])[0])
        model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def _check_decided(
        self, assumed: dict[int, bool], by_rows: list[Any], whole: list[Any], catch_up: CatchUp
    ) -> None:
        """Trace again if a table is read differently than was assumed when its rows were caught up."""
        again = [table for table in whole if assumed.get(id(table))]
        for table in again:
            self._decided[id(table)] = False
            catch_up.missed.remove(id(table))
        again += [table for table in by_rows if not assumed[id(table)]]
        if not catch_up.missed.read_together(catch_up.readers):
            self._traced.clear()
            raise _WrongAssumption
        if again:
            raise _WrongAssumption
        self._caught_up = frozenset(id(table) for table in by_rows)

    def _rows(self, table: Any, watcher: "Lookups", xla: bool, catch_up: CatchUp | None) -> "Rows":
        """The rows that a step read from a table; tables read by one column share the search for repeats."""
        reads = watcher.of(table)
        if len(reads) == 1 and (repeats := reads[0].repeats) is not None:
            gradient = tf.math.unsorted_segment_sum(
                flat([reads[0].gradient], table.shape[1:]), repeats.inverse, tf.size(repeats.ids)
            )
            return Rows(table, repeats.ids, reads[0].values, gradient, xla, reads[0].slots)
        key = table.shape[0], *(id(column(read.ids)) for read in reads)
        gradient = flat([read.gradient for read in reads], table.shape[1:])
        if key not in watcher.repeats:
            ids = flat([read.ids for read in reads], ())
            scratch = len(watcher.repeats), table.shape[0]
            watcher.repeats[key] = self._owned(scratch, ids) if xla else tf.unique(ids)
        ids, inverse = watcher.repeats[key]
        gradient = tf.math.unsorted_segment_sum(gradient, inverse, tf.size(ids))
        if xla and len(reads) == 1:  # the rows read have the shape of the ids
            values = tf.reshape(reads[0].rows, [-1, *table.shape[1:]])
            return Rows(table, ids, values, gradient, xla, reads[0].slots)
        values, slots = table.value.sparse_read(ids), None
        if catch_up is not None:
            values, slots = catch_up.rows(table, ids, values)
        return Rows(table, ids, values, gradient, xla, slots)

    def _owned(self, scratch: tuple[int, int], ids: Any) -> tuple[Any, Any]:
        """A replacement for `tf.unique`, which XLA lacks; its results have the shape of the ids.

        A scratch variable stores one position for each id. It is never cleared, because only entries that
        were written in this step are read. A step writes each scratch variable once, because XLA would copy
        one that is written twice.

        Args:
            scratch: number of the step's scratch variable, and number `n` of rows of the table.
            ids: `[N]`.

        Returns:
            For each of the ids `[N]`, the id at one of its positions and `n`, which is never written, at the
            others; and the position that has the id.
        """
        n = scratch[1]
        if scratch not in self._scratch:
            self._scratch[scratch] = whole_numbers(n, self._model.trainable_variables[0])
        here = tf.range(tf.size(ids))
        self._scratch[scratch].scatter_update(tf.IndexedSlices(here, ids))
        first = self._scratch[scratch].sparse_read(ids)
        return tf.where(first == here, ids, tf.cast(n, ids.dtype)), first

    @gradients_end_with_graph()  # Keras sums gradients over replicas by a custom gradient
    def _update(
        self, gradients: dict[int, Any], rows: "dict[int, Rows]", whole: list[Any], xla: bool
    ) -> None:
        """Run the optimizer once, on whole variables and on rows."""
        model, optimizer = self._model, self._model.optimizer
        gradients = dict(gradients)
        loss_scale = optimizer.scale_loss(1.0)
        for table, values, scale in regularized(whole, rows):
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
                    rows_of = part.slots[name] if part.slots else slot.value.sparse_read(part.ids)
                    views[name][position] = RowView(slot, rows_of)
                    scatters.append((slot, views[name][position], part.ids))
        # Beside rows, whose number varies, XLA can compile the update of each whole table alone.
        beside = [] if xla or not rows else whole
        with views_in_place(optimizer, views), _in_one_pass(optimizer, beside):
            optimizer.apply([gradients[id(v)] for v in model.trainable_variables], apply_to)
        for variable, view, ids in scatters:
            variable.value.scatter_update(tf.IndexedSlices(view.value, ids))


@contextlib.contextmanager
def _in_one_pass(optimizer: Any, tables: list[Any]) -> Iterator[None]:
    """Let XLA update each of these tables in one pass over weights, slots and gradients.

    Args:
        optimizer: a built Keras optimizer.
        tables: variables that are updated whole.
    """
    step = optimizer.update_step
    compiled = {id(table) for table in tables}

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if id(variable) not in compiled:
            step(gradient, variable, learning_rate)
            return
        tf.function(lambda: step(gradient, variable, learning_rate), jit_compile=True, autograph=False)()

    # Bypasses `__setattr__`, as `views_in_place` does.
    optimizer.__dict__["update_step"] = update_step
    try:
        yield
    finally:
        del optimizer.__dict__["update_step"]
