from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import column, numbers, refuse
from kerasrec.data._entry_texts import text_of
from kerasrec.data.columns import Column
from kerasrec.data.input_columns import InputColumns

if TYPE_CHECKING:
    import pandas as pd

_TRUTHS = {"true": 1, "false": 0}


class Impressions:
    """What was shown to whom in which context, and whether it was clicked: one row per impression.

    Unlike in `Interactions`, several rows of a user and an item stay separate, and rows that were not clicked
    count. `from_frame` makes impressions from a table.

    Args:
        inputs: inputs of a model by name, `[n, W]`.
        labels: 1 if the row was clicked, otherwise 0, or a probability, `[n]`.
        columns: the `InputColumns` that encoded the inputs.
        users: user code of each row, `[n]`. Defaults to `None`: there is no column of users.
        user_ids: raw ids of the users, by code. Defaults to `None`.
        weights: weight of each row, `[n]`. Defaults to `None`: 1.
        watch_time: watch time of each clicked row, `[n]`. Defaults to `None`.

    Attributes:
        inputs: dict of arrays `[n, W]`.
        labels: float32 `[n]`.
        columns: `InputColumns`.
        users: int32 `[n]`, or `None`.
        user_ids: array, or `None`.
        weights: float32 `[n]`, or `None`.
        watch_time: float32 `[n]`, or `None`; 0 for rows that were not clicked.

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
        """Impressions from a table with one row per impression.

        Args:
            frame: the table.
            label: name of the column of clicks: 1 or 0, true or false, or a probability.
            columns: kinds of the columns that a model reads, by name, as in `kerasrec.data.columns.get`; or
                columns that were fitted to another table, `train.columns`.
            user: name of the column of users, a category unless `columns` has another kind. Defaults to
                `None`: there is none, or that of the fitted `columns`.
            item: the same for items. Defaults to `None`.
            weight: name of a column of weights, which must not be negative. Defaults to `None`: every row has
                weight 1.
            watch_time: name of the column of watch times, which must be above 0 for clicked rows. Defaults to
                `None`.

        Returns:
            `Impressions`.

        Raises:
            ValueError: if a column is missing, the table is empty, or an entry does not fit its column.
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
        """Number of users; `None` if there is no column of users."""
        return None if self.users is None else len(np.unique(self.users))

    def take(self, rows: Any) -> "Impressions":
        """Some of the rows.

        Args:
            rows: positions, or one truth value per row.

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
        """Split the rows at random.

        Args:
            test_size: float, share of the rows to hold out. Defaults to `0.1`.
            seed: int. Defaults to `0`.

        Returns:
            The remaining rows, and the held-out rows.

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
        """Refuse impressions that were encoded with other columns, whose codes have another meaning.

        Args:
            columns: `InputColumns` of a model.
            what: name of the impressions in error messages.

        Raises:
            ValueError: if they lack a column, or the columns were fitted to another table.
        """
        lacking = [name for name in columns.fitted if name not in self.columns.fitted]
        if lacking:
            raise ValueError(
                f"{what} must have the columns that the model reads. Received: "
                f"{', '.join(map(repr, self.columns.fitted))}, without {', '.join(map(repr, lacking))}."
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
        """Refuse rows that were all clicked or all not clicked, from which nothing can be learned.

        Args:
            what: name of the impressions in error messages. Defaults to `"The impressions"`.

        Raises:
            ValueError: if one of the two is missing, or has no weight.
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
