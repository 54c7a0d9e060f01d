"""Training and measuring, with a progress bar."""

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    from rich.progress import Progress

    from kerasrec.cli._report import Report
    from kerasrec.data import Interactions

RMSE = "root_mean_squared_error"
_PREDICT_BATCH = 8192
# Epochs without a better figure before training stops, and users that it is measured on.
_PATIENCE = 3
_JUDGES = 5000


def fit(
    model: "keras.Model",
    train: "Interactions",
    test: "Interactions | None",
    epochs: int,
    batch_size: int,
    report: "Report",
) -> dict[str, list[float]]:
    """Train, and give the figures of each epoch as `model.fit` does."""
    from kerasrec.data import pairs

    x, y = pairs(train)
    with report.progress() as progress:
        history = model.fit(
            x,
            y,
            batch_size=min(batch_size, len(train)),
            epochs=epochs,
            validation_data=None if test is None else pairs(test),
            callbacks=[_bar(progress, "Training")],
            verbose=0,
        )
    return history.history


def fit_and_choose(
    model: "keras.Model",
    train: "Interactions",
    epochs: int,
    batch_size: int | None,
    seed: int,
    report: "Report",
) -> tuple[int, dict[str, list[float]]]:
    """Train on nine tenths of the interactions until NDCG@10 on the others stands still.

    The model keeps the weights of its best epoch, which is returned with the figures of each.
    """
    import keras

    from kerasrec.data import splits
    from kerasrec.evaluation import RankingMetrics
    from kerasrec.recommender._training import fit as fit_batches

    fitted, held_out = splits.random_split(train, 0.1, seed)
    stop = keras.callbacks.EarlyStopping(
        "val_ndcg@10", patience=_PATIENCE, mode="max", restore_best_weights=True
    )
    ranking = RankingMetrics(held_out, fitted, metrics=("ndcg",), n_users=_JUDGES)
    with report.progress() as progress:
        callbacks = [ranking, stop, _bar(progress, f"Training {model.name}")]
        history = fit_batches(model, fitted, epochs, batch_size, seed, 0, callbacks)
    return int(stop.best_epoch) + 1, history.history


def fit_exactly(
    model: "keras.Model",
    train: "Interactions",
    epochs: int,
    batch_size: int | None,
    seed: int,
    report: "Report",
) -> dict[str, list[float]]:
    """Train a ranking model for so many epochs on all interactions, and give the figures of each."""
    from kerasrec.recommender._training import fit as fit_batches

    with report.progress() as progress:
        callbacks = [_bar(progress, f"Training {model.name}")]
        history = fit_batches(model, train, epochs, batch_size, seed, 0, callbacks)
    return dict(history.history)


def create(name: str, train: "Interactions", seed: int, settings: dict[str, Any]) -> "keras.Model":
    """A ranking model with what its card says that it trains best with, but for what is set."""
    import inspect

    from kerasrec import zoo
    from kerasrec.cli._library import set_seed

    card = zoo.card(name)
    accepted = inspect.signature(card.factory).parameters
    chosen: dict[str, Any] = {"seed": seed} if "seed" in accepted else {}
    if card.optimizer is not None:
        chosen |= {key: value for key, value in card.tuned.items() if key in accepted}
        set_seed(seed)
    return zoo.create(name, train, **chosen | settings)


def predict(model: "keras.Model", interactions: "Interactions", report: "Report") -> np.ndarray:
    """The predicted rating of each row."""
    from kerasrec.data import pairs

    x, _ = pairs(interactions)
    # Few rows are done before a bar could be seen.
    shown = len(interactions) > 20 * _PREDICT_BATCH
    with report.progress() if shown else contextlib.nullcontext() as progress:
        callbacks = [_bar(progress, "Predicting")] if progress else []
        ratings = model.predict(x, batch_size=_PREDICT_BATCH, callbacks=callbacks, verbose=0)
    return np.asarray(ratings, np.float64)[:, 0]


def _bar(progress: "Progress", description: str) -> Any:
    """A Keras callback that moves a progress bar, batch by batch."""
    import keras

    class Bar(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self._done = 0
            self._task = progress.add_task(description, total=self.params["epochs"] * self.params["steps"])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            progress.update(self._task, completed=self._done + batch + 1)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._done += self.params["steps"]
            figures = {
                "RMSE": logs.get(f"val_{RMSE}", logs.get(RMSE)),
                "validation NDCG@10": logs.get("val_ndcg@10"),
            }
            figure = "".join(f", {name} {x:.4f}" for name, x in figures.items() if x is not None)
            text = f"{description}, epoch {epoch + 1} of {self.params['epochs']}{figure}"
            progress.update(self._task, completed=self._done, description=text)

        def on_train_end(self, logs: Any = None) -> None:
            progress.update(self._task, total=self._done, completed=self._done)  # it may have stopped early

        def on_predict_begin(self, logs: Any = None) -> None:
            self._task = progress.add_task(description, total=self.params["steps"])

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            progress.update(self._task, completed=batch + 1)

    return Bar()
