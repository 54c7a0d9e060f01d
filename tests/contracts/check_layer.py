from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from contracts._serialization import check_arguments, check_config


@dataclass(frozen=True)
class LayerCase:
    """A layer with every argument other than its default, what it is called with, and what comes out.

    Args:
        layer: the class.
        inputs: call arguments by name, arrays with a leading batch axis.
        output_shape: the output's shape for those inputs.
        arguments: a function that makes the arguments (a layer that takes layers needs fresh ones).
        keeps_dtype: whether the output has the dtype of the input rather than that of the policy.
    """

    layer: type[keras.layers.Layer]
    inputs: Mapping[str, np.ndarray]
    output_shape: tuple[int, ...]
    arguments: Callable[[], Mapping[str, Any]] = field(default=dict)
    keeps_dtype: bool = False

    def make(self, **kwargs: Any) -> keras.layers.Layer:
        return self.layer(**self.arguments(), **kwargs)


def check_layer(case: LayerCase, folder: Any) -> None:
    """What every layer owes; `folder` is for files."""
    check_arguments(case.layer, case.arguments())
    check_config(case.make(), case.arguments())
    layer = case.make()
    eager = keras.ops.convert_to_numpy(layer(**case.inputs))
    assert eager.shape == case.output_shape
    assert np.isfinite(eager).all()
    _check_symbolic(case)
    model = _model(case, layer)
    np.testing.assert_allclose(model.predict(dict(case.inputs), verbose=0), eager, rtol=1e-5, atol=1e-6)
    model.save(folder / "layer.keras")
    loaded = keras.models.load_model(folder / "layer.keras")
    np.testing.assert_array_equal(
        loaded.predict(dict(case.inputs), verbose=0), model.predict(dict(case.inputs), verbose=0)
    )
    _check_mixed_precision(case)
    if layer.trainable_weights:
        _check_learns(case)


def _symbols(case):
    """Inputs of unknown batch size."""
    return {
        name: keras.Input(array.shape[1:], name=name, dtype=array.dtype.name)
        for name, array in case.inputs.items()
    }


def _model(case, layer):
    symbols = _symbols(case)
    return keras.Model(symbols, layer(**symbols))


def _check_symbolic(case):
    symbols = _symbols(case)
    output = case.make()(**symbols)
    assert tuple(output.shape) == (None, *case.output_shape[1:])
    shapes = [tuple(symbol.shape) for symbol in symbols.values()]
    layer = case.make()
    layer(**case.inputs)
    assert tuple(layer.compute_output_shape(*shapes)) == (None, *case.output_shape[1:])


def _check_mixed_precision(case):
    full = case.make()
    full(**case.inputs)
    half = case.make(dtype="mixed_float16")
    half(**case.inputs)
    half.set_weights(full.get_weights())
    assert all(weight.dtype == "float32" for weight in half.trainable_weights)
    output = half(**case.inputs)
    expected = "float32" if case.keeps_dtype else "float16"
    assert keras.backend.standardize_dtype(output.dtype) == expected
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(output).astype("float32"),
        keras.ops.convert_to_numpy(full(**case.inputs)),
        rtol=2e-2,
        atol=2e-2,
    )


def _check_learns(case):
    model = _model(case, case.make())
    target = np.random.default_rng(0).normal(size=case.output_shape).astype("float32")
    model.compile(keras.optimizers.Adam(1e-2), "mean_squared_error")
    history = model.fit(dict(case.inputs), target, epochs=3, batch_size=len(target), verbose=0, shuffle=False)
    assert history.history["loss"][-1] < history.history["loss"][0]
