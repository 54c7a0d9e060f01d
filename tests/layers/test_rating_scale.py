import keras
import numpy as np
import pytest
from references.scores import rating_scale

import kerasrec
from kerasrec.layers import RatingScale


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_the_middle_is_halfway():
    assert numbers(RatingScale(1.0, 5.0)(np.zeros((2, 1), "float32"))).tolist() == [[3.0], [3.0]]


def test_agrees_with_the_reference():
    x = np.linspace(-8, 8, 9, dtype="float32")
    np.testing.assert_allclose(numbers(RatingScale(-2.0, 10.0)(x)), rating_scale(x, -2.0, 10.0), rtol=1e-5)


def test_extreme_scores_reach_the_bounds_and_stay_in_them():
    ratings = numbers(RatingScale()(np.array([-1e4, -50.0, 50.0, 1e4], "float32")))
    np.testing.assert_allclose(ratings, [0.5, 0.5, 5.0, 5.0])
    assert ratings.min() >= 0.5
    assert ratings.max() <= 5.0


@pytest.mark.parametrize(
    ("low", "high"), [(5.0, 5.0), (5.0, 1.0), (1.0, np.inf), (np.nan, 5.0), (1.0, np.nan)]
)
def test_bounds_must_be_in_order_and_finite(low, high):
    with pytest.raises(
        ValueError, match=rf"above `minimum`, both finite\. Received: minimum={low}, maximum={high}"
    ):
        RatingScale(low, high)


@pytest.mark.parametrize("bad", [5.5, 0.0])
def test_a_rating_outside_the_bounds_is_refused_by_fit(bad):
    model = kerasrec.zoo.RecommenderV2(3, 4, 2)
    x = {"user": np.array([0, 1, 2]), "item": np.array([0, 1, 2])}
    message = (
        r"Ratings must be in 0\.5\.\.5\.0, the scale of layer 'scale'\. "
        rf"Received: 2 others, the first is {bad}"
    )
    with pytest.raises(ValueError, match=message):
        model.fit(x, np.array([3.0, bad, bad]), verbose=0)
