import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.layers import FeatureEmbedding

TABLE = np.arange(12, dtype="float32").reshape(6, 2)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def layer():
    layer = FeatureEmbedding(6, 2)
    layer.build((None,))
    layer.set_weights([TABLE])
    return layer


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
def test_ids_give_their_rows(layer, dtype):
    ids = np.array([5, 0, 5], dtype)
    np.testing.assert_array_equal(numbers(layer(ids)), TABLE[[5, 0, 5]])
    np.testing.assert_array_equal(numbers(layer(ids[:, None])), TABLE[[5, 0, 5]])


def test_lists_stay_lists(layer):
    ids = np.array([[1, 2, 3], [0, 0, 5]])
    np.testing.assert_array_equal(numbers(layer(ids)), TABLE[ids])


def test_a_list_of_unknown_length_stays_one_with_a_single_entry():
    ids = keras.Input((None,), dtype="int32")
    layer = FeatureEmbedding(6, 2)
    model = keras.Model(ids, layer(ids))
    assert model.output_shape == (None, None, 2)
    assert model(np.array([[1], [2]])).shape == (2, 1, 2)
    assert model(np.array([[1, 2, 3]])).shape == (1, 3, 2)


def test_ids_above_two_to_the_24_are_not_rounded():
    layer = FeatureEmbedding(2**24 + 2, 1, embeddings_initializer="zeros", dtype="mixed_float16")
    layer.build((None, 1))
    table = np.zeros((2**24 + 2, 1), "float32")
    table[-1] = 1
    layer.set_weights([table])
    assert numbers(layer(np.array([[2**24 + 1], [2**24]], "int32"))).tolist() == [[1.0], [0.0]]


def test_the_default_is_he_normal():
    layer = FeatureEmbedding(10_000, 20)
    layer.build((None,))
    # The variance of He et al. 2015, eq. 10, with the table's rows as its inputs.
    np.testing.assert_allclose(numbers(layer.embeddings).std(), np.sqrt(2 / 10_000), rtol=2e-2)


def test_the_regularizer_is_a_loss_of_the_layer():
    layer = FeatureEmbedding(6, 2, embeddings_regularizer=keras.regularizers.L2(0.1))
    layer.build((None,))
    layer.set_weights([TABLE])
    np.testing.assert_allclose(numbers(sum(layer.losses)), 0.1 * (TABLE**2).sum(), rtol=1e-6)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "10", None, float("nan")])
@pytest.mark.parametrize("name", ["n", "n_components"])
def test_sizes_must_be_positive_integers(name, value):
    expected = rf"`{name}` must be a positive integer\. Received: {name}={value!r}\."
    with pytest.raises(ValueError, match=expected):
        FeatureEmbedding(**{"n": 3, "n_components": 3, name: value})


def test_more_axes_are_refused(layer):
    with pytest.raises(ValueError, match=r"\[batch, list\]\. Received: shape=\(2, 3, 1\)"):
        layer(np.zeros((2, 3, 1), "int32"))


@pytest.mark.parametrize("method", ["fit", "predict", "evaluate"])
def test_an_id_out_of_range_is_refused_before_the_compiled_call(method):
    model = kerasrec.zoo.RecommenderV1(3, 4, 2)
    x = {"user": np.array([0, 1, 2]), "item": np.array([0, 4, -1])}
    arguments = (x,) if method == "predict" else (x, np.ones(3))
    message = (
        r"Ids of column 'item' must be in 0\.\.3, the rows of layer 'item_embedding'\. "
        r"Received: 2 others, the first is 4"
    )
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(*arguments, verbose=0)
