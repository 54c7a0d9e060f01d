"""The placement of arrays in a training on JAX: on one device, or on those of a `RowSharded`."""

from typing import Any

import jax
import numpy as np

from kerasrec.trainers._jax_sharded import AXIS, by_rows, everywhere, mesh_of
from kerasrec.trainers._keras import tree
from kerasrec.trainers.row_sharded import RowSharded


class Places:
    """Knows the sharding of each kind of array, and puts arrays in place.

    Args:
        distribution: `RowSharded`; `None` for one device, which needs no shardings.

    Attributes:
        mesh: the devices; `None` for one.
        n_devices: int.
        everywhere: the sharding of replicated arrays; `None` for one device.
        mine: numbers of the devices of this process.
        split_batch: the distribution's setting.
    """

    def __init__(self, distribution: RowSharded | None) -> None:
        self.mesh = None if distribution is None else mesh_of(distribution)
        self.n_devices = 1 if self.mesh is None else self.mesh.size
        self.everywhere = None if self.mesh is None else everywhere(self.mesh)
        self.mine = [0]
        if self.mesh is not None:
            here = jax.process_index()
            self.mine = [i for i, d in enumerate(self.mesh.devices.flat) if d.process_index == here]
            self._devices = [self.mesh.devices.flat[i] for i in self.mine]
        self.split_batch = None if distribution is None else distribution.split_batch

    def shape(self, shape: Any, dtype: Any) -> jax.ShapeDtypeStruct:
        """A replicated array."""
        return jax.ShapeDtypeStruct(tuple(shape), dtype, sharding=self.everywhere)

    def variable(self, variable: Any) -> jax.ShapeDtypeStruct:
        """The value of a variable as a compiled program sees it: 32 bits unless JAX has 64."""
        dtype = jax.dtypes.canonicalize_dtype(variable.dtype)
        if self.mesh is None:
            return jax.ShapeDtypeStruct(tuple(variable.shape), dtype)
        if not hasattr(variable, "spread_over"):
            return self.shape(variable.shape, dtype)
        return jax.ShapeDtypeStruct(variable.padded_shape, dtype, sharding=by_rows(self.mesh))

    def batches(self, array: Any) -> jax.ShapeDtypeStruct:
        """Stacked batches `[S, B, ...]`, or another array with one entry per row."""
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        shape = tuple(array.shape)
        if self.mesh is None or not self.split_batch or len(shape) < 2 or shape[1] % self.n_devices:
            return self.shape(shape, dtype)
        return self.part(shape, dtype)

    def part(self, shape: Any, dtype: Any) -> jax.ShapeDtypeStruct:
        """An array sharded by its second axis."""
        spec = jax.sharding.PartitionSpec(None, AXIS)
        return jax.ShapeDtypeStruct(tuple(shape), dtype, sharding=jax.sharding.NamedSharding(self.mesh, spec))

    def put(self, arrays: Any, like: Any) -> Any:
        """Arrays of the host on the devices of a program; of sharded arrays, the parts of this process."""
        if self.mesh is None:
            return arrays
        return tree.map_structure(self._put, arrays, like)

    def _put(self, array: Any, like: jax.ShapeDtypeStruct) -> Any:
        if isinstance(array, jax.Array) and array.sharding == like.sharding:
            return array
        array = np.asarray(array, like.dtype)
        if array.shape != like.shape:  # the parts of this process
            width = like.shape[1] // self.n_devices
            pieces = [array[:, here * width : (here + 1) * width] for here in range(len(self.mine))]
        elif like.sharding.is_fully_replicated:
            pieces = [array] * len(self.mine)
        else:
            index_of = like.sharding.addressable_devices_indices_map(like.shape)
            pieces = [array[index_of[device]] for device in self._devices]
        # Several times as fast as `jax.make_array_from_callback`.
        put = [jax.device_put(piece, device) for piece, device in zip(pieces, self._devices, strict=True)]
        return jax.make_array_from_single_device_arrays(like.shape, like.sharding, put)


def shardings(abstract: Any) -> Any:
    """The shardings of a structure of `ShapeDtypeStruct`s."""
    return jax.tree.map(lambda leaf: leaf.sharding, abstract)


def abstract(x: Any) -> jax.ShapeDtypeStruct:
    """Shape and type of an array or variable, as a compiled program sees it: 32 bits unless JAX has 64."""
    return jax.ShapeDtypeStruct(tuple(x.shape), jax.dtypes.canonicalize_dtype(x.dtype))
