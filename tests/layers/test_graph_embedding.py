import keras
import numpy as np
import pytest
from references.graphs import propagated

import kerasrec
from kerasrec.layers import GraphEmbedding
from kerasrec.layers._once import one_call


def numbers(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def edges():
    """Five users and four items, of which one each has no edge."""
    x = np.array([[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 1]], float)
    return x


def layer_of(edges, **settings):
    layer = GraphEmbedding(*edges.shape, int(edges.sum()), n_components=3, **settings)
    layer.fill(*np.nonzero(edges))
    return layer


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_layers": 1},
        {"n_layers": 0},
        {"alpha": 0.6, "beta": -0.1, "first_weight": 0.2, "n_layers": 2},
        {"first_weight": 1.0},
    ],
)
def test_equals_the_reference(edges, settings):
    layer = layer_of(edges, **settings)
    tables = numbers(layer.user_embeddings), numbers(layer.item_embeddings)
    users, items = propagated(edges, *tables, **settings)
    np.testing.assert_allclose(numbers(layer.propagate()[0]), users, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(numbers(layer.propagate()[1]), items, rtol=1e-4, atol=1e-6)
    everybody, everything = np.arange(5)[:, None], np.arange(4)[None]
    for training in (False, True):
        found = layer(everybody, side="user", training=training)
        np.testing.assert_allclose(numbers(found), users, rtol=1e-4, atol=1e-6)
        found = layer(everything, side="item", training=training)
        np.testing.assert_allclose(numbers(found)[0], items, rtol=1e-4, atol=1e-6)


def test_who_has_no_edge_keeps_the_own_row(edges):
    layer = layer_of(edges, first_weight=0.25)
    np.testing.assert_allclose(
        numbers(layer.propagate()[0])[2], 0.25 * numbers(layer.user_embeddings)[2], rtol=1e-6
    )


def test_a_graph_without_edges():
    layer = layer_of(np.zeros((2, 3)))
    np.testing.assert_allclose(numbers(layer.propagate()[1]), numbers(layer.item_embeddings) / 4, rtol=1e-6)


def test_the_two_tables_begin_otherwise(edges):
    for initializer in (None, keras.initializers.RandomNormal(seed=1)):
        layer = layer_of(np.ones((4, 4)), embeddings_initializer=initializer)
        assert not np.allclose(numbers(layer.user_embeddings), numbers(layer.item_embeddings))


def test_the_gradient_is_that_of_the_reference(edges):
    """One step of plain gradient descent moves each table by the transposed map of what its vectors get."""
    layer = layer_of(edges, alpha=0.7, beta=0.1)
    before = numbers(layer.user_embeddings).copy(), numbers(layer.item_embeddings).copy()
    user, item = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    vectors = layer(user, side="user"), keras.ops.squeeze(layer(item, side="item"), 1)
    output = keras.ops.sum(vectors[0] * vectors[1], axis=-1, keepdims=True)
    model = keras.Model([user, item], output)
    model.compile(keras.optimizers.SGD(1.0), lambda y, score: y * score)
    model.train_on_batch([np.array([[1]]), np.array([[0]])], np.array([[1.0]]))
    # The map is linear, so that its columns are what it gives for units.
    n, settings = 9, {"alpha": 0.7, "beta": 0.1}
    unit = np.eye(n)
    map_ = np.concatenate(propagated(edges, unit[:5], unit[5:], **settings))
    whole = map_ @ np.concatenate(before)
    gradient = map_[[1]].T @ whole[[5]] + map_[[5]].T @ whole[[1]]
    after = np.concatenate([numbers(layer.user_embeddings), numbers(layer.item_embeddings)])
    np.testing.assert_allclose(np.concatenate(before) - after, gradient, rtol=1e-3, atol=1e-5)


def test_l2_is_of_the_rows_that_a_step_reads(edges):
    layer = layer_of(edges, l2=0.5)
    layer(np.array([[1], [1], [3]]), side="user", training=True)
    rows = numbers(layer.user_embeddings)[[1, 1, 3]]
    assert float(numbers(layer.losses[0])) == pytest.approx(0.25 * (rows**2).sum() / 3, rel=1e-4)


def test_one_call_of_a_model_computes_the_vectors_once(edges, monkeypatch):
    layer, calls = layer_of(edges), []
    propagate = layer.propagate
    monkeypatch.setattr(layer, "propagate", lambda: calls.append(1) or propagate())
    with one_call():
        layer(np.array([[0]]), side="user", training=True)
        layer(np.array([[0]]), side="item", training=True)
    assert len(calls) == 1
    layer(np.array([[0]]), side="user", training=True)
    assert len(calls) == 2
    layer(np.array([[0]]), side="user")
    assert len(calls) == 2


def test_what_comes_from_others_is_kept_for_some_steps(edges):
    layer = layer_of(edges, renew_every=3, first_weight=0.4)
    old = numbers(layer.user_embeddings).copy(), numbers(layer.item_embeddings).copy()
    passed = [
        x - 0.4 * table for x, table in zip(propagated(edges, *old, first_weight=0.4), old, strict=True)
    ]
    new = [table + 1.0 for table in old]
    everybody, everything = np.arange(5)[:, None], np.arange(4)[None]
    for step in range(4):
        with one_call():
            users = numbers(layer(everybody, side="user", training=True))
            items = numbers(layer(everything, side="item", training=True))[0]
        if step == 0:
            layer.user_embeddings.assign(new[0])
            layer.item_embeddings.assign(new[1])
            expected = propagated(edges, *old, first_weight=0.4)
        elif step < 3:
            expected = [0.4 * table + x for table, x in zip(new, passed, strict=True)]
        else:
            expected = propagated(edges, *new, first_weight=0.4)
        np.testing.assert_allclose(users, expected[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(items, expected[1], rtol=1e-4, atol=1e-6)


def test_between_renewals_gradients_go_to_the_own_rows(edges):
    layer = layer_of(edges, renew_every=2, first_weight=0.4)
    before = numbers(layer.user_embeddings).copy(), numbers(layer.item_embeddings).copy()
    whole = propagated(edges, *before, first_weight=0.4)
    user, item = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    vectors = layer(user, side="user"), keras.ops.squeeze(layer(item, side="item"), 1)
    output = keras.ops.sum(vectors[0] * vectors[1], axis=-1, keepdims=True)
    model = kerasrec.Model([user, item], output)
    model.compile(keras.optimizers.SGD(1.0), lambda y, score: y * score)
    model.train_on_batch([np.array([[1]]), np.array([[0]])], np.array([[1.0]]))
    moved = [
        x - numbers(y) for x, y in zip(before, (layer.user_embeddings, layer.item_embeddings), strict=True)
    ]
    expected = np.zeros((5, 3)), np.zeros((4, 3))
    expected[0][1], expected[1][0] = 0.4 * whole[1][0], 0.4 * whole[0][1]
    for found, by_hand in zip(moved, expected, strict=True):
        np.testing.assert_allclose(found, by_hand, rtol=1e-3, atol=1e-5)


def test_bad_input(edges):
    for settings, message in (
        ({"alpha": 11}, "`alpha` must be an exponent from -10 to 10. Received: alpha=11"),
        ({"beta": float("nan")}, "`beta` must be an exponent from -10 to 10. Received: beta=nan"),
        ({"first_weight": 1.5}, "`first_weight` must be a share from 0 to 1. Received: first_weight=1.5"),
        ({"l2": -1}, "`l2` must be a finite number of at least 0. Received: l2=-1"),
        ({"renew_every": 0}, "`renew_every` must be a positive integer. Received: renew_every=0"),
        ({"n_layers": -1}, "`n_layers` must be a whole number of at least 0. Received: n_layers=-1"),
    ):
        with pytest.raises(ValueError, match=message):
            layer_of(edges, **settings)
    layer = layer_of(edges)
    with pytest.raises(ValueError, match=r"There must be `n_edges`=8 users .* Received: \(1,\) and \(1,\)"):
        layer.fill([0], [0])
    with pytest.raises(ValueError, match="Codes of items must be from 0 to 3. Received: 0 to 4"):
        layer.fill([0] * 8, [0, 1, 2, 3, 4, 0, 0, 0])
    with pytest.raises(ValueError, match="`side` must be 'user' or 'item'. Received: side='x'"):
        layer(np.array([[0]]), side="x")
