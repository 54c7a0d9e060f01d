import keras
import numpy as np
import pytest

from kerasrec.layers import GaussianSampling

MEANS, LOGS = np.array([[1.0, -2.0], [0.5, 0.0]]), np.array([[0.3, 0.0], [-1.0, 0.2]])
INPUTS = np.concatenate([MEANS, LOGS], axis=1).astype("float32")


def divergence():
    """The mean over rows of KL(N(m, s^2) | N(0, 1)), from the densities: a sum over a fine grid."""
    x = np.linspace(-12, 12, 200_001)

    def log_density(mean, deviation):
        return -((x - mean) ** 2) / (2 * deviation**2) - np.log(deviation * np.sqrt(2 * np.pi))

    total = 0.0
    for mean, log in zip(MEANS.ravel(), LOGS.ravel(), strict=True):
        own, standard = log_density(mean, np.exp(log / 2)), log_density(0.0, 1.0)
        total += np.sum(np.exp(own) * (own - standard)) * (x[1] - x[0])
    return total / len(MEANS)


def test_the_divergence_weighs_more_with_every_step():
    layer = GaussianSampling(beta=0.25, anneal_steps=10, seed=0)
    weights = []
    for _ in range(5):
        layer(INPUTS, training=True)
        weights.append(float(layer.losses[0]) / divergence())
    np.testing.assert_allclose(weights, [0.0, 0.1, 0.2, 0.25, 0.25], atol=1e-6, rtol=1e-4)
    assert float(layer.weight) == 0.25 and float(layer.steps) == 5


def test_what_is_drawn_has_the_mean_and_the_variance():
    layer = GaussianSampling(seed=0)
    many = np.repeat(INPUTS[:1], 20_000, axis=0)
    drawn = keras.ops.convert_to_numpy(layer(many, training=True))
    np.testing.assert_allclose(drawn.mean(axis=0), MEANS[0], atol=0.03)
    np.testing.assert_allclose(drawn.std(axis=0), np.exp(LOGS[0] / 2), rtol=0.03)
    np.testing.assert_array_equal(layer(INPUTS), INPUTS[:, :2])
    assert not layer.losses and float(layer.steps) == 1


def test_bad_input():
    with pytest.raises(ValueError, match="`beta` must be a finite number of at least 0. Received: beta=-1"):
        GaussianSampling(beta=-1)
    with pytest.raises(ValueError, match="`anneal_steps` must be a positive integer"):
        GaussianSampling(anneal_steps=0)
    with pytest.raises(ValueError, match="as many logarithms of variances. Received: size 3"):
        GaussianSampling()(np.zeros((2, 3)))
