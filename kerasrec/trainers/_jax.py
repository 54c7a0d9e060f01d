"""Fused steps and updates by rows on JAX: one program around a loop of dynamic length."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from kerasrec.layers._lookup import keras_embeddings_seen, watch_lookups
from kerasrec.trainers._blocks import runs_of
from kerasrec.trainers._checks import DataCheck
from kerasrec.trainers._interrupts import interrupts_held
from kerasrec.trainers._keras import StatelessScope, tree
from kerasrec.trainers._rows import (
    RowView,
    regularizer_gradient,
    regularizer_penalty,
    slot_lists,
    views_in_place,
    without_regularizers,
)

# The names that Keras has for the parts of a training state.
_STATE = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")

# The names that Keras has for the parts of a training state.
_STATE = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")

_compiler = ThreadPoolExecutor(2, thread_name_prefix="kerasrec-compile")


@dataclass
class _Plan:
    """What a step reads by rows: found once a shape, by tracing the loss without running it.

    Attributes:
        tables: positions in `trainable_variables` of the tables that are updated by rows.
        reads: for each lookup in the order of the calls, its position in `tables` and its ids' shape.
        groups: for each table, which of the different id columns it is read by.
        scratch: for each table, its key of the scratch array that finds repeated ids.
    """

    tables: list[int] = field(default_factory=list)
    reads: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    scratch: list[tuple[Any, int]] = field(default_factory=list)


class JaxEngine:
    """The compiled functions of one compiled model.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups a step to whether it is updated by rows.
    """

    def __init__(self, model: Any, by_rows: Callable[[keras.Variable, int], bool]) -> None:
        self._model = model
        self._by_rows = by_rows
        self._check = DataCheck(model, targets=True)
        self._scratch: dict[tuple[Any, int], Any] = {}
        self._decided: dict[int, bool] = {}
        self._programs: dict[Any, tuple[_Plan, Future[Any]]] = {}
        _cache_programs()

    def prepare(self, mode: str, stacks: list[Any]) -> None:
        """Trace the programs for these shapes and compile them side by side, in the background."""
        for stack in stacks:
            self._program(mode, stack)

    def train(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Run the next block's training steps; logs behind the last one, and the new state."""
        logs = None
        with self._given_back(state, _STATE) as held:
            for run in runs_of(next(iterator), self._check):
                plan, program = self._program("train", run["stack"])
                compiled = program.result()
                scratch = {key: self._scratch_array(key) for key in plan.scratch}
                with interrupts_held():
                    # The old state's memory is gone behind this call.
                    held[:], scratch, logs = compiled(
                        tuple(held), scratch, run["stack"], np.int32(run["steps"])
                    )
                    self._scratch.update(scratch)
        return logs, tuple(held)

    def test(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Run the next block's evaluation steps; logs behind the last one, and the new state."""
        logs = None
        with self._given_back(state, (*_STATE[:2], _STATE[3])) as held:
            for run in runs_of(next(iterator), self._check):
                compiled = self._program("test", run["stack"])[1].result()
                held[1:], logs = compiled(tuple(held), run["stack"], np.int32(run["steps"]))
        return logs, tuple(held)

    def predict(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Outputs of the next block's batches, one behind the other, and the state."""
        outputs = []
        with self._given_back(state, _STATE[:2]):
            for run in runs_of(next(iterator), self._check):
                compiled = self._program("predict", run["stack"])[1].result()
                stacked = tree.map_structure(np.asarray, compiled(state, run["stack"]))
                outputs.append(
                    tree.map_structure(
                        lambda a, steps=run["steps"]: a[:steps].reshape(-1, *a.shape[2:]), stacked
                    )
                )
        return tree.map_structure(lambda *parts: np.concatenate(parts), *outputs), state

    @contextlib.contextmanager
    def _given_back(self, state: Any, names: tuple[str, ...]) -> Iterator[list[Any]]:
        """Hold the state of a call; whatever ends the call early, the model gets it back.

        Keras takes the values out of the model's variables before a call, and would lose them.
        """
        held = list(state)
        try:
            yield held
        except BaseException:
            self._model._jax_state = dict(zip(names, held, strict=True))
            self._model._jax_state_synced = False
            self._model.jax_state_sync()
            raise

    def _program(self, mode: str, stack: Any) -> "tuple[_Plan, Future[Any]]":
        """The compiled program for a shape, or its promise; tracing is done when this returns."""
        stack = tree.map_structure(_abstract, stack)
        key = (mode, tuple((leaf.shape, leaf.dtype) for leaf in tree.flatten(stack)))
        if key not in self._programs:
            model = self._model
            state = [
                [_abstract(v) for v in variables]
                for variables in (
                    model.trainable_variables,
                    model.non_trainable_variables,
                    model.optimizer.variables if mode == "train" else [],
                    model.metrics_variables,
                )
            ]
            steps = jax.ShapeDtypeStruct((), "int32")
            plan = _Plan()
            if mode == "train":
                plan = self._plan(state, stack)
                scratch = {key: jax.ShapeDtypeStruct((key[1],), "int32") for key in plan.scratch}
                function = jax.jit(functools.partial(self._train, plan), donate_argnums=(0, 1))
                lowered = function.lower(tuple(state), scratch, stack, steps)
            elif mode == "test":
                lowered = jax.jit(self._test).lower((state[0], state[1], state[3]), stack, steps)
            else:
                lowered = jax.jit(self._predict).lower((state[0], state[1]), stack)
            self._programs[key] = plan, _compiler.submit(lowered.compile)
        return self._programs[key]

    def _scratch_array(self, key: tuple[Any, int]) -> Any:
        if key not in self._scratch:
            self._scratch[key] = jnp.zeros(key[1], "int32")
        return self._scratch[key]

    def _plan(self, state: Any, stack: Any) -> _Plan:
        """Find the lookups, and the tables that nothing but lookups reads."""
        variables = self._model.trainable_variables
        position = {id(v): i for i, v in enumerate(variables)}
        found: list[tuple[int, Any]] = []
        refused: set[int] = set()

        class Watcher:
            def lookup(watcher, table: keras.Variable, ids: Any) -> Any:
                index = position.get(id(table))
                if index is None or index in refused:
                    return None
                found.append((index, ids))
                return jnp.zeros((*ids.shape, *table.shape[1:]), table.dtype)

        batch = tree.map_structure(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), stack)
        state = [list(values) for values in state]
        while True:
            found.clear()
            jaxpr = jax.make_jaxpr(lambda *args: self._loss(Watcher(), *args)[0])(*state, batch).jaxpr
            lookups: dict[int, int] = {}
            for index, ids in found:
                lookups[index] = lookups.get(index, 0) + ids.size
            # A table that the traced program still reads is used in another way as well.
            used = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
            again = {
                index
                for index, n in lookups.items()
                # A short last batch must not change what was decided for the others.
                if not self._decided.setdefault(index, self._by_rows(variables[index], n))
                or id(jaxpr.invars[index]) in used
            }
            if not again:
                break
            refused |= again

        plan = _Plan()
        columns: dict[int, list[Any]] = {}
        for index, ids in found:
            if index not in plan.tables:
                plan.tables.append(index)
            plan.reads.append((plan.tables.index(index), tuple(ids.shape)))
            columns.setdefault(index, []).append(id(ids))
        names: dict[Any, int] = {}
        plan.scratch = [
            (names.setdefault(tuple(columns[index]), len(names)), variables[index].shape[0])
            for index in plan.tables
        ]
        return plan

    def _loss(
        self, watcher: Any, trainable: Any, non_trainable: Any, optimizer: Any, metrics: Any, batch: Any
    ) -> Any:
        model = self._model
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        hidden = _Hidden(watcher)
        with watch_lookups(hidden), keras_embeddings_seen(model), contextlib.ExitStack() as stack:
            hidden.stack = stack
            return model.compute_loss_and_updates(
                trainable,
                non_trainable,
                metrics,
                x,
                y,
                sample_weight,
                training=True,
                optimizer_variables=optimizer,
            )

    def _train(self, plan: _Plan, state: Any, scratch: Any, stack: Any, steps: Any) -> Any:
        def body(i: Any, carry: Any) -> Any:
            state, scratch = carry
            batch = tree.map_structure(lambda a: jax.lax.dynamic_index_in_dim(a, i, keepdims=False), stack)
            return self._train_step(plan, state, scratch, batch)

        state, scratch = jax.lax.fori_loop(0, steps, body, (state, scratch))
        return state, scratch, self._logs(state[3])

    def _train_step(self, plan: _Plan, state: Any, scratch: Any, batch: Any) -> Any:
        model, optimizer = self._model, self._model.optimizer
        if not plan.tables:
            return model.train_step(state, batch)[1], scratch
        trainable, non_trainable, optimizer_values, metrics = state
        variables = model.trainable_variables
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        tables = {id(variables[index]): number for number, index in enumerate(plan.tables)}
        dense = [i for i in range(len(variables)) if i not in plan.tables]

        def loss_of(dense_values: Any, deltas: Any) -> Any:
            values = list(trainable)
            for i, value in zip(dense, dense_values, strict=True):
                values[i] = value
            watcher = _Reads(tables, [trainable[i] for i in plan.tables], deltas)
            loss, aux = self._loss(watcher, values, non_trainable, optimizer_values, metrics, batch)
            return loss, (aux, watcher.ids)

        deltas = [
            jnp.zeros(
                (*shape, *variables[plan.tables[number]].shape[1:]), variables[plan.tables[number]].dtype
            )
            for number, shape in plan.reads
        ]
        (_, (aux, ids)), (dense_gradients, row_gradients) = jax.value_and_grad(
            loss_of, argnums=(0, 1), has_aux=True
        )([trainable[i] for i in dense], deltas)
        loss, y_pred, non_trainable, metrics = aux

        slots = slot_lists(optimizer)
        positions = {id(v): i for i, v in enumerate(optimizer._trainable_variables)}
        value_of = {id(v): i for i, v in enumerate(optimizer.variables)}
        gradients: list[Any] = [None] * len(variables)
        for i, gradient in zip(dense, dense_gradients, strict=True):
            gradients[i] = gradient
        views: dict[str, dict[int, RowView]] = {name: {} for name in slots}
        apply_to: list[Any] = list(variables)
        scatters: list[tuple[str, int, RowView, Any]] = []
        repeats: dict[Any, Any] = {}
        scratch = dict(scratch)
        for number, index in enumerate(plan.tables):
            table = variables[index]
            mine = [k for k, (owner, _) in enumerate(plan.reads) if owner == number]
            read = jnp.concatenate([ids[k].reshape(-1) for k in mine])
            summed = jnp.concatenate([row_gradients[k].reshape(-1, *table.shape[1:]) for k in mine])
            key = plan.scratch[number]
            if key not in repeats:
                repeats[key], scratch[key] = _first_reads(read, scratch[key])
            first, owner = repeats[key]
            gradient = jnp.zeros_like(summed).at[first].add(summed)
            target = jnp.where(owner, read, table.shape[0])
            rows = trainable[index].at[read].get(mode="clip")
            if table.regularizer is not None:
                scale = owner * (table.shape[0] / jnp.sum(owner))
                scale = scale.reshape(-1, *[1] * (rows.ndim - 1)).astype(rows.dtype)
                loss = loss + regularizer_penalty(table.regularizer, rows, scale)
                gradient = gradient + optimizer.scale_loss(
                    regularizer_gradient(table.regularizer, rows, scale)
                )
            gradients[index] = gradient
            position = positions[id(table)]
            apply_to[index] = RowView(table, rows)
            scatters.append(("trainable", index, apply_to[index], target))
            for name, by_index in slots.items():
                slot = by_index[position]
                if slot is not None:
                    at = value_of[id(slot)]
                    view = RowView(slot, optimizer_values[at].at[read].get(mode="clip"))
                    views[name][position] = view
                    scatters.append(("optimizer", at, view, target))

        mapping = [
            *zip(variables, trainable, strict=True),
            *zip(optimizer.variables, optimizer_values, strict=True),
        ]
        with StatelessScope(state_mapping=mapping) as scope, views_in_place(optimizer, views):
            optimizer.apply(gradients, apply_to)
        new = {
            "trainable": [scope.get_current_value(v) for v in variables],
            "optimizer": [scope.get_current_value(v) for v in optimizer.variables],
        }
        for kind, at, view, target in scatters:
            new[kind][at] = new[kind][at].at[target].set(view.value, mode="drop")
        _, metrics = model._update_metrics_variables(metrics, loss, x, y, y_pred, sample_weight)
        return (new["trainable"], non_trainable, new["optimizer"], metrics), scratch

    def _test(self, state: Any, stack: Any, steps: Any) -> Any:
        def body(i: Any, changed: Any) -> Any:
            batch = tree.map_structure(lambda a: jax.lax.dynamic_index_in_dim(a, i, keepdims=False), stack)
            return self._model.test_step((state[0], *changed), batch)[1][1:]

        changed = jax.lax.fori_loop(0, steps, body, tuple(state[1:]))
        return changed, self._logs(changed[1])

    def _predict(self, state: Any, stack: Any) -> Any:
        return jax.lax.map(lambda batch: self._model.predict_step(state, batch)[0], stack)

    def _logs(self, metrics: Any) -> Any:
        with StatelessScope(state_mapping=zip(self._model.metrics_variables, metrics, strict=True)):
            return self._model.get_metrics_result()


class _Hidden:
    """Passes lookups on, and hides the regularizer of every table from the loss once its rows are read."""

    stack: contextlib.ExitStack

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        rows = self._watcher.lookup(table, ids)
        if rows is not None and table.regularizer is not None:
            self.stack.enter_context(without_regularizers([table]))
        return rows


class _Reads:
    """Reads rows from values that are not differentiated, plus a delta that is."""

    def __init__(self, tables: dict[int, int], values: list[Any], deltas: list[Any]) -> None:
        self._tables = tables
        self._values = values
        self._deltas = deltas
        self.ids: list[Any] = []

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        number = self._tables.get(id(table))
        if number is None:
            return None
        delta = self._deltas[len(self.ids)]
        self.ids.append(ids)
        return jax.lax.stop_gradient(self._values[number].at[ids].get(mode="clip")) + delta


def _first_reads(ids: Any, scratch: Any) -> tuple[tuple[Any, Any], Any]:
    """For each of the ids `[N]`, a position that all its repeats share, and whether it is that position.

    The scratch array `[n]` remembers one position for each id. It is never cleared: only entries that were
    written in this step are read.
    """
    here = jnp.arange(ids.shape[0], dtype="int32")
    scratch = scratch.at[ids].set(here, mode="drop")
    first = scratch.at[ids].get(mode="clip")
    return (first, first == here), scratch


def _abstract(x: Any) -> jax.ShapeDtypeStruct:
    """Shape and type of an array or variable, as a compiled program sees it: 32 bits unless JAX has 64."""
    return jax.ShapeDtypeStruct(tuple(x.shape), jax.dtypes.canonicalize_dtype(x.dtype))


def _cache_programs() -> None:
    """Keep compiled programs in a folder, so that the next process does not compile them again.

    A folder that the user gave to JAX stays. `KERASREC_COMPILATION_CACHE` names another; `0` turns it off.
    """
    setting = os.environ.get("KERASREC_COMPILATION_CACHE", "")
    if setting == "0" or jax.config.jax_compilation_cache_dir:
        return
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    jax.config.update("jax_compilation_cache_dir", setting or str(home / "kerasrec" / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
