import keras
import numpy as np
import pytest
from gradients import gradient, weighted_sum
from references import central_differences, scores

from kerasrec.layers import CosineScore, EuclideanScore

SCORES = {"cosine": (CosineScore, scores.cosine), "euclidean": (EuclideanScore, scores.euclidean)}
every_score = pytest.mark.parametrize("name", SCORES)


@pytest.fixture
def sides():
    random = np.random.default_rng(3)
    return random.normal(size=(4, 3)).astype("float32"), random.normal(size=(6, 3)).astype("float32")


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_by_hand():
    user, item = np.array([[0.0, 2.0]]), np.array([[3.0, 6.0]])
    assert float(CosineScore()(user, item)[0]) == pytest.approx(6 / 45**0.5)
    assert float(EuclideanScore()(user, item)[0]) == -5


@every_score
def test_pairs_lists_and_all_pairs_agree_with_the_reference(name, sides):
    layer, formula = SCORES[name][0](), SCORES[name][1]
    user, item = sides
    expected = formula(user, item)
    np.testing.assert_allclose(numbers(layer.all_pairs(user, item)), expected, rtol=1e-4)
    np.testing.assert_allclose(numbers(layer(user, np.tile(item, (4, 1, 1)))), expected, rtol=1e-5)
    np.testing.assert_allclose(numbers(layer(user, item[None])), expected, rtol=1e-4)
    np.testing.assert_allclose(numbers(layer(user, item[:4])), np.diag(expected), rtol=1e-5)


@every_score
def test_biases_are_added(name, sides):
    layer, formula = SCORES[name][0](), SCORES[name][1]
    user, item = sides
    user_bias, item_bias = np.arange(4, dtype="float32")[:, None], np.arange(6, dtype="float32")[:, None]
    got = layer.all_pairs(user, item, user_bias=user_bias, item_bias=item_bias)
    np.testing.assert_allclose(numbers(got), formula(user, item) + user_bias + item_bias.T, rtol=1e-4)


@every_score
def test_gradient_is_that_of_the_formula(name, sides):
    layer, formula = SCORES[name][0](), SCORES[name][1]
    user, item = sides
    weight = np.random.default_rng(4).normal(size=(4, 6)).astype("float32")
    lists = np.tile(item, (4, 1, 1))
    slope = gradient(lambda u: weighted_sum(layer(u, lists), weight), user)[0]
    expected = central_differences.gradient(lambda u: np.sum(formula(u, item) * weight), user)
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)
    slope = gradient(lambda i: weighted_sum(layer.all_pairs(user, i), weight), item)[0]
    expected = central_differences.gradient(lambda i: np.sum(formula(user, i) * weight), item)
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)


@every_score
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_zero_and_equal_vectors_have_finite_gradients(name, dtype):
    layer = SCORES[name][0](dtype="float32" if dtype == "float32" else "mixed_float16")
    same = np.array([[0.0, 0.0], [0.5, -0.25]], dtype)

    def total(u, i):
        return keras.ops.cast(keras.ops.sum(layer(u, i)) + keras.ops.sum(layer.all_pairs(u, i)), "float32")

    assert np.isfinite(numbers(layer(same, same))).all()
    assert all(np.isfinite(slope).all() for slope in gradient(total, same, same))


def test_half_precision_does_not_overflow():
    long = np.array([[300.0, 400.0]], "float32")  # the squares leave float16
    layer = CosineScore(dtype="mixed_float16")
    assert float(layer(long, -long)[0]) == pytest.approx(-1, abs=1e-3)
    layer = EuclideanScore(dtype="mixed_float16")
    assert float(layer(long, 0 * long)[0]) == -500
    assert float(layer.all_pairs(long, 0 * long)[0, 0]) == pytest.approx(-500, abs=0.5)


def test_equal_vectors_in_all_pairs_are_near():
    """The stated bound of the matrix product, with a common offset that would drown the distance."""
    vectors = (100 + np.random.default_rng(5).normal(size=(50, 8))).astype("float32")
    distances = -numbers(EuclideanScore().all_pairs(vectors, vectors))
    assert np.diag(distances).max() < 1e-2
    assert (distances + 1e9 * np.eye(50)).min() > 0.5
