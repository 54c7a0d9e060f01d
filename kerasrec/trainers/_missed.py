"""The updates that rows of tables missed: since which step, and how rows catch up outside of steps."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasrec.trainers._forms import Form, Gap, catch_up_slots, catch_up_weights, gap
from kerasrec.trainers._rows import slot_lists
from kerasrec.trainers._watched import Kind, forget, others, watch

# Terms below this share no longer change the sums.
_FORGOTTEN = 1e-12
# Number of steps that are remembered, and the maximum of one call: half of them, because counting restarts.
_REMEMBERED = 2**18
MOST_STEPS = _REMEMBERED // 2
# Number of elements of a table that are brought up to date at once.
AT_ONCE = 2**20


@dataclass
class Table:
    """A table that is updated by rows.

    Attributes:
        variable: `keras.Variable`.
        slots: the table's slots, by the name of the optimizer's list.
        decayed: bool, whether the optimizer's weight decay applies to it.
        last: key of the array with each row's last step.
    """

    variable: Any
    slots: dict[str, Any]
    decayed: bool
    last: Any


class Missed:
    """Counts the steps of a training, and computes the updates that rows missed in steps without them.

    Steps are counted from the first training call. The weights and slots of a row that was read in step `t`
    are up to date until `t`. `since` is that step for rows that have not been read yet, and `since_weights`
    is the step until which all weights are up to date. Subclasses for the backends read and write rows.

    Args:
        optimizer: a Keras optimizer.
        form: its closed form.

    Attributes:
        tables: the tables that are updated by rows, by the identity of their variable.
        lasts: by key, an int32 array of the backend with each row's last step, 0 for none.
        due: the kinds of variables that are not up to date.
        captured: the kinds that a foreign compiled function reads without notice.
        iterations: the optimizer's count of steps, if the trainer knows it.
        limit: number of steps that are remembered; then everything is brought up to date and counting
            restarts.
    """

    iterations: int | None = None
    limit = _REMEMBERED

    def __init__(self, optimizer: Any, form: Form) -> None:
        self.form = form
        self.tables: dict[int, Table] = {}
        self.lasts: dict[Any, Any] = {}
        self.due: set[Kind] = set()
        self.captured: set[Kind] = set()
        self.now = self.since = self.since_weights = 0
        self._optimizer = optimizer
        self._rates = _LearningRates(optimizer, self._mapped)
        self._at_work = 0
        self._shared = True
        self._all_slots_matter = False
        self._tables_before: frozenset[int] = frozenset()

    # Implemented by the backends.
    def read(self, variable: Any, ids: np.ndarray) -> np.ndarray:
        """Rows of a variable."""
        raise NotImplementedError

    def write(self, variable: Any, ids: np.ndarray, rows: np.ndarray) -> None:
        """Replace rows of a variable."""
        raise NotImplementedError

    def last_steps(self, key: Any) -> np.ndarray:
        """`[n]`, each row's last step."""
        raise NotImplementedError

    def new_last_steps(self, variable: Any) -> Any:
        """An array of zeros for the last steps of a variable's rows."""
        raise NotImplementedError

    def clear_last_steps(self, key: Any) -> None:
        """Set each row's last step to 0."""
        raise NotImplementedError

    def here(self, variable: Any, ids: np.ndarray) -> np.ndarray:
        """The rows among `ids` that this process has."""
        return ids

    def held(self, variable: Any) -> bool:
        """Whether a variable currently has its value."""
        return True

    def in_trace(self) -> bool:
        """Whether a function is being traced."""
        return False

    def outside_of_traces(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which operations run immediately."""
        return contextlib.nullcontext()

    def _mapped(self, schedule: Any, steps: Any) -> Any:
        """A schedule's values for a vector of steps, called for one step at a time."""
        return [schedule(step) for step in steps]

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A context in which the trainer itself reads and changes variables."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    def before(self, kind: Kind) -> None:
        """Bring variables up to date before other code reads or changes them."""
        if self._at_work:
            return
        if self.in_trace():
            self.captured.add(kind)
        self.settle(kind)

    def watch_weights(self, variables: list[Any]) -> None:
        """Watch variables that may become tables."""
        watch(variables, self, "weights")

    def table(self, variable: Any, readers: Mapping[int, Any]) -> Table:
        """The record of a table; it is created if the table was not updated by rows before.

        Args:
            variable: the table.
            readers: by the identity of a table's variable, the columns from which its ids come in a step.
        """
        if id(variable) not in self.tables:
            optimizer = self._optimizer
            position = [v is variable for v in optimizer._trainable_variables].index(True)
            slots = {name: of[position] for name, of in slot_lists(optimizer).items()}
            # Tables that are read by the same column were last read in the same steps.
            last = next(
                (
                    other.last
                    for other in self.tables.values()
                    if self._shared
                    and other.variable.shape[0] == variable.shape[0]
                    and hasattr(other.variable, "spread_over") == hasattr(variable, "spread_over")
                    and readers.get(id(other.variable)) == readers[id(variable)]
                ),
                position,
            )
            decayed = bool(optimizer.weight_decay) and optimizer._use_weight_decay(variable)
            self.tables[id(variable)] = Table(variable, slots, decayed, last)
            if last not in self.lasts:
                self.lasts[last] = self.new_last_steps(variable)
            watch([variable], self, "weights")
            watch(slots.values(), self, "slots")
        return self.tables[id(variable)]

    def read_together(self, readers: Mapping[int, Any]) -> bool:
        """Whether tables that share their last steps are all read together.

        If they are not, all tables are released, and tables share nothing afterwards.
        """
        together: dict[Any, list[Any]] = {}
        for table in self.tables.values():
            together.setdefault(table.last, []).append(readers.get(id(table.variable)))
        if not self._shared or all(
            columns.count(columns[0]) == len(columns) for columns in together.values()
        ):
            return True
        self._shared = False
        self.release()
        return False

    def remove(self, variable: int) -> None:
        """Remove a table that is no longer updated by rows."""
        table = self.tables.pop(variable, None)
        if table is not None:
            forget(table.slots.values(), self)

    def release(self) -> None:
        """Bring everything up to date, and stop watching."""
        self.settle("slots")
        for table in self.tables.values():
            forget([table.variable, *table.slots.values()], self)
        self.tables.clear()
        self.lasts.clear()

    def settle_captured(self) -> None:
        """Bring up to date what a compiled function may read without notice."""
        for kind in tuple(self.captured):
            self.settle(kind)

    def settle(self, kind: Kind = "slots") -> None:
        """Bring the weights, or weights and slots, of all tables up to date."""
        if not self.due or (kind == "weights" and "weights" not in self.due):
            return
        if not all(self.held(table.variable) for table in self.tables.values()):
            return
        with self.at_work(), self.outside_of_traces():
            if "weights" in self.due:
                for table in self.tables.values():
                    self._settle_weights(table)
                self.due.discard("weights")
                self.since_weights = self.now
            if kind == "slots":
                for table in self.tables.values():
                    self._settle_slots(table)
                self.due.discard("slots")
                self.since = self.since_weights = self.now

    def must_settle(self, tables: frozenset[int], n_steps: int) -> bool:
        """Whether `begin` would bring tables up to date."""
        counted = hasattr(self, "_sums") and self.now + n_steps <= self.limit
        return bool(self.due) and (not counted or tables != self._tables_before)

    def begin(
        self, tables: frozenset[int], n_steps: int, iterations: int, rate: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prepare a call of `n_steps` steps and return its inputs.

        Args:
            tables: identities of the variables of the tables that the call updates by rows.
            n_steps: int.
            iterations: int, the optimizer's count of steps.
            rate: float, the learning rate; `None` if a schedule gives it.

        Returns:
            `[3]` int32: the number of steps so far, `since` and `since_weights`; and the table of sums,
            float32.
        """
        if tables != self._tables_before:
            # Other tables do not count these steps, or are updated as a whole in them.
            self.settle("slots")
            self._tables_before = tables
        for other in others([self.tables[table].variable for table in tables], self):
            other.before("slots")
        if not hasattr(self, "_sums") or self.now + n_steps > self.limit:
            self._begin_counting(iterations)
        if not tables:
            n_steps = 0
        if not self.due:
            self.since = self.since_weights = self.now
        self._remember(n_steps, iterations, rate)
        return np.array([self.now, self.since, self.since_weights], "int32"), self._sums.copy()

    def end(self, n_steps: int) -> None:
        """Count the steps that were made."""
        if not n_steps or not self._tables_before:
            return
        self.now += n_steps
        if self.form.mover or self.form.weight_decay:
            self.due.add("weights")
        if self.form.decays:
            self.due.add("slots")

    def _begin_counting(self, iterations: int) -> None:
        self.settle("slots")
        n = self.limit + 1
        self._factors, self._kept, self._kept_log = np.zeros(n), np.ones(n), np.zeros(n)
        self._sums = np.zeros((n, self.form.columns), "float32")
        # Slots of a new optimizer are 0, so rows that were not read yet do not move.
        fresh = iterations == 0
        self._all_slots_matter = not fresh
        # At least half of the limit is left for counting; with a longer `reach`, more rows are checked.
        self.now = min(self.form.reach, self.limit // 2) if fresh else 0
        self.since = self.since_weights = self.now
        for key in self.lasts:
            self.clear_last_steps(key)

    def _remember(self, n_steps: int, iterations: int, rate: float | None) -> None:
        """Extend the table of sums by the steps of a call."""
        form, now, end = self.form, self.now, self.now + n_steps
        if not form.columns or not n_steps:
            return
        rates = np.full(n_steps, rate) if rate is not None else self._rates.of(iterations, n_steps)
        new = slice(now + 1, end + 1)
        n_ratios = len(form.ratios)
        steps = np.arange(iterations + 1.0, iterations + n_steps + 1)
        if form.factor is not None:
            self._factors[new] = form.factor(rates, steps)
        if form.epsilon_factor is not None:  # that of the next step
            self._sums[now : end + 1, -1] = form.epsilon_factor(np.append(steps, steps[-1] + 1))
        for i, ratio in enumerate(form.ratios):
            self._sum_up(i, ratio, end, decayed=False)
        if form.weight_decay:
            self._kept[new] = 1 - rates * form.weight_decay
            for i, ratio in enumerate(form.ratios):
                self._sum_up(n_ratios + i, ratio, end, decayed=True)
            with np.errstate(divide="ignore"):
                logs = np.log(np.maximum(self._kept[new], 1e-30))
            self._kept_log[new] = self._kept_log[now] + np.cumsum(logs)
            self._sums[: end + 1, 2 * n_ratios] = self._kept_log[: end + 1] - self._kept_log[now]

    def _sum_up(self, column: int, ratio: float, end: int, decayed: bool) -> None:
        """`T(t) = r (a_{t+1} + T(t+1))`, from the call's last step back to where it no longer changes."""
        highest = ratio / float(self._kept[: end + 1].min()) if decayed else ratio
        reach = end if highest >= 1 else math.ceil(math.log(_FORGOTTEN) / math.log(max(highest, 1e-30)))
        first = max(self.since, self.now - reach)
        steps = slice(first + 1, end + 1)
        ratios = ratio / self._kept[steps] if decayed else np.full(end - first, ratio)
        total, sums = 0.0, [0.0]
        for r, factor in zip(ratios[::-1].tolist(), self._factors[steps][::-1].tolist(), strict=True):
            total = r * (factor + total)
            sums.append(total)
        self._sums[first : end + 1, column] = sums[::-1]

    def _gap(self, last: np.ndarray) -> Gap:
        """The updates that rows missed since their last step, in NumPy."""
        begin = np.maximum(last, self.since)
        settled = np.maximum(begin, self.since_weights)
        return gap(
            self.form,
            np,
            (self.now - begin).astype("float32"),
            (settled - begin).astype("float32"),
            list(self._sums[settled].T),
            list(self._sums[self.now]),
        )

    def _settle_weights(self, table: Table) -> None:
        decays = bool(self.form.weight_decay) and table.decayed
        if self.form.mover is None and not decays:
            return
        last = self.last_steps(table.last)
        ids = np.arange(len(last)) if decays else np.flatnonzero(last > self.since_weights - self.form.reach)
        for part in self._parts(table, ids):
            slots = {name: self.read(slot, part) for name, slot in table.slots.items()}
            weights = self.read(table.variable, part)
            caught_up = catch_up_weights(self.form, np, weights, slots, self._gap(last[part]), table.decayed)
            self.write(table.variable, part, caught_up.astype(weights.dtype))

    def _settle_slots(self, table: Table) -> None:
        last = self.last_steps(table.last)
        ids = np.arange(len(last)) if self._all_slots_matter else np.flatnonzero(last)
        slots = {name: slot for name, slot in table.slots.items() if name in self.form.decays}
        for part in self._parts(table, ids):
            rows = {name: self.read(slot, part) for name, slot in slots.items()}
            for name, caught_up in catch_up_slots(self.form, rows, self._gap(last[part])).items():
                self.write(slots[name], part, caught_up.astype(rows[name].dtype))

    def _parts(self, table: Table, ids: np.ndarray) -> Iterator[np.ndarray]:
        size = max(AT_ONCE // max(math.prod(table.variable.shape[1:]), 1), 1)
        ids = self.here(table.variable, ids)
        for start in range(0, len(ids), size):
            yield ids[start : start + size]


def at_work(missed: Missed | None) -> contextlib.AbstractContextManager[None]:
    """A context in which the trainer itself reads and changes variables."""
    return contextlib.nullcontext() if missed is None else missed.at_work()


def settle_weights(variables: list[Any]) -> None:
    """Let all keepers of these variables bring the weights up to date."""
    for keeper in others(variables, None):
        keeper.before("weights")


class _LearningRates:
    """The learning rates of the next steps, from a schedule.

    Args:
        optimizer: a Keras optimizer.
        mapped: function that calls a schedule for each step of a vector and returns the values.
    """

    def __init__(self, optimizer: Any, mapped: Callable[[Any, Any], Any]) -> None:
        self._optimizer = optimizer
        self._mapped = mapped
        self._first, self._known = 0, np.zeros(0)
        self._by_vector: bool | None = None

    def of(self, first: int, n: int) -> np.ndarray:
        """Learning rates `[n]` of the steps from `first`, which is 0 for an optimizer's first step."""
        offset = first - self._first
        if offset < 0 or offset + n > len(self._known):
            self._first, offset = first, 0
            self._known = self._ask(first, max(n, 1024))
        return self._known[offset : offset + n]

    def _ask(self, first: int, n: int) -> np.ndarray:
        schedule = self._optimizer._learning_rate
        steps = np.arange(first, first + n, dtype="int32")
        if self._by_vector is None or self._by_vector:
            # Most schedules take a vector of steps; others branch, and must be called for each step.
            try:
                rates = _floats(schedule(keras.ops.convert_to_tensor(steps)))
                some = [0, n // 2, n - 1]
                exact = [_floats(schedule(keras.ops.convert_to_tensor(steps[i]))) for i in some]
                self._by_vector = rates.shape == (n,) and bool(np.allclose(rates[some], exact, 1e-5, 0))
            except Exception:  # a schedule may raise anything for a vector
                self._by_vector = False
        if not self._by_vector:
            rates = _floats(self._mapped(schedule, keras.ops.convert_to_tensor(steps)))
        return rates


def _floats(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")
