import json

import keras
import numpy as np
import pytest
from gradients import best_dtype, gradient
from references import central_differences
from references import rating_losses as reference

from kerasrec import losses

LOSSES = {
    "rmse": (losses.RMSE, {}, reference.rmse),
    "separation": (losses.Separation, {}, reference.separation),
    "dense_rmse": (losses.DenseRMSE, {}, reference.rmse),
    "dense_separation": (losses.DenseSeparation, {}, reference.separation),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def make(name, **kwargs):
    return LOSSES[name][0](dtype=best_dtype(), **kwargs)


def batch(seed=0):
    rng = np.random.default_rng(seed)
    values = rng.choice([-2.0, -1.0, 0.0, 0.0, 1.0, 4.5], size=(8, 6))
    return values, rng.normal(scale=1.5, size=(8, 6)), rng.choice([0.0, 0.5, 1.0, 3.0], size=(8, 6))


def derivative(loss, values, scores, weights=None):
    scores = scores.astype(best_dtype())
    return gradient(lambda s: loss(values.astype(best_dtype()), s, weights), scores)[0]


@every_loss
def test_equals_reference(name):
    values, scores, weights = batch()
    one = LOSSES[name][2]
    assert float(make(name)(values, scores)) == pytest.approx(one(values, scores), rel=1e-5)
    assert float(make(name)(values, scores, weights)) == pytest.approx(one(values, scores, weights), rel=1e-5)


@every_loss
def test_gradient_equals_central_differences_of_the_reference(name):
    values, scores, weights = batch()
    expected = central_differences.gradient(lambda s: LOSSES[name][2](values, s, weights), scores)
    np.testing.assert_allclose(
        derivative(make(name), values, scores, weights), expected, rtol=1e-4, atol=1e-6
    )


def test_hand_cases():
    # sqrt((9 + 1 + 0) / 3)
    assert float(losses.RMSE()([[4.0, -1.0, 0.0]], [[1.0, 0.0, 0.0]])) == pytest.approx((10 / 3) ** 0.5)
    # Positives 2 and 0: mean 1, variance 1. Negatives 1 and -1: mean 0, variance 1. CDF(-1 / sqrt(2)).
    separation = losses.Separation()([[1.0, 1.0, 0.0, -1.0]], [[2.0, 0.0, 1.0, -1.0]])
    assert float(separation) == pytest.approx(0.23975, abs=1e-5)


@pytest.mark.parametrize(("sampled", "whole"), [("dense_rmse", "rmse"), ("dense_separation", "separation")])
def test_sampled_zeros_stand_for_all_missing_items(sampled, whole):
    """Rows of 3 values and 2 zeros out of 9 items: each zero stands for 3."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.choice([-1.0, 2.0, 5.0], (8, 3)), np.zeros((8, 2))], axis=1)
    scores = rng.normal(size=(8, 5))
    weights = np.where(values == 0, 3.0, 1.0)
    got = float(make(sampled, n_items=9)(values, scores))
    assert got == pytest.approx(LOSSES[whole][2](values, scores, weights), rel=1e-5)


@pytest.mark.parametrize("name", ["dense_rmse", "dense_separation"])
def test_whole_catalogue_needs_no_size(name):
    values, scores, _ = batch()
    values = np.where(values == 0, 0, np.abs(values))
    values[:, 0] = 0
    assert float(make(name, n_items=6)(values, scores)) == pytest.approx(
        float(make(name)(values, scores)), rel=1e-5
    )


@pytest.mark.parametrize("name", ["dense_rmse", "dense_separation"])
def test_padding_of_a_sample_is_not_counted(name):
    values, scores, _ = batch()
    values[:, 0] = 0
    weights = np.ones(values.shape)
    wide = [
        np.concatenate([x, y], axis=1)
        for x, y in ((values, 0 * values), (scores, scores), (weights, 0 * weights))
    ]
    assert float(make(name, n_items=20)(*wide)) == pytest.approx(
        float(make(name, n_items=20)(values, scores)), rel=1e-5
    )


def test_sampled_squares_are_unbiased():
    rng = np.random.default_rng(2)
    values, scores = np.zeros((1, 40)), rng.normal(size=(1, 40))
    values[0, :4] = [5, 3, 1, 4]
    loss = make("dense_rmse", n_items=40)
    squares = []
    for _ in range(300):
        columns = np.concatenate([np.arange(4), rng.choice(np.arange(4, 40), 6, replace=False)])
        squares.append(float(loss(values[:, columns], scores[:, columns])) ** 2)
    error = np.std(squares) / len(squares) ** 0.5
    assert np.mean(squares) == pytest.approx(reference.rmse(values, scores) ** 2, abs=3 * error)


@every_loss
def test_weight_zero_and_masks_are_removal(name):
    values, scores, weights = batch()
    kept = weights > 0
    expected = LOSSES[name][2](values[kept], scores[kept])
    junk = np.where(kept, scores, np.nan)
    assert float(make(name)(values, junk, kept.astype("float32"))) == pytest.approx(expected, rel=1e-5)
    masked = keras.ops.convert_to_tensor(junk, best_dtype())
    masked._keras_mask = keras.ops.convert_to_tensor(kept)
    assert float(make(name)(values, masked)) == pytest.approx(expected, rel=1e-5)
    slope = derivative(make(name), values, junk, kept.astype("float32"))
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[~kept], 0)


@every_loss
def test_weights_of_rows(name):
    values, scores, _ = batch()
    rows = np.array([1.0, 0, 2, 0, 1, 3, 1, 0])
    expected = LOSSES[name][2](values, scores, np.repeat(rows[:, None], 6, axis=1))
    for weights in (rows, rows[:, None]):
        assert float(make(name)(values, scores, weights)) == pytest.approx(expected, rel=1e-5)


@every_loss
def test_order_does_not_matter(name):
    values, scores, _ = batch()
    order = np.random.default_rng(3).permutation(values.size)
    moved = [x.ravel()[order].reshape(x.shape) for x in (values, scores)]
    assert float(make(name)(*moved)) == pytest.approx(float(make(name)(values, scores)), rel=1e-5)


@every_loss
def test_every_reduction_is_the_one_figure(name):
    values, scores, _ = batch()
    expected = LOSSES[name][2](values, scores)
    for reduction in ("sum", "mean", "mean_with_sample_weight"):
        assert float(make(name, reduction=reduction)(values, scores)) == pytest.approx(expected, rel=1e-5)


@every_loss
def test_pairs(name):
    values, scores, _ = batch()
    expected = LOSSES[name][2](values, scores)
    assert float(make(name)(values.ravel(), scores.reshape(-1, 1))) == pytest.approx(expected, rel=1e-5)


@every_loss
def test_nothing_to_compare_is_zero(name):
    _, scores, _ = batch()
    values = np.ones(scores.shape)
    if "rmse" in name:
        cases = [(scores, None), (values, np.zeros(len(values)))]  # no error; no entry
    else:
        cases = [(values, None), (-values, None), (values, np.zeros(len(values)))]  # one side alone; no entry
    for truth, weights in cases:
        assert float(make(name)(truth, scores, weights)) == 0
        np.testing.assert_array_equal(derivative(make(name), truth, scores, weights), 0)


@every_loss
def test_extreme_scores(name):
    values, scores, _ = batch()
    scores = np.sign(scores) * 50
    assert float(make(name)(values, scores)) == pytest.approx(LOSSES[name][2](values, scores), rel=1e-4)
    assert np.isfinite(derivative(make(name), values, scores)).all()
    # No spread at all on either side.
    scores = np.where(values > 0, 50.0, -50.0)
    assert np.isfinite(float(make(name)(values, scores)))
    assert np.isfinite(derivative(make(name), values, scores)).all()


@every_loss
def test_half_precision_is_raised(name):
    values, scores, _ = batch()
    scores = np.sign(scores) * 250  # the square leaves float16
    loss = LOSSES[name][0](dtype="float16")
    assert float(loss(values, scores)) == pytest.approx(LOSSES[name][2](values, scores), rel=2e-3)


@every_loss
def test_trains_saves_and_loads(name, tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=LOSSES[name][0]())
    values, _, weights = batch()
    x = np.random.default_rng(4).normal(size=(8, 3)).astype("float32")
    history = model.fit(x, values, sample_weight=weights, epochs=4, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < history[0]
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded.loss) is LOSSES[name][0]


@every_loss
def test_config_goes_through_json(name):
    arguments = {"name": "mine", "reduction": "sum", **({"n_items": 7} if "dense" in name else {})}
    loss = LOSSES[name][0](**arguments)
    again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config() == arguments


@every_loss
def test_wrong_shapes_are_refused(name):
    with pytest.raises(
        ValueError, match=r"`y_true` must have the shape of `y_pred`. Received: y_true \(2, 3\)"
    ):
        make(name)(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"`sample_weight` must have the shape of `y_pred`"):
        make(name)(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize("name", ["dense_rmse", "dense_separation"])
def test_size_of_the_catalogue_is_checked(name):
    with pytest.raises(ValueError, match="`n_items` must be a positive integer. Received: n_items=0"):
        make(name, n_items=0)
    with pytest.raises(ValueError, match=r"`y_pred` must have shape \[batch, list\]. Received: shape=\(3,\)"):
        make(name, n_items=4)(np.ones(3), np.ones(3))
