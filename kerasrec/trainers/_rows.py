"""Updates by rows: the optimizer's own update, applied to the rows that a step read."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras

# Optimizers with an elementwise update. Others use statistics of the whole variable: Lamb its norm, Adafactor
# row and column means, Muon a matrix product.
_ELEMENTWISE = (
    keras.optimizers.SGD,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adamax,
    keras.optimizers.Adadelta,
    keras.optimizers.Adagrad,
    keras.optimizers.Ftrl,
    keras.optimizers.Lion,
    keras.optimizers.Nadam,
    keras.optimizers.RMSprop,
)
_ADDITIVE = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)


def why_not_by_rows(optimizer: Any) -> str | None:
    """Why an optimizer cannot be applied by rows; `None` if it can."""
    if type(optimizer) not in _ELEMENTWISE:
        return f"the update of {type(optimizer).__name__} is not elementwise"
    if optimizer.use_ema:
        return "`use_ema` averages every row at every step"
    if optimizer.gradient_accumulation_steps:
        return "`gradient_accumulation_steps` keeps a gradient of every row"
    return None


def own_loss(model: Any) -> bool:
    """Whether a model overrides `compute_loss`: it may then use regularizers in any way."""
    return type(model).compute_loss is not keras.Model.compute_loss


def why_not_this_table(table: keras.Variable) -> str | None:
    """Why a table cannot be updated by rows; `None` if it can."""
    if table.constraint is not None:
        return "its constraint acts on the whole table"
    if table.regularizer is not None and type(table.regularizer) not in _ADDITIVE:
        return f"its regularizer {type(table.regularizer).__name__} is not a sum over elements"
    return None


class RowView:
    """Rows of a variable, which replace it while the optimizer's update is traced.

    Args:
        variable: the `keras.Variable` to which the rows belong.
        value: tensor, the rows.
    """

    constraint = None
    overwrite_with_gradient = False

    def __init__(self, variable: keras.Variable, value: Any) -> None:
        self.variable = variable
        self.value = value
        self.dtype = variable.dtype
        self.name = variable.name
        self.path = variable.path

    @property
    def shape(self) -> Any:
        """Shape of the rows."""
        return self.value.shape

    def assign(self, value: Any) -> None:
        """Replace the rows."""
        self.value = keras.ops.cast(value, self.dtype)

    def assign_add(self, value: Any) -> None:
        """Add to the rows."""
        self.assign(self.value + value)

    def assign_sub(self, value: Any) -> None:
        """Subtract from the rows."""
        self.assign(self.value - value)

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
        return self.value

    def __jax_array__(self) -> Any:
        return self.value

    def __add__(self, other: Any) -> Any:
        return self.value + other

    def __sub__(self, other: Any) -> Any:
        return self.value - other

    def __mul__(self, other: Any) -> Any:
        return self.value * other

    def __rmul__(self, other: Any) -> Any:
        return other * self.value

    def __truediv__(self, other: Any) -> Any:
        return self.value / other

    def __neg__(self) -> Any:
        return -self.value


def slot_lists(optimizer: Any) -> dict[str, list[Any]]:
    """The optimizer's lists that have one variable per trainable variable, by attribute name."""
    n = len(optimizer._trainable_variables)
    return {
        name: list(value)
        for name, value in vars(optimizer).items()
        if isinstance(value, list)
        and len(value) == n
        and name not in ("_trainable_variables", "_variables")
        and all(
            slot is None or (isinstance(slot, keras.Variable) and slot.shape == variable.shape)
            for slot, variable in zip(value, optimizer._trainable_variables, strict=True)
        )
    }


@contextlib.contextmanager
def views_in_place(optimizer: Any, views: dict[str, dict[int, RowView]]) -> Iterator[None]:
    """Replace slots by views while the update is traced.

    Args:
        optimizer: a built Keras optimizer.
        views: for each attribute name of `slot_lists`, views by index of the trainable variable.
    """
    before = {name: getattr(optimizer, name) for name in views}
    var_key = optimizer._var_key
    # Bypasses `__setattr__`, which would track the views as variables of the optimizer.
    attributes = optimizer.__dict__
    try:
        for name, by_index in views.items():
            attributes[name] = [by_index.get(i, slot) for i, slot in enumerate(before[name])]
        attributes["_var_key"] = lambda variable: var_key(getattr(variable, "variable", variable))
        yield
    finally:
        attributes.update(before)
        del attributes["_var_key"]


@contextlib.contextmanager
def without_regularizers(tables: Sequence[keras.Variable]) -> Iterator[None]:
    """Remove regularizers, which would read whole tables, for a while."""
    before = [table.regularizer for table in tables]
    try:
        for table in tables:
            table.regularizer = None
        yield
    finally:
        for table, regularizer in zip(tables, before, strict=True):
            table.regularizer = regularizer


def regularizer_penalty(regularizer: Any, values: Any, scale: Any, xla: bool) -> Any:
    """The penalty that a regularizer adds to the loss.

    Args:
        regularizer: `keras.regularizers.L1`, `L2` or `L1L2`.
        values: `[R, ...]`, rows of a table.
        scale: `[R, 1, ...]` or a scalar, the factor of each row.
        xla: bool, whether XLA compiles the step.

    Returns:
        A scalar.
    """
    l1, l2 = _strengths(regularizer)
    total = _sum_for_xla if xla else keras.ops.sum
    penalty = total(keras.ops.square(values) * scale) * l2 if l2 else 0.0
    return penalty + total(keras.ops.abs(values) * scale) * l1 if l1 else penalty


def regularizer_gradient(regularizer: Any, values: Any, scale: Any) -> Any:
    """The gradient of `regularizer_penalty` with respect to `values`, in their shape."""
    l1, l2 = _strengths(regularizer)
    gradient = values * (scale * (2 * l2))
    return gradient + keras.ops.sign(values) * (scale * l1) if l1 else gradient


def _sum_for_xla(x: Any) -> Any:
    """The sum of all elements, `[R, ...]`; `R` may be unknown while tracing.

    XLA splits a sum of more than 32 elements into sums over windows. On the CPU these run at a fifth of the
    speed of sums over the first axis, which it vectorises.
    """
    length = keras.ops.shape(x)[0] * math.prod(x.shape[1:])
    x = keras.ops.reshape(x, (-1,))
    known = x.shape[0] is not None
    rest: list[Any] = []
    # If the length is unknown, three rounds leave a few elements of a million.
    while length > 32 if known else len(rest) < 3:
        each = length // 32
        rest.append(x[32 * each :])
        x = keras.ops.sum(keras.ops.reshape(x[: 32 * each], (32, each)), axis=0)
        length = each
    return keras.ops.sum(keras.ops.concatenate([x, *rest]))


def _strengths(regularizer: Any) -> tuple[float, float]:
    return float(getattr(regularizer, "l1", 0.0)), float(getattr(regularizer, "l2", 0.0))
