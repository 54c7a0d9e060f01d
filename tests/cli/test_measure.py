import numpy as np
import pytest

from kerasrec.cli._measure import baselines, compared, errors
from kerasrec.data import Interactions


def interactions(users, items, values):
    return Interactions(users, items, values, user_ids=["a", "b", "c"], item_ids=["x", "y"])


def test_errors():
    found = errors([1.0, 2.0, 5.0], np.array([1.0, 4.0, 4.0], "float32"))
    assert found == {"RMSE": pytest.approx((5 / 3) ** 0.5), "MAE": pytest.approx(1.0)}


def test_baselines_by_hand():
    train = interactions([0, 0, 1], [0, 1, 0], [5.0, 3.0, 4.0])
    test = interactions([0, 1, 2], [1, 1, 0], [1.0, 1.0, 1.0])
    found = baselines(train, test)
    np.testing.assert_allclose(found["global mean"], [4.0, 4.0, 4.0])
    # Items: x has deviations 1 and 0, y -1. Users: what is left of theirs.
    x, y = 1 / 7, -1 / 6
    a, b = ((1 - x) + (-1 - y)) / 7, (0 - x) / 6
    np.testing.assert_allclose(found["user and item biases"], [4 + y + a, 4 + y + b, 4 + x])


def test_the_model_stands_first():
    data = interactions([0, 1], [0, 1], [1.0, 3.0])
    rows = compared("mine", [1.0, 3.0], data, data)
    assert [row["predictor"] for row in rows] == ["mine", "global mean", "user and item biases"]
    assert [row["RMSE"] for row in rows[:2]] == [0.0, 1.0]
