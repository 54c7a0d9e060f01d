import json

import keras
import numpy as np
import pytest
from gradients import best_dtype, compiled, derivative_of
from references import central_differences

from kerasrec.losses import CatalogueCrossEntropy, catalogue_cross_entropy


def reference(targets, positions, items, temperature=1.0, weights=None):
    """The mean over positions with a target of -log(softmax), one at a time."""
    total, n = 0.0, 0
    for row, target in enumerate(targets.ravel()):
        if target < 0:
            continue
        scores = items @ positions[row] / temperature
        loss = np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target]
        total += loss * (1 if weights is None else weights.ravel()[row])
        n += 1
    return total / max(n, 1)


def problem(n=12, n_items=7, n_components=4, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(-1, n_items, (3, n // 3))
    return targets, rng.normal(size=(n, n_components)), rng.normal(size=(n_items, n_components)), rng


@pytest.fixture(params=[1 << 24, 20], ids=["whole", "in chunks"])
def chunks(request, monkeypatch):
    """Scores of all positions at once, or of two: 7 items each."""
    monkeypatch.setattr(catalogue_cross_entropy, "_SCORES", request.param)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_equals_reference(chunks, temperature):
    targets, positions, items, rng = problem(n=15)
    weights = rng.random(targets.shape)
    loss = compiled(CatalogueCrossEntropy(temperature, dtype=best_dtype()))
    vectors = np.concatenate([positions, items]).astype(best_dtype())
    assert float(loss(targets, vectors)) == pytest.approx(
        reference(targets, positions, items, temperature), rel=1e-5
    )
    assert float(loss(targets, vectors, weights)) == pytest.approx(
        reference(targets, positions, items, temperature, weights), rel=1e-5
    )
    total = CatalogueCrossEntropy(temperature, reduction="sum", dtype=best_dtype())
    n = np.count_nonzero(targets >= 0)
    assert float(total(targets.ravel(), vectors)) == pytest.approx(
        n * reference(targets, positions, items, temperature), rel=1e-5
    )


def test_gradient_equals_central_differences_of_the_reference(chunks):
    targets, positions, items, _ = problem(n=15)
    vectors = np.concatenate([positions, items])
    expected = central_differences.gradient(
        lambda v: reference(targets, v[:15], v[15:], temperature=0.7), vectors
    )
    loss = CatalogueCrossEntropy(0.7, dtype=best_dtype())
    got = derivative_of(lambda v: 3 * loss(targets, v))(vectors.astype(best_dtype()))[0]
    np.testing.assert_allclose(got, 3 * expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(got[:15][targets.ravel() < 0], 0)


def test_positions_without_a_target_count_for_nothing(chunks):
    targets, positions, items, _ = problem()
    there = targets.ravel() >= 0
    loss = CatalogueCrossEntropy()
    whole = np.concatenate([positions, items]).astype("float32")
    part = np.concatenate([positions[there], items]).astype("float32")
    assert float(loss(targets, whole)) == pytest.approx(float(loss(targets.ravel()[there], part)), rel=1e-6)
    assert float(loss(np.full((3, 4), -1), whole)) == 0


def test_extreme_scores(chunks):
    targets, positions, items, _ = problem()
    vectors = np.concatenate([np.sign(positions) * 50, np.sign(items)]).astype("float32")
    expected = reference(targets, np.sign(positions) * 50, np.sign(items))
    assert float(CatalogueCrossEntropy()(targets, vectors)) == pytest.approx(expected, rel=1e-4)


def test_half_precision_is_raised():
    targets, positions, items, _ = problem()
    vectors = keras.ops.convert_to_tensor(np.concatenate([positions, items]), "float16")
    got = CatalogueCrossEntropy()(targets, vectors)
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    assert float(got) == pytest.approx(reference(targets, positions, items), rel=1e-2)


def test_config_goes_through_json():
    loss = CatalogueCrossEntropy(0.5, reduction="sum", name="mine")
    again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
    assert again.get_config() == loss.get_config()
    assert again.temperature == 0.5


def test_bad_arguments():
    with pytest.raises(ValueError, match="`temperature` must be a finite number above 0"):
        CatalogueCrossEntropy(0)
    with pytest.raises(ValueError, match="must be 'sum_over_batch_size' or 'sum'. Received: reduction=None"):
        CatalogueCrossEntropy(reduction=None)
    with pytest.raises(ValueError, match=r"takes targets \[batch, history\] and vectors .*y_pred \(5, 2\)"):
        CatalogueCrossEntropy()(np.zeros((1, 5), int), np.zeros((5, 2)))
