"""Missed updates on JAX: arrays that a program carries next to the tables, and sums that steps look up."""

import contextlib
import ctypes
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerasrec.trainers._forms import Gap, Slots, catch_up_slots, catch_up_weights, gap
from kerasrec.trainers._jax_sharded import Owned, by_rows, everywhere, mesh_of, pieces, rebuilt, zeros
from kerasrec.trainers._missed import AT_ONCE, Missed, Table

# Smaller arrays are replaced as a whole, which needs no program for their shape.
_SMALL = 2**24


class JaxMissed(Missed):
    """`Missed` for arrays that programs replace.

    Attributes:
        rate: the learning rate; `None` if a schedule gives it.
    """

    rate: float | None = None

    def read(self, variable: Any, ids: np.ndarray) -> np.ndarray:
        array = variable._value
        if len(array.sharding.device_set) == 1:
            return np.asarray(_in_memory(array)[ids])
        rows = np.empty((len(ids), *array.shape[1:]), array.dtype)
        for start, end, part in pieces(array):
            here = (ids >= start) & (ids < end)
            rows[here] = _in_memory(part)[ids[here] - start]
        return rows

    def write(self, variable: Any, ids: np.ndarray, rows: np.ndarray) -> None:
        array = variable._value
        if len(array.sharding.device_set) == 1:
            variable._value = _with_rows(array, ids, rows)
            return

        def change(start: int, part: Any) -> Any:
            here = (ids >= start) & (ids < start + part.shape[0])
            return _with_rows(part, ids[here] - start, rows[here]) if here.any() else part

        variable._value = rebuilt(array, change)

    def here(self, variable: Any, ids: np.ndarray) -> np.ndarray:
        array = variable._value
        if array.is_fully_addressable or array.is_fully_replicated:
            return ids
        parts = [ids[(ids >= start) & (ids < end)] for start, end, _ in pieces(array)]
        return np.concatenate(parts)

    def last_steps(self, key: Any) -> np.ndarray:
        array = self.lasts[key]
        if len(array.sharding.device_set) == 1:
            return _in_memory(array).copy()
        steps = np.zeros(array.shape, array.dtype)
        for start, end, part in pieces(array):
            steps[start:end] = _in_memory(part)
        return steps

    def new_last_steps(self, variable: Any) -> Any:
        if hasattr(variable, "spread_over"):
            return zeros(variable.padded_shape[:1], by_rows(mesh_of(variable.spread_over)))
        layout = getattr(variable, "_layout", None)
        if layout is None:
            return jnp.zeros(variable.shape[0], "int32")
        return zeros(variable.shape[:1], everywhere(layout.device_mesh.backend_mesh))

    def clear_last_steps(self, key: Any) -> None:
        array = self.lasts[key]
        several = len(array.sharding.device_set) > 1
        self.lasts[key] = zeros(array.shape, array.sharding) if several else jnp.zeros_like(array)

    def held(self, variable: Any) -> bool:
        return variable._value is not None

    def outside_of_traces(self) -> contextlib.AbstractContextManager[Any]:
        return jax.ensure_compile_time_eval()

    def _mapped(self, schedule: Any, steps: Any) -> Any:
        return jax.jit(lambda steps: jax.lax.map(schedule, steps))(steps)

    def signature(self) -> tuple[Any, Any]:
        """Shapes of the result of `begin`."""
        return (
            jax.ShapeDtypeStruct((3,), "int32"),
            jax.ShapeDtypeStruct((self.limit + 1, self.form.columns), "float32"),
        )


class CatchUp:
    """Brings the rows that a step reads up to date, while the step is traced.

    Args:
        missed: `JaxMissed` with the tables.
        lasts: by key, the last steps of the tables' rows.
        given: result of `Missed.begin`: `[3]` and the table of sums.
        step: scalar, the number of the step in its call.
    """

    def __init__(self, missed: JaxMissed, lasts: dict[Any, Any], given: tuple[Any, Any], step: Any) -> None:
        clock, self._sums = given
        self.missed = missed
        self.lasts = dict(lasts)
        self._before = dict(lasts)
        self._now = clock[0] + step
        self._since, self._since_weights = clock[1], clock[2]
        self._gaps: dict[Any, tuple[Any, Gap]] = {}
        self._read: dict[Any, list[Any]] = {}

    def rows(
        self, variable: Any, ids: Any, weights: Any, slots: Slots, owned: Owned | None = None
    ) -> tuple[Any, Slots]:
        """Weights and slots of rows, up to date.

        Args:
            variable: the table.
            ids: `[R]`.
            weights: `[R, ...]`, as stored in the table.
            slots: by name, `[R, ...]`, as stored.
            owned: access to rows on many devices; `None` for one device.
        """
        table, own = self.missed.tables[id(variable)], weights.dtype
        dtype = jnp.float64 if own == jnp.float64 else jnp.float32
        key = table.last, id(ids), dtype
        if key not in self._gaps:
            self._gaps[key] = ids, self._gap(table, ids, dtype, owned)
        missed = self._gaps[key][1]
        slots = {name: rows.astype(dtype) for name, rows in slots.items()}
        weights = catch_up_weights(self.missed.form, jnp, weights.astype(dtype), slots, missed, table.decayed)
        slots = catch_up_slots(self.missed.form, slots, missed)
        slots = {name: rows.astype(own) for name, rows in slots.items()}
        # Without the barrier, XLA would compute them again at each use.
        caught_up: tuple[Any, Slots] = jax.lax.optimization_barrier((weights.astype(own), slots))
        return caught_up

    def write(self, variable: Any, target: Any, owned: Owned | None = None) -> None:
        """Remember that the rows `target` are up to date after this step."""
        last = self.missed.tables[id(variable)].last
        if self.lasts[last] is self._before[last]:
            # No row's last step is after this one, so the maximum changes nothing. It makes the write depend
            # on the read; otherwise XLA might write first, and copy the whole array for that at every step.
            steps = self._now + 1
            for read in self._read[last]:
                steps = jnp.maximum(steps, read if read.shape == target.shape else jnp.max(read))
            if owned is None:
                self.lasts[last] = self._before[last].at[target].set(steps, mode="drop")
            else:
                steps = owned.at_owners(jnp.broadcast_to(steps, target.shape))
                self.lasts[last] = owned.put(self._before[last], target, steps)

    def _gap(self, table: Table, ids: Any, dtype: Any, owned: Owned | None) -> Gap:
        form = self.missed.form
        # Read once for all uses.
        before = self._before[table.last]
        last = before.at[ids].get(mode="clip") if owned is None else owned.take(before, ids)
        last = jax.lax.optimization_barrier(last)
        self._read.setdefault(table.last, []).append(last)
        begin = jnp.maximum(last, self._since)
        missed = (self._now - begin).astype(dtype)
        if not form.columns:
            return gap(form, jnp, missed, missed, [], [])
        settled = jnp.maximum(begin, self._since_weights)
        then = self._sums.at[settled].get(mode="clip").astype(dtype)
        now = self._sums[self._now].astype(dtype)
        return gap(form, jnp, missed, (settled - begin).astype(dtype), list(then.T), list(now))


def _with_rows(array: Any, ids: np.ndarray, rows: np.ndarray) -> Any:
    """An array of one device with other rows."""
    if array.nbytes <= _SMALL and _on_processor(array):
        changed = _in_memory(array).copy()
        changed[ids] = rows
        return jax.device_put(changed, array.sharding)
    n = min(max(AT_ONCE // max(math.prod(array.shape[1:]), 1), 1), array.shape[0])
    padded = np.full(n, array.shape[0], "int32")
    padded[: len(ids)] = ids
    values = np.zeros((n, *rows.shape[1:]), rows.dtype)
    values[: len(ids)] = rows
    return _replace(array, padded, values)


@functools.partial(jax.jit, donate_argnums=0)
def _replace(array: Any, ids: Any, rows: Any) -> Any:
    return array.at[ids].set(rows, mode="drop")


def _on_processor(array: Any) -> bool:
    return [device.platform for device in array.devices()] == ["cpu"]


def _in_memory(array: Any) -> np.ndarray:
    """An array's values; on the CPU a view of its memory, valid as long as the array.

    JAX would keep a view made by NumPy, and a later program would copy the array instead of changing it.
    """
    if not _on_processor(array):
        return np.asarray(array)
    array.block_until_ready()
    memory = (ctypes.c_char * array.nbytes).from_address(array.unsafe_buffer_pointer())
    return np.frombuffer(memory, array.dtype).reshape(array.shape)
