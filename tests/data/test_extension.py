"""Any sequence of `extend` comes to what one table of all events comes to, which pandas says."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrec.data import Interactions, splits

HOW = {"ratings": "last", "counts": "sum", "likes": "last", "mean": "mean"}


@st.composite
def tables(draw):
    """Events, and the rows before which the table is cut."""
    n = draw(st.integers(2, 14))
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(1, 5), st.integers(0, 4)),
            min_size=n,
            max_size=n,
        )
    )
    cuts = draw(st.sets(st.integers(1, n - 1), max_size=3))
    return pd.DataFrame(rows, columns=["user", "item", "value", "time"]), [0, *sorted(cuts), n]


def arguments(kind, timed, valued):
    said = {"duplicates": "mean"} if kind == "mean" else {"kind": kind}
    return said | ({"time": "time"} if timed else {}) | ({"value": "value"} if valued else {})


def expected(events, kind, timed, valued):
    events = events if valued else events.assign(value=1)
    events = events.sort_values("time", kind="stable") if timed else events
    grouped = events.groupby(["user", "item"])
    values = grouped["value"].agg(HOW[kind]).to_dict()
    return values, grouped["time"].max().to_dict() if timed else None


def found(x):
    frame = x.to_frame().set_index(["user", "item"])
    assert frame.index.is_unique
    return frame["value"].to_dict(), frame["time"].to_dict() if "time" in frame else None


CASES = [
    ("ratings", True, True),
    ("ratings", False, True),
    ("counts", True, True),
    ("counts", False, True),
    ("counts", True, False),
    ("counts", False, False),
    ("likes", True, True),
    ("likes", False, False),
    ("mean", True, True),
    ("mean", False, True),
]


@pytest.mark.parametrize(("kind", "timed", "valued"), CASES)
@settings(max_examples=8)
@given(cut=tables())
def test_extend_comes_to_one_table(kind, timed, valued, cut):
    events, cuts = cut
    first, *further = (events.iloc[start:end] for start, end in zip(cuts, cuts[1:], strict=False))
    x = Interactions.from_frame(first, **arguments(kind, timed, valued))
    ids = x.user_ids.tolist(), x.item_ids.tolist()
    for frame in further:
        x = x.extend(frame)
    values, times = expected(events, kind, timed, valued)
    assert found(x) == (pytest.approx(values), times)
    assert (x.user_ids[: len(ids[0])].tolist(), x.item_ids[: len(ids[1])].tolist()) == ids
    assert len(x.events) == (len(events) if timed else len(x))


@pytest.mark.parametrize(("kind", "timed", "valued"), [case for case in CASES if case[1]])
@settings(max_examples=8)
@given(cut=tables(), at=st.integers(1, 4))
def test_what_was_extended_is_split_as_one_table(kind, timed, valued, cut, at):
    events, cuts = cut
    first, *further = (events.iloc[start:end] for start, end in zip(cuts, cuts[1:], strict=False))
    x = Interactions.from_frame(first, **arguments(kind, timed, valued))
    for frame in further:
        x = x.extend(frame)
    sides = [events[events["time"] < at], events[events["time"] >= at]]
    if not all(map(len, sides)):
        with pytest.raises(ValueError, match="`at` must leave interactions on both sides"):
            splits.time_split(x, at=at)
        return
    for part, side in zip(splits.time_split(x, at=at), sides, strict=True):
        values, times = expected(side, kind, timed, valued)
        assert found(part) == (pytest.approx(values), times)


@settings(max_examples=12)
@given(cut=tables(), least=st.integers(1, 5))
def test_likes_of_what_was_extended_are_those_of_one_table(cut, least):
    """Of ratings without times, the last row counts, wherever `at_least` is called."""
    events, cuts = cut
    first, *further = (events.iloc[start:end] for start, end in zip(cuts, cuts[1:], strict=False))
    x = Interactions.from_frame(first, value="value", kind="ratings").at_least(least)
    for frame in further:
        x = x.extend(frame)
    values, _ = expected(events, "ratings", False, True)
    assert found(x)[0] == {pair: value for pair, value in values.items() if value >= least}
    assert x.liked.all()
