"""Rules of one state: columns looked up, conditions evaluated, contradictions refused."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State
from kerasrec.recommender._where import mask_of, truth_of
from kerasrec.recommender.rules import Rules

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.evaluation._ragged import Ragged


# Conditions whose items are kept.
_CONDITIONS = 64


@dataclass(frozen=True)
class Cap:
    """`at_most` of one column: `n`, and the values of each item as codes `[I, V]`, -1 behind the last."""

    name: str
    n: int
    codes: np.ndarray


@dataclass(frozen=True)
class Quota:
    """`at_least` of one column: `n`, and which items count, bool `[I]`."""

    name: str
    n: int
    true: np.ndarray


@dataclass(frozen=True)
class Ruled:
    """What `Rules` come to for the items of a state.

    Attributes:
        rules: `Rules`.
        allowed: bool `[I]`, what `where` and `available` leave, or `None`: all.
        caps: `at_most`.
        quotas: `at_least`.
        boosts: by name, what each item is boosted by `[I]`.
        shares: of the column of `calibrate`, float64 `[I, G]`, or `None`.
        vectors: unit vectors of the items for `diversity`, an array or a sparse matrix `[I, C]`, or `None`.
    """

    rules: Rules
    allowed: np.ndarray | None
    caps: tuple[Cap, ...]
    quotas: tuple[Quota, ...]
    boosts: dict[str, np.ndarray]
    shares: np.ndarray | None
    vectors: Any

    @cached_property
    def boost(self) -> np.ndarray | None:
        """What each item is boosted by in all `[I]`, or `None`."""
        return np.sum(list(self.boosts.values()), axis=0) if self.boosts else None

    @property
    def chooses(self) -> bool:
        """Whether any rule changes the list that the scores give."""
        weighted = self.shares is not None or self.vectors is not None or bool(self.boosts)
        return bool(self.caps or self.quotas or weighted or self.rules.explore)


def of_state(state: State, rules: Rules) -> Ruled:
    """Rules, looked up in a state; its own once.

    Args:
        state: `State`.
        rules: `Rules`.

    Raises:
        ValueError: if a column is missing or of the wrong kind, or rules contradict each other.
    """
    if rules is state.rules:
        found: Ruled = state.once("rules", lambda: _compiled(state, rules))
        return found
    return _compiled(state, rules)


def _compiled(state: State, rules: Rules) -> Ruled:
    table = _Table(state)
    allowed = table.allowed(rules)
    caps = tuple(Cap(f"at_most {key}", int(n), table.codes(key)) for key, n in (rules.at_most or {}).items())
    quotas = tuple(
        Quota(f"at_least {key}", int(n), table.truth("at_least", key))
        for key, n in (rules.at_least or {}).items()
    )
    for quota in quotas:
        there = quota.true if allowed is None else quota.true & allowed
        if there.sum() < quota.n:
            by = [name for name in rules.names if name in ("where", "available")]
            with_whom = f"{' and '.join(f'`{name}`' for name in by)} contradict" if by else "contradicts"
            raise ValueError(
                f"`{quota.name}` {'and ' if by else ''}{with_whom} "
                f"{'each other' if by else 'the catalogue'}: {quota.n} such items are needed in a list. "
                f"Received: {int(there.sum())} of them."
            )
    boosts = {
        f"boost {key}": weight * table.numbers(key) for key, weight in (rules.boost or {}).items() if weight
    }
    shares = None
    if rules.weight_of_calibration:
        column: Any = (
            rules.calibrate if isinstance(rules.calibrate, str) else next(iter(rules.calibrate or {}))
        )
        shares = table.shares(column)
    vectors = _directions(state) if rules.diversity else None
    return Ruled(rules, allowed, caps, quotas, boosts, shares, vectors)


def with_rules(state: State, rules: Rules | None) -> State:
    """The same state, whose lists follow other rules from now on.

    Args:
        state: `State`.
        rules: `Rules`, or `None`: none.
    """
    if rules is not None:
        if not isinstance(rules, Rules):
            raise TypeError(f"`rules` must be `kerasrec.Rules`. Received: {type(rules).__name__}.")
        rules.to_arrays()  # refuses what a file cannot hold
    found = replace(state.recomputed(), rules=rules, index=state.index)
    if rules is not None and rules.names:
        of_state(found, rules)  # refuses what does not fit the metadata
    return found


def check_length(ruled: Ruled, k: int) -> None:
    """Refuse places kept for more items than a list has."""
    needed = sum(quota.n for quota in ruled.quotas)
    if needed > k:
        names = " and ".join(f"`{quota.name}`" for quota in ruled.quotas)
        raise ValueError(
            f"{names} contradict `k`: a list must have room for all that they ask for. "
            f"Received: {needed} items and k={k}."
        )


def tastes(ruled: Ruled, history: "Ragged | None", codes: np.ndarray) -> np.ndarray:
    """Shares of `calibrate`'s values in the history of users, `[B, G]`; zeros where it is empty."""
    import scipy.sparse

    shares: Any = ruled.shares
    found = np.zeros((len(codes), shares.shape[1]))
    known = codes >= 0
    if history is None or not known.any():
        return found
    rows, index = history.index(codes[known])
    ones = np.ones(len(rows)), (rows, history.items[index])
    sums = scipy.sparse.csr_matrix(ones, (int(known.sum()), len(shares))) @ shares
    totals = sums.sum(axis=1, keepdims=True)
    found[known] = sums / np.where(totals > 0, totals, 1.0)
    return found


class _Masks:
    """Items that meet the conditions that were asked for lately."""

    def __init__(self) -> None:
        self._known: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def get(self, condition: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        found = self._known.get(condition)
        if found is None:
            found = make()
            with self._lock:
                while len(self._known) >= _CONDITIONS:
                    del self._known[next(iter(self._known))]
                self._known[condition] = found
        return found


class _Table:
    """Columns of a state's metadata as rules read them."""

    def __init__(self, state: State) -> None:
        self.state = state

    def frame(self, rule: str) -> "pd.DataFrame":
        if self.state.item_metadata is None:
            raise ValueError(
                f"`{rule}` reads columns of the metadata; give the recommender `item_metadata`. "
                "Received: a recommender without."
            )
        return self.state.item_metadata

    def allowed(self, rules: Rules) -> np.ndarray | None:
        masks = []
        if rules.where is not None:
            masks.append(self.where(rules.where))
        if isinstance(rules.available, str):
            masks.append(self.truth("available", rules.available))
        elif rules.available is not None:
            masks.append(self.given(rules.available))
        return np.logical_and.reduce(masks) if masks else None

    def where(self, condition: str) -> np.ndarray:
        """Which items meet a condition; the last few are kept."""
        masks: _Masks = self.state.once("conditions", _Masks)
        return masks.get(condition, lambda: mask_of(condition, self.frame("where")))

    def given(self, available: Any) -> np.ndarray:
        """A mask that a call brings along."""
        import pandas as pd

        if isinstance(available, pd.Series):
            place = pd.Index(available.index).get_indexer(pd.Index(self.state.items.raw, tupleize_cols=False))
            if not (place >= 0).any():
                raise ValueError(
                    "`available` must be indexed by raw item id. "
                    f"Received: index {available.index[:1].tolist()}..., of which no item is known."
                )
            found = truth_of(available.reset_index(drop=True), "available", str(available.name))
            return np.where(place >= 0, found[place], False)
        mask = np.asarray(available)
        if mask.dtype != bool or mask.shape != (self.state.n_items,):
            raise ValueError(
                f"`available` must be a truth value for each of the {self.state.n_items} items in the order "
                f"of `item_ids`, or a Series by raw item id. Received: {mask.dtype} of shape {mask.shape}."
            )
        return mask

    def truth(self, rule: str, key: str) -> np.ndarray:
        """Which items are true of a column or condition."""
        frame = self.frame(rule)
        return truth_of(frame[key], rule, key) if key in frame.columns else mask_of(key, frame, rule)

    def numbers(self, key: str) -> np.ndarray:
        """A column of numbers, or ones where a column or condition is true; 0 where it is missing."""
        import pandas as pd

        frame = self.frame("boost")
        if key in frame.columns and pd.api.types.is_numeric_dtype(frame[key].dtype):
            found = frame[key].to_numpy(np.float64, na_value=0.0)
            if not np.isfinite(found).all():
                raise ValueError(
                    f"`boost` must name a column of finite numbers. Received: infinity in {key!r}."
                )
            return found
        return self.truth("boost", key).astype(np.float64)

    def codes(self, key: str) -> np.ndarray:
        """What `at_most` counts: values as codes `[I, V]`, of truth values and conditions true ones alone."""
        import pandas as pd

        frame = self.frame("at_most")
        if key not in frame.columns:
            if key.isidentifier():
                mask_of(key, frame, "at_most")  # says which columns there are
            return np.where(mask_of(key, frame, "at_most"), 0, -1)[:, None]
        if pd.api.types.is_bool_dtype(frame[key].dtype):
            return np.where(truth_of(frame[key], "at_most", key), 0, -1)[:, None]
        return np.asarray(self.state.once(f"values of {key}", lambda: self._codes(frame[key])))

    def _codes(self, column: "pd.Series[Any]") -> np.ndarray:
        rows, values, _ = _values(column)
        found = np.full((len(column), max(1, int(np.bincount(rows, minlength=1).max()))), -1)
        starts = np.searchsorted(rows, np.arange(len(column)))
        found[rows, np.arange(len(rows)) - starts[rows]] = values
        return found

    def shares(self, key: str) -> np.ndarray:
        """How an item divides among the values of a column, `[I, G]`; rows of 0 where it is missing."""
        frame = self.frame("calibrate")
        if key not in frame.columns:
            mask_of(f"`{key}` == 0", frame, "calibrate")  # says which columns there are
        return np.asarray(self.state.once(f"shares of {key}", lambda: self._shares(frame[key], key)))

    def _shares(self, column: "pd.Series[Any]", key: str) -> np.ndarray:
        rows, values, n = _values(column)
        if not n:
            raise ValueError(
                f"`calibrate` must name a column with values. Received: {key!r}, which has none."
            )
        if len(column) * n > 1 << 28:
            raise ValueError(
                "`calibrate` must name a column of few values, such as a genre. "
                f"Received: {key!r} with {n:,}."
            )
        found = np.zeros((len(column), n))
        found[rows, values] = 1.0
        return found / np.maximum(found.sum(axis=1, keepdims=True), 1.0)


def _values(column: "pd.Series[Any]") -> tuple[np.ndarray, np.ndarray, int]:
    """Rows and codes of all values of a column, in the order of the rows, and how many values there are."""
    import pandas as pd

    rows, entries = [], []
    for row, entry in enumerate(column.astype(object).tolist()):
        if isinstance(entry, (list, tuple)):
            own = list(dict.fromkeys(map(str, entry)))
        else:
            own = [] if pd.isna(entry) else [str(entry)]
        rows += [row] * len(own)
        entries += own
    codes, names = pd.factorize(np.array(entries, object))
    return np.array(rows, np.int64), codes, len(names)


def _directions(state: State) -> Any:
    """Unit vectors of all items, `[I, C]`; zero where an item has nothing."""

    def make() -> Any:
        import scipy.sparse

        table = _vectors.table(state, "item")
        if table is not None:
            lengths = np.linalg.norm(table.astype(np.float64), axis=1, keepdims=True)
            return (table / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
        if state.item_features is None:
            raise ValueError(
                "`diversity` needs a model that represents items, or `item_features`. "
                f"Received: {state.name!r} without features."
            )
        rows = scipy.sparse.csr_matrix(state.item_features.matrix, dtype=np.float64)
        lengths = np.sqrt(rows.multiply(rows).sum(axis=1)).A1
        return (scipy.sparse.diags(1 / np.where(lengths > 0, lengths, 1.0)) @ rows).tocsr()

    return state.once("directions", make)
