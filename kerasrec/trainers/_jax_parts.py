"""Steps in which each device computes its part of a batch: devices exchange rows of tables and gradients."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.trainers._jax_loop import each_step
from kerasrec.trainers._jax_missed import CatchUp, JaxMissed
from kerasrec.trainers._jax_plan import Plan
from kerasrec.trainers._jax_reads import loss_and_updates
from kerasrec.trainers._jax_sharded import AXIS, on_each_device
from kerasrec.trainers._jax_update import Update, stand_ins
from kerasrec.trainers._parts import Rows


def part_steps(
    model: Any,
    plan: Plan,
    missed: JaxMissed | None,
    mesh: Any,
    state: Any,
    lasts: Any,
    stack: Any,
    found: Any,
    given: Any,
    steps: Any,
) -> tuple[Any, Any]:
    """Run the steps of a block on all devices; returns the new state and last steps.

    Each device runs one program, so only what is written here is sent.

    Args:
        model: the model of the plan.
        plan: a plan with a split.
        missed: applies the updates that rows missed; `None` if there are none.
        mesh: the devices.
        state: the training state.
        lasts: by key, the last steps of the tables' rows.
        stack: stacked batches.
        found: for each group of tables, the rows that are read.
        given: result of `Missed.begin`.
        steps: number of steps.
    """

    def on_one(state: Any, lasts: Any, stack: Any, found: Any, given: Any, steps: Any) -> Any:
        def body(i: Any, carry: Any, now: Any) -> Any:
            state, lasts = carry
            catch_up = None if missed is None else CatchUp(missed, lasts, given, i)
            batch, rows = now
            state = _part_step(model, plan, state, batch, rows, catch_up)
            return state, lasts if catch_up is None else catch_up.lasts

        # The first device starts from the previous metrics, the others from 0.
        begin = [jnp.where(jax.lax.axis_index(AXIS) == 0, metric, 0) for metric in state[3]]
        state, lasts = each_step(steps, body, ((*state[:3], begin), lasts), (stack, found))
        return (*state[:3], _summed(state[3], mesh.size)), lasts

    on_all = on_each_device(on_one, mesh, plan.lie, plan.lie[:2])
    new: tuple[Any, Any] = on_all(state, lasts, stack, found, given, steps)
    return new


def _part_step(
    model: Any, plan: Plan, state: Any, batch: Any, found: list[Rows], catch_up: CatchUp | None
) -> Any:
    """Run one step on one of several devices; returns its new state.

    Args:
        model: the model of the plan.
        plan: a plan with a split.
        state: the training state, with the device's rows of tables and slots, and its part of the metrics.
        batch: the device's part.
        found: for each group of tables, the rows that are read.
        catch_up: brings the device's rows up to date; `None` if this is not needed.
    """
    trainable, non_trainable, optimizer_values, metrics = state
    variables, split = model.trainable_variables, plan.split
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    update = Update(model, trainable, optimizer_values, catch_up)
    of_table = [found[group] for group in split.group_of]
    read = [update.rows(index, rows.ids) for index, rows in zip(plan.tables, of_table, strict=True)]
    asked = [own[rows.sent] for (own, _), rows in zip(read, of_table, strict=True)]
    at_hand = [
        jnp.concatenate([own, received])
        for (own, _), received in zip(read, _passed_on(asked, split.n_devices), strict=True)
    ]
    # Tables are read only by lookups, whose rows are present.
    values = stand_ins(variables, trainable)
    slots = stand_ins(model.optimizer.variables, optimizer_values)

    def loss_of(at_hand: list[Any]) -> Any:
        watcher = _Places(model, plan, at_hand, of_table)
        loss, aux = loss_and_updates(model, watcher, values, non_trainable, slots, metrics, batch)
        return loss / split.n_devices, aux

    (_, (loss, y_pred, non_trainable, metrics)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
        at_hand
    )
    back = _passed_back(
        [gradient[len(own) :] for (own, _), gradient in zip(read, gradients, strict=True)], split.n_devices
    )
    of_variables: list[Any] = [None] * len(variables)
    for number, index in enumerate(plan.tables):
        (own, slot_rows), rows = read[number], of_table[number]
        of_variables[index] = gradients[number][: len(own)].at[rows.sent].add(back[number])
        update.of_rows(index, own, slot_rows, rows.ids)
    trainable, optimizer_values = update.apply(of_variables)
    _, metrics = model._update_metrics_variables(metrics, loss, x, y, y_pred, sample_weight)
    return trainable, non_trainable, optimizer_values, metrics


class _Places:
    """Answers lookups from the rows that are present on the device."""

    def __init__(self, model: Any, plan: Plan, at_hand: list[Any], of_table: list[Rows]) -> None:
        self._tables = {id(model.trainable_variables[index]): n for n, index in enumerate(plan.tables)}
        self._plan, self._at_hand, self._of_table = plan, at_hand, of_table
        self._n_reads = 0

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        number = self._tables.get(id(table))
        if number is None:
            return None
        leaf = self._plan.leaves[self._n_reads]
        self._n_reads += 1
        split = self._plan.split
        places = self._of_table[number].places[split.reads(split.group_of[number])[leaf]]
        return self._at_hand[number].at[places.reshape(ids.shape)].get(mode="promise_in_bounds")


def _summed(values: list[Any], n_devices: int) -> list[Any]:
    """Sums over devices, in the order of the devices, so that they are equal on all of them."""
    here = jax.lax.axis_index(AXIS)
    flat = jnp.concatenate([value.reshape(-1) for value in values])
    by_device = jnp.zeros((n_devices, flat.size), flat.dtype).at[here].set(flat)
    for j in range(1, n_devices):
        got = jax.lax.ppermute(flat, AXIS, _after(j, n_devices))
        by_device = by_device.at[(here - j) % n_devices].set(got)
    return _cut(jnp.sum(by_device, axis=0), [value.shape for value in values])


def _passed_on(arrays: list[Any], n_devices: int) -> list[Any]:
    """Send the j-th `F` rows of arrays `[(N - 1) * F, ...]` to the j-th device after this one."""
    return _sent(arrays, [_after(j, n_devices) for j in range(1, n_devices)])


def _passed_back(arrays: list[Any], n_devices: int) -> list[Any]:
    """Send arrays received by `_passed_on` back to their senders."""
    return _sent(arrays, [_after(-j, n_devices) for j in range(1, n_devices)])


def _after(j: int, n_devices: int) -> list[tuple[int, int]]:
    return [(device, (device + j) % n_devices) for device in range(n_devices)]


def _sent(arrays: list[Any], ways: list[Any]) -> list[Any]:
    """Send all arrays in one operation per route, because on the CPU each operation has a high fixed cost."""
    flat = jnp.concatenate([array.reshape(len(ways), -1) for array in arrays], axis=1)
    got = jnp.stack([jax.lax.ppermute(flat[j], AXIS, way) for j, way in enumerate(ways)])
    parts, start = [], 0
    for array in arrays:
        size = array.size // len(ways)
        parts.append(got[:, start : start + size].reshape(array.shape))
        start += size
    return parts


def _cut(flat: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    parts, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        parts.append(flat[start : start + size].reshape(shape))
        start += size
    return parts
