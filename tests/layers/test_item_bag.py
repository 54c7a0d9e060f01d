"""A history as a set: by a matrix product with the catalogue, and by rows of the table."""

import keras
import numpy as np
import pytest
from gradients import derivative_of

from kerasrec.layers import ItemBag, item_bag

N_ITEMS, SIZE = 9, 4
HISTORY = np.array([[-1, -1, 3, 1, 4], [2, 7, 1, 8, 2], [-1, -1, -1, -1, -1]])


@pytest.fixture(params=["product", "rows"])
def way(request, monkeypatch):
    monkeypatch.setattr(item_bag, "_DENSE", 64 if request.param == "product" else 0)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def by_hand(layer):
    """The users' rows of ones, each of length 1, times the table."""
    table, bias = (numbers(x).astype(float) for x in (layer.embeddings, layer.bias))
    rows = np.zeros((len(HISTORY), N_ITEMS))
    for row, history in zip(rows, HISTORY, strict=True):
        row[[item for item in history if item >= 0]] = 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1) @ table + bias


def test_is_the_product_of_the_row_with_the_table(way):
    layer = ItemBag(N_ITEMS, SIZE, use_bias=True)
    layer.build((None, None))
    layer.bias.assign([1.0, 2.0, 3.0, 4.0])
    got = numbers(layer(HISTORY))
    np.testing.assert_allclose(got, by_hand(layer), rtol=1e-5, atol=1e-6)
    wide = np.concatenate([np.full((3, 3), -1), HISTORY[:, ::-1]], axis=1)
    np.testing.assert_allclose(numbers(layer(wide)), got, rtol=1e-5, atol=1e-6)
    assert layer.unordered_history and layer.id_limit == N_ITEMS


def test_gradients_reach_the_rows_of_the_items_alone(way):
    layer = ItemBag(N_ITEMS, SIZE)
    layer(HISTORY)

    def of_table(table):
        with keras.StatelessScope(state_mapping=[(layer.embeddings, table)]):
            return keras.ops.sum(layer(HISTORY) ** 2)

    slope = derivative_of(of_table)(numbers(layer.embeddings))[0]
    assert slope[[1, 2, 3, 4, 7, 8]].any(axis=1).all() and not slope[[0, 5, 6]].any()


def test_dropout_leaves_a_part_scaled_up(way):
    layer = ItemBag(100, 100, dropout=0.5, seed=0, embeddings_initializer="identity")
    history = np.tile(np.arange(100), (20, 1))
    np.testing.assert_allclose(numbers(layer(history)), 0.1, rtol=1e-5)
    kept = numbers(layer(history, training=True))
    assert set(np.round(np.unique(kept), 5)) == {0.0, np.float32(0.2)}
    assert abs((kept > 0).mean() - 0.5) < 0.05


def test_bad_dropout():
    with pytest.raises(ValueError, match="`dropout` must be a share, from 0 to 1. Received: dropout=2"):
        ItemBag(3, 2, dropout=2)
