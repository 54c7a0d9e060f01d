from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import column, numbers, refuse
from kerasrec.data._names_of_entries import text_of
from kerasrec.data.columns import Column
from kerasrec.data.input_columns import InputColumns

if TYPE_CHECKING:
    import pandas as pd

_TRUTHS = {"true": 1, "false": 0}


class Impressions:
    """What was shown to whom in which situation, and whether it was clicked: one row a time it was shown.

    Unlike in `Interactions`, rows of one user and one item stay apart, and a row that was not clicked counts.
    `from_frame` makes them of a table.

    Args:
        inputs: what a model takes of each row, by the name of the input, `[n, W]`.
        labels: 1 where it was clicked, 0 where not, or a probability, `[n]`.
        columns: `InputColumns`, which encoded the inputs.
        users: code of the user of each row, `[n]`. Defaults to `None`: no column names users.
        user_ids: raw ids of the users, by code. Defaults to `None`.
        weights: weight of each row, `[n]`. Defaults to `None`: 1.
        watch_time: how long what was clicked was watched, `[n]`. Defaults to `None`.

    Attributes:
        inputs: dict of arrays `[n, W]`.
        labels: float32 `[n]`.
        columns: `InputColumns`.
        users: int32 `[n]`, or `None`.
        user_ids: array, or `None`.
        weights: float32 `[n]`, or `None`.
        watch_time: float32 `[n]`, or `None`; 0 where nothing was clicked.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"], "clicked": [1, 0]})
        >>> kinds = {"user": "category", "device": "category"}
        >>> shown = kerasrec.data.Impressions.from_frame(frame, "clicked", kinds, user="user")
        >>> len(shown), shown.labels.tolist(), list(shown.inputs)
        (2, [1.0, 0.0], ['user', 'device'])
    """

    def __init__(
        self,
        inputs: Mapping[str, np.ndarray],
        labels: Any,
        columns: InputColumns,
        users: Any = None,
        user_ids: Any = None,
        weights: Any = None,
        watch_time: Any = None,
    ) -> None:
        self.inputs = dict(inputs)
        self.labels = np.asarray(labels, np.float32)
        self.columns = columns
        self.users = None if users is None else np.asarray(users, np.int32)
        self.user_ids = user_ids
        self.weights = None if weights is None else np.asarray(weights, np.float32)
        self.watch_time = None if watch_time is None else np.asarray(watch_time, np.float32)

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        label: str,
        columns: Mapping[str, str | Column] | InputColumns,
        user: str | None = None,
        item: str | None = None,
        weight: str | None = None,
        watch_time: str | None = None,
    ) -> "Impressions":
        """Impressions of a table with a row an impression.

        Args:
            frame: the table.
            label: name of the column that says what was clicked: 1 or 0, true or false, or a probability.
            columns: kinds of the columns that a model is to read, by name, as `kerasrec.data.columns.get`
                takes them; or those that were fitted to another table, `train.columns`.
            user: name of the column of users, a category unless `columns` say otherwise. Defaults to `None`:
                there is none, or as the fitted `columns` say.
            item: the same of items. Defaults to `None`.
            weight: name of a column of weights of at least 0. Defaults to `None`: every row counts 1.
            watch_time: name of the column that says how long what was clicked was watched, above 0.
                Defaults to `None`.

        Returns:
            `Impressions`.

        Raises:
            ValueError: if the table lacks a column or a row, or an entry is not of its kind.
        """
        taken = {"label": label, "weight": weight, "watch_time": watch_time}
        labels = _labels(column(frame, label, "label"), label)
        if isinstance(columns, InputColumns):
            fitted = columns
        else:
            clash = [name for name in columns if name in taken.values()]
            if clash:
                raise ValueError(
                    "`columns` must not contain the label or the watch time: a model would copy it. "
                    f"Received: {clash[0]!r}."
                )
            fitted = InputColumns.fit(frame, columns, user, item)
        weights = None if weight is None else numbers(column(frame, weight, "weight"), weight)
        if weights is not None:
            refuse(weights < 0, frame[weight], weight, "weights below 0", "Give weights of at least 0.")
            if not weights.any():
                raise ValueError(
                    "`weight` must be above 0 in some rows, or nothing is learned. "
                    f"Received: 0 in all {len(frame):,} rows of {weight!r}."
                )
        watched = None
        if watch_time is not None:
            watched = numbers(column(frame, watch_time, "watch_time").fillna(0), watch_time)
            refuse(watched < 0, frame[watch_time], watch_time, "watch times below 0", "Correct those rows.")
            refuse(
                (watched <= 0) & (labels > 0),
                frame[watch_time],
                watch_time,
                "watch times of 0, or none, where something was clicked",
                "Mark those rows as not clicked, or drop them.",
            )
            watched = np.where(labels > 0, watched, np.float32(0))
        users = user_ids = None
        if fitted.user is not None and fitted.user in frame.columns:
            user_ids, users = text_of(frame[fitted.user])
        return cls(fitted.encode(frame), labels, fitted, users, user_ids, weights, watched)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Impressions({len(self):,} rows, {self.labels.mean():.1%} clicked, {self.columns!r})"

    @cached_property
    def n_users(self) -> int | None:
        """How many users there are; `None` where no column names them."""
        return None if self.users is None else len(np.unique(self.users))

    def take(self, rows: Any) -> "Impressions":
        """Some of the rows.

        Args:
            rows: places, or one truth value per row.

        Returns:
            `Impressions`.
        """
        rows = np.asarray(rows)
        part = {
            name: None if x is None else x[rows]
            for name, x in (("users", self.users), ("weights", self.weights), ("watch_time", self.watch_time))
        }
        inputs = {name: x[rows] for name, x in self.inputs.items()}
        return Impressions(inputs, self.labels[rows], self.columns, user_ids=self.user_ids, **part)

    def split(self, test_size: float = 0.1, seed: int = 0) -> tuple["Impressions", "Impressions"]:
        """Two parts, at random.

        Args:
            test_size: float, share of the rows of the second part. Defaults to `0.1`.
            seed: int. Defaults to `0`.

        Returns:
            The larger part, and the one held out.

        Raises:
            ValueError: if a part would be empty.
        """
        n_test = round(len(self) * test_size)
        if not 0 < n_test < len(self):
            raise ValueError(
                "`test_size` must leave rows in both parts. "
                f"Received: test_size={test_size} of {len(self)} rows."
            )
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(np.sort(order[n_test:])), self.take(np.sort(order[:n_test]))

    def check_columns(self, columns: InputColumns, what: str) -> None:
        """Refuse impressions that were encoded by other columns: their codes stand for other entries.

        Args:
            columns: `InputColumns` that a model was made for.
            what: what an error calls the impressions.

        Raises:
            ValueError: if they lack a column, or the columns were fitted to another table.
        """
        lacking = [name for name in columns.fitted if name not in self.columns.fitted]
        if lacking:
            raise ValueError(
                f"{what} must have the columns that the model reads. Received: none of "
                f"{', '.join(map(repr, lacking))}, but {', '.join(map(repr, self.columns.fitted))}."
            )
        if columns is not self.columns and not np.array_equal(
            columns.to_arrays()["columns"], self.columns.to_arrays()["columns"]
        ):
            raise ValueError(
                f"{what} must be encoded like the rows that the model was trained on; make them with "
                "`Impressions.from_frame(frame, label, train.columns)`, where `train` is that data. "
                "Received: columns that were fitted to another table."
            )

    def check_classes(self, what: str = "The impressions") -> None:
        """Refuse rows that were all clicked, or all not: nothing can be learned or measured of them.

        Args:
            what: what an error calls them. Defaults to `"The impressions"`.

        Raises:
            ValueError: if one of both is lacking, or has no weight.
        """
        if not len(self) or self.labels.min() == self.labels.max():
            raise ValueError(
                f"{what} must have rows that were clicked and rows that were not. "
                f"Received: {len(self)} rows" + (f", all {self.labels[0]:g}." if len(self) else ".")
            )
        if self.weights is not None:
            clicked, other = self.labels @ self.weights, (1 - self.labels) @ self.weights
            if not (clicked > 0 and other > 0):
                raise ValueError(
                    f"{what} must have clicked rows and other rows with weights above 0. "
                    f"Received: a total weight of {clicked:g} and {other:g}."
                )


def _labels(entries: "pd.Series[Any]", name: Any) -> np.ndarray:
    import pandas as pd

    refuse(entries.isna(), entries, name, "missing labels", "Drop those rows, or fill them.")
    if not pd.api.types.is_numeric_dtype(entries.dtype):
        truths = entries.astype(object).map(
            lambda x: _TRUTHS.get(x.strip().lower()) if isinstance(x, str) else None
        )
        entries = entries.astype(object).where(truths.isna(), truths)
    parsed = pd.to_numeric(entries, errors="coerce")
    found = parsed.to_numpy(np.float64, na_value=np.nan)
    refuse(
        ~((found >= 0) & (found <= 1)),
        entries,
        name,
        "labels other than 0, 1 and probabilities between",
        "Use 1 or true for clicked and 0 or false for the rest, e.g. `(column == 'yes').astype(int)`.",
    )
    return found.astype(np.float32)
