"""A training step on JAX that reads, differentiates and updates only rows of tables."""

from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.trainers._jax_missed import CatchUp
from kerasrec.trainers._jax_plan import Plan
from kerasrec.trainers._jax_reads import Read, Reads, first_reads, loss_and_updates
from kerasrec.trainers._jax_sharded import Owned
from kerasrec.trainers._keras import StatelessScope
from kerasrec.trainers._repeats import NO_ID, Repeats
from kerasrec.trainers._rows import (
    RowView,
    regularizer_gradient,
    regularizer_penalty,
    slot_lists,
    views_in_place,
)


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

    def slots_of(variable: Any) -> dict[str, Any]:
        """By name, an optimizer's slots of a variable."""
        found = {name: by_index[positions[id(variable)]] for name, by_index in slots.items()}
        return {name: slot for name, slot in found.items() if slot is not None}

    def rows_of(number: int, ids: Any) -> tuple[Any, dict[str, Any]]:
        """Rows `ids` `[R]` of a table and of its slots, up to date."""
        table, owned = variables[plan.tables[number]], plan.owned[number]
        values = _take(trainable[plan.tables[number]], ids, owned)
        rows = {
            name: _take(optimizer_values[value_of[id(slot)]], ids, owned)
            for name, slot in slots_of(table).items()
        }
        return (values, rows) if catch_up is None else catch_up.rows(table, ids, values, rows, owned)

    def loss_of(dense_values: Any, deltas: Any) -> Any:
        values = list(trainable)
        for i, value in zip(dense, dense_values, strict=True):
            values[i] = value
        watcher = Reads(tables, rows_of, deltas, read_once, plan.owned, by_owner)
        loss, aux = loss_and_updates(model, watcher, values, non_trainable, optimizer_values, metrics, batch)
        reads = [(read.ids, read.asked, read.rows, read.slots) for read in watcher.reads]
        return loss, (aux, reads)

    read_once = [None if leaf is None else repeats[leaf] for leaf in plan.columns]
    by_owner = _by_owner(plan, repeats)
    deltas = []
    for number, shape in plan.reads:
        table, once, at_owners = variables[plan.tables[number]], read_once[number], by_owner[number]
        if once is not None:
            shape = once.ids.shape if at_owners is None else at_owners[0].shape
        deltas.append(jnp.zeros((*shape, *table.shape[1:]), table.dtype))
    (_, (aux, parts)), (dense_gradients, row_gradients) = jax.value_and_grad(
        loss_of, argnums=(0, 1), has_aux=True
    )([trainable[i] for i in dense], deltas)
    loss, y_pred, non_trainable, metrics = aux
    reads = [Read(*part) for part in parts]

    gradients: list[Any] = [None] * len(variables)
    views: dict[str, dict[int, RowView]] = {name: {} for name in slots}
    apply_to: list[Any] = list(variables)
    # What is written back of a table or a slot: kind, position, view, and which rows; `None` for all.
    written: list[tuple[str, int, RowView, Any, Owned | None]] = []

    def view(index: int, rows: Any, slot_rows: dict[str, Any], target: Any, owned: Owned | None) -> None:
        variable = variables[index]
        apply_to[index] = RowView(variable, rows)
        written.append(("trainable", index, apply_to[index], target, owned))
        for name, slot in slots_of(variable).items():
            slot_view = RowView(slot, slot_rows[name])
            views[name][positions[id(variable)]] = slot_view
            written.append(("optimizer", value_of[id(slot)], slot_view, target, owned))

    for i, gradient in zip(dense, dense_gradients, strict=True):
        gradients[i] = gradient
        if hasattr(variables[i], "spread_over"):
            # With the rows for padding: they have no gradient, and nobody reads them.
            whole = {
                name: optimizer_values[value_of[id(slot)]] for name, slot in slots_of(variables[i]).items()
            }
            view(i, trainable[i], whole, None, None)
            apply_to[i].constraint = variables[i].constraint
    owners: dict[Any, Any] = {}
    scratch = dict(scratch)
    for number, index in enumerate(plan.tables):
        table, owned = variables[index], plan.owned[number]
        mine = [k for k, (of, _) in enumerate(plan.reads) if of == number]
        summed = jnp.concatenate([row_gradients[k].reshape(-1, *table.shape[1:]) for k in mine])
        rows = _joined([reads[k].rows for k in mine], owned)
        if read_once[number] is not None:
            target = reads[mine[0]].ids
            gradient = summed if owned is None else owned.at_owners(summed)
            there = target < table.shape[0]
        else:
            key = plan.scratch[number]
            asked = jnp.concatenate([reads[k].asked for k in mine])
            if key not in owners:
                owners[key], scratch[key] = first_reads(asked, scratch[key])
            first, there = owners[key]
            gradient = jnp.zeros_like(summed).at[first].add(summed)
            target = jnp.where(there, asked, NO_ID)
            if owned is not None:
                target = owned.mine(target, NO_ID)
                there = target != NO_ID
                gradient = owned.of_mine(gradient, there)
        if table.regularizer is not None:
            scale = there * (table.shape[0] / jnp.sum(there))
            scale = scale.reshape(-1, *[1] * (rows.ndim - 1)).astype(rows.dtype)
            loss = loss + regularizer_penalty(table.regularizer, rows, scale, xla=owned is None)
            gradient = gradient + optimizer.scale_loss(regularizer_gradient(table.regularizer, rows, scale))
        gradients[index] = gradient
        names = reads[mine[0]].slots
        slot_rows = {name: _joined([reads[k].slots[name] for k in mine], owned) for name in names}
        view(index, rows, slot_rows, target, owned)
        if catch_up is not None:
            catch_up.write(table, target, owned)

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
    for kind, at, changed, target, owned in written:
        new[kind][at] = changed.value if target is None else _put(new[kind][at], target, changed.value, owned)
    _, metrics = model._update_metrics_variables(metrics, loss, x, y, y_pred, sample_weight)
    return (new["trainable"], non_trainable, new["optimizer"], metrics), scratch


def _take(array: Any, ids: Any, owned: Owned | None) -> Any:
    return array.at[ids].get(mode="clip") if owned is None else owned.take(array, ids)


def _put(array: Any, ids: Any, rows: Any, owned: Owned | None) -> Any:
    return array.at[ids].set(rows, mode="drop") if owned is None else owned.put(array, ids, rows)


def _joined(parts: list[Any], owned: Owned | None) -> Any:
    """What several lookups read of a table, one after the other."""
    return jnp.concatenate(parts) if owned is None or len(parts) == 1 else owned.joined(parts)


def _by_owner(plan: Plan, repeats: dict[int, Repeats]) -> list[tuple[Any, Any] | None]:
    """For each table whose rows lie on many devices, a column's ids by owner, and the places of all ids."""
    found: dict[int, tuple[Any, Any]] = {}
    result: list[tuple[Any, Any] | None] = []
    for leaf, owned in zip(plan.columns, plan.owned, strict=True):
        if leaf is None or owned is None:
            result.append(None)
            continue
        if leaf not in found:
            ids, places = owned.buckets(repeats[leaf].ids, plan.capacities[leaf], NO_ID)
            inverse = repeats[leaf].inverse
            found[leaf] = ids, places.at[inverse].get(mode="promise_in_bounds")
        result.append(found[leaf])
    return result
