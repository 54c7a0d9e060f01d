import keras
import numpy as np
import pytest

from kerasrec.layers import FastDropout
from kerasrec.layers.fast_dropout import _hashes

on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras's own masks elsewhere")


def masks(rate, shape, n):
    layer = FastDropout(rate, seed=3)
    drawn = [keras.ops.convert_to_numpy(layer(np.ones(shape, "float32"), training=True)) for _ in range(n)]
    return np.array(drawn)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_rest_is_scaled(rate):
    n = 40_000
    drawn = masks(rate, (n // 4, 4), 3)
    dropped = (drawn == 0).mean(axis=(1, 2))
    np.testing.assert_allclose(dropped, rate, atol=5 * np.sqrt(rate * (1 - rate) / n))
    np.testing.assert_allclose(drawn[drawn > 0], 1 / (1 - rate), rtol=1e-6)


def test_masks_of_steps_places_and_layers_do_not_depend_on_each_other():
    n = 1 << 16
    drawn = masks(0.3, (n,), 4)
    # On PyTorch, Keras adds seed and step, so a seed of 4 would give the second mask of seed 3.
    other = FastDropout(0.3, seed=1000)
    drawn = np.concatenate(
        [drawn, keras.ops.convert_to_numpy(other(np.ones((1, n), "float32"), training=True))]
    )
    rows = [np.roll(row, by) for row in drawn for by in (0, 1, 2, 64)]
    correlations = np.corrcoef(rows) - np.eye(len(rows))
    assert np.abs(correlations).max() < 5 / np.sqrt(n)


def test_the_same_seed_gives_the_same_masks():
    np.testing.assert_array_equal(masks(0.5, (50, 3), 2), masks(0.5, (50, 3), 2))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_nothing_or_all(rate):
    x = np.ones((3, 2), "float32")
    assert (keras.ops.convert_to_numpy(FastDropout(rate)(x, training=True)) == 1 - rate).all()


def test_prediction_drops_nothing():
    assert (keras.ops.convert_to_numpy(FastDropout(0.5)(np.ones((3, 2)))) == 1).all()


def test_a_mask_of_another_shape_is_shared():
    shared = FastDropout(0.5, noise_shape=(1, 64), seed=0)(np.ones((3, 64)), training=True)
    assert len(np.unique(keras.ops.convert_to_numpy(shared), axis=0)) == 1


@on_jax
def test_hashes_equal_lowbias32():
    """Wellons's function in Python's integers, keys mixed by it."""

    def mixed(x, between=0):
        x = (x ^ x >> 16) * 0x7FEB352D % 2**32
        x = (x ^ x >> 15 ^ between) * 0x846CA68B % 2**32
        return x ^ x >> 16

    golden = 0x9E3779B9
    first = mixed(5 ^ mixed(7 + golden))
    second = mixed((first + golden) % 2**32)
    got = _hashes((2, 3), np.array([5, 7], "uint32"))
    expected = [mixed((i + first) % 2**32, second) for i in range(6)]
    assert np.asarray(got).ravel().tolist() == expected


def test_bad_rate():
    with pytest.raises(ValueError, match="Expected a float value between 0 and 1. Received: rate=2"):
        FastDropout(2)
