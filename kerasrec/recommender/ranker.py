import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasrec.data import Impressions, InputColumns
from kerasrec.data._columns import several, shown
from kerasrec.data.columns import Category, Labels
from kerasrec.data.columns._vocabulary import MISSING, UNKNOWN
from kerasrec.evaluation import ClickReport
from kerasrec.evaluation.click_metrics import check_columns, click_report
from kerasrec.layers import FieldEmbedding, find_catalogue
from kerasrec.recommender import _metadata
from kerasrec.recommender._archive import one_line
from kerasrec.recommender._click_training import trained_on_clicks
from kerasrec.recommender.file import load_model, save_model

if TYPE_CHECKING:
    import pandas as pd

_PREDICT_BATCH = 8192
_ID = "id of the row"


class Ranker:
    """A trained click model with its columns: rows of a table in, probabilities out, in one file.

    Args:
        model: `keras.Model` of `kerasrec.zoo` with `task="click"`, which contains its columns.
        users: frame indexed by raw user id with the user columns that the model reads, for `rank`. Defaults
            to `None`.
        items: the same for items. Defaults to `None`.

    Attributes:
        model: the `keras.Model`.
        columns: `InputColumns`.
        users: frame, or `None`.
        items: frame, or `None`.

    Raises:
        ValueError: if the model contains no columns, or a frame has an id twice.

    Example:
        >>> import pandas as pd, kerasrec
        >>> from kerasrec.data import Impressions
        >>> frame = pd.DataFrame(
        ...     {"user": ["ann", "bob"] * 4, "item": list("xyyx") * 2, "device": ["phone"] * 8}
        ... ).assign(clicked=[1, 0, 1, 1, 0, 0, 1, 0])
        >>> shown = Impressions.from_frame(frame, "clicked", {"device": "category"}, user="user", item="item")
        >>> ranker = kerasrec.Ranker.train(shown, model="logistic_regression", epochs=1, verbose=0)
        >>> ranker.rank("ann", ["x", "y"], context={"device": "phone"}).columns.tolist()
        ['user', 'rank', 'item', 'score']
    """

    def __init__(self, model: keras.Model, users: Any = None, items: Any = None) -> None:
        if not isinstance(model, keras.Model):
            raise TypeError(f"`model` must be a `keras.Model` of clicks. Received: {type(model).__name__}.")
        self.model = model
        self.columns = columns_of(model)
        _check_inputs(model, self.columns)
        self.users = None if users is None else _table("users", users)
        self.items = None if items is None else _table("items", items)

    @classmethod
    def train(
        cls,
        impressions: Impressions,
        model: str = "dcn",
        epochs: int | None = None,
        batch_size: int | None = None,
        validation: float | Impressions | None = None,
        patience: int | None = None,
        objective: str = "auc",
        users: Any = None,
        items: Any = None,
        seed: int = 0,
        verbose: Any = "auto",
        **hyperparameters: Any,
    ) -> "Ranker":
        """Create a click model for these impressions, and train it until held-out rows stop improving.

        A random tenth of the rows is held out and scored after each epoch. If their `objective` has not
        improved for half of `patience` epochs, the learning rate falls to a tenth. After `patience` epochs
        without improvement training stops, and the model gets the weights of the best epoch. Click models
        overfit after a few epochs.

        Args:
            impressions: `Impressions`.
            model: name in `kerasrec.zoo`, of a model with `task="click"`. Defaults to `"dcn"`.
            epochs: int, number of epochs on all rows; none are then held out. Defaults to `None`: the best
                number, at most that of the recipe.
            batch_size: int. Defaults to `None`: that of the recipe.
            validation: float, share of the rows to hold out; or separate validation `Impressions`, e.g. later
                ones. If `epochs` are also given, they are the maximum. Defaults to `None`: 0.1, or none if
                `epochs` are given.
            patience: int, epochs without improvement before training stops. Defaults to `None`: that of the
                recipe.
            objective: the metric on held-out rows that decides: `"auc"`, `"user_auc"` (the AUC within each
                user's rows), `"log_loss"` or `"calibration_error"`. Defaults to `"auc"`.
            users: as in `Ranker`. Defaults to `None`.
            items: as in `Ranker`. Defaults to `None`.
            seed: int, for the split, the initial weights and the batches. Defaults to `0`.
            verbose: as in `keras.Model.fit`. Defaults to `"auto"`.
            **hyperparameters: arguments of the model's factory.

        Returns:
            `Ranker`.

        Raises:
            ValueError: as in `kerasrec.zoo.create`; if all rows or no rows were clicked; or if `users` or
                `items` have no column that the model reads.

        Warns:
            UserWarning: if a single column reveals which held-out rows were clicked, such as a column that is
                known only after the click.
        """
        _check_read(impressions, users, items)
        training = trained_on_clicks(
            impressions,
            model,
            epochs=epochs,
            batch_size=batch_size,
            hyperparameters=hyperparameters,
            validation=validation,
            patience=patience,
            objective=objective,
            seed=seed,
            verbose=verbose,
        )
        return cls(training.model, users, items)

    def __repr__(self) -> str:
        return f"Ranker({self.model.name!r}, {self.columns!r})"

    def score(self, frame: "pd.DataFrame") -> np.ndarray:
        """The probability of a click for the rows of a table.

        Args:
            frame: a table with the columns of the training table, with raw entries. Missing columns are
                looked up in `users` and `items`.

        Returns:
            float32, one per row; for a model of watch time, the expected watch time.

        Raises:
            ValueError: if a column without a default is missing, or an entry does not fit its column.
        """
        if not len(frame):
            return np.empty(0, np.float32)
        inputs = self.columns.encode(self._joined(frame))
        return np.asarray(self.model.predict(inputs, batch_size=_PREDICT_BATCH, verbose=0), np.float32)[:, 0]

    def rank(self, user: Any, items: Any, context: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """Rank items by the probability that a user clicks them in a context.

        Args:
            user: raw user id; `None` if the model has no column of users.
            items: raw item ids; or a frame with one row per item and the columns of the items.
            context: values by column that are the same for all items, such as the device or the hour.
                Defaults to `None`: the model reads no such column.

        Returns:
            Frame with one row per item: `user`, `rank` (from 1), `item`, `score`.

        Raises:
            ValueError: if a column without a default is missing, or `context` has a column that the model
                does not read.
        """
        import pandas as pd

        given = dict(context or {})
        unknown = [name for name in given if name not in self.columns.fitted]
        if unknown:
            raise ValueError(
                "`context` must name columns that the model reads: "
                f"{', '.join(map(repr, self.columns.fitted))}. Received: {unknown[0]!r}."
            )
        frame, name = self._rows(items)
        if not len(frame):
            raise ValueError("`items` must name at least one item. Received: none.")
        if self.columns.user is not None:
            frame = frame.assign(**{self.columns.user: user})
        scores = self.score(frame.assign(**given))
        order = np.argsort(-scores, kind="stable")
        found = {"rank": np.arange(1, len(order) + 1), "item": frame[name].to_numpy()[order]}
        user_column = {} if user is None else {"user": [user] * len(order)}
        return pd.DataFrame({**user_column, **found, "score": scores[order]})

    def evaluate(
        self,
        test: "Impressions | pd.DataFrame",
        label: str | None = None,
        weight: str | None = None,
        watch_time: str | None = None,
    ) -> ClickReport:
        """Evaluate the predicted probabilities on held-out impressions.

        Args:
            test: `Impressions` with the model's columns; or a table, as in `score`.
            label: column of clicks, if `test` is a table. Defaults to `None`, for impressions.
            weight: column of weights, if `test` is a table. Defaults to `None`: every row has weight 1.
            watch_time: column of watch times, if `test` is a table, for the `mean_watched` of a model of
                watch time. Defaults to `None`.

        Returns:
            `ClickReport`.

        Raises:
            ValueError: if no label is given for a table, or if all rows or no rows were clicked.

        Warns:
            UserWarning: if training had none of the categories of a column.
        """
        if not isinstance(test, Impressions):
            if label is None:
                raise ValueError("`label` must name the column of clicks of a table. Received: label=None.")
            test = Impressions.from_frame(
                self._joined(test), label, self.columns, weight=weight, watch_time=watch_time
            )
        check_columns(self.model, test, "`test`")
        _warn_of_strangers(test)
        return click_report(self.model, test)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one `.keras` file, which replaces an existing one only when it is complete.

        Args:
            path: the file, ending in `.keras`.

        Raises:
            ValueError: if `path` does not end in `.keras`.
            FileNotFoundError: if the folder does not exist.
        """
        attachments = {"columns": self.columns.to_arrays()}
        for name, table in (("user_table", self.users), ("item_table", self.items)):
            if table is not None:
                attachments[name] = _metadata.to_arrays(table.rename_axis(_ID).reset_index())
        catalogue: Any = find_catalogue(self.model)
        catalogue.attachments = attachments
        save_model(self.model, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Ranker":
        """Read what `save` wrote; nothing in the file is executed.

        Args:
            path: the file.

        Returns:
            `Ranker`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a complete and safe file of a click model.
        """
        model = load_model(path)
        attached = getattr(find_catalogue(model), "attachments", {})
        try:
            tables = {
                f"{side}s": _read_table(attached[f"{side}_table"])
                for side in ("user", "item")
                if f"{side}_table" in attached
            }
            return cls(model, **tables)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"{os.fspath(path)} has no click model that can be read: {one_line(str(error))}"
            ) from error

    def _rows(self, items: Any) -> tuple["pd.DataFrame", str]:
        """A frame with one row per item, and the name of its column of items."""
        import pandas as pd

        name = self.columns.item
        if isinstance(items, pd.DataFrame):
            if name is not None and name not in items.columns:
                items = items.rename_axis(name).reset_index()
            if name is None:
                name = _ID
                items = items.rename_axis(name).reset_index()
            return items, name
        if name is None:
            raise ValueError(
                "`items` must be a frame with the columns of the items: the model does not use item ids. "
                f"Received: {type(items).__name__}."
            )
        return pd.DataFrame({name: several(items)}), name

    def _joined(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The table with missing columns added from the tables of users and items."""
        for side, table in (("user", self.users), ("item", self.items)):
            key = getattr(self.columns, side)
            if table is None or key is None or key not in frame.columns:
                continue
            wanted = [name for name in table.columns if name not in frame.columns]
            if wanted:
                found = table[wanted].reindex(frame[key].to_numpy()).set_axis(frame.index)
                frame = frame.assign(**{name: found[name] for name in wanted})
        return frame


def columns_of(model: keras.Model) -> InputColumns:
    """The columns of a click model.

    Args:
        model: `keras.Model`.

    Returns:
        `InputColumns`.

    Raises:
        ValueError: if it has none.

    Example:
        >>> import pandas as pd, kerasrec
        >>> columns = kerasrec.data.InputColumns.fit(pd.DataFrame({"age": [20.5, 30.0]}), {"age": "number"})
        >>> kerasrec.recommender.ranker.columns_of(kerasrec.zoo.LogisticRegression(columns))
        InputColumns(age: number)
    """
    attached = getattr(find_catalogue(model), "attachments", {})
    if "columns" not in attached:
        raise ValueError(
            "`model` must be a click model, which contains its columns; use `kerasrec.Recommender` for other "
            f"models. Received: {model.name!r}."
        )
    return InputColumns.from_arrays(attached["columns"])


def _check_inputs(model: keras.Model, columns: InputColumns) -> None:
    """Raise an error if the columns do not match the model: codes could be out of range."""
    given = {name: kind.width for name, kind in (*columns.categories.items(), *columns.numbers.items())}
    for x in model.inputs:
        if given.get(x.name) != x.shape[-1]:
            raise ValueError(
                f"`model` must have inputs that match its columns. Received: an input {x.name!r} of width "
                f"{x.shape[-1]}, columns of these widths: {given}."
            )
    sizes = [kind.n for kind in columns.categories.values()]
    for layer in model.layers:
        if isinstance(layer, FieldEmbedding) and layer.sizes != sizes:
            raise ValueError(
                f"`model` must have a row for every category of its columns. Received: {layer.name} with "
                f"{layer.sizes} rows, columns with {sizes}."
            )


def _check_read(impressions: Any, users: Any, items: Any) -> None:
    """Raise an error if a table of users or items has no column of the impressions and would be unused."""
    read = list(getattr(getattr(impressions, "columns", None), "fitted", ()))
    named = ", ".join(map(repr, read))
    for argument, table in (("users", users), ("items", items)):
        if read and hasattr(table, "columns") and set(read).isdisjoint(table.columns):
            raise ValueError(
                f"`{argument}` must have a column that the model reads: {named}. Join it to the "
                "impressions for the training, and name its columns in `columns`. "
                f"Received: {', '.join(map(repr, table.columns))}."
            )


def _warn_of_strangers(test: Impressions) -> None:
    """Warn of columns with only unknown categories, which are probably written differently."""
    columns = test.columns
    for name, kind in columns.fitted.items():
        if isinstance(kind, (Category, Labels)):
            codes = test.inputs[columns.names[name]]
            codes = codes[(codes >= 0) & (codes != MISSING)]
            if len(codes) and (codes == UNKNOWN).all():
                known = ", ".join(map(repr, kind.known[:3]))
                warnings.warn(
                    f"Column {name!r} has none of the categories in training, such as {known}: if they are "
                    "written differently, the model cannot use them.",
                    stacklevel=3,
                )


def _table(argument: str, frame: Any) -> "pd.DataFrame":
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"`{argument}` must be a pandas DataFrame indexed by raw id. Received: {type(frame).__name__}."
        )
    if not frame.index.is_unique:
        again = shown(frame.index[frame.index.duplicated()][0])
        raise ValueError(f"`{argument}` must have one row per id. Received: {again} more than once.")
    return frame


def _read_table(arrays: Mapping[str, np.ndarray]) -> "pd.DataFrame":
    import json

    n = json.loads(arrays["header"].tobytes())["rows"]
    return _metadata.from_arrays(arrays, n).set_index(_ID)
