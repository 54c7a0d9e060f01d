from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from contracts._serialization import check_arguments, check_config


@dataclass(frozen=True)
class MetricCase:
    """A metric with every argument other than its default, and labels and scores of at least four rows."""

    metric: type[keras.metrics.Metric]
    y_true: np.ndarray
    y_pred: np.ndarray
    arguments: Mapping[str, Any] = field(default_factory=dict)


def check_metric(case: MetricCase, folder: Any) -> None:
    """What every metric owes; `folder` is for files."""
    check_arguments(case.metric, case.arguments)
    check_config(case.metric(**case.arguments), case.arguments)
    whole = _value(case, slice(None))
    assert np.isfinite(whole)
    np.testing.assert_allclose(_value(case, slice(0, 1), slice(1, None)), whole, rtol=1e-5)

    metric = case.metric(**case.arguments)
    metric.update_state(case.y_true[:2], case.y_pred[:2])
    metric.reset_state()
    metric.update_state(case.y_true, case.y_pred)
    np.testing.assert_allclose(float(metric.result()), whole, rtol=1e-6)

    weighted = case.metric(**case.arguments)
    weight = np.ones(len(case.y_true), "float32")
    weight[0] = 0
    weighted.update_state(case.y_true, case.y_pred, sample_weight=weight)
    np.testing.assert_allclose(float(weighted.result()), _value(case, slice(1, None)), rtol=1e-5)
    _check_under_evaluate(case, folder, whole)


def _value(case, *batches):
    metric = case.metric(**case.arguments)
    for rows in batches:
        metric.update_state(case.y_true[rows], case.y_pred[rows])
    return float(metric.result())


def _check_under_evaluate(case, folder, expected):
    inputs = keras.Input(case.y_pred.shape[1:])
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    model.compile(loss="mean_squared_error", metrics=[case.metric(name="it", **case.arguments)])
    model.save(folder / "metric.keras")
    loaded = keras.models.load_model(folder / "metric.keras")
    for one in (model, loaded):
        logs = one.evaluate(case.y_pred, case.y_true, batch_size=3, verbose=0, return_dict=True)
        np.testing.assert_allclose(logs["it"], expected, rtol=1e-5)
