"""What a column of a table becomes for a model: categories, hashed categories, labels, numbers, times.

A kind is declared (`Category()`), fitted to the column of a training table, and then encodes any other table.
Where a table lacks the column, or an entry that must be there, `default` stands in, if one was given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import refuse, shown
from kerasrec.data._names_of_entries import text_of

if TYPE_CHECKING:
    import pandas as pd

# Rows of a table of vectors that are no category.
MISSING, UNKNOWN, _FIRST = 0, 1, 2
# What stands in a list of labels where there is none; its vector does not count.
NO_LABEL = -1
SCALES = ("standard", "log1p", "quantiles", "none")
_N_QUANTILES = 101
_PERIODS = (24.0, 7.0)


@dataclass(frozen=True)
class Column:
    """What all kinds of columns share.

    Args:
        default: entry that stands in where a table lacks the column, or a row the entry. Defaults to `None`:
            there is none.
        state: what was fitted, as plain JSON. Defaults to `None`: not fitted yet.
    """

    kind: ClassVar[str] = ""
    default: Any = None
    state: Any = None

    @property
    def n(self) -> int:
        """Rows of the table of vectors that it reads; 0 of numbers."""
        return 0

    @property
    def width(self) -> int:
        """Entries of an encoded row."""
        return 1

    def fit(self, entries: "pd.Series[Any]") -> "Column":
        """The kind with what it needs to know of a column.

        Args:
            entries: a column of the training table.
        """
        raise NotImplementedError

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """The entries as a model takes them.

        Args:
            entries: the column of any table.

        Returns:
            `[n, W]`, codes (int32) or numbers (float32).
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Settings and what was fitted, as plain JSON."""
        return {"kind": self.kind, **{x.name: getattr(self, x.name) for x in fields(self)}}

    def filled(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        """The entries with the default where one is missing.

        Args:
            entries: a column.
        """
        if self.default is None or not entries.isna().any():
            return entries
        return entries.astype(object).where(entries.notna(), self.default)


@dataclass(frozen=True)
class Category(Column):
    """One of the categories that training knew; a missing entry and an unknown one have a vector each.

    Entries count as text: `7`, `7.0` and `"7"` are one category, and so are `" phone"` and `"phone"`.

    Args:
        default: as in `Column`. Defaults to `None`.
        state: as in `Column`. Defaults to `None`.
        min_count: int, a category of fewer rows counts as unknown. Defaults to `1`.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Category
        >>> device = Category().fit(pd.Series(["phone", "tablet", "phone"], name="device"))
        >>> device.encode(pd.Series(["tablet", None, "watch"])).tolist()  # known, missing, unknown
        [[3], [0], [1]]
    """

    kind: ClassVar[str] = "category"
    min_count: int = 1

    def __post_init__(self) -> None:
        positive_integer("min_count", self.min_count)

    @property
    def n(self) -> int:
        """Missing, unknown, and the categories."""
        return _FIRST + len(self.state or ())

    def fit(self, entries: "pd.Series[Any]") -> "Category":
        """Its categories, in the order of their text.

        Args:
            entries: a column of the training table.
        """
        texts, codes = text_of(entries)
        return replace(self, state=_vocabulary(texts, codes[codes >= 0], self.min_count))

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Codes `[n, 1]`.

        Args:
            entries: the column of any table.
        """
        texts, codes = text_of(entries)
        known = np.append(_places(self.state, texts), np.int32(MISSING))  # at -1, what is missing
        return known[codes][:, None]


@dataclass(frozen=True)
class Hashed(Column):
    """A category of an open vocabulary: its text, hashed into one of `buckets` vectors.

    The hash is the same in every process. A missing entry has a vector of its own.

    Args:
        default: as in `Column`. Defaults to `None`.
        state: not used. Defaults to `None`.
        buckets: int. Defaults to `10000`.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Hashed
        >>> query = Hashed(buckets=100).fit(pd.Series(["red shoes"], name="query"))
        >>> codes = query.encode(pd.Series(["red shoes", "blue shoes", None]))
        >>> codes.shape, codes[2, 0].item(), 0 < codes[1, 0] <= 100
        ((3, 1), 0, np.True_)
    """

    kind: ClassVar[str] = "hashed"
    buckets: int = 10_000

    def __post_init__(self) -> None:
        positive_integer("buckets", self.buckets)

    @property
    def n(self) -> int:
        """Missing, and the buckets."""
        return 1 + self.buckets

    def fit(self, entries: "pd.Series[Any]") -> "Hashed":
        """Nothing to know.

        Args:
            entries: a column of the training table.
        """
        text_of(entries)
        return self

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Codes `[n, 1]`.

        Args:
            entries: the column of any table.
        """
        from pandas.util import hash_array

        texts, codes = text_of(entries)
        hashed = hash_array(np.asarray(texts, object), categorize=False) % np.uint64(self.buckets)
        return np.append(1 + hashed.astype(np.int32), np.int32(MISSING))[codes][:, None]


@dataclass(frozen=True)
class Labels(Column):
    """Several categories a row, as one text: their vectors are averaged.

    Args:
        default: as in `Column`. Defaults to `None`.
        state: as in `Column`. Defaults to `None`.
        sep: what stands between labels; spaces around them do not count. Defaults to `"|"`.
        most: int, labels of a row that count, the first ones. Defaults to `None`: as many as a row of the
            training table has.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data.columns import Labels
        >>> genres = Labels().fit(pd.Series(["Drama|War", "War"], name="genres"))
        >>> genres.encode(pd.Series(["War", "", "War|Jazz"])).tolist()
        [[3, -1], [0, -1], [3, 1]]
    """

    kind: ClassVar[str] = "labels"
    sep: str = "|"
    most: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sep, str) or not self.sep:
            raise ValueError(
                f"`sep` must be the text that stands between labels. Received: sep={self.sep!r}."
            )
        if self.most is not None:
            positive_integer("most", self.most)

    @property
    def n(self) -> int:
        """Missing, unknown, and the labels."""
        return _FIRST + len((self.state or {}).get("labels", ()))

    @property
    def width(self) -> int:
        """The most labels that count."""
        return self.most or (self.state or {}).get("width", 1)

    def fit(self, entries: "pd.Series[Any]") -> "Labels":
        """Its labels, in the order of their text, and how many a row has.

        Args:
            entries: a column of the training table.
        """
        rows, texts, codes = self._split(entries)
        width = int(np.bincount(rows).max(initial=1)) if len(rows) else 1
        return replace(self, state={"labels": _vocabulary(texts, codes, 1), "width": width})

    def encode(self, entries: "pd.Series[Any]") -> np.ndarray:
        """Codes `[n, W]`, padded with -1.

        Args:
            entries: the column of any table.
        """
        rows, texts, codes = self._split(entries)
        encoded = np.full((len(entries), self.width), NO_LABEL, np.int32)
        starts = np.searchsorted(rows, np.arange(len(entries)))
        places = np.arange(len(rows)) - starts[rows]
        kept = places < self.width
        encoded[rows[kept], places[kept]] = _places(self.state["labels"], texts)[codes[kept]]
        encoded[encoded[:, 0] == NO_LABEL, 0] = MISSING
        return encoded

    def _split(self, entries: "pd.Series[Any]") -> tuple[np.ndarray, Any, np.ndarray]:
        """Row, text and code of each label."""
        import pandas as pd

        whole, of_row = text_of(entries)
        parts = [[label.strip() for label in text.split(self.sep)] for text in whole]
        parts = [[label for label in dict.fromkeys(labels) if label] for labels in parts] + [[]]
        counts = np.fromiter(map(len, parts), np.int64, len(parts))[of_row]
        listed = [label for code in of_row.tolist() for label in parts[code]]
        codes, texts = pd.factorize(np.asarray(listed, object))
        return np.repeat(np.arange(len(entries)), counts), texts, codes


@dataclass(frozen=True)
class Number(Column):
    """A number on a scale that was fitted in training.

    Args:
        default: as in `Column`; without one a missing number is an error. Defaults to `None`.
        state: as in `Column`. Defaults to `None`.
        scale: `"standard"`, less the mean, over the standard deviation; `"log1p"`, the same of `log(1 + x)`,
            for numbers of at least 0; `"quantiles"`, the share of the training rows below it, from 0 to 1; or
            `"none"`. Defaults to `"standard"`.

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

    def fit(self, entries: "pd.Series[Any]") -> "Number":
        """Mean and deviation, or quantiles.

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
        found = _numbers(self.filled(entries), entries.name)
        if self.scale == "log1p":
            refuse(found < 0, entries, entries.name, "numbers below 0 on the scale 'log1p'", "Take another.")
            found = np.log1p(found)
        return found


@dataclass(frozen=True)
class Time(Column):
    """A moment as its hour of the day and day of the week, each a point of a circle.

    Args:
        default: as in `Column`; without one a missing time is an error. Defaults to `None`.
        state: not used. Defaults to `None`.
        unit: `"s"`, `"ms"`, `"us"` or `"ns"` since 1970, of times that are numbers. Defaults to `None`:
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
        """Nothing to know.

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
            numbers = pd.Series(_numbers(column, entries.name), column.index)
            parsed = pd.to_datetime(numbers, unit=self.unit, utc=True, errors="coerce")
        remedy = "Correct those rows, or give a `default`."
        refuse(parsed.isna().to_numpy(), column, entries.name, "entries that are no times", remedy)
        hours = (parsed.dt.hour + parsed.dt.minute / 60 + parsed.dt.second / 3600).to_numpy(float)
        days = parsed.dt.day_of_week.to_numpy(float) + hours / 24
        angles = [2 * np.pi * x / period for x, period in zip((hours, days), _PERIODS, strict=True)]
        return np.stack([f(x) for x in angles for f in (np.sin, np.cos)], axis=1).astype(np.float32)


KINDS: dict[str, type[Column]] = {cls.kind: cls for cls in (Category, Hashed, Labels, Number, Time)}


def get(kind: "str | Column") -> Column:
    """A kind of column by its name.

    Args:
        kind: `"category"`, `"hashed"`, `"labels"`, `"number"`, `"time"`, a scale of numbers (`"log1p"`,
            `"quantiles"`), or a kind itself.

    Returns:
        `Column`.

    Raises:
        ValueError: if there is no such kind.

    Example:
        >>> import kerasrec
        >>> kerasrec.data.columns.get("log1p").scale
        'log1p'
    """
    if isinstance(kind, Column):
        return kind
    if kind in KINDS:
        return KINDS[kind]()
    if kind in SCALES:
        return Number(scale=kind)
    raise ValueError(
        f"A column must be one of {', '.join((*KINDS, 'log1p', 'quantiles'))}, or a kind of "
        f"`kerasrec.data.columns`. Received: {kind!r}."
    )


def from_dict(state: Mapping[str, Any]) -> Column:
    """The kind that `Column.to_dict` described.

    Args:
        state: settings and what was fitted.

    Returns:
        `Column`.

    Raises:
        ValueError: if there is no such kind, or it has other settings.

    Example:
        >>> from kerasrec.data import columns
        >>> columns.from_dict(columns.Category(min_count=3).to_dict()).min_count
        3
    """
    settings = dict(state)
    try:
        return KINDS[settings.pop("kind")](**settings)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"A column must be one that `Column.to_dict` wrote. Received: {json.dumps(dict(state))[:80]}."
        ) from error


def _numbers(entries: "pd.Series[Any]", name: Any) -> np.ndarray:
    """Entries as float64, all there and finite."""
    import pandas as pd

    dates = getattr(entries.dtype, "kind", "O") in "mMc"
    parsed = pd.to_numeric(entries.astype(str) if dates else entries, errors="coerce")
    unread = (parsed.isna() & entries.notna()).to_numpy()
    refuse(unread, entries, name, "entries that are not numbers", "Correct those rows.")
    remedy = "Correct those rows, or give the column a `default`."
    refuse(parsed.isna().to_numpy(), entries, name, "missing numbers", remedy)
    found = parsed.to_numpy(np.float64)
    refuse(~np.isfinite(found), entries, name, "infinite numbers", remedy)
    return found


def _vocabulary(texts: Any, codes: np.ndarray, min_count: int) -> list[str]:
    counts = np.bincount(codes, minlength=len(texts))
    return sorted(text for text, count in zip(texts, counts, strict=True) if count >= min_count)


def _places(vocabulary: list[str], texts: Any) -> np.ndarray:
    """The code of each text, which is that of the unknown where training knew none."""
    import pandas as pd

    places = pd.Index(vocabulary, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    return np.where(places < 0, UNKNOWN, places + _FIRST).astype(np.int32)
