"""Where a hybrid begins with `init="svd"`: at a decomposition of who has what."""

import keras
import numpy as np
import pytest
import scipy.sparse

from kerasrec import zoo
from kerasrec.data import Features, Interactions


@pytest.fixture(scope="module")
def data():
    """30 people of two tastes, 20 items; the last item is nobody's."""
    generator = np.random.default_rng(0)
    chance = np.where(np.arange(30)[:, None] % 2 == np.arange(20) % 2, 0.6, 0.1)
    chance[:, -1] = 0
    users, items = np.nonzero(generator.random((30, 20)) < chance)
    return Interactions(users, items, user_ids=range(30), item_ids=range(20))


def scaled(x):
    """What is decomposed, in plain NumPy: entries by their row's and column's numbers to the power 0.3."""
    rows, columns = (np.maximum((x > 0).sum(axis), 1.0) for axis in (1, 0))
    return x / rows[:, None] ** 0.3 / columns**0.3


def truncated(x, rank):
    left, strengths, right = np.linalg.svd(x, full_matrices=False)
    return (left[:, :rank] * strengths[:rank] ** 2) @ right[:rank]


def softmax_loss(x, scores):
    normaliser = np.log(np.exp(scores - scores.max()).sum(axis=1, keepdims=True)) + scores.max()
    return (x * (normaliser - scores)).sum()


def scores_of(model, n_users=30, n_items=20):
    users, items = np.arange(n_users)[:, None], np.tile(np.arange(n_items), (n_users, 1))
    return keras.ops.convert_to_numpy(model({"user": users, "item": items}))


def create(data, **settings):
    return zoo.create("hybrid", data, init="svd", seed=0, **settings)


def check_factor(x, scores, expected):
    """That scores are the expected ones times a power of 2 that no other beats."""
    factor = (scores * expected).sum() / (expected**2).sum()
    np.testing.assert_allclose(scores, factor * expected, atol=1e-2 * np.abs(scores).max())
    assert np.log2(factor) == pytest.approx(round(np.log2(factor)), abs=1e-2)
    losses = [softmax_loss(x, factor * other * expected) for other in (0.5, 1.0, 2.0)]
    assert np.argmin(losses) == 1


def test_scores_begin_at_the_decomposition(data):
    x = data.to_csr().toarray()
    scores = scores_of(create(data, n_components=4))
    check_factor(x, scores, truncated(scaled(x), 4))
    assert not scores[:, -1].any()


def test_counts_stand_on_a_log_scale(data):
    counts = Interactions(
        data.users,
        data.items,
        10.0 ** (1 + data.users % 3),
        user_ids=data.user_ids,
        item_ids=data.item_ids,
        kind="counts",
    )
    x = np.log1p(counts.to_csr().toarray())
    check_factor(x, scores_of(create(counts, n_components=4)), truncated(scaled(x), 4))


def test_components_beyond_the_rank_begin_at_random(data):
    few = data.take(np.isin(data.users, [0, 1]))
    few = Interactions(few.users, few.items, user_ids=range(2), item_ids=range(20))
    model = create(few, n_components=8)
    kernel = keras.ops.convert_to_numpy(model.get_layer("item_repr").kernel)
    own = zoo.create("hybrid", few, n_components=8, seed=0).get_layer("item_repr").kernel
    np.testing.assert_array_equal(kernel[:, 2:], keras.ops.convert_to_numpy(own)[:, 2:])
    assert not np.allclose(kernel[:, :2], keras.ops.convert_to_numpy(own)[:, :2])


def test_features_take_what_they_can_and_identity_the_rest(data):
    plain = scores_of(create(data, n_components=4))
    kinds = scipy.sparse.csr_matrix(np.eye(2)[np.arange(20) % 2])
    kinds = Features.from_csr(kinds, ids=data.item_ids)
    both = create(data, n_components=4, item_features=Features.indicator(data.item_ids) + kinds)
    np.testing.assert_allclose(scores_of(both)[:, :-1], plain[:, :-1], atol=1e-3 * np.abs(plain).max())
    # The item that nobody had is recommended for what it shares with others: to odd people.
    last = scores_of(both)[:, -1]
    assert last[1::2].mean() > 2 * last[::2].mean()


def test_of_features_without_identity_the_nearest(data):
    """Ridge regression of the vectors, computed by its normal equations."""
    kinds = np.eye(2, dtype=np.float32)[np.arange(20) % 2]
    with pytest.warns(UserWarning, match="no indicator columns of items"):
        model = create(data, n_components=4, item_features=kinds)
    vectors = keras.ops.convert_to_numpy(create(data, n_components=4).get_layer("item_repr").kernel)
    known = kinds[:-1]
    expected = np.linalg.solve(known.T @ known + np.eye(2), known.T @ vectors[:-1])
    kernel = keras.ops.convert_to_numpy(model.get_layer("item_repr").kernel)
    np.testing.assert_allclose(kernel, expected, atol=5e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    "settings", [{"item_repr": "relu"}, {"n_tastes": 2}, {"score": "cosine"}, {"user_repr": "deep"}]
)
def test_other_parts_begin_at_random(data, settings):
    model, plain = create(data, **settings), zoo.create("hybrid", data, seed=0, **settings)
    for weights, own in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, own)


def test_a_matrix_factorization_begins_there_too(data):
    model = zoo.create("matrix_factorization", data, init="svd", n_components=4, seed=0)
    np.testing.assert_allclose(scores_of(model), scores_of(create(data, n_components=4)), atol=1e-5)


@pytest.mark.parametrize("hidden", [(8,), (12, 9)])
def test_two_towers_begin_there_too(data, hidden):
    """Networks of ReLUs that are linear, also where some of their units have nothing to do."""
    model = zoo.create("two_tower", data, init="svd", n_components=4, hidden=hidden, seed=0)
    expected = scores_of(create(data, n_components=4, biased=False))
    np.testing.assert_allclose(scores_of(model), expected, atol=1e-5 * np.abs(expected).max())


def test_a_narrow_layer_has_room_for_fewer_components(data):
    model = zoo.create("two_tower", data, init="svd", n_components=4, hidden=(12, 5), seed=0)
    few = create(data, n_components=2).get_layer("item_repr").kernel
    items = keras.ops.convert_to_numpy(model.towers.item(np.arange(20)[:, None])["item"])[:, 0]
    np.testing.assert_allclose(items[:, :2], keras.ops.convert_to_numpy(few), atol=1e-5)


@pytest.mark.parametrize("settings", [{"score": "cosine"}, {"hidden": (1,)}])
def test_two_towers_that_cannot_begin_at_random(data, settings):
    model = zoo.create("two_tower", data, init="svd", seed=0, **settings)
    plain = zoo.create("two_tower", data, seed=0, **settings)
    for weights, own in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, own)


def test_what_is_wrong_is_refused(data):
    with pytest.raises(ValueError, match=r"`init` must be one of random, svd. Received: init='pca'"):
        zoo.create("hybrid", data, init="pca")
    with pytest.raises(
        ValueError, match=r"`interactions` must be given for `init`, .* Received: init='svd', interactions=N"
    ):
        zoo.HybridRecommender(30, 20, init="svd")
