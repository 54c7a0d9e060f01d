import datetime

import numpy as np
import pandas as pd
import pytest
from zoo_models import of_counts, scores

import kerasrec
from kerasrec.data import Interactions


def test_counts_interactions_with_a_value_above_0(counts, interactions):
    found = scores(kerasrec.zoo.Popularity(interactions), 30, 20)
    assert np.array_equal(found, np.tile((counts > 0).sum(axis=0), (30, 1)))


def test_values_of_0_or_less_are_no_positives():
    x = Interactions([0, 0, 1, 1], [0, 1, 0, 2], [1, 0, -2, 3], user_ids=[0, 1], item_ids=[0, 1, 2])
    assert scores(kerasrec.zoo.Popularity(x), 2, 3)[0].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [("raw", lambda x: x), ("log", np.log1p)],
)
def test_values(counts, interactions, values, expected):
    found = scores(kerasrec.zoo.Popularity(interactions, values=values), 30, 20)
    np.testing.assert_allclose(found[0], expected(counts).sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("days", "half_life"),
    [
        (np.array([0, 4, 2]), 2),
        (np.array([0, 4, 2], "M8[D]"), datetime.timedelta(days=2)),
        (np.array([0, 4, 2], "M8[D]"), pd.Timedelta("2D")),
    ],
)
def test_half_of_the_weight_is_left_after_a_half_life(days, half_life):
    ids = {"user_ids": [0, 1], "item_ids": [0, 1]}
    x = Interactions([0, 1, 0], [0, 0, 1], times=days, **ids)
    found = scores(kerasrec.zoo.Popularity(x, half_life=half_life), 2, 2)
    np.testing.assert_allclose(found[1], [0.25 + 1, 0.5], rtol=1e-6)


def test_counts_lose_their_weight_event_by_event():
    """Milk: 8 on day 0 and 1 on day 4, with two days of half-life 8 / 4 + 1; tea: 4 / 2."""
    events = pd.DataFrame({"user": 0, "item": ["milk", "milk", "tea"], "n": [8.0, 1, 4], "day": [0, 4, 2]})
    x = Interactions.from_frame(events, value="n", time="day", kind="counts")
    assert scores(kerasrec.zoo.Popularity(x, half_life=2, values="raw"), 1, 2)[0].tolist() == [3, 2]
    liked = x.at_least(5)
    assert scores(kerasrec.zoo.Popularity(liked, half_life=2, values="raw"), 1, 2)[0].tolist() == [3, 0]


def test_a_half_life_of_another_unit_than_the_times():
    ids = {"user_ids": [0], "item_ids": [0]}
    seconds = Interactions([0], [0], times=[1_600_000_000], **ids)
    with pytest.raises(
        ValueError, match="must be a number in their unit if the times are numbers. .*timedelta"
    ):
        kerasrec.zoo.Popularity(seconds, half_life=datetime.timedelta(days=2))
    dates = Interactions([0], [0], times=np.array([0], "M8[D]"), **ids)
    with pytest.raises(ValueError, match="must be a timedelta if the times are dates. Received: half_life=7"):
        kerasrec.zoo.Popularity(dates, half_life=7)


def test_bad_input(counts, interactions):
    with pytest.raises(ValueError, match="`interactions` must have times for a `half_life`"):
        kerasrec.zoo.Popularity(interactions, half_life=3.0)
    timed = of_counts(counts, times=np.zeros(len(interactions), int))
    with pytest.raises(ValueError, match="`half_life` must be positive and finite. Received: half_life=0"):
        kerasrec.zoo.Popularity(timed, half_life=0)
    with pytest.raises(
        ValueError, match="`values` must be one of binary, raw, log, bm25. Received: values='x'"
    ):
        kerasrec.zoo.Popularity(interactions, values="x")
    nothing = Interactions([0], [0], [-1.0], user_ids=[0], item_ids=[0])
    with pytest.raises(ValueError, match="must have values above 0. Received: 1 interactions, none of them"):
        kerasrec.zoo.Popularity(nothing)
