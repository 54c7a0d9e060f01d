import keras
import numpy as np
import pytest
from gradients import gradient
from references import central_differences
from references.scores import dot

from kerasrec.layers import DotScore


@pytest.fixture
def sides():
    random = np.random.default_rng(3)
    shapes = {"user": (4, 3), "item": (6, 3), "user_bias": (4, 1), "item_bias": (6, 1)}
    return {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def expected(sides):
    return dot(sides["user"], sides["item"], sides["user_bias"][:, 0], sides["item_bias"][:, 0])


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_by_hand():
    user, item = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    score = DotScore()(user, item, user_bias=np.array([[0.5]]), item_bias=np.array([[-2.0]]))
    assert numbers(score).tolist() == [9.5]


def test_pairs_lists_and_all_pairs_agree_with_the_reference(sides):
    score = DotScore()
    np.testing.assert_allclose(numbers(score.all_pairs(**sides)), expected(sides), rtol=1e-5)
    lists = score(
        sides["user"],
        np.tile(sides["item"], (4, 1, 1)),
        user_bias=sides["user_bias"],
        item_bias=np.tile(sides["item_bias"], (4, 1, 1)),
    )
    np.testing.assert_allclose(numbers(lists), expected(sides), rtol=1e-5)
    pairs = score(
        sides["user"], sides["item"][:4], user_bias=sides["user_bias"], item_bias=sides["item_bias"][:4]
    )
    np.testing.assert_allclose(numbers(pairs), np.diag(expected(sides)), rtol=1e-5)


@pytest.mark.parametrize("left_out", ["user_bias", "item_bias"])
def test_a_bias_may_be_left_out(sides, left_out):
    reference = expected({**sides, left_out: 0 * sides[left_out]})
    given = {name: x for name, x in sides.items() if name != left_out}
    np.testing.assert_allclose(numbers(DotScore().all_pairs(**given)), reference, rtol=1e-5, atol=1e-6)
    lists = {**given, "item": np.tile(sides["item"], (4, 1, 1))}
    if "item_bias" in lists:
        lists["item_bias"] = np.tile(sides["item_bias"], (4, 1, 1))
    np.testing.assert_allclose(numbers(DotScore()(**lists)), reference, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_that_of_the_formula(sides):
    user, item = sides["user"], sides["item"][:4]
    weight = np.arange(1.0, 5.0, dtype="float32")
    slopes = gradient(lambda u, i: keras.ops.vdot(weight, DotScore()(u, i)), user, item)
    exact = central_differences.gradient(lambda u: np.sum(weight * np.sum(u * item, axis=1)), user)
    np.testing.assert_allclose(slopes[0], exact, rtol=1e-4, atol=1e-5)
    exact = central_differences.gradient(lambda i: np.sum(weight * np.sum(user * i, axis=1)), item)
    np.testing.assert_allclose(slopes[1], exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("user", "item"),
    [((4, 3), (4, 2)), ((4, 1, 3), (4, 3)), ((3,), (4, 3)), ((4, 3), (3,)), ((4, 3), (4, 5, 6, 3))],
)
def test_bad_shapes_are_named(user, item):
    message = rf"DotScore takes user \[batch, n_components\].*Received: user \({user[0]},.*item \({item[0]},"
    with pytest.raises(ValueError, match=message):
        DotScore()(np.zeros(user, "float32"), np.zeros(item, "float32"))
