"""Training and evaluation, with a progress bar."""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from rich.progress import Progress

    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions
    from kerasrec.recommender._training import Training

RMSE = "root_mean_squared_error"
_PREDICT_BATCH = 8192
_PHASES = {"choosing": "Trying {} on nine tenths", "training": "Training {}"}


def train_by_recipe(
    name: str,
    train: "Interactions",
    how: dict[str, Any],
    report: "Report",
    watched: "Interactions | None" = None,
    place: "Path | None" = None,
) -> "Training":
    """Fit or train a model of the zoo as `Recommender.train` does, with a progress bar.

    `how` has the given ones among `epochs`, `batch_size`, `hyperparameters`, `validation`, `patience` and
    `seed`. If `epochs` is given, a rating model is evaluated on the rows `watched` after each epoch. `place`
    is the output file of the model.
    """
    from kerasrec import zoo
    from kerasrec.cli._library import set_seed
    from kerasrec.recommender._training import trained

    if zoo.card(name).optimizer is None:
        with report.waiting(f"Fitting {name}"):
            return trained(train, name, **how, tell=report.line, place=place)
    set_seed(how["seed"])  # without TensorFlow's messages
    with report.progress(f"Training {name}") as bars:
        # Splitting and creating tables take minutes before the first epoch if the data are large.
        task = bars.add_task(f"Preparing {name}", total=None)

        def callbacks(phase: str) -> list[Any]:
            bars.update(task, visible=False)
            return [bar(bars, _PHASES[phase].format(name))]

        return trained(
            train, name, **how, callbacks=callbacks, tell=report.line, watched=watched, place=place
        )


def predict(model: "keras.Model", interactions: "Interactions", report: "Report") -> np.ndarray:
    """The predicted rating of each row."""
    from kerasrec.data import pairs

    x, _ = pairs(interactions)
    # A few rows are done before a bar becomes visible.
    shown = len(interactions) > 20 * _PREDICT_BATCH
    with report.progress() if shown else contextlib.nullcontext() as progress:
        callbacks = [bar(progress, "Predicting")] if progress else []
        ratings = model.predict(x, batch_size=_PREDICT_BATCH, callbacks=callbacks, verbose=0)
    return np.asarray(ratings, np.float64)[:, 0]


def bar(progress: "Progress", description: str) -> Any:
    """A Keras callback that moves a progress bar, batch by batch."""
    import keras

    class Bar(keras.callbacks.Callback):
        # Visible while the first step is compiled.
        _task = progress.add_task(description, total=None)

        def on_train_begin(self, logs: Any = None) -> None:
            self._done = 0
            progress.update(self._task, total=self.params["epochs"] * self.params["steps"])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            progress.update(self._task, completed=self._done + batch + 1)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._done += self.params["steps"]
            figures = {
                "RMSE": logs.get(f"val_{RMSE}", logs.get(RMSE)),
                "validation NDCG@10": logs.get("val_ndcg@10"),
                "validation AUC": logs.get("val_auc"),
            }
            figure = "".join(f", {name} {x:.4f}" for name, x in figures.items() if x is not None)
            text = f"{description}, epoch {epoch + 1} of {self.params['epochs']}{figure}"
            progress.update(self._task, completed=self._done, description=text)

        def on_train_end(self, logs: Any = None) -> None:
            progress.update(self._task, total=self._done, completed=self._done)  # it may have stopped early

        def on_predict_begin(self, logs: Any = None) -> None:
            progress.update(self._task, total=self.params["steps"])

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            progress.update(self._task, completed=batch + 1)

    return Bar()
