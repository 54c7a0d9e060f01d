from typing import Any

import keras
import numpy as np

from kerasrec._outputs import is_of_watch_time
from kerasrec.data import Impressions, InputColumns
from kerasrec.evaluation.click_report import ClickReport
from kerasrec.layers import find_catalogue

_PREDICT_BATCH = 8192


class ClickMetrics(keras.callbacks.Callback):
    """Exact metrics on held-out impressions during `model.fit`.

    The metrics are in `logs` as `val_auc`, `val_log_loss` and so on, where `EarlyStopping`, `ModelCheckpoint`
    and keras-tuner find them. Put this callback before those. For `val_auc` and `val_user_auc` higher is
    better (`mode="max"`), for the others lower.

    Args:
        validation: `Impressions` held out of training, with the columns of the training data.

    Attributes:
        report: the last `ClickReport`; `None` before the first.

    Raises:
        ValueError: if all rows or no rows were clicked; or, when training begins, if the columns are not
            those of the model.

    Example:
        >>> import pandas as pd, kerasrec
        >>> from kerasrec.data import Impressions, InputColumns
        >>> frame = pd.DataFrame({"device": ["phone", "tablet"] * 4, "clicked": [1, 0, 1, 1] * 2})
        >>> shown = Impressions.from_frame(frame, "clicked", {"device": "category"})
        >>> model = kerasrec.zoo.create("logistic_regression", shown)
        >>> figures = kerasrec.evaluation.ClickMetrics(shown)
        >>> history = model.fit(shown.inputs, shown.labels, verbose=0, callbacks=[figures])
        >>> sorted(history.history)
        ['loss', 'val_auc', 'val_calibration_error', 'val_log_loss']
    """

    report: ClickReport | None

    def __init__(self, validation: Impressions) -> None:
        super().__init__()
        validation.check_classes("The validation impressions")
        self.validation = validation
        self.report = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse rows whose columns are not those of the model."""
        check_columns(self.model, self.validation, "The validation impressions")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Predict, and write the metrics to `logs`."""
        self.report = click_report(self.model, self.validation)
        if logs is not None:
            wanted = [name for name in self.report.metrics if not name.startswith("mean_")]
            logs.update({f"val_{name}": self.report[name] for name in wanted})

    def __deepcopy__(self, memo: dict[int, Any]) -> "ClickMetrics":
        """A callback for another model, which keras-tuner makes for each trial; the data is shared."""
        return ClickMetrics(self.validation)


def check_columns(model: Any, test: Impressions, what: str) -> None:
    """Refuse impressions that lack columns of a model, or whose columns are encoded differently.

    Args:
        model: a `keras.Model`, an object with one, or a function of the inputs, which is not checked.
        test: `Impressions`.
        what: name of the impressions, for messages.
    """
    held = getattr(model, "model", model)
    if not isinstance(held, keras.Model):
        return
    carried = getattr(find_catalogue(held), "attachments", {})
    if "columns" in carried:
        test.check_columns(InputColumns.from_arrays(carried["columns"]), what)
        return
    lacking = [tensor.name for tensor in held.inputs if tensor.name not in test.inputs]
    if lacking:
        raise ValueError(
            f"{what} must have the columns that {held.name} reads. Received: "
            f"{', '.join(map(repr, test.inputs))}, without {', '.join(map(repr, lacking))}."
        )


def click_report(model: Any, test: Impressions, name: str | None = None) -> ClickReport:
    """The report of a model on impressions.

    Args:
        model: a `keras.Model` of these columns, an object with one, or a function of the inputs.
        test: `Impressions`.
        name: name of the model. Defaults to `None`: its own.
    """
    held = getattr(model, "model", model)
    if isinstance(held, keras.Model):
        scores = held.predict(test.inputs, batch_size=_PREDICT_BATCH, verbose=0)
    else:
        scores = held(test.inputs)
    own = str(name or getattr(held, "name", "") or getattr(held, "__name__", "model"))
    watched = None
    if is_of_watch_time(held):
        watched = np.full(len(test), np.nan) if test.watch_time is None else test.watch_time
    return ClickReport(own, test.labels, scores, test.users, test.weights, watched)
