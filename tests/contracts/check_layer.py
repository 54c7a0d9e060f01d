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
        output_shape: the output's shape for those inputs; a mapping of shapes for one with named outputs.
        arguments: a function that makes the arguments (a layer that takes layers needs fresh ones).
        keeps_dtype: whether the output has the dtype of the input rather than that of the policy.
        unread: weights that such inputs do not train.
    """

    layer: type[keras.layers.Layer]
    inputs: Mapping[str, np.ndarray]
    output_shape: tuple[int, ...] | Mapping[str, tuple[int, ...]]
    arguments: Callable[[], Mapping[str, Any]] = field(default=dict)
    keeps_dtype: bool = False
    unread: tuple[str, ...] = ()

    def make(self, **kwargs: Any) -> keras.layers.Layer:
        return self.layer(**self.arguments(), **kwargs)


def check_layer(case: LayerCase, folder: Any) -> None:
    """What every layer owes; `folder` is for files."""
    check_arguments(case.layer, case.arguments())
    check_config(case.make(), case.arguments())
    layer = case.make()
    eager = _leaves(layer(**case.inputs))
    for output, shape in zip(eager, _shapes(case), strict=True):
        assert output.shape == shape
        assert np.isfinite(output).all()
    _check_symbolic(case)
    model = _model(case, layer)
    predicted = _leaves(model.predict(dict(case.inputs), verbose=0))
    for output, expected in zip(predicted, eager, strict=True):
        np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)
    model.save(folder / "layer.keras")
    loaded = keras.models.load_model(folder / "layer.keras")
    for output, expected in zip(
        _leaves(loaded.predict(dict(case.inputs), verbose=0)), predicted, strict=True
    ):
        np.testing.assert_array_equal(output, expected)
    _check_mixed_precision(case)
    if layer.trainable_weights:
        _check_learns(case)


def _leaves(outputs):
    """Outputs as arrays, named ones in the order of their names."""
    return [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(outputs)]


def _shapes(case):
    if isinstance(case.output_shape, Mapping):
        return [case.output_shape[name] for name in sorted(case.output_shape)]
    return [case.output_shape]


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
    expected = [(None, *shape[1:]) for shape in _shapes(case)]
    outputs = keras.tree.flatten(case.make()(**symbols))
    assert [tuple(output.shape) for output in outputs] == expected
    shapes = [tuple(symbol.shape) for symbol in symbols.values()]
    layer = case.make()
    layer(**case.inputs)
    computed = layer.compute_output_shape(*shapes)
    computed = [computed[name] for name in sorted(computed)] if isinstance(computed, dict) else [computed]
    assert [tuple(shape) for shape in computed] == expected


def _check_mixed_precision(case):
    full = case.make()
    full(**case.inputs)
    half = case.make(dtype="mixed_float16")
    half(**case.inputs)
    half.set_weights(full.get_weights())
    assert all(weight.dtype == "float32" for weight in half.trainable_weights)
    outputs = _leaves(half(**case.inputs))
    for output, exact in zip(outputs, _leaves(full(**case.inputs)), strict=True):
        if exact.dtype.kind == "f":
            assert output.dtype == ("float32" if case.keeps_dtype else "float16")
        np.testing.assert_allclose(output.astype("float32"), exact, rtol=2e-2, atol=2e-2)


def _check_learns(case):
    layer = case.make()
    model = _model(case, layer)
    for name in case.unread:
        getattr(layer, name).trainable = False
    target = np.random.default_rng(0).normal(size=case.output_shape).astype("float32")
    model.compile(keras.optimizers.Adam(1e-2), "mean_squared_error")
    history = model.fit(dict(case.inputs), target, epochs=3, batch_size=len(target), verbose=0, shuffle=False)
    assert history.history["loss"][-1] < history.history["loss"][0]
