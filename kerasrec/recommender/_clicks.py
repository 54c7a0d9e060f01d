"""A click model as the second stage: its columns of users, items and the context, by code."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._forks import check_fork
from kerasrec.data.columns import NO_LABEL, Column, Number
from kerasrec.evaluation._ragged import Ragged
from kerasrec.recommender._cache import RecentCache
from kerasrec.recommender._order import Score
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    import pandas as pd

Inputs = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]]

# Columns that two stages supply for a pair, its user and its item. Counts keep growing after the training of
# the ranker; as quantiles, they stay in its range.
STAGE_COLUMNS: dict[str, Column] = {
    "candidate_score": Number(),
    "item_count": Number(scale="quantiles"),
    "user_count": Number(scale="quantiles"),
}
# Number of rankers of one first stage whose encoded columns are kept.
_RANKERS = 4
# Number of encoded context entries that are kept.
_ENTRIES = 1024
_ROWS = 8192
_FEWEST = 64


def clicks_of(state: State) -> "Clicks":
    """The second stage of a state; its columns are encoded once."""
    # Recommenders with the same first stage share computed values, but may have different rankers.
    order: Any = state.order
    lately: RecentCache[Clicks] = state.once("clicks", lambda: RecentCache(_RANKERS))
    return lately.get(id(order.second), lambda: Clicks(state))


class Clicks:
    """The encoded columns of users and items for a click model, by code.

    Args:
        state: `State` whose second stage is a `Ranker`.
    """

    def __init__(self, state: State) -> None:
        import pandas as pd

        order: Any = state.order
        # Keep a reference, so that no other ranker gets the same `id` while this is cached.
        self.ranker = ranker = order.second
        self.model, self.columns = ranker.model, ranker.columns
        self.names = self.columns.names
        metadata = state.item_metadata
        if metadata is not None:
            metadata = metadata.set_axis(pd.Index(state.items.raw, tupleize_cols=False))
        self.items = self._encoded(state.items.raw, self.columns.item, (ranker.items, metadata))
        self.users = self._encoded(state.users.raw, self.columns.user, (ranker.users,))
        self.item_count = np.bincount(state.history.items, minlength=state.n_items)
        self._entries: RecentCache[np.ndarray] = RecentCache(_ENTRIES)
        self.user_count = state.history.counts(np.arange(state.n_users))

    def _encoded(
        self, raw: np.ndarray, key: str | None, tables: "tuple[pd.DataFrame | None, ...]"
    ) -> dict[str, np.ndarray]:
        """Columns of one side by name, one row per code."""
        import pandas as pd

        ids = pd.Index(raw, tupleize_cols=False)
        known: dict[str, Any] = {} if key is None else {key: pd.Series(raw, name=key)}
        for table in (table for table in tables if table is not None):
            for name in table.columns:
                if name in self.columns.fitted and name not in known and name not in STAGE_COLUMNS:
                    known[name] = table[name].reindex(ids).reset_index(drop=True)
        return {name: self._encode(name, entries) for name, entries in known.items()}

    def _encode(self, name: str, entries: "pd.Series[Any]") -> np.ndarray:
        kind = self.columns.fitted[name]
        return kind.encode(kind.filled(entries))

    def score(self, state: State, newcomers: "Ragged | None" = None) -> Score:
        """A function that scores candidates in the context of a state; arguments as in `inputs`."""
        inputs = self.inputs(state, newcomers)

        def score(codes: np.ndarray, items: np.ndarray, found: np.ndarray) -> np.ndarray:
            return predicted(self.model, inputs(codes, items, found), items.size).reshape(items.shape)

        return score

    def predicted_without_each(self, inputs: dict[str, np.ndarray]) -> list[float]:
        """Log-odds of a row, and of the row without each column (category missing, or number the mean).

        Args:
            inputs: arrays `[1, W]`.
        """
        rows = {name: np.repeat(x, 1 + len(inputs), axis=0) for name, x in inputs.items()}
        for place, plain in enumerate(self.names.values(), 1):
            rows[plain][place] = 0
            if rows[plain].shape[1] > 1 and rows[plain].dtype.kind == "i":
                rows[plain][place, 1:] = NO_LABEL
        found = predicted(self.model, rows, 1 + len(inputs)).astype(np.float64)
        if list(self.model.output_names) == ["expected"]:
            return [float(x) for x in np.log(np.maximum(found, 1e-30))]
        found = np.clip(found, 1e-7, 1 - 1e-7)
        return [float(x) for x in np.log(found / (1 - found))]

    def inputs(self, state: State, newcomers: "Ragged | None" = None) -> Inputs:
        """A function that makes the model's inputs for candidates in the context of a state.

        Args:
            state: `State`.
            newcomers: histories of users who are not in the state, one row per user. Defaults to `None`.
        """
        import pandas as pd

        given = dict(state.context or {})
        users = dict(self.users)
        user_count = self.user_count
        if newcomers is not None:
            user_count = newcomers.counts(np.arange(len(newcomers.starts) - 1))
            users = {}
        fixed: dict[str, np.ndarray] = {}
        lacking = []
        for name in self.columns.fitted:
            if name in STAGE_COLUMNS:
                continue
            if name in given:
                entry = given[name]
                if isinstance(entry, pd.Series) and newcomers is None:
                    own = entry.reindex(pd.Index(state.users.raw, tupleize_cols=False)).reset_index(drop=True)
                    users[name] = self._encode(name, own.rename(name))
                else:
                    fixed[name] = self._encoded_entry(name, entry)
            elif name not in self.items and name not in users:
                kind = self.columns.fitted[name]
                if kind.default is not None or (newcomers is not None and name in self.users and kind.n):
                    fixed[name] = self._encoded_entry(name, kind.default)
                else:
                    lacking.append(name)
        if lacking:
            named = ", ".join(f"{name!r}: ..." for name in lacking)
            raise ValueError(
                f"`context` must hold {', '.join(map(repr, lacking))}, which the ranker reads: pass "
                f"`context={{{named}}}`, or declare columns with a `default`. "
                "Received: a context without them."
            )

        def rows_of(codes: np.ndarray, items: np.ndarray, found: np.ndarray) -> dict[str, np.ndarray]:
            rows, of_items = np.repeat(codes, items.shape[1]), np.maximum(items, 0).ravel()
            stage: dict[str, Callable[[], Any]] = {
                "candidate_score": lambda: np.where(np.isfinite(found), found, 0.0).ravel(),
                "item_count": lambda: self.item_count[of_items],
                "user_count": lambda: user_count[rows],
            }
            inputs = {}
            for name, plain in self.names.items():
                if name in stage:
                    inputs[plain] = self._encode(name, pd.Series(stage[name](), name=name))
                elif name in fixed:
                    inputs[plain] = np.repeat(fixed[name], len(rows), axis=0)
                elif name in users:
                    inputs[plain] = users[name][rows]
                else:
                    inputs[plain] = self.items[name][of_items]
            return inputs

        return rows_of

    def _encoded_entry(self, name: str, entry: Any) -> np.ndarray:
        """A column of one entry, cached because contexts repeat and pandas takes as long as the model."""
        import pandas as pd

        def make() -> np.ndarray:
            return self._encode(name, pd.Series([entry], name=name))

        plain = isinstance(entry, (str, bool, int, float, np.generic))
        return self._entries.get((name, type(entry), entry), make) if plain else make()


def predicted(model: Any, inputs: dict[str, np.ndarray], n: int) -> np.ndarray:
    """The outputs of a model for rows of inputs, float32 `[n]`, in blocks padded to a power of two of rows.

    Args:
        model: `keras.Model`.
        inputs: arrays `[n, W]` by name.
        n: int.
    """
    check_fork()
    parts = []
    for start in range(0, n, _ROWS):
        block = {name: x[start : start + _ROWS] for name, x in inputs.items()}
        rows = len(next(iter(block.values())))
        size = max(_FEWEST, 1 << max(0, rows - 1).bit_length())
        padded = {
            name: np.concatenate([x, np.repeat(x[-1:], size - rows, axis=0)]) for name, x in block.items()
        }
        parts.append(np.asarray(model.predict_on_batch(padded), np.float32).reshape(-1)[:rows])
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
