"""The plan of a training step on JAX: what it reads by rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import keras

from kerasrec.trainers._jax_reads import loss_and_updates
from kerasrec.trainers._jax_sharded import Owned, owner_of
from kerasrec.trainers._keras import tree
from kerasrec.trainers._repeats import Limits

# Operations that change the shape or type of an array, but not its values.
_SAME_VALUES = ("broadcast_in_dim", "convert_element_type", "reshape", "squeeze")


@dataclass
class Plan:
    """What a step reads by rows, found once per shape by tracing the loss without running it.

    Attributes:
        tables: positions in `trainable_variables` of the tables that are updated by rows.
        reads: for each lookup in the order of the calls, its position in `tables` and the shape of its ids.
        leaves: for each of these lookups, the leaf of the batch with its ids; `None` if there is none.
        columns: for each table, the leaf of the batch with all its ids, in which NumPy finds repeats; `None`
            if there is no such leaf.
        limits: for each of these leaves, the number of rows and the name of the smallest table that it reads.
        scratch: for each of the other tables, the key of the scratch array that finds repeated ids.
        readers: for each table, the source of its ids; the same for tables read by the same column.
        owned: for each table, access to rows on many devices; `None` for one device.
        rows_of_owner: for each leaf in `limits` that reads such tables, the number of rows on a device.
        capacities: for each of these leaves, the maximum number of ids of one device.
        split: how a batch is divided among the devices; `None` if it is not.
        given: shapes of the arguments of a call that come from the host.
        lie: shardings of the arguments of a program for parts.
    """

    tables: list[int] = field(default_factory=list)
    reads: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    leaves: list[int | None] = field(default_factory=list)
    columns: list[int | None] = field(default_factory=list)
    limits: Limits = field(default_factory=dict)
    scratch: list[Any] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)
    owned: list[Owned | None] = field(default_factory=list)
    rows_of_owner: dict[int, int] = field(default_factory=dict)
    capacities: dict[int, int] = field(default_factory=dict)
    split: Any = None
    given: tuple[Any, ...] = ()
    lie: Any = None


def find_plan(
    model: Any,
    by_rows: Callable[[keras.Variable, int], bool],
    decided: dict[int, bool],
    state: Any,
    stack: Any,
    on_host: bool,
    mesh: Any = None,
) -> Plan:
    """Find the lookups, and the tables that nothing but lookups reads.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups per step, whether to update it by rows.
        decided: earlier results of `by_rows`; new ones are added. A short last batch must not change them.
        state: shapes of the training state.
        stack: shapes of the batches of a call.
        on_host: bool, whether NumPy may look for repeats.
        mesh: the devices of the tables; `None` for one.
    """
    variables = model.trainable_variables
    position = {id(v): i for i, v in enumerate(variables)}
    found: list[tuple[int, Any]] = []
    refused: set[int] = set()

    class Watcher:
        def lookup(watcher, table: keras.Variable, ids: Any) -> Any:
            index = position.get(id(table))
            if index is None or index in refused:
                return None
            found.append((index, ids))
            return jnp.zeros((*ids.shape, *table.shape[1:]), table.dtype)

    batch = tree.map_structure(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), stack)
    state = [[jax.ShapeDtypeStruct(a.shape, a.dtype) for a in values] for values in state]
    while True:
        found.clear()
        jaxpr = jax.make_jaxpr(
            lambda *args: (loss_and_updates(model, Watcher(), *args)[0], [ids for _, ids in found])
        )(*state, batch).jaxpr
        lookups: dict[int, int] = {}
        for index, ids in found:
            lookups[index] = lookups.get(index, 0) + ids.size
        # A table that the traced program still reads is used in another way as well.
        used = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
        again = {
            index
            for index, n in lookups.items()
            if not decided.setdefault(index, by_rows(variables[index], n)) or id(jaxpr.invars[index]) in used
        }
        if not again:
            break
        refused |= again

    plan = Plan()
    leaf_of = _leaves(jaxpr, batch) if on_host else {}
    read_from: dict[int, list[Any]] = {}
    for (index, ids), var in zip(found, jaxpr.outvars[1:], strict=True):
        if index not in plan.tables:
            plan.tables.append(index)
        plan.reads.append((plan.tables.index(index), tuple(ids.shape)))
        leaf = leaf_of.get(id(_origin(var, jaxpr)))
        plan.leaves.append(leaf)
        read_from.setdefault(index, []).append((leaf, id(ids)))
    names: dict[Any, int] = {}
    for index in plan.tables:
        n = variables[index].shape[0]
        leaf, _ = read_from[index][0]
        owned = owner_of(variables[index], mesh)
        plan.owned.append(owned)
        plan.readers.append(tuple(part if leaf is None else leaf for leaf, part in read_from[index]))
        # The owners of a column's rows are found once, so its tables must be divided in the same way.
        divided = None if owned is None or leaf is None else plan.rows_of_owner.get(leaf, owned.n_rows)
        other_owners = owned is not None and divided != owned.n_rows
        if len(read_from[index]) > 1 or leaf is None or other_owners:
            plan.columns.append(None)
            plan.scratch.append((names.setdefault(tuple(read_from[index]), len(names)), n))
        else:
            plan.columns.append(leaf)
            plan.scratch.append(None)
            if owned is not None:
                plan.rows_of_owner[leaf] = owned.n_rows
            plan.limits[leaf] = min((n, variables[index].path), plan.limits.get(leaf, (n + 1, "")))
    return plan


def _leaves(jaxpr: Any, batch: Any) -> dict[int, int]:
    """The integer leaf of the batch that each variable of a traced program is, by the variable's identity."""
    leaves = [leaf for leaf in tree.flatten(batch) if leaf is not None]
    variables = jaxpr.invars[len(jaxpr.invars) - len(leaves) :]
    return {
        id(variable): number
        for number, (leaf, variable) in enumerate(zip(leaves, variables, strict=True))
        if jnp.issubdtype(leaf.dtype, jnp.integer) and variable.aval.shape == leaf.shape
    }


def _origin(variable: Any, jaxpr: Any) -> Any:
    """The variable of a traced program that a variable was made from by changing its shape or type."""
    made_by = {id(out): eqn for eqn in jaxpr.eqns for out in eqn.outvars}
    while (eqn := made_by.get(id(variable))) is not None:
        inner = eqn.params.get("jaxpr")
        if inner is not None and len(eqn.outvars) == 1 and len(eqn.invars) == 1:  # a function within
            if _origin(inner.jaxpr.outvars[0], inner.jaxpr) is not inner.jaxpr.invars[0]:
                break
        elif eqn.primitive.name not in _SAME_VALUES or not all(
            jnp.issubdtype(v.aval.dtype, jnp.integer) for v in (*eqn.outvars, *eqn.invars)
        ):
            break
        elif eqn.outvars[0].aval.size != eqn.invars[0].aval.size:
            break
        elif eqn.outvars[0].aval.dtype.itemsize < min(4, eqn.invars[0].aval.dtype.itemsize):
            break  # a cast to fewer bits would change some ids
        variable = eqn.invars[0]
    return variable
