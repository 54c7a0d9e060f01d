from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec.data._columns import refuse
from kerasrec.data.columns._column import Column, numbers_of

if TYPE_CHECKING:
    import pandas as pd

SCALES = ("standard", "log1p", "quantiles", "none")
_N_QUANTILES = 101


@dataclass(frozen=True)
class Number(Column):
    """A number on a scale that was fitted in training.

    Args:
        default: as in `Column`; without one a missing number is an error. Defaults to `None`.
        state: as in `Column`. Defaults to `None`.
        scale: `"standard"`: subtract the mean and divide by the standard deviation; `"log1p"`: the same for
            `log(1 + x)`, for numbers of at least 0; `"quantiles"`: the share of the training rows below the
            number, from 0 to 1; or `"none"`. Defaults to `"standard"`.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Number
        >>> price = Number().fit(pd.Series([10.0, 20.0, 30.0], name="price"))
        >>> price.encode(pd.Series([20.0, 36.330], name="price")).round(3).tolist()
        [[0.0], [2.0]]
    """

    kind: ClassVar[str] = "number"
    scale: str = "standard"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"`scale` must be one of {', '.join(SCALES)}. Received: scale={self.scale!r}.")

    @property
    def is_whole(self) -> bool:
        """Whether `state` is a mean and a deviation, or quantiles in order."""
        state, quantiles = self.state, self.scale == "quantiles"
        if not isinstance(state, list) or len(state) != (_N_QUANTILES if quantiles else 2):
            return False
        if not all(isinstance(x, float) and np.isfinite(x) for x in state):
            return False
        return bool((np.diff(state) >= 0).all()) if quantiles else state[1] > 0

    def fit(self, entries: "pd.Series[Any]") -> "Number":
        """Fit the mean and the standard deviation, or the quantiles.

        Args:
            entries: a column of the training table.
        """
        found = self._numbers(entries)
        if self.scale == "quantiles":
            return replace(self, state=np.quantile(found, np.linspace(0, 1, _N_QUANTILES)).tolist())
        return replace(self, state=[float(found.mean()), float(found.std()) or 1.0])

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Numbers `[n, 1]`.

        Args:
            entries: the column of any table.
        """
        found = self._numbers(entries)
        if self.scale == "quantiles":
            values, places = np.unique(self.state, return_index=True)
            found = np.interp(found, values, places / (_N_QUANTILES - 1))
        elif self.scale != "none":
            found = (found - self.state[0]) / self.state[1]
        return found.astype(np.float32)[:, None]

    def _numbers(self, entries: "pd.Series[Any]") -> np.ndarray:
        found = numbers_of(self.filled(entries), entries.name)
        if self.scale == "log1p":
            refuse(
                found < 0, entries, entries.name, "numbers below 0 on the scale 'log1p'", "Use another scale."
            )
            found = np.log1p(found)
        return found
