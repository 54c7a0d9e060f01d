"""What values are, and what several events of a pair come to."""

import numpy as np
import pandas as pd
import pytest

from kerasrec.data import Interactions, splits

IDS = {"user_ids": ["a", "b"], "item_ids": ["x", "y"]}


def bought(**columns):
    """Anna bought x five times, Bob y three times; a row each."""
    return pd.DataFrame({"user": ["anna"] * 5 + ["bob"] * 3, "item": ["x"] * 5 + ["y"] * 3, **columns})


def table(x):
    return {(user, item): value for user, item, value in x.to_frame()[["user", "item", "value"]].values}


@pytest.mark.parametrize(
    ("arguments", "kind", "duplicates"),
    [
        ({}, "likes", "error"),
        ({"value": "n"}, "ratings", "error"),
        ({"duplicates": "sum"}, "counts", "sum"),
        ({"value": "n", "duplicates": "sum"}, "counts", "sum"),
        ({"value": "n", "duplicates": "mean"}, "ratings", "mean"),
        ({"value": "n", "duplicates": "last"}, "ratings", "last"),
        ({"duplicates": "last"}, "likes", "last"),
        ({"kind": "likes", "value": "n"}, "likes", "last"),
        ({"kind": "ratings", "value": "n"}, "ratings", "last"),
        ({"kind": "counts"}, "counts", "sum"),
        ({"kind": "counts", "duplicates": "error"}, "counts", "error"),
    ],
)
def test_kind_and_what_becomes_of_repeats(arguments, kind, duplicates):
    once = pd.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "n": [2, 3]})
    x = Interactions.from_frame(once, **arguments)
    assert (x.kind, x.duplicates) == (kind, duplicates)
    assert repr(x) == f"Interactions(2 {kind} of 2 users and 1 items)"
    assert x.describe()["value"][("all", "kind")] == kind


def test_kinds_decide_what_several_events_come_to():
    twice = pd.DataFrame({"user": ["a", "b", "a"], "item": ["x", "x", "x"], "n": [2.0, 3, 5]})
    assert table(Interactions.from_frame(twice, value="n", kind="ratings")) == {("a", "x"): 5, ("b", "x"): 3}
    assert table(Interactions.from_frame(twice, value="n", kind="counts")) == {("a", "x"): 7, ("b", "x"): 3}
    assert table(Interactions.from_frame(twice, kind="counts")) == {("a", "x"): 2, ("b", "x"): 1}
    assert table(Interactions.from_frame(twice, kind="likes")) == {("a", "x"): 1, ("b", "x"): 1}


def test_kind_is_kept():
    x = Interactions.from_frame(bought(), kind="counts")
    found = [
        x.take([0]),
        x.filter(),
        x.at_least(4),
        x.extend(pd.DataFrame({"user": ["cy"], "item": ["z"]})),
        Interactions.from_frame(x.to_frame(), value="value"),
        *splits.random_split(x, 1, seed=0),
        *splits.cold_user_split(x, 1, seed=0),
    ]
    assert [(part.kind, part.duplicates) for part in found] == [("counts", "sum")] * len(found)
    assert Interactions([0], [0], kind="counts", **IDS).kind == "counts"
    assert (
        Interactions([0], [0], **IDS).kind == "likes" and Interactions([0], [0], [3], **IDS).kind == "ratings"
    )


class TestExtend:
    """The expected values are counted by hand."""

    def test_counted_rows_add_up(self):
        x = Interactions.from_frame(bought(), duplicates="sum")
        again = pd.DataFrame({"user": ["anna"], "item": ["x"]})
        assert table(x.extend(again)) == {("anna", "x"): 6, ("bob", "y"): 3}
        assert table(x.extend(again, duplicates="sum")) == {("anna", "x"): 6, ("bob", "y"): 3}
        assert table(x.extend(again).extend(again)) == {("anna", "x"): 7, ("bob", "y"): 3}

    def test_likes_of_which_some_were_counted_keep_their_values(self):
        x = Interactions(
            [0, 1],
            [0, 0],
            [5, 3],
            **IDS,
            columns={**dict.fromkeys(("value", "time")), "user": "user", "item": "item"},
        )
        grown = x.extend(pd.DataFrame({"user": ["c"], "item": ["x"]}))
        assert table(grown) == {("a", "x"): 5, ("b", "x"): 3, ("c", "x"): 1}

    def test_a_mean_of_means_is_none(self):
        """Of 1, 2, 3 and then 10, the mean is 4; that of 2 and 10 would be 6."""
        old = pd.DataFrame({"user": "a", "item": "x", "n": [1.0, 2, 3]})
        new = pd.DataFrame({"user": ["a"], "item": ["x"], "n": [10.0]})
        x = Interactions.from_frame(old, value="n", duplicates="mean")
        assert table(x.extend(new)) == {("a", "x"): 4}
        assert table(x.take([0]).extend(new).extend(new.assign(n=14.0))) == {("a", "x"): 6}
        timed = Interactions.from_frame(old.assign(t=[1, 2, 3]), value="n", time="t", duplicates="mean")
        assert table(timed.extend(new.assign(t=0))) == {("a", "x"): 4}

    def test_a_late_event_is_not_the_last(self):
        old = pd.DataFrame({"user": ["a"], "item": ["x"], "n": [5.0], "t": [10]})
        x = Interactions.from_frame(old, value="n", time="t", kind="ratings")
        late = x.extend(pd.DataFrame({"user": ["a"], "item": ["x"], "n": [1.0], "t": [9]}))
        assert table(late) == {("a", "x"): 5} and late.times.tolist() == [10]

    def test_another_policy_than_before(self):
        x = Interactions.from_frame(bought(), kind="counts")
        with pytest.raises(
            ValueError,
            match="`duplicates` must be 'sum', as for earlier events, which are counts. .*'last'",
        ):
            x.extend(bought(), duplicates="last")

    def test_what_was_left_out_would_add_up(self):
        x = Interactions.from_frame(bought(), kind="counts").at_least(4)
        with pytest.raises(
            ValueError, match="must be added before `at_least`, .* Received: counts of at least 4"
        ):
            x.extend(bought())
        likes = Interactions.from_frame(bought(), kind="counts").at_least(1).extend(bought())
        assert table(likes) == {("anna", "x"): 10, ("bob", "y"): 6}

    def test_what_is_no_like_stays_out(self):
        old = pd.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "n": [5.0, 4]})
        new = pd.DataFrame({"user": ["a", "b", "c"], "item": ["x", "y", "x"], "n": [2.0, 3, 4]})
        likes = Interactions.from_frame(old, value="n", kind="ratings").at_least(4)
        assert table(likes.extend(new)) == {("b", "x"): 4, ("c", "x"): 4}


class TestRefused:
    def test_an_unknown_kind(self):
        with pytest.raises(
            ValueError, match="`kind` must be one of ratings, counts, likes. Received: kind='clicks'"
        ):
            Interactions.from_frame(bought(), kind="clicks")

    def test_ratings_without_values(self):
        with pytest.raises(ValueError, match="Ratings need values: name their column with `value=`"):
            Interactions.from_frame(bought(), kind="ratings")
        with pytest.raises(ValueError, match="Ratings need values"):
            Interactions([0], [0], kind="ratings", **IDS)

    def test_repeats_of_which_nobody_said_what_they_are(self):
        with pytest.raises(
            ValueError, match="or `kind` says what the values are: 'ratings', 'counts' or 'likes'"
        ):
            Interactions.from_frame(bought())


class TestTimes:
    """Dates are nanoseconds, numbers stay; the two do not mix."""

    DATES = pd.DataFrame({"user": ["a"], "item": ["x"], "n": [1.0], "t": pd.to_datetime(["2025-01-01"])})
    NUMBERS = DATES.assign(t=[1_577_836_800], n=9.0)  # 2020, in seconds

    def test_dates_then_numbers(self):
        x = Interactions.from_frame(self.DATES, value="n", time="t", kind="ratings")
        message = (
            r"must have dates, like the earlier events; .*`pandas.to_datetime\(column, unit=...\)`. "
            "Received: numbers, the first is 1577836800"
        )
        with pytest.raises(ValueError, match=message):
            x.extend(self.NUMBERS)
        dated = self.NUMBERS.assign(t=pd.to_datetime(self.NUMBERS["t"], unit="s"))
        assert table(x.extend(dated)) == {("a", "x"): 1}

    def test_numbers_then_dates(self):
        x = Interactions.from_frame(self.NUMBERS, value="n", time="t", kind="ratings")
        with pytest.raises(
            ValueError, match="'t' must have numbers, like .*Received: dates, the first is 2025-01-01"
        ):
            x.extend(self.DATES)

    @pytest.mark.parametrize("factor", [10**3, 10**6, 10**9])
    def test_seconds_then_another_unit(self, factor):
        x = Interactions.from_frame(self.NUMBERS, value="n", time="t", kind="ratings")
        unit = {10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}[factor]
        message = f"unit of the earlier events, which seem to be seconds since 1970 .* seem to be {unit}"
        with pytest.raises(ValueError, match=message):
            x.extend(self.NUMBERS.assign(t=[1_500_000_000 * factor]))

    def test_numbers_that_are_no_moments_may_be_any(self):
        small = self.NUMBERS.assign(t=[5])
        x = Interactions.from_frame(small, value="n", time="t", kind="ratings")
        assert x.extend(self.NUMBERS).times.tolist() == [1_577_836_800]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    @pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
    def test_dates_of_any_resolution_and_zone(self, unit, zone):
        """Noon in Tokyo, or in no zone, on the second day of 1970."""
        day = pd.to_datetime(["1970-01-02T12:00"]).as_unit(unit)
        day = day if zone is None else day.tz_localize(zone)
        hours = 36 if zone is None else 27
        x = Interactions.from_frame(self.DATES.assign(t=day), value="n", time="t", kind="ratings")
        assert x.times.tolist() == [hours * 3600 * 10**9]
        made = Interactions([0], [0], times=day, **IDS)
        assert made.times.tolist() == [hours * 3600 * 10**9]
        assert x.extend(self.DATES).times.tolist() == [pd.Timestamp("2025-01-01").value]

    def test_numbers_among_objects(self):
        numbers = self.NUMBERS.assign(t=self.NUMBERS["t"].astype(object))
        x = Interactions.from_frame(numbers, value="n", time="t", kind="ratings")
        assert x.extend(self.NUMBERS).times.tolist() == [1_577_836_800]

    def test_times_that_a_cast_would_change(self):
        with pytest.raises(ValueError, match="'times' must not have times that are not whole numbers"):
            Interactions([0, 0], [0, 1], times=[1.5, 2], **IDS)

    def test_a_frame_has_dates_again(self):
        x = Interactions.from_frame(self.DATES, value="n", time="t", kind="ratings")
        frame = x.to_frame()
        assert frame["time"].tolist() == [pd.Timestamp("2025-01-01")]
        again = Interactions.from_frame(frame, value="value", time="time")
        assert again.times.tolist() == x.times.tolist() and again.to_frame()["time"].dtype.kind == "M"
        numbers = Interactions.from_frame(self.NUMBERS, value="n", time="t").to_frame()
        assert numbers["time"].tolist() == [1_577_836_800] and numbers["time"].dtype == np.int64
