"""Rules compiled for one state: columns looked up, conditions evaluated, contradictions refused."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.recommender._cache import RecentCache
from kerasrec.recommender._directions import Directions, directions
from kerasrec.recommender._state import State
from kerasrec.recommender._where import mask_of, truth_of
from kerasrec.recommender.rules import Rules

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.evaluation._ragged import Ragged


# Name of the rule that drew an item, in lists.
EXPLORE = "explore"
# Number of conditions whose masks are kept.
_CONDITIONS = 64
# Number of compiled rules of calls that are kept; each holds masks over all items.
_RULES = 8


@dataclass(frozen=True)
class Cap:
    """`at_most` of one column: `n`, and the values of each item as codes `[I, V]`, -1 after the last."""

    name: str
    n: int
    codes: np.ndarray

    def holders(self, value: int) -> np.ndarray:
        """Codes of the items that hold a value."""
        found = self._holders.get(value)
        if found is None:
            found = self._holders[value] = np.flatnonzero((self.codes == value).any(axis=1))
        return found

    @cached_property
    def _holders(self) -> dict[int, np.ndarray]:
        return {}


@dataclass(frozen=True)
class Quota:
    """`at_least` of one column: `n`, and which items count, bool `[I]`."""

    name: str
    n: int
    true: np.ndarray


@dataclass(frozen=True)
class CompiledRules:
    """`Rules` with their columns looked up for the items of a state.

    Attributes:
        rules: `Rules`.
        allowed: bool `[I]`, items that `where` and `available` allow, or `None` for all.
        caps: `at_most`.
        quotas: `at_least`.
        boosts: boost of each item `[I]`, by name.
        shares: shares in the column of `calibrate`, float64 `[I, G]`, or `None`.
        directions: directions of the items for `diversity`, or `None`.
    """

    rules: Rules
    allowed: np.ndarray | None
    caps: tuple[Cap, ...]
    quotas: tuple[Quota, ...]
    boosts: dict[str, np.ndarray]
    shares: np.ndarray | None
    directions: Directions | None

    @cached_property
    def boost(self) -> np.ndarray | None:
        """The total boost of each item `[I]`, or `None`."""
        return np.sum(list(self.boosts.values()), axis=0) if self.boosts else None

    @cached_property
    def codes(self) -> np.ndarray | None:
        """Codes of the items that `where` and `available` allow, or `None` for all."""
        return None if self.allowed is None else np.flatnonzero(self.allowed).astype(np.int32)

    @property
    def name_of_calibration(self) -> str:
        """The name of `calibrate` in lists."""
        return f"calibrate {self.rules.column_of_calibration}"

    @property
    def movers(self) -> tuple[str, ...]:
        """Names of the rules that may move an item, in the order in which lists name them."""
        names = [*(cap.name for cap in self.caps), *(quota.name for quota in self.quotas), *self.boosts]
        names += ["diversity"] if self.directions is not None else []
        names += [self.name_of_calibration] if self.shares is not None else []
        return (*names, EXPLORE) if self.rules.explore else tuple(names)

    @property
    def chooses(self) -> bool:
        """Whether any rule changes the order by scores."""
        weighted = self.shares is not None or self.directions is not None or bool(self.boosts)
        return bool(self.caps or self.quotas or weighted or self.rules.explore)


def of_state(state: State, rules: Rules) -> CompiledRules:
    """Rules compiled for a state, cached.

    Args:
        state: `State`.
        rules: `Rules`.

    Raises:
        ValueError: if a column is missing or of the wrong kind, or rules contradict each other.
    """
    if rules is state.rules:
        found: CompiledRules = state.once("rules", lambda: _compiled(state, rules))
        return found
    if rules.available is not None and not isinstance(rules.available, str):
        return _compiled(state, rules)
    recent: RecentCache[CompiledRules] = state.once("rules of calls", lambda: RecentCache(_RULES))
    return recent.get(repr(rules), lambda: _compiled(state, rules))


def _compiled(state: State, rules: Rules) -> CompiledRules:
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
        shares = table.shares(rules.column_of_calibration)
    apart = directions(state) if rules.diversity else None
    return CompiledRules(rules, allowed, caps, quotas, boosts, shares, apart)


def with_rules(state: State, rules: Rules | None) -> State:
    """The state with other rules.

    Args:
        state: `State`.
        rules: `Rules`, or `None` for none.
    """
    if rules is not None:
        if not isinstance(rules, Rules):
            raise TypeError(f"`rules` must be `kerasrec.Rules`. Received: {type(rules).__name__}.")
        rules.to_arrays()  # refuses what a file cannot hold
    found = replace(state.recomputed(), rules=rules, index=state.index)
    if rules is not None and rules.names:
        of_state(found, rules)  # refuses what does not fit the metadata
    return found


def check_length(ruled: CompiledRules, k: int) -> None:
    """Refuse rules that keep more places than a list has."""
    needed = sum(quota.n for quota in ruled.quotas)
    if needed > k:
        names = " and ".join(f"`{quota.name}`" for quota in ruled.quotas)
        raise ValueError(
            f"{names} contradict `k`: a list must have room for all items that they require. "
            f"Received: {needed} items and k={k}."
        )


def tastes(ruled: CompiledRules, history: "Ragged | None", codes: np.ndarray) -> np.ndarray:
    """Shares of the values of `calibrate` in the histories of users, `[B, G]`; zeros for empty ones."""
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


class _Table:
    """The columns of a state's metadata for rules."""

    def __init__(self, state: State) -> None:
        self.state = state

    def frame(self, rule: str) -> "pd.DataFrame":
        if self.state.item_metadata is None:
            raise ValueError(
                f"`{rule}` reads columns of the metadata; give the recommender `item_metadata`. "
                "Received: a recommender without metadata."
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
        """Which items meet a condition; recently used masks are kept."""
        masks: RecentCache[np.ndarray] = self.state.once("conditions", lambda: RecentCache(_CONDITIONS))
        return masks.get(condition, lambda: mask_of(condition, self.frame("where")))

    def given(self, available: Any) -> np.ndarray:
        """A mask given in a call."""
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
        """The items for which a column or condition is true."""
        frame = self.frame(rule)
        return truth_of(frame[key], rule, key) if key in frame.columns else mask_of(key, frame, rule)

    def numbers(self, key: str) -> np.ndarray:
        """A column of numbers, or ones if a column or condition is true; 0 if missing."""
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
        """The values that `at_most` counts, as codes `[I, V]`; for truth values, only the true ones."""
        import pandas as pd

        frame = self.frame("at_most")
        if key not in frame.columns:
            if key.isidentifier():
                mask_of(key, frame, "at_most")  # raises an error that lists the columns
            return np.where(mask_of(key, frame, "at_most"), 0, -1)[:, None]
        if pd.api.types.is_bool_dtype(frame[key].dtype):
            return np.where(truth_of(frame[key], "at_most", key), 0, -1)[:, None]
        return np.asarray(self.state.once(f"values of {key}", lambda: self._codes(frame[key])))

    def _codes(self, column: "pd.Series[Any]") -> np.ndarray:
        rows, values, _ = _values(column)
        found = np.full((len(column), max(1, int(np.bincount(rows, minlength=1).max()))), -1, np.int32)
        starts = np.searchsorted(rows, np.arange(len(column)))
        found[rows, np.arange(len(rows)) - starts[rows]] = values
        return found

    def shares(self, key: str) -> np.ndarray:
        """The shares of an item in the values of a column, `[I, G]`; zeros if missing."""
        frame = self.frame("calibrate")
        if key not in frame.columns:
            mask_of(f"`{key}` == 0", frame, "calibrate")  # raises an error that lists the columns
        return np.asarray(self.state.once(f"shares of {key}", lambda: self._shares(frame[key], key)))

    def _shares(self, column: "pd.Series[Any]", key: str) -> np.ndarray:
        rows, values, n = _values(column)
        if not n:
            raise ValueError(
                f"`calibrate` must name a column with values. Received: {key!r}, which has none."
            )
        if len(column) * n > 1 << 28:
            raise ValueError(
                "`calibrate` must name a column with few distinct values, such as a genre. Received: "
                f"{key!r} with {n:,}."
            )
        found = np.zeros((len(column), n))
        found[rows, values] = 1.0
        return found / np.maximum(found.sum(axis=1, keepdims=True), 1.0)


def _values(column: "pd.Series[Any]") -> tuple[np.ndarray, np.ndarray, int]:
    """Rows and codes of all values of a column, in the order of the rows, and the number of values."""
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
