import numpy as np
import pytest

from kerasrec.data import Interactions, Sequences


def interactions(users, items, values=None, times=None, n_users=3, n_items=5, **how):
    ids = {"user_ids": np.arange(n_users) + 10, "item_ids": np.arange(n_items) + 100}
    return Interactions(users, items, values, times, **ids, **how)


def by_hand(users, items, times, n_users):
    """Items by user, in order of time and then of the rows."""
    rows = sorted(range(len(users)), key=lambda row: (times[row], row))
    return [[items[row] for row in rows if users[row] == user] for user in range(n_users)]


def test_by_user_and_then_by_time():
    rng = np.random.default_rng(0)
    users, items, times = rng.integers(0, 7, 200), rng.integers(0, 40, 200), rng.integers(0, 30, 200)
    sequences = Sequences(interactions(users, items, times=times, n_users=8, n_items=40))
    expected = by_hand(users, items, times, 8)
    starts = sequences.starts
    assert [sequences.items[a:b].tolist() for a, b in zip(starts, starts[1:], strict=False)] == expected
    assert sequences.counts.tolist() == [len(items) for items in expected]
    assert sequences.users.tolist() == [user for user in range(8) for _ in expected[user]]
    tied = sum(np.count_nonzero(np.diff(np.sort(times[users == user])) == 0) for user in range(8))
    assert sequences.n_ties == tied > 0


def test_of_equal_times_the_rows_decide():
    sequences = Sequences(interactions([0, 0, 0, 0], [3, 1, 4, 2], times=[5, 5, 1, 5]))
    assert sequences.items.tolist() == [4, 3, 1, 2]
    assert sequences.n_ties == 2


def test_without_times_the_rows_decide():
    sequences = Sequences(interactions([1, 0, 1], [3, 1, 2]))
    assert sequences.items.tolist() == [1, 3, 2]
    assert sequences.by_rows
    assert sequences.n_ties == 3


def test_likes_alone():
    given = interactions([0, 0, 0], [0, 1, 2], [5.0, 2.0, 4.0], times=[1, 2, 3])
    assert Sequences(given.at_least(4)).items.tolist() == [0, 2]
    assert Sequences(interactions([0, 0], [0, 1], [0.0, 1.0], times=[1, 2])).items.tolist() == [1]


def test_repeats():
    import pandas as pd

    frame = pd.DataFrame({"user": ["a"] * 4, "item": ["x", "y", "x", "z"], "time": [1, 2, 3, 4]})
    given = Interactions.from_frame(frame, time="time", kind="counts")
    assert len(given) == 3
    assert Sequences(given).items.tolist() == [0, 1, 0, 2]
    assert Sequences(given, repeats=False).items.tolist() == [1, 0, 2]
    without_events = interactions([0, 0, 0, 0], [0, 1, 0, 2], times=[1, 2, 3, 4])
    assert Sequences(without_events).items.tolist() == [0, 1, 0, 2]
    assert Sequences(without_events, repeats=False).items.tolist() == [1, 0, 2]


def test_latest_is_padded_on_the_left_and_cut_to_the_latest():
    sequences = Sequences(interactions([0, 0, 0, 2], [3, 1, 4, 2], times=[1, 2, 3, 4]))
    assert sequences.latest([0, 1, 2], 2).tolist() == [[1, 4], [-1, -1], [-1, 2]]
    assert sequences.latest([2, 0], 4).tolist() == [[-1, -1, -1, 2], [-1, 3, 1, 4]]


def test_nobody_has_anything():
    sequences = Sequences(interactions([], [], times=[]))
    assert sequences.latest([0, 2], 3).tolist() == [[-1] * 3] * 2


def test_until_a_moment_of_each_user():
    sequences = Sequences(interactions([0, 0, 0, 1, 1], [0, 1, 2, 3, 4], times=[1, 2, 3, 1, 5]))
    before = sequences.until([2, 0, 9])
    assert before.items.tolist() == [0, 1]
    assert before.counts.tolist() == [2, 0, 0]
    without_times = Sequences(interactions([0], [0]))
    assert without_times.until([0, 0, 0]) is without_times


def test_of_lists():
    sequences = Sequences.of_lists([[3, 1], [], [2, 2]], n_items=4)
    assert sequences.latest([0, 1, 2], 3).tolist() == [[-1, 3, 1], [-1, -1, -1], [-1, 2, 2]]
    assert not sequences.by_rows
    with pytest.raises(ValueError, match=r"`lists` must have item codes from 0 to 3\. Received: 4\."):
        Sequences.of_lists([[1, 4]], n_items=4)


def test_what_is_no_interactions():
    with pytest.raises(TypeError, match="`interactions` must be"):
        Sequences([1, 2])
