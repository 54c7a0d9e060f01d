"""Rows without a time: the order of the rows places them, which one warning says."""

import numpy as np
import pandas as pd
import pytest

from kerasrec.data import Interactions, Sequences, splits

SAID = "Column 'time' lacks the time of {} of {} rows; each of these gets the time"


def frame_of(times):
    """One user's rows and, in between, those of another."""
    n = len(times)
    return pd.DataFrame(
        {"user": ["a", "b"] * n, "item": range(2 * n), "time": [x for t in times for x in (t, 7)]}
    )


def held(frame, **options):
    n_missing = frame["time"].isna().sum()
    with pytest.warns(UserWarning, match=SAID.format(n_missing, len(frame))):
        return Interactions.from_frame(frame, time="time", kind="likes", **options)


def test_the_warning_points_at_the_line_that_reads_the_table():
    with pytest.warns(UserWarning, match=SAID.format(1, 4)) as said:
        Interactions.from_frame(frame_of([5, None]), time="time", kind="likes")
    assert said[0].filename == __file__


@pytest.mark.parametrize(
    ("times", "placed", "order"),
    [
        ([5, None, 9], [5, 5, 9], [0, 1, 2]),
        ([None, 5, 3], [5, 5, 3], [2, 0, 1]),  # as the row after it
        ([9, None, 5, None], [9, 9, 5, 5], [2, 3, 0, 1]),
        ([9, 2, None, None, 2], [9, 2, 2, 2, 2], [1, 2, 3, 4, 0]),
        ([None, None], [7, 7], [0, 1]),  # no time at all: the earliest, in the order of the rows
    ],
)
def test_by_hand(times, placed, order):
    found = held(frame_of(times))
    own = found.users == 0
    assert found.times[own].tolist() == placed
    sequences = Sequences(found)
    items = sequences.items[sequences.starts[0] : sequences.starts[1]] // 2
    assert items.tolist() == order


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-02", None, "2020-01-03"],
        pd.to_datetime(["2020-01-02", None, "2020-01-03"]),
        pd.to_datetime(["2020-01-02T01:00+01:00", None, "2020-01-03T01:00+01:00"]),
    ],
)
def test_dates(times):
    found = held(pd.DataFrame({"user": 1, "item": [1, 2, 3], "time": times}))
    expected = pd.to_datetime(["2020-01-02", "2020-01-02", "2020-01-03"]).as_unit("ns").astype("int64")
    assert found.times.tolist() == expected.tolist()
    assert [len(part) for part in splits.time_split(found, at="2020-01-03")] == [2, 1]


def test_codes():
    with pytest.warns(UserWarning, match="Column 'times' lacks the time of 1 of 3 rows"):
        found = Interactions(
            [0, 0, 0], [0, 1, 2], times=[3, np.nan, 1], user_ids=["a"], item_ids=["x", "y", "z"]
        )
    assert Sequences(found).items.tolist() == [2, 0, 1]


def test_further_events():
    known = Interactions.from_frame(frame_of([1, 2]), time="time", kind="likes")
    more = pd.DataFrame({"user": ["a", "a"], "item": [9, 8], "time": [3, None]})
    with pytest.warns(UserWarning, match=SAID.format(1, 2)):
        grown = known.extend(more)
    assert grown.times[-2:].tolist() == [3, 3]


def test_no_time_at_all():
    message = (
        "Column 'time' must have times; leave `time` out if there are none. Received: 2 rows without one"
    )
    with pytest.raises(ValueError, match=message):
        Interactions.from_frame(frame_of([None]).assign(time=None), time="time", kind="likes")


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("dates", [False, True])
def test_prepared_as_in_memory(tmp_path, form, dates):
    """Of many users, some have no time, and some none at first."""
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame({"user": rng.integers(0, 40, n), "item": rng.integers(0, 30, n)})
    times = rng.integers(1_600_000_000, 1_600_000_050, n)
    missing = (rng.random(n) < 0.4) | (frame["user"] < 3)
    frame["time"] = pd.Series(pd.to_datetime(times, unit="s") if dates else times.astype(float)).mask(missing)
    if form == "csv":
        frame.to_csv(tmp_path / "events.csv", index=False, na_rep="NaN")
    else:
        frame.to_parquet(tmp_path / "events.parquet")
    expected = held(frame)
    with pytest.warns(UserWarning, match=SAID.format(missing.sum(), n)):
        source = tmp_path / f"events.{form}"
        opened = Interactions.prepare(source, tmp_path / "out", time="time", kind="likes", verbose=False)
    for all_of in (Sequences(opened), Sequences(expected)):
        assert all_of.n_users == 40
    np.testing.assert_array_equal(Sequences(opened).items, Sequences(expected).items)
    np.testing.assert_array_equal(Sequences(opened).times, Sequences(expected).times)


def test_prepared_without_any_time(tmp_path):
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "time": [np.nan, np.nan]})
    frame.to_parquet(tmp_path / "events.parquet")
    with pytest.raises(ValueError, match="'time' must have times; leave `time` out.*2 rows without one"):
        Interactions.prepare(tmp_path / "events.parquet", tmp_path / "out", time="time", verbose=False)
