from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec.data._columns import refuse, shown
from kerasrec.data.columns._column import Column, numbers_of

if TYPE_CHECKING:
    import pandas as pd

_PERIODS = (24.0, 7.0)


@dataclass(frozen=True)
class Time(Column):
    """The hour of the day and the day of the week of a moment, each as a point on a circle.

    Args:
        default: as in `Column`; without one a missing time is an error. Defaults to `None`.
        state: not used. Defaults to `None`.
        unit: `"s"`, `"ms"`, `"us"` or `"ns"` since 1970, if times are numbers. Defaults to `None`: times are
            dates, or text in ISO 8601.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Time
        >>> when = Time().fit(pd.Series(["2024-01-01"], name="when"))
        >>> when.encode(pd.Series(["2024-01-01T06:00"])).round(2).tolist()  # a Monday
        [[1.0, 0.0, 0.2199999988079071, 0.9700000286102295]]
    """

    kind: ClassVar[str] = "time"
    unit: str | None = None

    def __post_init__(self) -> None:
        if self.unit not in (None, "s", "ms", "us", "ns"):
            raise ValueError(f"`unit` must be one of s, ms, us, ns. Received: unit={self.unit!r}.")

    @property
    def width(self) -> int:
        """Sine and cosine of two circles."""
        return 2 * len(_PERIODS)

    def fit(self, entries: "pd.Series[Any]") -> "Time":
        """Check the entries; there is nothing to fit.

        Args:
            entries: a column of the training table.
        """
        self.encode(entries)
        return self

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Sine and cosine of the hour, and of the weekday, `[n, 4]`.

        Args:
            entries: the column of any table.
        """
        import pandas as pd

        column = self.filled(entries)
        if self.unit is None:
            numeric = pd.api.types.is_numeric_dtype(column.dtype)
            remedy = f"Give `Time(unit='s')` for {shown(column.iloc[0])}." if numeric and len(column) else ""
            refuse(np.full(len(column), numeric), column, entries.name, "numbers for times", remedy)
            parsed = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
        else:
            numbers = pd.Series(numbers_of(column, entries.name), column.index)
            parsed = pd.to_datetime(numbers, unit=self.unit, utc=True, errors="coerce")
        missing = column.isna().to_numpy()
        remedy = "Correct those rows, or give a `default`."
        refuse(missing, column, entries.name, "missing times", remedy)
        remedy = "Write times in ISO 8601; `pandas.to_datetime(column, format=...)` reads other forms."
        refuse(parsed.isna().to_numpy(), column, entries.name, "entries that are not times", remedy)
        hours = (parsed.dt.hour + parsed.dt.minute / 60 + parsed.dt.second / 3600).to_numpy(float)
        days = parsed.dt.day_of_week.to_numpy(float) + hours / 24
        angles = [2 * np.pi * x / period for x, period in zip((hours, days), _PERIODS, strict=True)]
        return np.stack([f(x) for x in angles for f in (np.sin, np.cos)], axis=1).astype(np.float32)
