"""A training step on JAX that reads, differentiates and updates only rows of tables."""

from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.trainers._jax_missed import CatchUp
from kerasrec.trainers._jax_plan import Plan
from kerasrec.trainers._jax_reads import Read, Reads, first_reads, loss_and_updates
from kerasrec.trainers._jax_sharded import Owned
from kerasrec.trainers._jax_update import Update
from kerasrec.trainers._repeats import NO_ID, Repeats
from kerasrec.trainers._rows import regularizer_gradient, regularizer_penalty


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
        repeats: for each leaf in the plan's `limits`, the repeats that NumPy found.
        catch_up: brings the rows of tables up to date; `None` if this is not needed.
    """
    optimizer = model.optimizer
    trainable, non_trainable, optimizer_values, metrics = state
    variables = model.trainable_variables
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    tables = {id(variables[index]): number for number, index in enumerate(plan.tables)}
    dense = [i for i in range(len(variables)) if i not in plan.tables]
    update = Update(model, trainable, optimizer_values, catch_up)

    def rows_of(number: int, ids: Any) -> tuple[Any, dict[str, Any]]:
        return update.rows(plan.tables[number], ids, plan.owned[number])

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
    for i, gradient in zip(dense, dense_gradients, strict=True):
        gradients[i] = gradient
        if hasattr(variables[i], "spread_over"):
            update.of_all_rows(i)
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
        update.of_rows(index, rows, slot_rows, target, owned)
    new_trainable, new_optimizer = update.apply(gradients)
    _, metrics = model._update_metrics_variables(metrics, loss, x, y, y_pred, sample_weight)
    return (new_trainable, non_trainable, new_optimizer, metrics), scratch


def _joined(parts: list[Any], owned: Owned | None) -> Any:
    """The concatenated reads of several lookups of a table."""
    return jnp.concatenate(parts) if owned is None or len(parts) == 1 else owned.joined(parts)


def _by_owner(plan: Plan, repeats: dict[int, Repeats]) -> list[tuple[Any, Any] | None]:
    """For each table on many devices, a column's ids by owner, and the places of all ids."""
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
