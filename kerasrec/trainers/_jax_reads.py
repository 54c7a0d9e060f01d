"""The lookups of a step on JAX: each row is read once, and the loss is differentiated by what was read."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.layers._lookup import keras_embeddings_seen, watch_lookups
from kerasrec.trainers._jax_sharded import Owned
from kerasrec.trainers._repeats import NO_ID, Repeats
from kerasrec.trainers._rows import without_regularizers


def loss_and_updates(
    model: Any, watcher: Any, trainable: Any, non_trainable: Any, optimizer: Any, metrics: Any, batch: Any
) -> Any:
    """The loss and the updated state of a step; the watcher sees every lookup of a table."""
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
    """Passes lookups on, and removes the regularizer of a table from the loss when its rows are read."""

    stack: contextlib.ExitStack

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        rows = self._watcher.lookup(table, ids)
        if rows is not None and table.regularizer is not None:
            self.stack.enter_context(without_regularizers([table]))
        return rows


@dataclass
class Read:
    """The rows that one lookup reads.

    Attributes:
        ids: `[R]`, the ids of the rows; by owner if rows are on many devices.
        asked: `[R]`, the requested ids, which may repeat.
        rows: `[R, ...]`.
        slots: by name, `[R, ...]`.
    """

    ids: Any
    asked: Any
    rows: Any = None
    slots: dict[str, Any] = field(default_factory=dict)


class Reads:
    """Reads rows as constants, plus a delta of zeros with respect to which the loss is differentiated.

    Args:
        tables: by identity of a table's variable, its number.
        rows_of: function of a table's number and ids `[R]` that returns their rows, and those of the slots by
            name.
        deltas: for each lookup, zeros of the shape of its rows.
        read_once: for each table, the repeated ids if they were found already.
        owned: for each table, access to rows on many devices.
        by_owner: for each table on many devices with known repeats, the ids by owner, and the places of all
            ids in them.
    """

    def __init__(
        self,
        tables: dict[int, int],
        rows_of: Callable[[int, Any], tuple[Any, dict[str, Any]]],
        deltas: list[Any],
        read_once: list[Repeats | None],
        owned: list[Owned | None],
        by_owner: list[tuple[Any, Any] | None],
    ) -> None:
        self._tables = tables
        self._rows_of = rows_of
        self._deltas = deltas
        self._read_once = read_once
        self._owned = owned
        self._by_owner = by_owner
        self._flat: dict[Any, tuple[Any, Any]] = {}
        self.reads: list[Read] = []

    def lookup(self, table: keras.Variable, ids: Any) -> Any:
        number = self._tables.get(id(table))
        if number is None:
            return None
        delta, once, owned = self._deltas[len(self.reads)], self._read_once[number], self._owned[number]
        by_owner = self._by_owner[number]
        if once is not None:
            read = Read(once.ids if by_owner is None else by_owner[0], None)
        else:
            asked = self._once(id(ids), ids, lambda: ids.reshape(-1))
            at_owner = asked
            if owned is not None:
                at_owner = self._once((id(asked), owned.n_rows), asked, lambda: owned.mine(asked, NO_ID))
            read = Read(at_owner, asked)
        read.rows, read.slots = jax.lax.stop_gradient(self._rows_of(number, read.ids))
        self.reads.append(read)
        if by_owner is not None and owned is not None:
            places = by_owner[1].reshape(ids.shape)
            return (owned.sent(read.rows) + delta).at[places].get(mode="promise_in_bounds")
        if once is not None:
            return (read.rows + delta).at[once.inverse.reshape(ids.shape)].get(mode="promise_in_bounds")
        rows = read.rows if owned is None else owned.summed(read.rows, read.ids, NO_ID)
        return rows.reshape(delta.shape) + delta

    def _once(self, key: Any, of: Any, make: Callable[[], Any]) -> Any:
        """The same array for all tables that are read by the same ids."""
        if key not in self._flat:
            self._flat[key] = of, make()
        return self._flat[key][1]


def first_reads(ids: Any, scratch: Any) -> tuple[tuple[Any, Any], Any]:
    """For each of the ids `[N]`, a position common to all its repeats, and whether it is at that position.

    The scratch array `[n]` stores one position for each id. It is never cleared, because only entries that
    were written in this step are read.
    """
    here = jnp.arange(ids.shape[0], dtype="int32")
    scratch = scratch.at[ids].set(here, mode="drop")
    first = scratch.at[ids].get(mode="clip")
    return (first, first == here), scratch
