import keras
import numpy as np
import pytest
from gradients import best_dtype, compiled
from references import ranking_losses as reference

from kerasrec.losses import FullSoftmax, SampledSoftmax


@pytest.fixture
def sample():
    """Labels, item ids, log_q and scores `[12, 8]` of a small catalogue, so that hits are common."""
    rng = np.random.default_rng(3)
    item_ids = rng.integers(0, 6, (12, 8))
    labels = np.zeros((12, 8))
    labels[:, 0], labels[:6, 1], labels[:, 7] = 1.0, 2.0, -1.0
    log_q = np.log(rng.dirichlet(np.ones(6)))[item_ids]
    return labels, item_ids, log_q, rng.normal(size=(12, 8))


def unreduced(y_true, scores, **kwargs):
    loss = SampledSoftmax(reduction=None, dtype=best_dtype(), **kwargs)
    return keras.ops.convert_to_numpy(compiled(loss)(y_true, scores))


@pytest.mark.parametrize("max_positives", [None, 2])
@pytest.mark.parametrize("correct_sampling", [True, False])
@pytest.mark.parametrize("remove_accidental_hits", [True, False])
def test_columns_equal_reference(sample, correct_sampling, remove_accidental_hits, max_positives):
    labels, item_ids, log_q, scores = sample
    expected = [
        reference.sampled_softmax(
            labels[row],
            scores[row],
            item_ids=item_ids[row] if remove_accidental_hits else None,
            log_q=log_q[row] if correct_sampling else None,
        )
        for row in range(len(labels))
    ]
    got = unreduced(
        np.stack([labels, item_ids, log_q], axis=-1),
        scores,
        correct_sampling=correct_sampling,
        remove_accidental_hits=remove_accidental_hits,
        max_positives=max_positives,
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_hit_is_the_same_as_padding(sample):
    labels, item_ids, log_q, scores = sample
    positive_ids = np.where(labels > 0, item_ids, -1)
    hit = (labels == 0) & (item_ids[:, :, None] == positive_ids[:, None, :]).any(axis=-1)
    assert hit.any()
    with_hits = np.stack([labels, item_ids, log_q], axis=-1)
    without = np.stack([np.where(hit, -1, labels), item_ids, log_q], axis=-1)
    np.testing.assert_allclose(unreduced(with_hits, scores), unreduced(without, scores), rtol=1e-6)


def test_uniform_sampling_needs_no_columns(sample):
    labels, _, _, scores = sample
    item_ids = np.tile(np.arange(8), (12, 1))
    columns = np.stack([labels, item_ids, np.full(labels.shape, np.log(1 / 8))], axis=-1)
    np.testing.assert_allclose(unreduced(columns, scores), unreduced(labels, scores), rtol=1e-5)


def test_in_batch_negatives_are_an_identity_matrix():
    rng = np.random.default_rng(4)
    item_ids, scores = np.array([3, 1, 3, 2]), rng.normal(size=(4, 4))
    y_true = np.stack([np.eye(4), np.tile(item_ids, (4, 1)), np.zeros((4, 4))], axis=-1)
    expected = []
    for user in range(4):
        others = [j for j in range(4) if item_ids[j] != item_ids[user]]
        there = np.exp(scores[user, [user, *others]])
        expected.append(-np.log(there[0] / there.sum()))
    np.testing.assert_allclose(unreduced(y_true, scores, max_positives=1), expected, rtol=1e-5)


def test_correction_estimates_the_full_softmax():
    """Popular items are drawn more often; corrected, a sample's loss is the whole catalogue's."""
    rng = np.random.default_rng(5)
    scores, positive = rng.normal(size=50), 7
    q = rng.dirichlet(np.full(50, 2.0))
    draws = rng.choice(50, size=(4000, 200), p=q)
    item_ids = np.concatenate([np.full((4000, 1), positive), draws], axis=1)
    labels = np.zeros(item_ids.shape)
    labels[:, 0] = 1
    # log_q is of the expected count among 200 draws; the positive's own place counts once.
    log_q = np.log(200 * q)[item_ids]
    log_q[:, 0] = 0
    y_true = np.stack([labels, item_ids, log_q], axis=-1)
    full_labels = np.eye(50)[[positive]]
    full = float(FullSoftmax()(full_labels, scores[None]))
    corrected = unreduced(y_true, scores[item_ids], max_positives=1).mean()
    plain = unreduced(y_true, scores[item_ids], max_positives=1, correct_sampling=False).mean()
    assert corrected == pytest.approx(full, abs=0.03)
    assert abs(plain - full) > 0.3


def test_last_axis_must_hold_three_columns():
    with pytest.raises(ValueError, match="must hold labels, item ids and log_q. Received: y_true"):
        SampledSoftmax()(np.ones((2, 3, 2)), np.ones((2, 3)))


def test_columns_train(sample):
    labels, item_ids, log_q, _ = sample
    y_true = np.stack([labels, item_ids, log_q], axis=-1).astype("float32")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(8)(inputs))
    model.compile(optimizer=keras.optimizers.SGD(0.5), loss=SampledSoftmax())
    x = np.random.default_rng(6).normal(size=(12, 3)).astype("float32")
    history = model.fit(x, y_true, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]
