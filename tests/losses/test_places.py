"""Labels given by the places of the positives equal labels of every entry."""

import functools

import keras
import numpy as np
import pytest
from gradients import best_dtype, derivative_of
from references import central_differences
from references import ranking_losses as reference

from kerasrec import losses


def batch(seed=0, n_lists=5, size=7):
    """Labels `[B, L]`, the same by places in any order with padding between, and scores."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0.0, 0.0, 0.5, 1.0, 2.0], (n_lists, size))
    labels[1] = 0  # no positive
    labels[2] = 1  # no negative
    rows, places = labels.nonzero()
    entries = np.stack([rows, places, labels[rows, places]], axis=1)
    entries = rng.permutation(np.concatenate([entries, np.zeros((6, 3))]))
    return labels, entries[None], rng.normal(scale=2.0, size=(n_lists, size))


def test_the_softmax_equals_the_reference():
    labels, places, scores = batch()
    expected = [reference.full_softmax(y, s, temperature=0.7) for y, s in zip(labels, scores, strict=True)]
    loss = losses.FullSoftmax(temperature=0.7, reduction=None, dtype=best_dtype())
    found = keras.ops.convert_to_numpy(loss(places, scores))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)
    assert expected[1] == expected[2] == 0


@functools.cache
def slopes():
    loss = losses.FullSoftmax(temperature=0.7, reduction="sum", dtype=best_dtype())
    return derivative_of(loss, arguments=[1])


def test_its_gradient_equals_central_differences_of_the_reference():
    labels, places, scores = batch()

    def total(scores):
        return sum(reference.full_softmax(y, s, temperature=0.7) for y, s in zip(labels, scores, strict=True))

    expected = central_differences.gradient(total, scores)
    found = slopes()(places.astype(best_dtype()), scores.astype(best_dtype()))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_scores_far_apart_give_finite_losses_and_gradients():
    places = np.array([[[0.0, 0.0, 1.0], [1.0, 2.0, 1.0]]])
    scores = np.array([[-300.0, 300.0, 0.0], [300.0, -300.0, 300.0]])
    found = losses.FullSoftmax(reduction=None)(places, scores)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), [600.0, np.log(2)], rtol=1e-5)
    gradient = slopes()(places.astype(best_dtype()), scores.astype(best_dtype()))[0]
    np.testing.assert_allclose(gradient * 0.7, [[-1, 1, 0], [0.5, 0, -0.5]], atol=1e-6)


def test_weights_of_lists_and_reductions():
    labels, places, scores = batch()
    weights = np.array([1.0, 5.0, 2.0, 0.0, 3.0], "float32")
    loss = losses.FullSoftmax()
    for given in (weights, weights[:, None]):
        expected = float(loss(labels, scores, given))
        assert float(loss(places, scores, given)) == pytest.approx(expected, rel=1e-5)


def test_half_precision_keeps_places():
    # 4,099 is no number of 16 bits.
    scores = np.zeros((1, 5000), "float32")
    scores[0, 4099] = 10
    loss = losses.FullSoftmax(dtype="float16")
    expected = np.log(np.exp(10.0) + 4999) - 10
    assert float(loss(np.array([[[0, 4099, 1.0]]]), scores)) == pytest.approx(expected, rel=1e-3)


def test_masks_leave_entries_out():
    labels, places, scores = batch()
    scores = keras.ops.convert_to_tensor(scores, "float32")
    mask = np.random.default_rng(1).random(labels.shape) < 0.7
    scores._keras_mask = keras.ops.convert_to_tensor(mask)
    expected = np.mean(
        [
            reference.full_softmax(np.where(m, y, -1), s)
            for y, s, m in zip(labels, keras.ops.convert_to_numpy(scores), mask, strict=True)
        ]
    )
    assert float(losses.FullSoftmax()(places, scores)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [losses.DenseRMSE(), losses.DenseSeparation(), losses.DenseRMSE(n_items=9)])
def test_dense_losses_of_ratings(loss):
    labels, places, scores = batch()
    assert float(loss(places, scores)) == pytest.approx(float(loss(labels, scores)), rel=1e-6)


def test_other_losses_say_what_to_take():
    _, places, scores = batch()
    with pytest.raises(ValueError, match=r"`CatalogueBatches` if `dense`. Received: y_true \(1, "):
        losses.BPR()(places, scores)
