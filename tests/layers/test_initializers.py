"""Initializers that draw on the host, against SciPy's distributions and NumPy's generator."""

import keras
import numpy as np
import pytest
import scipy.stats

from kerasrec import layers


def numbers(x):
    return keras.ops.convert_to_numpy(x)


ALL = [layers.HostNormal, layers.HostHeNormal, layers.UnitRows]


def test_normal_is_normal():
    values = numbers(layers.HostNormal(mean=1.0, stddev=0.5, seed=1)((200, 100))).ravel()
    assert scipy.stats.kstest(values, scipy.stats.norm(1.0, 0.5).cdf).pvalue > 0.01


def test_he_normal_is_cut_off_at_two_standard_deviations():
    values = numbers(layers.HostHeNormal(seed=1)((1000, 20))).ravel()
    # He et al. 2015, eq. 10: the variance is 2 / rows. That of N(0, 1) between -2 and 2 is SciPy's.
    cut = scipy.stats.truncnorm(-2, 2)
    scale = np.sqrt(2 / 1000) / cut.std()
    assert scipy.stats.kstest(values, scipy.stats.truncnorm(-2, 2, scale=scale).cdf).pvalue > 0.01
    assert values.std() == pytest.approx(np.sqrt(2 / 1000), rel=0.02)
    assert 1.9 * scale < np.abs(values).max() <= 2 * scale * (1 + 1e-6)


def test_numbers_are_those_of_numpy_on_every_backend():
    values = np.random.default_rng(5).standard_normal((7, 3), dtype="float32")
    np.testing.assert_allclose(numbers(layers.HostNormal(0.0, 2.0, seed=5)((7, 3))), 2 * values, rtol=1e-6)
    rows = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(numbers(layers.UnitRows(seed=5)((7, 3))), rows, rtol=1e-6)


def test_large_tables_do_not_repeat():
    # They are drawn in blocks.
    values = numbers(layers.HostNormal(seed=0)((3, 1 << 19)))
    assert len(np.unique(values)) > 0.9 * values.size


@pytest.mark.parametrize("initializer", ALL)
def test_a_seed_gives_the_same_again_and_survives_saving(initializer):
    first = numbers(initializer(seed=3)((4, 2)))
    np.testing.assert_array_equal(first, numbers(initializer(seed=3)((4, 2))))
    assert not np.array_equal(first, numbers(initializer(seed=4)((4, 2))))
    config = keras.initializers.serialize(initializer(seed=3))
    np.testing.assert_array_equal(numbers(keras.initializers.deserialize(config)((4, 2))), first)


@pytest.mark.parametrize("initializer", ALL)
def test_without_a_seed_keras_has_one(initializer):
    keras.utils.set_random_seed(1)
    first, second = (numbers(initializer()((4, 2))) for _ in range(2))
    assert not np.array_equal(first, second)
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(numbers(initializer()((4, 2))), first)


@pytest.mark.parametrize("initializer", ALL)
def test_types_follow_what_is_asked_for(initializer):
    assert keras.backend.standardize_dtype(initializer(seed=0)((2, 3)).dtype) == "float32"
    assert keras.backend.standardize_dtype(initializer(seed=0)((2, 3), "float16").dtype) == "float16"


@pytest.mark.parametrize("initializer", ALL[:2])
def test_a_seed_generator_goes_on(initializer):
    draw = initializer(seed=keras.random.SeedGenerator(0))
    assert not np.array_equal(numbers(draw((4, 2))), numbers(draw((4, 2))))


def test_what_is_no_matrix_is_left_to_keras():
    expected = keras.initializers.HeNormal(seed=2)((3, 4, 5))
    np.testing.assert_array_equal(numbers(layers.HostHeNormal(seed=2)((3, 4, 5))), numbers(expected))


def test_unit_rows_take_whole_seeds():
    with pytest.raises(TypeError, match=r"`seed` must be an integer or `None`. Received: seed='a'."):
        layers.UnitRows(seed="a")
