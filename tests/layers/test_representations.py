"""What every representation must do with features in any of their forms."""

import json

import keras
import numpy as np
import pytest
import scipy.sparse
from gradients import gradient, weighted_sum
from references import central_differences
from references import representations as reference

from kerasrec import layers

N, F, C = 6, 9, 4

# Layers for F features; what they compute from dense features, by their weights.
LAYERS = {
    "linear": (lambda: layers.SparseLinearRepr(C, F), lambda x, w: reference.linear(x, *w)),
    "normalized": (
        lambda: layers.SparseLinearRepr(C, F, normalize=True),
        lambda x, w: reference.normalized(reference.linear(x, *w)),
    ),
    "pass_through": (lambda: layers.PassThroughRepr(F), lambda x, w: x),
    "weighted": (lambda: layers.WeightedPassThroughRepr(F), lambda x, w: reference.weighted(x, w[0][:, 0])),
    "relu": (lambda: layers.ReLURepr(C, F, relu_size=5), lambda x, w: reference.relu(x, *w)),
    "deep": (
        lambda: layers.DeepRepr(C, (8, 5), F, dropout=0.5),
        lambda x, w: reference.deep(x, w[::2], w[1::2]),
    ),
    "layers": (
        lambda: layers.LayersRepr([keras.layers.Dense(8, "relu"), keras.layers.Dense(C, "tanh")], F),
        lambda x, w: reference.deep(x, w[::2], w[1::2]),
    ),
    "layers_behind_dropout": (
        lambda: layers.LayersRepr([keras.layers.Dropout(0.5), keras.layers.Dense(C, "tanh")], F),
        lambda x, w: reference.deep(x, w[::2], w[1::2]),
    ),
    "bias": (lambda: layers.FeatureBias(F), lambda x, w: reference.linear(x, *w)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture
def features():
    """Six entities of nine features; one has none, one names all."""
    random = np.random.default_rng(0)
    x = random.normal(size=(N, F)) * (random.random((N, F)) < 0.4)
    x[2], x[4] = 0, 1
    return x.astype("float32")


def bag(features, wider=0):
    """Padded bag `[n, W]`; padding names column 0 with weight 0."""
    counts = np.count_nonzero(features, axis=-1)
    shape = (*counts.shape, counts.max() + wider)
    indices, weights = np.zeros(shape, "int32"), np.zeros(shape, "float32")
    for place in np.ndindex(counts.shape):
        columns = np.flatnonzero(features[place])
        indices[place][: len(columns)] = columns
        weights[place][: len(columns)] = features[place][columns]
    return {"indices": indices, "weights": weights}


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def built(name):
    """A layer with random weights, and its reference."""
    make, formula = LAYERS[name]
    layer = make()
    layer(np.zeros((1, F), "float32"))
    random = np.random.default_rng(1)
    layer.set_weights(
        [random.normal(size=w.shape) for w in layer.get_weights() if w.dtype == "float32"]
        + [w for w in layer.get_weights() if w.dtype != "float32"]
    )
    weights = [numbers(w).astype("float64") for w in layer.trainable_weights]
    return layer, lambda x: formula(x.astype("float64"), weights)


@every_layer
def test_equals_reference_in_every_form(name, features):
    layer, formula = built(name)
    expected = formula(features)
    padded = bag(features, wider=2)
    forms = [features, padded, (padded["indices"], padded["weights"]), [padded["indices"], padded["weights"]]]
    forms.append({"indices": padded["indices"].astype("int64"), "weights": padded["weights"]})
    for form in forms:
        np.testing.assert_allclose(numbers(layer(form)), expected, rtol=1e-4, atol=1e-5)


@every_layer
def test_width_one(name):
    layer, formula = built(name)
    columns = np.array([[3], [8], [0]], "int32")
    expected = formula(2 * np.eye(F, dtype="float32")[columns[:, 0]])
    got = layer({"indices": columns, "weights": np.full((3, 1), 2.0, "float32")})
    np.testing.assert_allclose(numbers(got), expected, rtol=1e-4, atol=1e-5)


@every_layer
def test_column_named_twice_adds_up(name):
    layer, formula = built(name)
    got = layer({"indices": np.array([[3, 3, 5]]), "weights": np.array([[1.0, 0.5, 2.0]], "float32")})
    dense = np.zeros((1, F), "float32")
    dense[0, [3, 5]] = 1.5, 2.0
    np.testing.assert_allclose(numbers(got), formula(dense), rtol=1e-4, atol=1e-5)


@every_layer
def test_lists(name, features):
    layer, formula = built(name)
    lists = np.array([[1, 2, 3, 3], [5, 0, 4, 1]])
    expected = formula(features)[lists]
    np.testing.assert_allclose(numbers(layer(features[lists])), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numbers(layer(bag(features[lists]))), expected, rtol=1e-4, atol=1e-5)


@every_layer
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has no sparse tensors on PyTorch")
def test_sparse_tensors_through_fit_and_predict(name, features):
    layer, formula = built(name)
    inputs = keras.Input((F,), sparse=True)
    model = keras.Model(inputs, layer(inputs))
    sparse = scipy.sparse.csr_matrix(features)
    expected = formula(features)
    np.testing.assert_allclose(model.predict(sparse, verbose=0), expected, rtol=1e-4, atol=1e-5)
    if layer.trainable_weights:
        model.compile(keras.optimizers.SGD(1e-3), "mean_squared_error")
        target = np.random.default_rng(3).normal(size=expected.shape)
        history = model.fit(sparse, target, epochs=3, verbose=0).history["loss"]
        assert np.isfinite(history).all()
        if "dropout" not in name and name != "deep":
            assert history[-1] < history[0]


@every_layer
def test_gradient_in_a_bag_equals_central_differences_of_the_reference(name, features):
    layer, _ = built(name)
    formula = LAYERS[name][1]
    values = [numbers(w) for w in layer.trainable_weights]
    inputs, slope = (
        bag(features),
        np.random.default_rng(2).normal(size=layer(features).shape).astype("float32"),
    )

    def through(*tensors):
        out, _ = layer.stateless_call(list(tensors), [v.value for v in layer.non_trainable_variables], inputs)
        return weighted_sum(out, slope)

    if not values:
        return
    for i, got in enumerate(gradient(through, *values)):
        weights = [value.astype("float64") for value in values]

        def of(weight, i=i, weights=weights):
            return np.sum(
                formula(features.astype("float64"), [*weights[:i], weight, *weights[i + 1 :]]) * slope
            )

        expected = central_differences.gradient(of, values[i])
        np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-3)


@every_layer
def test_in_a_model_from_codes(name, features, tmp_path):
    """Codes to a bag to a representation, built by shapes alone, saved and loaded."""
    layer, formula = built(name)
    lookup = layers.FeatureLookup.from_matrix(features)
    codes = keras.Input((None,), dtype="int32")
    model = keras.Model(codes, layer(lookup(codes)))
    assert model.output_shape == (None, None, layer.compute_output_shape((None, F))[-1])
    lists = np.array([[1, 2], [5, 0]])
    np.testing.assert_allclose(
        model.predict(lists, verbose=0), formula(features)[lists], rtol=1e-4, atol=1e-5
    )
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(lists, verbose=0), model.predict(lists, verbose=0))


@every_layer
def test_config_goes_through_json(name, features):
    layer, _ = built(name)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    again(features)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numbers(again(features)), numbers(layer(features)))


@every_layer
def test_half_precision(name, features):
    full, formula = built(name)
    half = LAYERS[name][0]()
    half = type(half).from_config({**half.get_config(), "dtype": "mixed_float16"})
    half(features)
    half.set_weights(full.get_weights())
    for form in (features, bag(features)):
        got = half(form)
        assert keras.backend.standardize_dtype(got.dtype) == "float16"
        np.testing.assert_allclose(numbers(got), formula(features), rtol=2e-2, atol=4e-2)


@every_layer
def test_number_of_features_is_checked(name, features):
    make, _ = LAYERS[name]
    with pytest.raises(ValueError, match=rf"must have n_features={F} columns. Received: shape=\(6, 8\)"):
        make()(features[:, :8])
    with pytest.raises(
        ValueError, match=rf"must have n_features={F} columns. They look transposed. Received"
    ):
        make()(features.T)


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: layers.SparseLinearRepr(C, **k),
        lambda **k: layers.ReLURepr(C, **k),
        lambda **k: layers.DeepRepr(C, (8,), **k),
        lambda **k: layers.LayersRepr([keras.layers.Dense(C)], **k),
        lambda **k: layers.FeatureBias(**k),
    ],
)
def test_bags_need_the_number_of_features(make, features):
    assert make()(features).shape[0] == N
    with pytest.raises(
        ValueError, match=r"`n_features` of layer '\w+' must be given if features come as bags"
    ):
        make()(bag(features))
    with pytest.raises(ValueError, match="`n_features` must be a positive integer. Received: n_features=0"):
        make(n_features=0)


def test_malformed_bags_are_named(features):
    layer = layers.SparseLinearRepr(C, F)
    with pytest.raises(ValueError, match="must have the keys indices and weights. Received: keys=."):
        layer({"ids": np.zeros((2, 3), "int32"), "weights": np.zeros((2, 3))})
    with pytest.raises(ValueError, match=r"must be a pair \(indices, weights\). Received: 3 tensors"):
        layer([np.zeros((2, 3), "int32")] * 3)


def test_linear_rows_begin_at_length_one():
    layer = layers.SparseLinearRepr(5, n_features=2000)
    layer.build((None, 2000))
    kernel = numbers(layer.kernel)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=1), 1, rtol=1e-5)
    # Directions of N(0, 1): no component is preferred.
    np.testing.assert_allclose(kernel.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose((kernel**2).mean(axis=0), 1 / 5, atol=0.02)


def test_relu_begins_as_published():
    layer = layers.ReLURepr(10, n_features=500)
    layer.build((None, 500))
    relu_kernel, relu_bias, kernel = layer.get_weights()
    assert relu_kernel.shape == (500, 40)
    assert relu_kernel.std() == pytest.approx(0.5, abs=0.01)
    assert kernel.std() == pytest.approx(0.5, abs=0.05)
    assert not relu_bias.any()


def test_weights_and_biases_begin_at_one_and_zero(features):
    np.testing.assert_array_equal(numbers(layers.WeightedPassThroughRepr(F)(features)), features)
    np.testing.assert_array_equal(numbers(layers.FeatureBias()(features)), 0)


def test_weighted_pass_through_trains(features):
    inputs = keras.Input((F,))
    layer = layers.WeightedPassThroughRepr(F)
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(3.0), "mean_squared_error")
    history = model.fit(features, 3 * features, epochs=10, verbose=0).history["loss"]
    assert history[-1] < 0.05 * history[0]
    assert (layer.get_weights()[0][features.any(axis=0)] > 1.5).all()


def test_dropout_is_of_training_alone(features):
    layer = layers.DeepRepr(C, (64, 32), dropout=0.5)
    np.testing.assert_array_equal(numbers(layer(features)), numbers(layer(features)))
    assert not np.array_equal(numbers(layer(features, training=True)), numbers(layer(features)))
    layer = layers.LayersRepr([keras.layers.Dropout(0.5)], F)
    np.testing.assert_array_equal(numbers(layer(features)), features)
    assert not np.array_equal(numbers(layer(features, training=True)), features)


def test_regularizers(features):
    l2 = keras.regularizers.L2(0.5)
    for layer in (
        layers.SparseLinearRepr(C, kernel_regularizer=l2),
        layers.WeightedPassThroughRepr(F, weights_regularizer=l2),
        layers.ReLURepr(C, kernel_regularizer=l2),
        layers.DeepRepr(C, (8, 5), kernel_regularizer=l2),
        layers.FeatureBias(bias_regularizer=l2),
    ):
        layer(features)
        kernels = [w for w in layer.trainable_weights if len(w.shape) == 2]
        expected = sum(0.5 * (numbers(w) ** 2).sum() for w in kernels)
        assert float(numbers(sum(layer.losses))) == pytest.approx(expected, rel=1e-5)


def test_layers_of_the_users_own_are_used_as_they_are(features):
    @keras.saving.register_keras_serializable("tests")
    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    layer = layers.LayersRepr([Twice()], F)
    np.testing.assert_allclose(numbers(layer(bag(features))), 2 * features, rtol=1e-6)
    assert layer.n_components == F


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.SparseLinearRepr(0),
            "`n_components` must be a positive integer. Received: n_components=0",
        ),
        (
            lambda: layers.ReLURepr(3, relu_size=0),
            "`relu_size` must be a positive integer. Received: relu_size=0",
        ),
        (lambda: layers.DeepRepr(3, (4, 0)), "`hidden` must be a positive integer. Received: hidden=0"),
        (lambda: layers.DeepRepr(3, ()), "`hidden` must have at least one size"),
        (
            lambda: layers.DeepRepr(3, (4,), dropout=1.0),
            "`dropout` must be at least 0 and below 1. Received",
        ),
        (lambda: layers.LayersRepr([]), "`layers` must have at least one layer"),
        (
            lambda: layers.PassThroughRepr(3, n_features=4),
            "must be the number of features, .* Received: n_components=3, n_features=4",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_layers_must_be_layers():
    with pytest.raises(TypeError, match="`layers` must be Keras layers. Received: 'dense'"):
        layers.LayersRepr(["dense"])
