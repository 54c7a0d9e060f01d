"""Splits by time go between events; each part then has what a pair came to in it. Counted by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrec.data import Interactions, splits

# When Ann and Bob bought milk, and what else they bought.
BOUGHT = pd.DataFrame(
    {
        "user": ["ann", "ann", "ann", "bob", "bob", "bob", "ann"],
        "item": ["milk", "milk", "tea", "milk", "milk", "rice", "milk"],
        "n": [1.0, 2, 1, 4, 8, 1, 16],
        "time": [1, 2, 2, 1, 9, 3, 9],
    }
)


def table(x):
    return {(user, item): value for user, item, value in x.to_frame()[["user", "item", "value"]].values}


def bought(**arguments):
    return Interactions.from_frame(BOUGHT, time="time", **arguments)


@pytest.mark.parametrize(
    ("arguments", "train", "test"),
    [
        (
            {"value": "n", "kind": "counts"},
            {("ann", "milk"): 3, ("ann", "tea"): 1, ("bob", "milk"): 4, ("bob", "rice"): 1},
            {("bob", "milk"): 8, ("ann", "milk"): 16},
        ),
        (
            {"kind": "counts"},
            {("ann", "milk"): 2, ("ann", "tea"): 1, ("bob", "milk"): 1, ("bob", "rice"): 1},
            {("bob", "milk"): 1, ("ann", "milk"): 1},
        ),
        (
            {"value": "n", "duplicates": "mean"},
            {("ann", "milk"): 1.5, ("ann", "tea"): 1, ("bob", "milk"): 4, ("bob", "rice"): 1},
            {("bob", "milk"): 8, ("ann", "milk"): 16},
        ),
        (
            {"value": "n", "kind": "ratings"},
            {("ann", "milk"): 2, ("ann", "tea"): 1, ("bob", "milk"): 4, ("bob", "rice"): 1},
            {("bob", "milk"): 8, ("ann", "milk"): 16},
        ),
        (
            {"kind": "likes"},
            dict.fromkeys([("ann", "milk"), ("ann", "tea"), ("bob", "milk"), ("bob", "rice")], 1),
            {("bob", "milk"): 1, ("ann", "milk"): 1},
        ),
    ],
)
@pytest.mark.parametrize("cut", [{"at": 5}, {"test_size": 2}, {"test_size": 0.28}])
def test_a_split_by_time_goes_between_events(arguments, train, test, cut):
    x = bought(**arguments)
    parts = splits.time_split(x, **cut)
    assert [table(part) for part in parts] == [train, test]
    assert [(part.kind, part.duplicates) for part in parts] == [(x.kind, x.duplicates)] * 2
    assert parts[0].times.max() == 3 and set(parts[1].times) == {9}


def test_the_last_events_of_each_user():
    """Of equal times the later row is the later event: Ann's tea came after her second milk."""
    x = bought(value="n", kind="counts")
    train, test = splits.leave_last_out(x)
    assert table(train) == {("ann", "milk"): 3, ("ann", "tea"): 1, ("bob", "milk"): 4, ("bob", "rice"): 1}
    assert table(test) == {("bob", "milk"): 8, ("ann", "milk"): 16}
    train, test = splits.leave_last_out(x, n=2)
    assert table(train) == {("ann", "milk"): 3, ("bob", "milk"): 4}
    assert table(test) == {("ann", "tea"): 1, ("ann", "milk"): 16, ("bob", "rice"): 1, ("bob", "milk"): 8}


def test_a_part_is_split_again():
    train, _ = splits.time_split(bought(kind="counts"), at=5)
    first, second = splits.time_split(train, at=2)
    assert table(first) == {("ann", "milk"): 1, ("bob", "milk"): 1}
    assert table(second) == {("ann", "milk"): 1, ("ann", "tea"): 1, ("bob", "rice"): 1}


def test_what_was_bought_after_extending():
    x = bought(kind="counts").extend(
        pd.DataFrame({"user": ["cy", "bob"], "item": ["tea", "milk"], "time": [4, 2]})
    )
    train, test = splits.time_split(x, at=5)
    assert table(train)[("bob", "milk")] == 2 and table(train)[("cy", "tea")] == 1
    assert table(test) == {("bob", "milk"): 1, ("ann", "milk"): 1}


def test_pairs_that_were_chosen():
    x = bought(kind="counts")
    milk = x.take(x.items == x.item_codes("milk")[0])
    assert len(milk.events) == 5
    assert table(splits.time_split(milk, at=2)[0]) == {("ann", "milk"): 1, ("bob", "milk"): 1}
    assert [len(part) for part in splits.time_split(x.filter(min_item=2), at=5)] == [2, 2]


class TestLikes:
    def test_a_like_is_one_of_its_part(self):
        """Ann has milk three times, two before; Bob twice, one before."""
        x = bought(kind="counts").at_least(2)
        assert table(x) == {("bob", "milk"): 2, ("ann", "milk"): 3}
        with pytest.raises(
            ValueError, match="after the cut, nothing in test reaches the value of `at_least`"
        ):
            splits.time_split(x, at=5)
        with pytest.raises(ValueError, match="of what came before the cut, nothing in train reaches"):
            splits.time_split(x, at=2)
        train, _ = splits.time_split(bought(value="n", kind="counts").at_least(4), at=5)
        assert table(train) == {("bob", "milk"): 4}

    def test_a_like_before_is_one_although_it_is_none_after(self):
        rated = pd.DataFrame(
            {"user": list("aab"), "item": list("xxx"), "n": [5, 1, 5], "time": [1, 9, 9]},
        )
        x = Interactions.from_frame(rated, value="n", time="time", kind="ratings").at_least(4)
        assert table(x) == {("b", "x"): 5}
        train, test = splits.time_split(x, at=5)
        assert table(train) == {("a", "x"): 5} and table(test) == {("b", "x"): 5}

    def test_the_last_like_of_a_user_is_left_out(self):
        """The last event is no like; the one before is the one to find."""
        rated = pd.DataFrame(
            {"user": ["a"] * 5, "item": list("xyxzz"), "n": [5, 5, 4, 5, 1], "time": [1, 2, 3, 4, 5]}
        )
        x = Interactions.from_frame(rated, value="n", time="time", kind="ratings").at_least(4)
        train, test = splits.leave_last_out(x)
        assert table(test) == {("a", "x"): 4} and table(train) == {("a", "x"): 5, ("a", "y"): 5}


def test_events():
    x = bought(value="n", kind="counts")
    assert x.events.values.tolist() == [1, 2, 1, 4, 8, 1, 16] and x.events.kind == "counts"
    assert len(x) == 4 and x.describe()["value"][("all", "events")] == 7
    untimed = Interactions.from_frame(BOUGHT, kind="counts")
    assert untimed.events is untimed  # nothing could be split between them


def test_a_date_where_times_are_numbers():
    with pytest.raises(ValueError, match="`at` must be a number in the unit of the times.* at='2020-01-01'"):
        splits.time_split(bought(kind="counts"), at="2020-01-01")


cells = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 5), st.integers(0, 6)),
    min_size=2,
    max_size=25,
)


@pytest.mark.parametrize(("kind", "how"), [("ratings", "last"), ("counts", "sum"), ("mean", "mean")])
@settings(max_examples=40)
@given(cells=cells, at=st.integers(1, 6), least=st.none() | st.integers(1, 6))
def test_a_split_by_time_is_that_of_two_tables(kind, how, cells, at, least):
    """Each part is what pandas makes of its events alone."""
    events = pd.DataFrame(cells, columns=["user", "item", "value", "time"]).sort_values("time", kind="stable")
    said = {"duplicates": "mean"} if kind == "mean" else {"kind": kind}
    x = Interactions.from_frame(
        events.sample(frac=1, random_state=0).sort_index(), value="value", time="time", **said
    )
    x = x if least is None else x.at_least(least)
    sides = [events[events["time"] < at], events[events["time"] >= at]]
    expected = [side.groupby(["user", "item"])["value"].agg(how) for side in sides]
    expected = [side if least is None else side[side >= least] for side in expected]
    if not all(map(len, expected)):
        with pytest.raises(ValueError, match="Received"):
            splits.time_split(x, at=at)
        return
    for part, side in zip(splits.time_split(x, at=at), expected, strict=True):
        assert table(part) == pytest.approx(side.to_dict())


@settings(max_examples=40)
@given(cells=cells, n=st.integers(1, 3))
def test_leaving_the_last_out_is_that_of_two_tables(cells, n):
    events = pd.DataFrame(cells, columns=["user", "item", "value", "time"])
    x = Interactions.from_frame(events, value="value", time="time", kind="counts")
    ordered = events.sort_values("time", kind="stable")
    last = ordered.groupby("user").cumcount(ascending=False) < n
    last &= ordered.groupby("user")["item"].transform("size") > n
    if not last.any():
        with pytest.raises(ValueError, match="`n` must leave"):
            splits.leave_last_out(x, n)
        return
    for part, side in zip(splits.leave_last_out(x, n), (ordered[~last], ordered[last]), strict=True):
        assert table(part) == side.groupby(["user", "item"])["value"].sum().to_dict()
        assert part.values.dtype == np.float32
