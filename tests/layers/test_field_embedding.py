import keras
import numpy as np
import pytest

from kerasrec.layers import FieldEmbedding

TABLE = np.random.default_rng(0).normal(size=(9, 3)).astype("float32")


def layer(*sizes, **arguments):
    made = FieldEmbedding(sizes, 3, **arguments)
    made.build((None, sum(made.widths)))
    made.set_weights([TABLE])
    return made


def test_rows_of_a_field_stand_behind_those_of_the_one_before():
    out = keras.ops.convert_to_numpy(layer(4, 3, 2)(np.array([[3, 0, 1], [0, 2, 0]])))
    np.testing.assert_array_equal(out, TABLE[[[3, 4, 8], [0, 6, 7]]])


def test_several_places_are_averaged_without_padding():
    ids = np.array([[1, 0, 2, -1], [0, -1, -1, -1], [2, 1, 1, 1]])
    out = keras.ops.convert_to_numpy(layer(4, 5, widths=[1, 3])(ids))
    expected = [
        [TABLE[1], TABLE[[4, 6]].mean(axis=0)],
        [TABLE[0], np.zeros(3)],
        [TABLE[2], TABLE[5]],
    ]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FieldEmbedding([], 3), "`sizes` must have the size of at least one field"),
        (lambda: FieldEmbedding([3], 0), "`n_components` must be a positive integer"),
        (
            lambda: FieldEmbedding([3, 4], 2, widths=[1]),
            "`widths` must have one number per field. Received: 1 for 2",
        ),
        (lambda: layer(4, 5)(np.zeros((2, 3), int)), r"`ids` must have 2 columns.*shape=\(2, 3\)"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
