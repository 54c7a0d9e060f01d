import keras
import numpy as np
import pytest
from gradients import gradient, weighted_sum
from references import central_differences, scores

from kerasrec.layers import (
    CosineScore,
    DotScore,
    EuclideanScore,
    FeatureEmbedding,
    TasteMixture,
    find_towers,
)

T, C = 3, 4
INNER = {
    "dot": (DotScore, scores.dot),
    "cosine": (CosineScore, scores.cosine),
    "euclidean": (EuclideanScore, scores.euclidean),
}


@pytest.fixture
def sides():
    random = np.random.default_rng(3)
    shapes = {
        "user": (5, T, C),
        "attention": (5, T, C),
        "item": (6, C),
        "user_bias": (5, 1),
        "item_bias": (6, 1),
    }
    return {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def expected(sides, name="dot", attention=True):
    formula = INNER[name][1]
    of_tastes = [formula(sides["user"][:, t], sides["item"]) for t in range(T)]
    attentions = [formula(sides["attention"][:, t], sides["item"]) for t in range(T)] if attention else None
    return scores.tastes(of_tastes, attentions) + sides["user_bias"] + sides["item_bias"].T


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def without(sides, *names):
    return {name: x for name, x in sides.items() if name not in names}


def test_by_hand():
    tastes, item = np.array([[[1.0, 0.0], [0.0, 3.0]]]), np.array([[2.0, 1.0]])
    assert float(TasteMixture()(tastes, item, user_bias=np.array([[10.0]]))[0]) == 13
    # Scores 2 and 3; attentions log 3 and 0: weights 3/4 and 1/4.
    attention = np.array([[[np.log(3) / 2, 0.0], [0.0, 0.0]]])
    assert float(TasteMixture()(tastes, item, attention=attention)[0]) == pytest.approx(2.25, rel=1e-5)


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("attention", [True, False])
def test_pairs_lists_and_all_pairs_agree_with_the_reference(sides, name, attention):
    layer, reference = TasteMixture(INNER[name][0]()), expected(sides, name, attention)
    given = sides if attention else without(sides, "attention")
    np.testing.assert_allclose(numbers(layer.all_pairs(**given)), reference, rtol=1e-4, atol=1e-5)
    lists = {
        **given,
        "item": np.tile(sides["item"], (5, 1, 1)),
        "item_bias": np.tile(sides["item_bias"], (5, 1, 1)),
    }
    np.testing.assert_allclose(numbers(layer(**lists)), reference, rtol=1e-4, atol=1e-5)
    shared = {**given, "item": sides["item"][None], "item_bias": sides["item_bias"][None]}
    np.testing.assert_allclose(numbers(layer(**shared)), reference, rtol=1e-4, atol=1e-5)
    pairs = {**given, "item": sides["item"][:5], "item_bias": sides["item_bias"][:5]}
    np.testing.assert_allclose(numbers(layer(**pairs)), np.diag(reference), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", [True, False])
def test_gradient_is_that_of_the_formula(sides, attention):
    layer, names = TasteMixture(), ["user", "item", *(["attention"] if attention else [])]
    weight = np.random.default_rng(4).normal(size=(5, 6)).astype("float32")

    def total(*tensors):
        return weighted_sum(layer.all_pairs(**dict(zip(names, tensors, strict=True))), weight)

    slopes = gradient(total, *(sides[name] for name in names))
    for name, slope in zip(names, slopes, strict=True):
        exact = central_differences.gradient(
            lambda x, name=name: np.sum(expected({**sides, name: x}, attention=attention) * weight),
            sides[name],
        )
        np.testing.assert_allclose(slope, exact, rtol=1e-3, atol=1e-3)


def test_one_taste_is_the_score_itself(sides):
    user = sides["user"][:, :1]
    got = TasteMixture().all_pairs(user, sides["item"])
    np.testing.assert_allclose(numbers(got), scores.dot(user[:, 0], sides["item"]), rtol=1e-5, atol=1e-6)


def test_large_attention_does_not_overflow(sides):
    got = TasteMixture().all_pairs(sides["user"], sides["item"], attention=1e4 * sides["attention"])
    assert np.isfinite(numbers(got)).all()


@pytest.mark.parametrize("attention", [True, False])
def test_towers(attention, tmp_path):
    user, item = (
        keras.Input((1,), name="user", dtype="int32"),
        keras.Input((None,), name="item", dtype="int32"),
    )

    def tastes():
        return keras.layers.Reshape((T, C))(FeatureEmbedding(5, T * C)(user))

    given = {"attention": tastes()} if attention else {}
    given["user_bias"], given["item_bias"] = FeatureEmbedding(5, 1)(user), FeatureEmbedding(6, 1)(item)
    score = TasteMixture(CosineScore())(tastes(), FeatureEmbedding(6, C)(item), **given)
    model = keras.Model({"user": user, "item": item}, score)
    towers = find_towers(model)
    users = towers.user(np.arange(5)[:, None])
    assert set(users) == {"user", "user_bias", *(["attention"] if attention else [])}
    items = {name: x[:, 0] for name, x in towers.item(np.arange(6)[:, None]).items()}
    predicted = model.predict(
        {"user": np.arange(5)[:, None], "item": np.tile(np.arange(6), (5, 1))}, verbose=0
    )
    np.testing.assert_allclose(
        numbers(towers.score.all_pairs(**users, **items)), predicted, rtol=1e-4, atol=1e-6
    )
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    again = loaded.predict({"user": np.arange(5)[:, None], "item": np.tile(np.arange(6), (5, 1))}, verbose=0)
    np.testing.assert_array_equal(again, predicted)


@pytest.mark.parametrize(
    ("user", "item"), [((5, 4), (5, 4)), ((5, 3, 8), (5, 4)), ((5, 3, 4), (4,)), ((5, 3, 4), (5, 2, 2, 4))]
)
def test_bad_shapes_are_named(user, item):
    message = rf"takes user \[batch, n_tastes, n_components\].* Received: user \(5, .*item \({item[0]}"
    with pytest.raises(ValueError, match=message):
        TasteMixture()(np.zeros(user, "float32"), np.zeros(item, "float32"))


def test_attention_needs_two_tastes_of_equal_shape(sides):
    message = "with at least two tastes. Received: attention"
    with pytest.raises(ValueError, match=message):
        TasteMixture()(sides["user"][:, :1], sides["item"][:5], attention=sides["attention"][:, :1])
    with pytest.raises(ValueError, match=message):
        TasteMixture()(sides["user"], sides["item"][:5], attention=sides["attention"][:, :2])


@pytest.mark.parametrize("score", ["dot", keras.layers.Dense(1), TasteMixture()])
def test_score_must_be_one(score):
    with pytest.raises(
        TypeError, match="`score` must be a score layer that compares two vectors. Received: score="
    ):
        TasteMixture(score)
