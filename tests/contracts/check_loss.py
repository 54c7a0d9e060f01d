from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from contracts._serialization import check_arguments, check_config


@dataclass(frozen=True)
class LossCase:
    """A loss with every argument other than its default, and labels and scores `[B, L]` to feed it.

    `mean_of_rows` is false where the loss of a batch is no mean over its rows (a root of a mean).
    """

    loss: type[keras.losses.Loss]
    y_true: np.ndarray
    y_pred: np.ndarray
    arguments: Mapping[str, Any] = field(default_factory=dict)
    mean_of_rows: bool = True


def check_loss(case: LossCase, folder: Any) -> None:
    """What every loss owes; `folder` is for files."""
    check_arguments(case.loss, case.arguments)
    made = case.loss(**case.arguments)
    check_config(made, case.arguments)
    value = float(made(case.y_true, case.y_pred))
    assert np.isfinite(value)
    for scale in (50.0, -50.0):
        assert np.isfinite(float(made(case.y_true, np.sign(case.y_pred) * scale)))
    if case.mean_of_rows:
        _check_weights(case)
    half = made(case.y_true, keras.ops.cast(case.y_pred, "float16"))
    np.testing.assert_allclose(float(half), value, rtol=2e-2, atol=2e-2)
    _check_learns(case, folder)


def _check_weights(case):
    """Reductions are Keras's: weights are factors, weight 0 is removal, and a batch is its rows' mean."""
    loss = case.loss(**{**case.arguments, "reduction": "sum_over_batch_size"})
    rows = np.array([float(loss(case.y_true[[row]], case.y_pred[[row]])) for row in range(len(case.y_true))])
    np.testing.assert_allclose(float(loss(case.y_true, case.y_pred)), rows.mean(), rtol=1e-4, atol=1e-6)
    weights = np.arange(len(rows), dtype="float32")
    weighted = float(loss(case.y_true, case.y_pred, sample_weight=weights))
    np.testing.assert_allclose(weighted, (rows * weights).mean(), rtol=1e-4, atol=1e-6)


def _check_learns(case, folder):
    """Under `fit`, steps lower it; the model is loaded with its loss."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(case.y_pred.shape[1])(inputs))
    model.compile(keras.optimizers.Adam(1e-2), case.loss(**{**case.arguments, "reduction": "sum"}))
    x = np.random.default_rng(0).normal(size=(len(case.y_true), 4)).astype("float32")
    history = model.fit(x, case.y_true, epochs=5, batch_size=len(x), verbose=0, shuffle=False)
    assert history.history["loss"][-1] < history.history["loss"][0]
    model.save(folder / "loss.keras")
    loaded = keras.models.load_model(folder / "loss.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
