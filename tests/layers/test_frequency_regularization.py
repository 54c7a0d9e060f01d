import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.layers import FrequencyRegularization


def added(layer, vectors, ids):
    layer(np.asarray(vectors, "float32"), np.asarray(ids, "int32"))
    return float(layer.losses[-1])


@pytest.mark.parametrize(
    ("exponent", "factors"), [(1.0, [0.4, 1.6, 0.0, 2.0]), (0.5, [0.4**0.5, 1.6**0.5, 0.0, 2**0.5])]
)
def test_squares_weigh_as_their_ids_occur(exponent, factors):
    layer = FrequencyRegularization.from_counts([1, 4, 0, 5], l2=0.5, exponent=exponent)
    vectors = np.arange(6.0).reshape(3, 2)  # squares 1, 13, 41
    expected = 0.5 / 3 * (factors[3] * 1 + factors[1] * 13 + factors[3] * 41)
    assert added(layer, vectors, [3, 1, 3]) == pytest.approx(expected, rel=1e-6)


def test_a_shared_list_counts_once():
    layer = FrequencyRegularization.from_counts([1, 3], l2=0.5)
    assert added(layer, np.ones((1, 2, 4)), [[0, 1]]) == pytest.approx(0.5 * (0.5 * 4 + 1.5 * 4))
    assert added(layer, np.ones((3, 4)), [[0], [1], [1]]) == pytest.approx(0.5 / 3 * (2 + 6 + 6))


def test_exponent_0_is_the_same_decay_for_all():
    layer = FrequencyRegularization.from_counts([1, 7], l2=0.5, exponent=0)
    assert added(layer, np.ones((2, 4)), [0, 1]) == pytest.approx(0.5 * 4)
    assert added(FrequencyRegularization(2, 0.5), np.ones((2, 4)), [0, 1]) == pytest.approx(0.5 * 4)


def nothing(y_true, y_pred):
    return 0 * keras.ops.sum(y_pred, axis=-1)


def test_one_step_shrinks_a_row_in_proportion_to_its_count(tmp_path):
    ids = keras.Input((1,), name="ids", dtype="int32")
    table = kerasrec.layers.FeatureEmbedding(3, 2, "ones")
    layer = FrequencyRegularization.from_counts([1, 2, 3], l2=0.25)
    model = kerasrec.Model(ids, layer(table(ids), ids))
    model.compile(keras.optimizers.SGD(1.0), nothing)
    codes = np.array([[0], [2]], "int32")
    model.fit(codes, np.zeros((2, 2)), epochs=1, verbose=0)
    # The gradient of 0.25 / 2 * factor * (1 + 1) is 0.25 * factor an entry.
    rows = keras.ops.convert_to_numpy(table.embeddings)
    np.testing.assert_allclose(rows, [[0.875] * 2, [1.0] * 2, [0.625] * 2], rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded.layers[-1].factors, [0.5, 1.0, 1.5])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrequencyRegularization(0, 0.1), "`n` must be a positive integer"),
        (lambda: FrequencyRegularization(2, -0.1), "`l2` must be a finite number of 0 or more. .* l2=-0.1"),
        (lambda: FrequencyRegularization.from_counts([0, 0], 0.1), "2 numbers of shape \\(2,\\), 0 above 0"),
        (lambda: FrequencyRegularization.from_counts([1, -1], 0.1), "`counts` must be one finite number"),
        (lambda: FrequencyRegularization.from_counts([[1]], 0.1), "1 numbers of shape \\(1, 1\\)"),
        (lambda: FrequencyRegularization.from_counts([], 0.1), "0 numbers of shape \\(0,\\)"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
