"""A training step on JAX that reads, differentiates and updates only rows of tables."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.layers._lookup import keras_embeddings_seen, watch_lookups
from kerasrec.trainers._jax_missed import CatchUp
from kerasrec.trainers._keras import StatelessScope, tree
from kerasrec.trainers._repeats import Limits, Repeats
from kerasrec.trainers._rows import (
    RowView,
    regularizer_gradient,
    regularizer_penalty,
    slot_lists,
    views_in_place,
    without_regularizers,
)

# What changes the shape or the type of an array, and not what is in it.
_SAME_VALUES = ("broadcast_in_dim", "convert_element_type", "reshape", "squeeze")


@dataclass
class Plan:
    """What a step reads by rows: found once a shape, by tracing the loss without running it.

    Attributes:
        tables: positions in `trainable_variables` of the tables that are updated by rows.
        reads: for each lookup in the order of the calls, its position in `tables` and its ids' shape.
        columns: for each table, the batch's leaf that holds all its ids, whose repeats NumPy finds; `None`
            where there is no such leaf.
        limits: for each of these leaves, the rows of the smallest table that it reads, and the table.
        scratch: for each of the other tables, its key of the scratch array that finds repeated ids.
        readers: for each table, what its ids come from; the same for tables that one column reads.
    """

    tables: list[int] = field(default_factory=list)
    reads: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    columns: list[int | None] = field(default_factory=list)
    limits: Limits = field(default_factory=dict)
    scratch: list[Any] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)


def find_plan(
    model: Any,
    by_rows: Callable[[keras.Variable, int], bool],
    decided: dict[int, bool],
    state: Any,
    stack: Any,
    on_host: bool,
) -> Plan:
    """Find the lookups, and the tables that nothing but lookups reads.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups a step to whether it is updated by rows.
        decided: what `by_rows` said of a table before; filled. A short last batch must not change what was
            decided for the others.
        state: shapes of the training state.
        stack: shapes of the batches of a call.
        on_host: bool, whether NumPy may look for repeats.
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
        jaxpr = jax.make_jaxpr(lambda *args: (_loss(model, Watcher(), *args)[0], [ids for _, ids in found]))(
            *state, batch
        ).jaxpr
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
    leaf_of = _leaves(jaxpr, batch) if on_host else {}
    read_from: dict[int, list[Any]] = {}
    for (index, ids), var in zip(found, jaxpr.outvars[1:], strict=True):
        if index not in plan.tables:
            plan.tables.append(index)
        plan.reads.append((plan.tables.index(index), tuple(ids.shape)))
        leaf = leaf_of.get(id(_origin(var, jaxpr)))
        read_from.setdefault(index, []).append((leaf, id(ids)))
    names: dict[Any, int] = {}
    for index in plan.tables:
        n = variables[index].shape[0]
        leaf, _ = read_from[index][0]
        plan.readers.append(tuple(part if leaf is None else leaf for leaf, part in read_from[index]))
        if len(read_from[index]) > 1 or leaf is None:
            plan.columns.append(None)
            plan.scratch.append((names.setdefault(tuple(read_from[index]), len(names)), n))
        else:
            plan.columns.append(leaf)
            plan.scratch.append(None)
            plan.limits[leaf] = min((n, variables[index].path), plan.limits.get(leaf, (n + 1, "")))
    return plan


def _leaves(jaxpr: Any, batch: Any) -> dict[int, int]:
    """By the identity of a traced program's variable, which integer leaf of the batch it is."""
    leaves = [leaf for leaf in tree.flatten(batch) if leaf is not None]
    variables = jaxpr.invars[len(jaxpr.invars) - len(leaves) :]
    return {
        id(variable): number
        for number, (leaf, variable) in enumerate(zip(leaves, variables, strict=True))
        if jnp.issubdtype(leaf.dtype, jnp.integer) and variable.aval.shape == leaf.shape
    }


def _origin(variable: Any, jaxpr: Any) -> Any:
    """The variable of a traced program that this one is another shape or type of integers of."""
    made_by = {id(out): eqn for eqn in jaxpr.eqns for out in eqn.outvars}
    while (eqn := made_by.get(id(variable))) is not None:
        inner = eqn.params.get("jaxpr")
        if inner is not None and len(eqn.outvars) == 1 and len(eqn.invars) == 1:  # a function within
            if _origin(inner.jaxpr.outvars[0], inner.jaxpr) is not inner.jaxpr.invars[0]:
                break
        elif eqn.primitive.name not in _SAME_VALUES or not all(
            jnp.issubdtype(v.aval.dtype, jnp.integer) for v in (*eqn.outvars, *eqn.invars)
        ):
            break
        elif eqn.outvars[0].aval.size != eqn.invars[0].aval.size:
            break
        elif eqn.outvars[0].aval.dtype.itemsize < min(4, eqn.invars[0].aval.dtype.itemsize):
            break  # a cast to fewer bits would make other ids of some
        variable = eqn.invars[0]
    return variable


def train_step(
    model: Any,
    plan: Plan,
    state: Any,
    scratch: Any,
    batch: Any,
    repeats: dict[int, Repeats],
    catch_up: CatchUp | None,
) -> tuple[Any, Any]:
    """One step that updates the tables of the plan by rows; the new state and scratch arrays.

    Args:
        model: the model of the plan.
        plan: the plan.
        state: the training state.
        scratch: the plan's scratch arrays.
        batch: the batch.
        repeats: for each leaf of the plan's `limits`, what NumPy found in it.
        catch_up: what brings the rows of tables up to date; `None` where nothing does.
    """
    optimizer = model.optimizer
    trainable, non_trainable, optimizer_values, metrics = state
    variables = model.trainable_variables
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    tables = {id(variables[index]): number for number, index in enumerate(plan.tables)}
    dense = [i for i in range(len(variables)) if i not in plan.tables]

    slots = slot_lists(optimizer)
    positions = {id(v): i for i, v in enumerate(optimizer._trainable_variables)}
    value_of = {id(v): i for i, v in enumerate(optimizer.variables)}

    def rows_of(number: int, ids: Any) -> tuple[Any, dict[str, Any]]:
        """Rows `ids` `[R]` of a table and of its slots, up to date."""
        table = variables[plan.tables[number]]
        values = trainable[plan.tables[number]].at[ids].get(mode="clip")
        rows = {
            name: optimizer_values[value_of[id(slot)]].at[ids].get(mode="clip")
            for name, by_index in slots.items()
            if (slot := by_index[positions[id(table)]]) is not None
        }
        return (values, rows) if catch_up is None else catch_up.rows(table, ids, values, rows)

    def loss_of(dense_values: Any, deltas: Any) -> Any:
        values = list(trainable)
        for i, value in zip(dense, dense_values, strict=True):
            values[i] = value
        watcher = _Reads(tables, rows_of, deltas, read_once)
        loss, aux = _loss(model, watcher, values, non_trainable, optimizer_values, metrics, batch)
        return loss, (aux, watcher.ids, watcher.rows, watcher.slots)

    read_once = [None if leaf is None else repeats[leaf] for leaf in plan.columns]
    deltas = []
    for number, shape in plan.reads:
        table, once = variables[plan.tables[number]], read_once[number]
        shape = shape if once is None else once.ids.shape
        deltas.append(jnp.zeros((*shape, *table.shape[1:]), table.dtype))
    (_, (aux, ids, values, slot_rows)), (dense_gradients, row_gradients) = jax.value_and_grad(
        loss_of, argnums=(0, 1), has_aux=True
    )([trainable[i] for i in dense], deltas)
    loss, y_pred, non_trainable, metrics = aux

    gradients: list[Any] = [None] * len(variables)
    for i, gradient in zip(dense, dense_gradients, strict=True):
        gradients[i] = gradient
    views: dict[str, dict[int, RowView]] = {name: {} for name in slots}
    apply_to: list[Any] = list(variables)
    scatters: list[tuple[str, int, RowView, Any]] = []
    owners: dict[Any, Any] = {}
    scratch = dict(scratch)
    for number, index in enumerate(plan.tables):
        table = variables[index]
        mine = [k for k, (owner, _) in enumerate(plan.reads) if owner == number]
        read = jnp.concatenate([ids[k].reshape(-1) for k in mine])
        summed = jnp.concatenate([row_gradients[k].reshape(-1, *table.shape[1:]) for k in mine])
        rows = jnp.concatenate([values[k].reshape(-1, *table.shape[1:]) for k in mine])
        if read_once[number] is not None:
            gradient, target, owner = summed, read, read < table.shape[0]
        else:
            key = plan.scratch[number]
            if key not in owners:
                owners[key], scratch[key] = _first_reads(read, scratch[key])
            first, owner = owners[key]
            gradient = jnp.zeros_like(summed).at[first].add(summed)
            target = jnp.where(owner, read, table.shape[0])
        if table.regularizer is not None:
            scale = owner * (table.shape[0] / jnp.sum(owner))
            scale = scale.reshape(-1, *[1] * (rows.ndim - 1)).astype(rows.dtype)
            loss = loss + regularizer_penalty(table.regularizer, rows, scale, xla=True)
            gradient = gradient + optimizer.scale_loss(regularizer_gradient(table.regularizer, rows, scale))
        gradients[index] = gradient
        position = positions[id(table)]
        apply_to[index] = RowView(table, rows)
        scatters.append(("trainable", index, apply_to[index], target))
        for name in slot_rows[mine[0]]:
            slot = slots[name][position]
            view = RowView(slot, jnp.concatenate([slot_rows[k][name] for k in mine]))
            views[name][position] = view
            scatters.append(("optimizer", value_of[id(slot)], view, target))
        if catch_up is not None:
            catch_up.write(table, target)

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
    """Reads rows from values that are not differentiated, plus a delta that is.

    Args:
        tables: by identity of a table's variable, its number.
        rows_of: function of a table's number and ids `[R]` to their rows, and to those of the slots by name.
        deltas: for each lookup, zeros of the shape of its rows.
        read_once: for each table, the ids that repeat where they were found already.
    """

    def __init__(
        self,
        tables: dict[int, int],
        rows_of: Callable[[int, Any], tuple[Any, dict[str, Any]]],
        deltas: list[Any],
        read_once: list[Repeats | None],
    ) -> None:
        self._tables = tables
        self._rows_of = rows_of
        self._deltas = deltas
        self._read_once = read_once
        self._flat: dict[int, tuple[Any, Any]] = {}
        self.ids: list[Any] = []
        self.rows: list[Any] = []
        self.slots: list[dict[str, Any]] = []

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        number = self._tables.get(id(table))
        if number is None:
            return None
        delta, once = self._deltas[len(self.ids)], self._read_once[number]
        self.ids.append(self._flat_ids(ids) if once is None else once.ids)
        rows, slots = jax.lax.stop_gradient(self._rows_of(number, self.ids[-1]))
        self.rows.append(rows)
        self.slots.append(slots)
        if once is None:
            return rows.reshape(delta.shape) + delta
        return (rows + delta).at[once.inverse.reshape(ids.shape)].get(mode="promise_in_bounds")

    def _flat_ids(self, ids: Any) -> Any:
        """Ids as `[N]`, the same array for every table that they read."""
        if id(ids) not in self._flat:
            self._flat[id(ids)] = ids, ids.reshape(-1)
        return self._flat[id(ids)][1]


def _first_reads(ids: Any, scratch: Any) -> tuple[tuple[Any, Any], Any]:
    """For each of the ids `[N]`, a position that all its repeats share, and whether it is that position.

    The scratch array `[n]` remembers one position for each id. It is never cleared: only entries that were
    written in this step are read.
    """
    here = jnp.arange(ids.shape[0], dtype="int32")
    scratch = scratch.at[ids].set(here, mode="drop")
    first = scratch.at[ids].get(mode="clip")
    return (first, first == here), scratch
