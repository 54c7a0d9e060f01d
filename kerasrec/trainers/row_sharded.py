import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.trainers._keras import Distribution, distribution
from kerasrec.trainers._processes import lost_processes_named

_MIN_ROWS = 4096
_Method = TypeVar("_Method", bound=Callable[..., Any])


class RowSharded(Distribution):
    """A `keras.distribution` that shards large tables by row over all devices, on JAX.

    Each of `N` devices stores `n / N` rows, rounded up, of a table `[n, C]` and of its optimizer slots. All
    other weights are replicated. `kerasrec.Model` then trains as it does on one device, with sparse updates:
    each device gathers and updates its own rows, and only rows are sent. `fit`, `evaluate`, `recommend`,
    towers, `save` and `load` work. A file is the same as one from a single device, and opens on any number of
    devices.

    Set it before the model is made: `keras.distribution.set_distribution(RowSharded())`, or make the model
    inside `with RowSharded().scope():`.

    With several processes, call `keras.distribution.initialize(...)` first, and pass the same data to `fit`
    in each of them; `kerasrec.data.RankingBatches` with a seed makes the same batches everywhere.

    Args:
        devices: names as `keras.distribution.list_devices()` gives them. Defaults to `None`: all of them.
        min_rows: int, minimum number of rows of a table that is sharded; smaller tables are replicated.
            Defaults to `4096`.
        split_batch: bool, whether each device computes the loss and the gradients of its part of a batch, if
            the batch size is divisible by their number. Sums are then added in another order than on one
            device, which changes the last digits. With `False`, each device computes the whole batch, with
            the same digits as a single device. Defaults to `None`: the batch is split if only sharded tables
            read by ids of the batch are trained, the loss is a mean of independent losses of the rows, no
            other metric is tracked, and a device's part has at least 64 rows.

    Raises:
        ValueError: on a backend other than JAX; if `devices` is empty, or has a device twice or one that does
            not exist; or if `min_rows` is not a positive integer.

    Example:
        >>> import keras, kerasrec
        >>> if keras.backend.backend() == "jax" and len(keras.distribution.list_devices()) > 1:
        ...     keras.distribution.set_distribution(kerasrec.trainers.RowSharded())
    """

    def __init__(
        self, devices: Sequence[str] | None = None, min_rows: int = _MIN_ROWS, split_batch: bool | None = None
    ) -> None:
        backend = keras.backend.backend()
        if backend != "jax":
            raise ValueError(
                "`RowSharded` needs the JAX backend, the only one on which Keras 3 trains over several "
                "machines (for TensorFlow see keras-team/keras#20585); set KERAS_BACKEND=jax. "
                f"Received: backend '{backend}'."
            )
        known = keras.distribution.list_devices()
        devices = known if devices is None else [str(device) for device in devices]
        if not devices:
            raise ValueError(
                "`devices` must have at least one device, or be None for all of them. Received: devices=[]."
            )
        if unknown := [device for device in devices if device not in known]:
            raise ValueError(
                f"`devices` must be of {known}, as `keras.distribution.list_devices()` gives them. "
                f"Received: {unknown}."
            )
        if len(set(devices)) < len(devices):
            raise ValueError(f"`devices` must name each device once. Received: devices={devices}.")
        if len(devices) == 1:
            warnings.warn(
                "`RowSharded` has one device, so it shards nothing; leave it out, or let JAX see more "
                f"devices. Received: devices={devices}.",
                stacklevel=2,
            )
        super().__init__(
            keras.distribution.DeviceMesh((len(devices),), ["rows"], np.array(devices)),
            "rows",
            auto_shard_dataset=False,
        )
        self.min_rows = positive_integer("min_rows", min_rows)
        self.split_batch = None if split_batch is None else bool(split_batch)
        self._names: dict[str, tuple[int, ...]] = {}

    @property
    def num_model_replicas(self) -> int:
        """One, because the devices hold one model together."""
        return 1

    def get_data_layout(self, data_shape: Any) -> Any:
        """Data that Keras itself distributes is replicated."""
        return self._everywhere(len(data_shape))

    def get_variable_layout(self, variable: Any) -> Any:
        """`None` for a table or slot, which shards its rows itself; other variables are replicated."""
        if getattr(variable, "_layout", None) is not None:
            return variable._layout
        if hasattr(variable, "spread_over"):
            return None
        if self._is_table(variable) or self._is_slot(variable):
            from kerasrec.trainers._jax_sharded import spread

            spread(variable, self)
            return None
        return self._everywhere(len(variable.shape))

    def get_tensor_layout(self, path: str) -> None:
        """`None`: intermediate results have no prescribed layout."""
        return None

    def _everywhere(self, n_axes: int) -> Any:
        return keras.distribution.TensorLayout([None] * n_axes, self.device_mesh)

    def _is_table(self, variable: Any) -> bool:
        if not variable.trainable or len(variable.shape) != 2 or variable.shape[0] < self.min_rows:
            return False
        self._names[variable.path.replace("/", "_")] = tuple(variable.shape)
        return True

    def _is_slot(self, variable: Any) -> bool:
        """Whether a variable is an optimizer slot of a table, whose path is then in its name."""
        shape = tuple(variable.shape)
        return not variable.trainable and any(
            shape == of and variable.name.startswith(f"{name}_") for name, of in self._names.items()
        )


def row_sharded(variables: Any) -> RowSharded | None:
    """The `RowSharded` of variables, or the one that is set; `None` if there is none.

    Args:
        variables: Keras variables.
    """
    for variable in variables:
        if (found := getattr(variable, "spread_over", None)) is not None:
            return cast(RowSharded, found)
    now = distribution()
    return now if isinstance(now, RowSharded) else None


def under_own_distribution(method: _Method) -> _Method:
    """Decorate a model's method to run under the distribution that the model was made under.

    Args:
        method: such as `fit`.
    """

    @functools.wraps(method)
    def under(model: Any, *args: Any, **kwargs: Any) -> Any:
        found = row_sharded(model.variables)
        if found is None:
            return method(model, *args, **kwargs)
        with found.scope(), lost_processes_named():
            return method(model, *args, **kwargs)

    return cast(_Method, under)


def rows_a_device(n: int, n_devices: int) -> int:
    """Number of rows of a table that one device holds, including padding.

    Args:
        n: int, number of rows of the table.
        n_devices: int.
    """
    return math.ceil(n / n_devices)
