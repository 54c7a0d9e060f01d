"""Numbers, dates and durations as one column of features."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import refuse
from kerasrec.data._encoder import Encoder, required, without_categories

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

_HOLDS = {
    "datetime": "dates",
    "datetime64": "dates",
    "date": "dates",
    "timedelta": "durations",
    "timedelta64": "durations",
}


@dataclass(frozen=True, eq=False)
class Numeric(Encoder):
    """A number, shifted and scaled. Missing numbers are 0, which is the mean of a scaled column.

    Dates and durations are numbers of nanoseconds, whatever the unit of their column.
    """

    kind = "numeric"
    column: Any
    mean: float
    deviation: float
    holds: str = "numbers"

    @property
    def names(self) -> list[str]:
        return [str(self.column)]

    @staticmethod
    def numbers(entries: "pd.Series[Any]") -> tuple[np.ndarray, str]:
        """A column as float64, missing entries as NaN, and what it holds: numbers, dates or durations."""
        import pandas as pd

        entries = without_categories(entries)
        inferred = pd.api.types.infer_dtype(entries, skipna=True)
        holds = _HOLDS.get(inferred, "numbers")
        if holds != "numbers":
            parsed = pd.to_datetime(entries, utc=True) if holds == "dates" else pd.to_timedelta(entries)
            # In 64 bits, microseconds cover a longer range than nanoseconds.
            microseconds = parsed.dt.as_unit("us").astype(np.int64).to_numpy(np.float64)
            return np.where(parsed.isna(), np.nan, microseconds * 1e3), holds
        remedy = "Correct those rows."
        parsed = pd.to_numeric(entries, errors="coerce")
        if inferred == "period" or parsed.dtype.kind == "c":  # a conversion would lose a part
            parsed = pd.Series(np.nan, entries.index)
        unread = (parsed.isna() & entries.notna()).to_numpy()
        refuse(unread, entries, entries.name, "entries that are not numbers", remedy)
        found = parsed.to_numpy(np.float64, na_value=np.nan)
        refuse(np.isinf(found), entries, entries.name, "infinite values", remedy)
        too_large = np.abs(found) > np.finfo(np.float32).max
        refuse(too_large, entries, entries.name, "values that are infinite in float32", remedy)
        return found, holds

    @classmethod
    def fit(cls, entries: "pd.Series[Any]", scale: bool) -> "Numeric":
        """The encoder of a column."""
        return cls.fit_blocks(lambda: [entries], scale)

    @classmethod
    def fit_blocks(cls, blocks: "Callable[[], Iterable[pd.Series[Any]]]", scale: bool) -> "Numeric":
        """The encoder of a column in blocks, which are read up to three times."""
        name, n_rows, all_hold = None, 0, "numbers"

        def numbers() -> Iterator[np.ndarray]:
            nonlocal name, n_rows, all_hold
            n_rows = 0
            for entries in blocks():
                found, holds = cls.numbers(entries)
                name, n_rows = entries.name, n_rows + len(entries)
                there = found[~np.isnan(found)]
                if len(there):
                    all_hold = holds
                    yield there

        found: tuple[float, float] | None = (0.0, 1.0)
        if scale:
            found = _mean_and_deviation(numbers)
        elif not sum(len(there) for there in numbers()):
            found = None
        if found is None:
            raise ValueError(f"Column {name!r} must have entries. Received: {n_rows} rows, all missing.")
        return cls(name, *found, all_hold)

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        import scipy.sparse

        found, holds = self.numbers(required(frame, self.column))
        if holds != self.holds and not np.isnan(found).all():
            raise ValueError(
                f"Column {self.column!r} must hold {self.holds}, as it did when the features were made. "
                f"Received: {holds}."
            )
        scaled = (found - self.mean) / self.deviation
        return scipy.sparse.csr_matrix(np.nan_to_num(scaled, nan=0.0).astype(np.float32)[:, None])

    def state(self) -> dict[str, Any]:
        numbers = {"mean": self.mean, "deviation": self.deviation, "holds": self.holds}
        return {"kind": self.kind, "column": self.column, **numbers}


@dataclass(frozen=True, eq=False)
class Vectors(Encoder):
    """Columns of numbers as they are, such as vectors of texts or pictures."""

    kind = "vectors"
    columns: list[Any]

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.columns]

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        import scipy.sparse

        numbers = []
        for name in self.columns:
            entries = required(frame, name)
            found, holds = Numeric.numbers(entries)
            bad = np.isnan(found) if holds == "numbers" else np.full(len(found), True)
            what = "missing numbers" if holds == "numbers" else holds
            refuse(bad, entries, name, what, "Give a number for each; 0 for entities without a vector.")
            numbers.append(found.astype(np.float32))
        return scipy.sparse.csr_matrix(np.stack(numbers, axis=1))

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "columns": list(self.columns)}


def _mean_and_deviation(blocks: Callable[[], Iterator[np.ndarray]]) -> tuple[float, float] | None:
    """Mean and deviation of numbers; `None` if there are none.

    Numbers that vary only by rounding have the deviation 1. The bound is that of scikit-learn's
    `StandardScaler`: the error of a variance in two passes (Chan, Golub and LeVeque, "Algorithms for
    computing the sample variance", 1983).
    """
    n, low, high, epsilon = 0, math.inf, -math.inf, float(np.finfo(np.float64).eps)

    def counted() -> Iterator[float]:
        nonlocal n, low, high
        for found in blocks():
            n, low, high = n + len(found), min(low, float(found.min())), max(high, float(found.max()))
            yield from found.tolist()

    total = math.fsum(counted())
    if not n:
        return None
    if low == high:
        return low, 1.0
    mean = total / n
    variance = math.fsum(one for found in blocks() for one in ((found - mean) ** 2).tolist()) / n
    if variance <= n * epsilon * variance + (n * mean * epsilon) ** 2:
        return mean, 1.0
    return mean, math.sqrt(variance)
