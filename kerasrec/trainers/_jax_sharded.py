"""Variables with rows on many devices, padded to a multiple of the number of devices."""

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerasrec.trainers._keras import get_stateless_scope, in_stateless_scope
from kerasrec.trainers.row_sharded import RowSharded, rows_a_device

try:
    from jax import shard_map
except ImportError:  # before JAX 0.8
    from jax.experimental.shard_map import shard_map

AXIS = "rows"
# JAX does not check that replicated results are equal on all devices; this code ensures it.
_UNCHECKED = {
    name: False for name in ("check_vma", "check_rep") if name in inspect.signature(shard_map).parameters
}


def mesh_of(distribution: RowSharded) -> Any:
    """The JAX mesh of the distribution's devices."""
    return distribution.device_mesh.backend_mesh


def by_rows(mesh: Any) -> Any:
    """The sharding of arrays along their first axis."""
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))


def everywhere(mesh: Any) -> Any:
    """The sharding of replicated arrays."""
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def on_each_device(function: Any, mesh: Any, lie: Any, result_lies: Any) -> Any:
    """A function that each device runs on its part of the arguments.

    Args:
        function: the function.
        mesh: the devices.
        lie: shardings of its arguments.
        result_lies: shardings of its result.
    """
    of = [jax.tree.map(lambda sharding: sharding.spec, shardings) for shardings in (lie, result_lies)]
    return shard_map(function, mesh=mesh, in_specs=of[0], out_specs=of[1], **_UNCHECKED)


class _Shape(tuple[int, ...]):
    """A variable's shape that also equals the shape of the padded values: Keras compares the two."""

    padded: int

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self, other) is True or (
            isinstance(other, tuple) and tuple.__eq__((self.padded, *self[1:]), tuple(other)) is True
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


class _Spread:
    """Mixed into the class of a `keras.Variable`, which then holds a padded, sharded value unseen.

    Attributes:
        spread_over: `RowSharded`.
    """

    _shape: tuple[int, ...]
    _value: Any
    spread_over: RowSharded

    @property
    def padded_shape(self) -> tuple[int, ...]:
        """Shape of the array that is held, with padding."""
        n_devices = mesh_of(self.spread_over).size
        return (rows_a_device(self._shape[0], n_devices) * n_devices, *self._shape[1:])

    @property
    def shape(self) -> tuple[int, ...]:
        shape = _Shape(self._shape)
        shape.padded = self.padded_shape[0]
        return shape

    @property
    def value(self) -> Any:
        value = super().value  # type: ignore[misc]
        return _cut(value, self._shape[0], everywhere(mesh_of(self.spread_over)))

    def assign(self, value: Any) -> Any:
        if isinstance(value, jax.Array) and tuple(value.shape) == self.padded_shape:
            if in_stateless_scope():
                get_stateless_scope().add_update((self, value))
            else:
                self._direct_assign(value)
            return value
        return super().assign(value)  # type: ignore[misc]

    def take_rows(self, ids: Any) -> Any:
        """Rows by id, `ids.shape + shape[1:]`, on every device; each device sends the rows that it holds."""
        getattr(self, "_tell_keepers", lambda: None)()
        value = super().value  # type: ignore[misc]
        if value.shape[0] != self.padded_shape[0]:  # drawn for a trace, before there are weights
            return jnp.take(value, ids, axis=0)
        if not isinstance(ids, jax.core.Tracer):
            ids = np.asarray(ids)  # the same in every process
        return _sent_rows(value, ids, mesh_of(self.spread_over))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if in_stateless_scope():
            return np.asarray(super().__array__(dtype))  # type: ignore[misc]
        getattr(self, "_tell_keepers", lambda: None)()
        return np.asarray(to_host(self._value)[: self._shape[0]], dtype)

    def _convert_to_tensor(self, value: Any, dtype: Any = None) -> Any:
        if isinstance(value, jax.Array) or not hasattr(value, "__array__") or hasattr(value, "spread_over"):
            return super()._convert_to_tensor(value, dtype)  # type: ignore[misc]
        # Each device gets only its own rows from the host.
        return np.asarray(value, jnp.dtype(dtype) if dtype else None)

    def _direct_assign(self, value: Any) -> None:
        sharding = by_rows(mesh_of(self.spread_over))
        if tuple(value.shape) != self.padded_shape or not isinstance(value, jax.Array):
            value = _placed(to_host(value), self.padded_shape, sharding)
        elif not value.sharding.is_equivalent_to(sharding, value.ndim):
            value = jax.device_put(value, sharding)
        self._value = value


def spread(variable: Any, distribution: RowSharded) -> None:
    """Shard a variable that has no value yet by rows over the devices of a distribution."""
    variable.spread_over = distribution
    cls: Any = type(variable)
    variable.__class__ = _spread_class(cls)


def state_of(model: Any, **kinds: bool) -> tuple[list[Any], ...]:
    """The state of a model for Keras's trainer, with tables in their padded form."""
    names = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    variables = {
        name: model.optimizer.variables if name == names[2] else getattr(model, name)
        for name in names
        if kinds.get(name)
    }
    state = tuple([held(v) for v in some] for some in variables.values())
    if kinds.get("purge_model_variables"):
        model._purge_model_variables(**{name: True for name in variables})
    return state


def held(variable: Any) -> Any:
    """The array that a variable holds, or stands for in a stateless scope; padded if it is sharded."""
    if not hasattr(variable, "spread_over"):
        return variable.value
    getattr(variable, "_tell_keepers", lambda: None)()
    return variable._value


@functools.cache
def _spread_class(cls: type) -> type:
    return type(cls.__name__, (_Spread, cls), {"__module__": cls.__module__, "__doc__": cls.__doc__})


def pieces(array: Any) -> Iterator[tuple[int, int, Any]]:
    """The distinct parts that this process has: first row, row after the last, and array."""
    seen = set()
    for shard in array.addressable_shards:
        where = shard.index[0] if shard.index else slice(None)
        start = where.start or 0
        if start not in seen:
            seen.add(start)
            yield start, start + shard.data.shape[0] if shard.data.ndim else 1, shard.data


def to_host(array: Any) -> np.ndarray:
    """An array's values; if it is sharded over processes, all of them must call this together."""
    if not isinstance(array, jax.Array):
        return np.asarray(array)
    if array.is_fully_addressable or array.is_fully_replicated:
        if len(array.sharding.device_set) == 1 or not array.ndim:
            return np.asarray(array)
        values = np.empty(array.shape, array.dtype)
        for start, end, part in pieces(array):
            values[start:end] = np.asarray(part)
        return values
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def rebuilt(array: Any, change: Callable[[int, Any], Any]) -> Any:
    """An array in which each part on a device of this process is replaced.

    Args:
        array: `[n, ...]`, on many devices.
        change: function of a part's first row and the part that returns the new part, on the same device.
    """
    parts = [
        change((shard.index[0].start or 0) if shard.index else 0, shard.data)
        for shard in array.addressable_shards
    ]
    return jax.make_array_from_single_device_arrays(array.shape, array.sharding, parts)


def zeros(shape: tuple[int, ...], sharding: Any) -> Any:
    """Zeros, int32."""
    return jax.make_array_from_callback(
        shape,
        sharding,
        lambda index: np.zeros(
            [len(range(*i.indices(n))) for i, n in zip(index, shape, strict=True)], "int32"
        ),
    )


def _placed(values: np.ndarray, shape: tuple[int, ...], sharding: Any) -> Any:
    def block(index: tuple[slice, ...]) -> np.ndarray:
        start, end, _ = index[0].indices(shape[0])
        part = values[start:end]
        if len(part) == end - start:
            return part
        return np.concatenate([part, np.zeros((end - start - len(part), *shape[1:]), values.dtype)])

    return jax.make_array_from_callback(shape, sharding, block)


def _cut(value: Any, n: int, sharding: Any) -> Any:
    if value.shape[0] == n:
        return value
    if isinstance(value, jax.core.Tracer):
        return value[:n]
    return _first_rows(n, sharding)(value)


@functools.cache
def _first_rows(n: int, sharding: Any) -> Any:
    return jax.jit(lambda a: a[:n], out_shardings=sharding)


@functools.partial(jax.jit, static_argnums=2)
def _sent_rows(table: Any, ids: Any, mesh: Any) -> Any:
    spec = jax.sharding.PartitionSpec

    def send(rows: Any, ids: Any) -> Any:
        local = ids - jax.lax.axis_index(AXIS) * rows.shape[0]
        mine = (local >= 0) & (local < rows.shape[0])
        found = rows.at[jnp.where(mine, local, 0)].get(mode="clip")
        mine = mine.reshape(-1, *[1] * (rows.ndim - 1))
        return jax.lax.psum(jnp.where(mine, found, 0), AXIS)

    sent = shard_map(send, mesh=mesh, in_specs=(spec(AXIS), spec()), out_specs=spec())
    return sent(table, ids.reshape(-1)).reshape(*ids.shape, *table.shape[1:])


class Owned:
    """Reads and changes sharded rows on their devices, inside a program.

    Ids `[N * K]` are grouped by owner: device `d` holds the rows of the `d`-th group of `K` ids. Groups are
    filled up with an id outside the table.

    Args:
        mesh: the devices.
        n_padded: int, number of rows of the table, including padding.
    """

    def __init__(self, mesh: Any, n_padded: int) -> None:
        self._mesh = mesh
        self.n_devices = mesh.size
        self.n_rows = n_padded // mesh.size

    def take(self, array: Any, ids: Any) -> Any:
        """Rows `[N * K, ...]` of an array `[n_padded, ...]`, each on the device that holds it."""
        spec = jax.sharding.PartitionSpec(AXIS)

        def local(rows: Any, ids: Any) -> Any:
            return rows.at[ids - jax.lax.axis_index(AXIS) * rows.shape[0]].get(mode="clip")

        return shard_map(local, mesh=self._mesh, in_specs=(spec, spec), out_specs=spec)(array, ids)

    def put(self, array: Any, ids: Any, rows: Any) -> Any:
        """The array with some rows replaced."""
        spec = jax.sharding.PartitionSpec(AXIS)

        def local(array: Any, ids: Any, rows: Any) -> Any:
            return array.at[ids - jax.lax.axis_index(AXIS) * array.shape[0]].set(rows, mode="drop")

        of = (spec, spec, spec)
        return shard_map(local, mesh=self._mesh, in_specs=of, out_specs=spec)(array, ids, rows)

    def at_owners(self, x: Any) -> Any:
        """The same array, sharded by its first axis."""
        return jax.lax.with_sharding_constraint(x, by_rows(self._mesh))

    def sent(self, x: Any) -> Any:
        """The same array, replicated."""
        return jax.lax.with_sharding_constraint(x, everywhere(self._mesh))

    def buckets(self, ids: Any, capacity: int, none: int) -> tuple[Any, Any]:
        """Ascending ids grouped by owner, and the place of each of them in the groups.

        Args:
            ids: `[R]`, ascending; ids outside the table at the end.
            capacity: int, `K`, maximum number of ids of one owner.
            none: int, fills up groups with fewer ids.

        Returns:
            Ids `[N * K]` and places `[R]` in them.
        """
        firsts = jnp.arange(self.n_devices, dtype=ids.dtype) * self.n_rows
        starts = jnp.sum(ids[None, :] < firsts[:, None], axis=1, dtype="int32")
        longer = jnp.concatenate([ids, jnp.full(capacity, none, ids.dtype)])
        parts = jnp.stack(
            [jax.lax.dynamic_slice(longer, (starts[d],), (capacity,)) for d in range(self.n_devices)]
        )
        mine = (parts >= firsts[:, None]) & (parts < firsts[:, None] + self.n_rows)
        bucketed = self.at_owners(jnp.where(mine, parts, none).reshape(-1))
        owner = jnp.minimum(ids // self.n_rows, self.n_devices - 1)
        here = jnp.arange(ids.shape[0], dtype="int32")
        return bucketed, owner * capacity + here - starts[owner]

    def mine(self, ids: Any, none: int) -> Any:
        """Ids `[R]` that may repeat as `[N * R]`: all ids at each owner, with `none` for others' ids."""
        owner = jnp.arange(self.n_devices, dtype=ids.dtype)[:, None]
        at_owner = jnp.where(ids[None, :] // self.n_rows == owner, ids[None, :], none)
        return self.at_owners(at_owner.reshape(-1))

    def of_mine(self, x: Any, there: Any) -> Any:
        """Values of ids `[R, ...]` as `[N * R, ...]` at the owners, with 0 for other owners' ids."""
        there = there.reshape(self.n_devices, -1, *[1] * (x.ndim - 1))
        return self.at_owners(jnp.where(there, x[None], 0).reshape(-1, *x.shape[1:]))

    def joined(self, parts: list[Any]) -> Any:
        """Arrays `[N * R, ...]`, concatenated on each device."""
        by_device = [part.reshape(self.n_devices, -1, *part.shape[1:]) for part in parts]
        return self.at_owners(jnp.concatenate(by_device, axis=1).reshape(-1, *parts[0].shape[1:]))

    def summed(self, rows: Any, ids: Any, none: int) -> Any:
        """Rows `[R, ...]` on every device, from rows `[N * R, ...]` at the owners of the ids of `mine`."""
        there = (ids != none).reshape(-1, *[1] * (rows.ndim - 1))
        parts = jnp.where(there, rows, 0).reshape(self.n_devices, -1, *rows.shape[1:])
        return self.sent(jnp.sum(parts, axis=0))


def capacity_of(n_ids: int, n_devices: int, n_rows: int, least: int = 0) -> int:
    """Room for the ids of one owner: a little more than an even share, or than `least` if that is larger."""
    even = math.ceil(1.1 * n_ids / n_devices) + 8
    wanted = even if least <= even else math.ceil(1.15 * least)
    return min(wanted, n_ids, n_rows)


def owner_of(variable: Any, mesh: Any) -> Owned | None:
    """Access to a variable's sharded rows in a program; `None` if the variable is replicated."""
    if mesh is None or not hasattr(variable, "spread_over"):
        return None
    return Owned(mesh, variable.padded_shape[0])
