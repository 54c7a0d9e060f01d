import keras
import numpy as np
import pytest

from kerasrec.layers import ConcatenatePairs

USER = np.arange(6, dtype="float32").reshape(2, 3)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_pairs():
    item = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_array_equal(numbers(ConcatenatePairs()(USER, item)), np.hstack([USER, item]))


def test_the_user_stands_beside_each_item_of_a_list():
    item = np.arange(40, dtype="float32").reshape(2, 5, 4)
    out = numbers(ConcatenatePairs()(USER, item))
    for row in range(2):
        for place in range(5):
            assert out[row, place].tolist() == [*USER[row], *item[row, place]]


@pytest.mark.parametrize(("user", "item"), [((2, 3, 1), (2, 4)), ((2, 3), (2,)), ((2, 3), (2, 5, 6, 4))])
def test_bad_shapes_are_named(user, item):
    with pytest.raises(
        ValueError, match=rf"ConcatenatePairs takes .*Received: user \({user[0]}, .*item \({item[0]},"
    ):
        ConcatenatePairs()(np.zeros(user, "float32"), np.zeros(item, "float32"))
