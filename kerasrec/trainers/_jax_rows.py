"""A training step on JAX that reads, differentiates and updates only rows of tables."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.layers._lookup import keras_embeddings_seen, watch_lookups
from kerasrec.trainers._keras import StatelessScope, tree
from kerasrec.trainers._rows import (
    RowView,
    regularizer_gradient,
    regularizer_penalty,
    slot_lists,
    views_in_place,
    without_regularizers,
)


@dataclass
class Plan:
    """What a step reads by rows: found once a shape, by tracing the loss without running it.

    Attributes:
        tables: positions in `trainable_variables` of the tables that are updated by rows.
        reads: for each lookup in the order of the calls, its position in `tables` and its ids' shape.
        scratch: for each table, its key of the scratch array that finds repeated ids.
    """

    tables: list[int] = field(default_factory=list)
    reads: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    scratch: list[tuple[Any, int]] = field(default_factory=list)


def find_plan(
    model: Any,
    by_rows: Callable[[keras.Variable, int], bool],
    decided: dict[int, bool],
    state: Any,
    stack: Any,
) -> Plan:
    """Find the lookups, and the tables that nothing but lookups reads.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups a step to whether it is updated by rows.
        decided: what `by_rows` said of a table before; filled. A short last batch must not change what was
            decided for the others.
        state: shapes of the training state.
        stack: shapes of the batches of a call.
    """
    variables = model.trainable_variables
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
        jaxpr = jax.make_jaxpr(lambda *args: _loss(model, Watcher(), *args)[0])(*state, batch).jaxpr
        lookups: dict[int, int] = {}
        for index, ids in found:
            lookups[index] = lookups.get(index, 0) + ids.size
        # A table that the traced program still reads is used in another way as well.
        used = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
        again = {
            index
            for index, n in lookups.items()
            if not decided.setdefault(index, by_rows(variables[index], n)) or id(jaxpr.invars[index]) in used
        }
        if not again:
            break
        refused |= again

    plan = Plan()
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


def train_step(model: Any, plan: Plan, state: Any, scratch: Any, batch: Any) -> tuple[Any, Any]:
    """One step that updates the tables of the plan by rows; the new state and scratch arrays."""
    optimizer = model.optimizer
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
        loss, aux = _loss(model, watcher, values, non_trainable, optimizer_values, metrics, batch)
        return loss, (aux, watcher.ids, watcher.rows)

    deltas = [
        jnp.zeros((*shape, *variables[plan.tables[number]].shape[1:]), variables[plan.tables[number]].dtype)
        for number, shape in plan.reads
    ]
    (_, (aux, ids, values)), (dense_gradients, row_gradients) = jax.value_and_grad(
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
        rows = jnp.concatenate([values[k].reshape(-1, *table.shape[1:]) for k in mine])
        if table.regularizer is not None:
            scale = owner * (table.shape[0] / jnp.sum(owner))
            scale = scale.reshape(-1, *[1] * (rows.ndim - 1)).astype(rows.dtype)
            loss = loss + regularizer_penalty(table.regularizer, rows, scale)
            gradient = gradient + optimizer.scale_loss(regularizer_gradient(table.regularizer, rows, scale))
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


def _loss(
    model: Any, watcher: Any, trainable: Any, non_trainable: Any, optimizer: Any, metrics: Any, batch: Any
) -> Any:
    """The loss and what a step carries on, every lookup of a table seen by the watcher."""
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
        self.rows: list[Any] = []

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        number = self._tables.get(id(table))
        if number is None:
            return None
        delta = self._deltas[len(self.ids)]
        self.ids.append(ids)
        self.rows.append(jax.lax.stop_gradient(self._values[number].at[ids].get(mode="clip")))
        return self.rows[-1] + delta


def _first_reads(ids: Any, scratch: Any) -> tuple[tuple[Any, Any], Any]:
    """For each of the ids `[N]`, a position that all its repeats share, and whether it is that position.

    The scratch array `[n]` remembers one position for each id. It is never cleared: only entries that were
    written in this step are read.
    """
    here = jnp.arange(ids.shape[0], dtype="int32")
    scratch = scratch.at[ids].set(here, mode="drop")
    first = scratch.at[ids].get(mode="clip")
    return (first, first == here), scratch
