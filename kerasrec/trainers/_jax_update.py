"""An optimizer's update of a step on JAX: of rows of tables, and of other variables as a whole."""

from typing import Any

import jax.numpy as jnp

from kerasrec.trainers._jax_missed import CatchUp
from kerasrec.trainers._jax_sharded import Owned
from kerasrec.trainers._keras import StatelessScope
from kerasrec.trainers._rows import RowView, slot_lists, views_in_place


class Update:
    """One update of a model's trainable variables.

    Args:
        model: a compiled model.
        trainable: values of its trainable variables.
        optimizer_values: values of the optimizer's variables.
        catch_up: brings the rows of tables up to date; `None` if this is not needed.
    """

    def __init__(
        self, model: Any, trainable: list[Any], optimizer_values: list[Any], catch_up: CatchUp | None
    ) -> None:
        self._variables, self._optimizer = model.trainable_variables, model.optimizer
        self._trainable, self._optimizer_values = trainable, optimizer_values
        self._catch_up = catch_up
        self._slots = slot_lists(self._optimizer)
        self._positions = {id(v): i for i, v in enumerate(self._optimizer._trainable_variables)}
        self._value_of = {id(v): i for i, v in enumerate(self._optimizer.variables)}
        self._views: dict[str, dict[int, RowView]] = {name: {} for name in self._slots}
        self._apply_to: list[Any] = list(self._variables)
        # What to write back to tables and slots: kind, position, view, and the rows, or `None` for all.
        self._written: list[tuple[str, int, RowView, Any, Owned | None]] = []

    def rows(self, index: int, ids: Any, owned: Owned | None = None) -> tuple[Any, dict[str, Any]]:
        """Up-to-date rows `ids` `[R]` of a table, by its index, and of its slots."""
        table = self._variables[index]
        values = _take(self._trainable[index], ids, owned)
        rows = {
            name: _take(self._optimizer_values[self._value_of[id(slot)]], ids, owned)
            for name, slot in self._slots_of(table).items()
        }
        return (
            (values, rows) if self._catch_up is None else self._catch_up.rows(table, ids, values, rows, owned)
        )

    def of_rows(
        self, index: int, rows: Any, slot_rows: dict[str, Any], target: Any, owned: Owned | None = None
    ) -> None:
        """Add rows to the update, to be written back as the rows `target` of their table."""
        self._view(index, rows, slot_rows, target, owned)
        if self._catch_up is not None:
            self._catch_up.write(self._variables[index], target, owned)

    def of_all_rows(self, index: int) -> None:
        """Add a whole sharded table to the update, including its padding.

        Padding rows have no gradient, and are never read.
        """
        variable = self._variables[index]
        slots = {
            name: self._optimizer_values[self._value_of[id(slot)]]
            for name, slot in self._slots_of(variable).items()
        }
        self._view(index, self._trainable[index], slots, None, None)
        self._apply_to[index].constraint = variable.constraint

    def apply(self, gradients: list[Any]) -> tuple[list[Any], list[Any]]:
        """New values of the trainable variables and of the optimizer's variables.

        Args:
            gradients: for each trainable variable, the gradient of its added rows, or of the whole variable.
        """
        optimizer = self._optimizer
        mapping = [
            *zip(self._variables, stand_ins(self._variables, self._trainable), strict=True),
            *zip(optimizer.variables, stand_ins(optimizer.variables, self._optimizer_values), strict=True),
        ]
        with StatelessScope(state_mapping=mapping) as scope, views_in_place(optimizer, self._views):
            optimizer.apply(gradients, self._apply_to)
        new = {
            "trainable": [scope.get_current_value(v) for v in self._variables],
            "optimizer": [scope.get_current_value(v) for v in optimizer.variables],
        }
        old = {"trainable": self._trainable, "optimizer": self._optimizer_values}
        for kind, at, changed, target, owned in self._written:
            value = changed.value
            new[kind][at] = value if target is None else _put(old[kind][at], target, value, owned)
        return new["trainable"], new["optimizer"]

    def _slots_of(self, variable: Any) -> dict[str, Any]:
        """The optimizer's slots of a variable, by name."""
        found = {name: of[self._positions[id(variable)]] for name, of in self._slots.items()}
        return {name: slot for name, slot in found.items() if slot is not None}

    def _view(
        self, index: int, rows: Any, slot_rows: dict[str, Any], target: Any, owned: Owned | None
    ) -> None:
        variable = self._variables[index]
        self._apply_to[index] = RowView(variable, rows)
        self._written.append(("trainable", index, self._apply_to[index], target, owned))
        for name, slot in self._slots_of(variable).items():
            view = RowView(slot, slot_rows[name])
            self._views[name][self._positions[id(variable)]] = view
            self._written.append(("optimizer", self._value_of[id(slot)], view, target, owned))


def stand_ins(variables: list[Any], values: list[Any]) -> list[Any]:
    """Values in the variables' full shapes; if only a device's rows are given, zeros that are never read."""
    return [
        value
        if not hasattr(variable, "spread_over") or value.shape == variable.padded_shape
        else jnp.zeros(variable.padded_shape, value.dtype)
        for variable, value in zip(variables, values, strict=True)
    ]


def _take(array: Any, ids: Any, owned: Owned | None) -> Any:
    return array.at[ids].get(mode="clip") if owned is None else owned.take(array, ids)


def _put(array: Any, ids: Any, rows: Any, owned: Owned | None) -> Any:
    return array.at[ids].set(rows, mode="drop") if owned is None else owned.put(array, ids, rows)
