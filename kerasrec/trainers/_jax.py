"""Fused steps and updates by rows on JAX: one program with a loop of dynamic length."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from kerasrec.trainers import _huge_pages
from kerasrec.trainers._blocks import Block, Run, on_host, runs_of
from kerasrec.trainers._checks import DataCheck
from kerasrec.trainers._interrupts import interrupts_held
from kerasrec.trainers._jax_loop import each_step
from kerasrec.trainers._jax_missed import CatchUp, JaxMissed
from kerasrec.trainers._jax_parts import part_steps
from kerasrec.trainers._jax_places import Places, abstract, shardings
from kerasrec.trainers._jax_plan import Plan, find_plan
from kerasrec.trainers._jax_rows import train_step
from kerasrec.trainers._jax_sharded import capacity_of
from kerasrec.trainers._jax_split import Split, find_split
from kerasrec.trainers._keras import StatelessScope, tree
from kerasrec.trainers._missed import Table, at_work
from kerasrec.trainers._repeats import Limits, Repeats, most_of_one_owner, repeats_of, repeats_shapes
from kerasrec.trainers.row_sharded import row_sharded

# Keras's names of the parts of a training state.
_STATE = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")

_compiler = ThreadPoolExecutor(2, thread_name_prefix="kerasrec-compile")


class JaxEngine:
    """The compiled functions of one compiled model.

    Args:
        model: a `kerasrec.Model`.
        by_rows: function of a table and its number of lookups per step, whether to update it by rows.
        missed: applies the updates that rows missed; `None` if there are none.
    """

    def __init__(
        self, model: Any, by_rows: Callable[[keras.Variable, int], bool], missed: JaxMissed | None
    ) -> None:
        self._model = model
        self._by_rows = by_rows
        self._missed = missed
        self._check = DataCheck(model, targets=True)
        self._scratch: dict[tuple[Any, int], Any] = {}
        self._decided: dict[int, bool] = {}
        self._programs: dict[Any, tuple[Plan, Future[Any]]] = {}
        self._in_huge_pages: set[int] = set()
        self._places = Places(row_sharded(model.variables))
        # By leaf of the batches and number of its ids: the maximum number of rows of one owner.
        self._capacities: dict[tuple[int, int], int] = {}
        # By the shapes of batches: how they are divided among the devices.
        self._splits: dict[Any, Split] = {}
        # The leaves in which NumPy looks for repeated ids.
        self.limits: Limits = {}
        _cache_programs()

    def prepare(self, mode: str, stacks: list[Any]) -> None:
        """Trace the programs for these shapes, and compile them concurrently in the background."""
        for stack in stacks:
            self._program(mode, stack)

    def ahead(self, run: Run) -> Run:
        """A run with the repeated ids that the host finds, possibly while the device works on another run."""
        split = self._splits.get(_shapes(run["stack"]))
        if split is not None:
            return run | {"parts": split.find(run["stack"])}
        run = run | {"stack": tree.map_structure(np.asarray, run["stack"])}  # whole, even if lazy
        return run | {"repeats": repeats_of(run, self.limits.copy())}

    def train(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Run the next block's training steps; returns the logs after the last one, and the new state."""
        logs = None
        with self._restored_on_error(state, _STATE) as held:
            for run in self._next(iterator):
                plan, program = self._program("train", run["stack"])
                stack, found, enough = self._found(plan, run)
                if not enough:
                    plan, program = self._program("train", run["stack"])
                    stack, found, _ = self._found(plan, run)
                scratch = {key: self._scratch_array(key) for key in plan.scratch if key}
                given, lasts = self._begin(plan, held, run["steps"])
                if plan.tables:
                    self._into_huge_pages([*held[0], *held[2], *scratch.values(), *lasts.values()])
                compiled = program.result()
                with interrupts_held():
                    # This call frees the memory of the old state.
                    held[:], scratch, lasts, logs = compiled(
                        tuple(held), scratch, lasts, *self._put(plan, run | {"stack": stack}, found, given)
                    )
                    self._scratch.update(scratch)
                    if self._missed is not None:
                        self._missed.lasts.update(lasts)
                        self._missed.end(run["steps"])
                        self._missed.iterations += run["steps"]
        return logs, tuple(held)

    def test(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """Run the next block's evaluation steps; returns the logs after the last one, and the new state."""
        logs = None
        with self._restored_on_error(state, (*_STATE[:2], _STATE[3])) as held:
            for run in self._next(iterator):
                plan, program = self._program("test", run["stack"])
                held[1:], logs = program.result()(tuple(held), *self._put(plan, run))
        return logs, tuple(held)

    def predict(self, state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        """The concatenated outputs of the next block's batches, and the state."""
        outputs = []
        with self._restored_on_error(state, _STATE[:2]):
            for run in self._next(iterator):
                plan, program = self._program("predict", run["stack"])
                stacked = program.result()(state, self._put(plan, run)[0])
                stacked = tree.map_structure(np.asarray, stacked)
                outputs.append(
                    tree.map_structure(
                        lambda a, steps=run["steps"]: a[:steps].reshape(-1, *a.shape[2:]), stacked
                    )
                )
        return tree.map_structure(lambda *parts: np.concatenate(parts), *outputs), state

    def _next(self, iterator: Iterator[Any]) -> Block:
        item = next(iterator)
        # Under a distribution, Keras passes on `()`, and the blocks come through a queue.
        return runs_of(self._model._handed.popleft() if item == () else item, self._check)

    def _put(self, plan: Plan, run: Run, *more: Any) -> tuple[Any, ...]:
        """A run's batches, the other arguments, and the number of steps, on the devices of the program."""
        given = (run["stack"], *more, np.int32(run["steps"]))
        return tuple(self._places.put(x, like) for x, like in zip(given, plan.given, strict=True))

    def _found(self, plan: Plan, run: Run) -> tuple[Any, Any, bool]:
        """A run's batches, the host's findings, and whether they had room; if not, it is increased."""
        if plan.split is not None:
            return plan.split.given(run)
        repeats = repeats_of(run, plan.limits)
        return run["stack"], repeats, not self._overflow(plan, repeats)

    def _overflow(self, plan: Plan, repeats: dict[int, Repeats]) -> bool:
        """Whether more rows of one owner are read than there was room for; if so, it is increased."""
        grown = False
        for leaf, capacity in plan.capacities.items():
            n_rows, ids = plan.rows_of_owner[leaf], repeats[leaf].ids
            most = most_of_one_owner(ids, n_rows, self._places.n_devices)
            if most > capacity:
                key = leaf, ids.shape[1]
                self._capacities[key] = capacity_of(ids.shape[1], self._places.n_devices, n_rows, most)
                grown = True
        return grown

    def _begin(self, plan: Plan, held: list[Any], n_steps: int) -> tuple[Any, dict[Any, Any]]:
        """The inputs of a call for missed updates, and the last steps of its tables' rows."""
        missed, model = self._missed, self._model
        if missed is None:
            return (), {}
        optimizer = model.optimizer
        if missed.iterations is None:
            value_of = {id(v): value for v, value in zip(optimizer.variables, held[2], strict=True)}
            missed.iterations = int(value_of[id(optimizer._iterations)])
            rate = value_of.get(id(optimizer._learning_rate))
            missed.rate = None if rate is None else float(rate)
        tables = frozenset(id(model.trainable_variables[index]) for index in plan.tables)
        if missed.must_settle(tables, n_steps):
            # Keras has removed the values from the variables.
            trained = model.trainable_variables
            for variable, value in zip((*trained, *optimizer.variables), (*held[0], *held[2]), strict=True):
                variable._value = value
            given = missed.begin(tables, n_steps, missed.iterations, missed.rate)
            held[0] = [variable._value for variable in trained]
            held[2] = [variable._value for variable in optimizer.variables]
        else:
            given = missed.begin(tables, n_steps, missed.iterations, missed.rate)
        return given, {missed.tables[table].last: missed.lasts[missed.tables[table].last] for table in tables}

    def _register(self, plan: Plan) -> None:
        """Register a plan's tables for missed updates."""
        missed, model = self._missed, self._model
        if missed is None:
            return
        variables = [model.trainable_variables[index] for index in plan.tables]
        readers = {id(v): reader for v, reader in zip(variables, plan.readers, strict=True)}
        for variable in variables:
            missed.table(variable, readers)
        if not missed.read_together(readers):
            self._programs.clear()
            self._register(plan)

    @contextlib.contextmanager
    def _restored_on_error(self, state: Any, names: tuple[str, ...]) -> Iterator[list[Any]]:
        """Hold the state of a call, and give it back to the model if the call fails.

        Keras removes the values from the model's variables before a call, and would lose them.
        """
        held = list(state)
        try:
            yield held
        except BaseException:
            self._model._jax_state = dict(zip(names, held, strict=True))
            self._model._jax_state_synced = False
            self._model.jax_state_sync()
            raise

    def _program(self, mode: str, stack: Any) -> "tuple[Plan, Future[Any]]":
        """The program for a shape, as a future; it is traced before this returns."""
        places = self._places
        stack = tree.map_structure(places.batches, stack)
        room = self._room(stack) if mode == "train" else ()
        key = (mode, tuple((leaf.shape, leaf.dtype) for leaf in tree.flatten(stack)), room)
        if key not in self._programs:
            model = self._model
            state = [
                [places.variable(v) for v in variables]
                for variables in (
                    model.trainable_variables,
                    model.non_trainable_variables,
                    model.optimizer.variables if mode == "train" else [],
                    model.metrics_variables,
                )
            ]
            steps = places.shape((), "int32")
            plan = Plan()
            if mode == "train":
                with at_work(self._missed):
                    plan = self._find_plan(state, stack)
                if self._room(stack) != room:
                    return self._program(mode, stack)
                scratch = {key: places.shape((key[1],), "int32") for key in plan.scratch if key}
                given: Any = ()
                lasts: dict[Any, Any] = {}
                if self._missed is not None:
                    given = tree.map_structure(
                        lambda a: places.shape(a.shape, a.dtype), self._missed.signature()
                    )
                    tables = [self._missed.tables[id(model.trainable_variables[i])] for i in plan.tables]
                    lasts = {table.last: self._last_steps_of(table) for table in tables}
                plan.given = (*self._shapes_found(plan, stack), given, steps)
                arguments = (tuple(state), scratch, lasts, *plan.given)
                plan.lie = shardings((tuple(state), lasts, *plan.given))
                with at_work(self._missed):
                    lowered = self._jit(
                        functools.partial(self._train, plan), arguments[:3], donate_argnums=(0, 1, 2)
                    ).lower(*arguments)
            elif mode == "test":
                held = (state[0], state[1], state[3])
                lowered = self._jit(self._test, (held[1:],)).lower(held, stack, steps)
                plan.given = (stack, steps)
            else:
                lowered = self._jit(self._predict).lower((state[0], state[1]), stack)
                plan.given = (stack, steps)
            self._programs[key] = plan, _compiler.submit(lowered.compile)
        return self._programs[key]

    def _find_plan(self, state: Any, stack: Any) -> Plan:
        model, mesh, n_devices = self._model, self._places.mesh, self._places.n_devices
        plan = find_plan(model, self._by_rows, self._decided, state, stack, on_host(), mesh)
        self._register(plan)
        plan.split = self._splits.get(_shapes(stack)) or find_split(model, plan, stack, self._places)
        if plan.split is not None:
            self._splits[_shapes(stack)] = plan.split
            plan.scratch = [None] * len(plan.tables)
            return plan
        self.limits.update(plan.limits)
        leaves = tree.flatten(stack)
        for leaf, n_rows in plan.rows_of_owner.items():
            n_ids = repeats_shapes(leaves[leaf].shape, plan.limits[leaf][0]).ids[1]
            room = capacity_of(n_ids, n_devices, n_rows)
            plan.capacities[leaf] = self._capacities.setdefault((leaf, n_ids), room)
        return plan

    def _room(self, stack: Any) -> Any:
        """The room for the host's findings."""
        split = self._splits.get(_shapes(stack))
        return tuple(sorted(self._capacities.items())) if split is None else tuple(split.rooms)

    def _shapes_found(self, plan: Plan, stack: Any) -> tuple[Any, Any]:
        """Shapes of a stack as the program gets it, and of NumPy's findings."""
        leaves, places = tree.flatten(stack), self._places
        if plan.split is not None:
            return plan.split.stack(stack), plan.split.rows(leaves[0].shape[0])
        found = {}
        for number, (limit, _) in plan.limits.items():
            ids, inverse, count = (
                jax.ShapeDtypeStruct(shape, "int32") for shape in repeats_shapes(leaves[number].shape, limit)
            )
            found[number] = Repeats(
                places.shape(ids.shape, "int32"), places.batches(inverse), places.shape(count.shape, "int32")
            )
        return stack, found

    def _last_steps_of(self, table: Table) -> jax.ShapeDtypeStruct:
        if self._places.mesh is None:
            return abstract(self._missed.lasts[table.last])  # type: ignore[union-attr]
        like = self._places.variable(table.variable)
        return jax.ShapeDtypeStruct(like.shape[:1], "int32", sharding=like.sharding)

    def _jit(self, function: Any, kept: tuple[Any, ...] = (), **how: Any) -> Any:
        """A program whose first results have the shardings of `kept`; other results are replicated."""
        if self._places.mesh is not None:
            everywhere = self._places.everywhere
            how["out_shardings"] = (*shardings(kept), everywhere) if kept else everywhere
        return jax.jit(function, **how)

    def _into_huge_pages(self, arrays: list[Any]) -> None:
        """Move large tables and slots to huge pages.

        Training keeps them in place, except memory from NumPy, which the first step copies.
        """
        if not _huge_pages.on_request() or self._places.mesh is not None:
            return
        parts = [
            (array.unsafe_buffer_pointer(), array.nbytes)
            for array in arrays
            if array.nbytes >= _huge_pages.LARGE and [d.platform for d in array.devices()] == ["cpu"]
        ]
        new = [part for part in parts if part[0] not in self._in_huge_pages]
        if new:
            self._in_huge_pages.update(address for address, _ in new)
            _huge_pages.move(new)

    def _scratch_array(self, key: tuple[Any, int]) -> Any:
        if key not in self._scratch:
            zeros = np.zeros(key[1], "int32")
            self._scratch[key] = (
                jnp.asarray(zeros)
                if self._places.mesh is None
                else self._places.put(zeros, self._places.shape(zeros.shape, "int32"))
            )
        return self._scratch[key]

    def _train(
        self,
        plan: Plan,
        state: Any,
        scratch: Any,
        lasts: Any,
        stack: Any,
        repeats: Any,
        given: Any,
        steps: Any,
    ) -> Any:
        if plan.split is not None:
            arguments = state, lasts, stack, repeats, given, steps
            state, lasts = part_steps(self._model, plan, self._missed, self._places.mesh, *arguments)
            return state, scratch, lasts, self._logs(state[3])

        def body(i: Any, carry: Any, batch_and_repeats: Any) -> Any:
            state, scratch, lasts = carry
            batch, found = batch_and_repeats
            if not plan.tables and self._places.mesh is None:
                return self._model.train_step(state, batch)[1], scratch, lasts
            catch_up = None if self._missed is None else CatchUp(self._missed, lasts, given, i)
            state, scratch = train_step(self._model, plan, state, scratch, batch, found, catch_up)
            return state, scratch, lasts if catch_up is None else catch_up.lasts

        state, scratch, lasts = each_step(steps, body, (state, scratch, lasts), (stack, repeats))
        return state, scratch, lasts, self._logs(state[3])

    def _test(self, state: Any, stack: Any, steps: Any) -> Any:
        def body(i: Any, changed: Any, batch: Any) -> Any:
            return self._model.test_step((state[0], *changed), batch)[1][1:]

        changed = each_step(steps, body, tuple(state[1:]), stack)
        return changed, self._logs(changed[1])

    def _predict(self, state: Any, stack: Any) -> Any:
        return jax.lax.map(lambda batch: self._model.predict_step(state, batch)[0], stack)

    def _logs(self, metrics: Any) -> Any:
        with StatelessScope(state_mapping=zip(self._model.metrics_variables, metrics, strict=True)):
            return self._model.get_metrics_result()


def _shapes(stack: Any) -> Any:
    return tuple(tuple(leaf.shape) for leaf in tree.flatten(stack))


def _cache_programs() -> None:
    """Cache compiled programs in a folder, so that the next process does not compile them again.

    A folder set by the user in JAX is kept. `KERASREC_COMPILATION_CACHE` names another; `0` disables it.
    """
    setting = os.environ.get("KERASREC_COMPILATION_CACHE", "")
    if setting == "0" or jax.config.jax_compilation_cache_dir:
        return
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    jax.config.update("jax_compilation_cache_dir", setting or str(home / "kerasrec" / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
