import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from kerasrec.data import Interactions, splits


@st.composite
def interactions(draw):
    n_users = draw(st.integers(1, 8))
    n_items = draw(st.integers(1, 8))
    cells = draw(st.lists(st.integers(0, n_users * n_items - 1), min_size=1, max_size=40, unique=True))
    users, items = np.divmod(cells, n_items)
    times = draw(st.lists(st.integers(-5, 5), min_size=len(cells), max_size=len(cells)))
    # Every row has a value of its own, by which it is recognised in a part.
    values = np.arange(len(cells))
    return Interactions(users, items, values, times, user_ids=range(n_users), item_ids=range(n_items))


sizes = st.one_of(st.floats(0.05, 0.95), st.integers(1, 4))
seeds = st.integers(0, 2**32 - 1)


def check_parts(whole, train, test):
    assert sorted([*train.values, *test.values]) == sorted(whole.values)  # disjoint and complete
    assert len(train) and len(test)
    for part in (train, test):
        rows = part.values.astype(int)
        assert (part.users == whole.users[rows]).all() and (part.items == whole.items[rows]).all()
        assert (part.times == whole.times[rows]).all()
        assert part.user_ids is whole.user_ids or (part.user_ids == whole.user_ids).all()
        assert (part.item_ids == whole.item_ids).all()


def drawn(split, *args, **kwargs):
    try:
        return split(*args, **kwargs)
    # A table too small for the size is refused, by the clear error, and drawn again.
    except ValueError as error:
        assert "Received" in str(error)
        reject()


RANDOM = [splits.random_split, splits.per_user_split, splits.cold_user_split, splits.cold_item_split]


@pytest.mark.parametrize("split", RANDOM)
@settings(max_examples=60)
@given(whole=interactions(), test_size=sizes, seed=seeds)
def test_random_splits_partition_and_repeat(split, whole, test_size, seed):
    parts = drawn(split, whole, test_size, seed)
    check_parts(whole, *parts)
    again = split(whole, test_size, seed)
    assert all((a.values == b.values).all() for a, b in zip(parts, again, strict=True))


@pytest.mark.parametrize(
    ("split", "side"), [(splits.cold_user_split, "users"), (splits.cold_item_split, "items")]
)
@settings(max_examples=60)
@given(whole=interactions(), test_size=sizes, seed=seeds)
def test_no_user_or_item_leaks_in_the_cold_splits(split, side, whole, test_size, seed):
    train, test = drawn(split, whole, test_size, seed)
    assert not set(getattr(train, side)) & set(getattr(test, side))


cuts = st.one_of(
    st.fixed_dictionaries({"at": st.integers(-4, 5)}), st.fixed_dictionaries({"test_size": sizes})
)


@settings(max_examples=60)
@given(whole=interactions(), cut=cuts)
def test_no_test_event_is_earlier_in_the_time_split(whole, cut):
    train, test = drawn(splits.time_split, whole, **cut)
    check_parts(whole, train, test)
    assert train.times.max() < test.times.min()
    if "at" in cut:
        assert train.times.max() < cut["at"] <= test.times.min()


@settings(max_examples=60)
@given(whole=interactions(), n=st.integers(1, 3))
def test_no_test_event_is_earlier_in_leave_last_out(whole, n):
    train, test = drawn(splits.leave_last_out, whole, n)
    check_parts(whole, train, test)
    for user in np.unique(whole.users):
        mine, theirs = train.times[train.users == user], test.times[test.users == user]
        if len(mine) + len(theirs) <= n:
            assert len(theirs) == 0
        else:
            assert len(theirs) == n and mine.max() <= theirs.min()


@settings(max_examples=60)
@given(whole=interactions(), test_size=sizes, seed=seeds)
def test_per_user_split_takes_the_share_of_each_user(whole, test_size, seed):
    train, test = drawn(splits.per_user_split, whole, test_size, seed)
    for user in np.unique(whole.users):
        count = (whole.users == user).sum()
        share = test_size if isinstance(test_size, int) else np.floor(count * test_size + 0.5)
        assert (test.users == user).sum() == min(share, count - 1)


def grid(n_users, n_items, times=True):
    users, items = np.divmod(np.arange(n_users * n_items), n_items)
    whole = {"user_ids": range(n_users), "item_ids": range(n_items)}
    return Interactions(
        users, items, np.arange(len(users)), np.arange(len(users)) if times else None, **whole
    )


@pytest.mark.parametrize("test_size", [0.1, 0.33, 7])
def test_random_split_gives_the_rows_of_scikit_learn_in_its_order(test_size):
    whole = grid(10, 10)
    train, test = splits.random_split(whole, test_size, seed=42)
    expected = train_test_split(whole.values, test_size=test_size, random_state=42)
    np.testing.assert_array_equal(train.values, expected[0])
    np.testing.assert_array_equal(test.values, expected[1])


def test_random_split_of_movielens_is_that_of_the_published_figures(shared_data):
    path = shared_data / "movielens-latest-small-2016" / "ratings.csv"
    whole = Interactions.from_csv(path, "userId", "movieId", "rating", "timestamp")
    train, test = splits.random_split(whole, seed=42)
    _, expected = train_test_split(pd.read_csv(path), test_size=0.1, random_state=42)
    assert (len(train), len(test)) == (90_003, 10_001)
    frame = test.to_frame()
    np.testing.assert_array_equal(frame["user"], expected["userId"])
    np.testing.assert_array_equal(frame["item"], expected["movieId"])


def test_another_seed_gives_another_split():
    whole = grid(20, 20)
    for split in RANDOM:
        one, other = split(whole, 0.3, 1)[1], split(whole, 0.3, 2)[1]
        assert set(one.values) != set(other.values)


def test_leave_last_out_breaks_ties_by_row():
    whole = Interactions([0, 0, 0], [0, 1, 2], times=[5, 5, 1], user_ids=["u"], item_ids=list("abc"))
    train, test = splits.leave_last_out(whole)
    assert test.items.tolist() == [1] and train.items.tolist() == [0, 2]


def test_time_split_at_a_datetime():
    frame = pd.DataFrame(
        {"user": [1, 1, 2], "item": [1, 2, 1], "time": ["2020-01-01", "2020-06-01", "2021-01-01"]}
    )
    whole = Interactions.from_frame(frame, time="time")
    for at in (
        "2020-06-01",
        pd.Timestamp("2020-06-01", tz="UTC"),
        np.datetime64("2020-06-01"),
        1590969600 * 10**9,
    ):
        train, test = splits.time_split(whole, at=at)
        assert (len(train), len(test)) == (1, 2)


def test_context_stays_with_its_rows():
    whole = Interactions(
        [0, 0, 1], [0, 1, 1], user_ids=[1, 2], item_ids=[1, 2], context={"position": np.array([3, 4, 5])}
    )
    train, test = splits.random_split(whole, 1, seed=0)
    for part in (train, test):
        assert (part.context["position"] == part.users + part.items + 3).all()


@pytest.mark.parametrize("test_size", [0, 1.0, -0.1, 1.5, 9, True, 0.95])
def test_sizes_that_leave_a_side_empty(test_size):
    whole = grid(3, 3)
    for split in (splits.random_split, splits.cold_user_split, splits.cold_item_split):
        with pytest.raises(ValueError, match=r"`test_size` must be a share .* Received: test_size=.* of \d"):
            split(whole, test_size)
    if test_size not in (9, 0.95):
        with pytest.raises(ValueError, match="`test_size` must be a share .* Received: test_size="):
            splits.per_user_split(whole, test_size)


def test_splits_of_too_little():
    one = grid(1, 1)
    with pytest.raises(ValueError, match="needs at least two interactions. Received: 1."):
        splits.random_split(one)
    with pytest.raises(ValueError, match="needs at least two users. Received: 1."):
        splits.cold_user_split(grid(1, 3))
    with pytest.raises(ValueError, match="needs at least two items. Received: 1."):
        splits.cold_item_split(grid(3, 1))
    with pytest.raises(ValueError, match="needs at least two interactions. Received: 1."):
        splits.time_split(one, at=0)
    same = Interactions([0, 0], [0, 1], times=[5, 5], user_ids=["u"], item_ids=["a", "b"])
    with pytest.raises(ValueError, match="needs at least two different times. Received: 1."):
        splits.time_split(same, test_size=0.5)
    with pytest.raises(ValueError, match="the most that a user has is 1 interactions"):
        splits.per_user_split(grid(3, 1))
    with pytest.raises(ValueError, match="the most that a user has is 2 interactions"):
        splits.per_user_split(grid(3, 2), 0.2)
    with pytest.raises(ValueError, match="Received: n=2, and no user has more than 2 interactions"):
        splits.leave_last_out(grid(2, 2), n=2)


def test_splits_by_time_say_what_they_need():
    with pytest.raises(ValueError, match="load the interactions with `time=`"):
        splits.leave_last_out(grid(2, 2, times=False))
    with pytest.raises(ValueError, match="load the interactions with `time=`"):
        splits.time_split(grid(2, 2, times=False), test_size=0.5)
    with pytest.raises(ValueError, match="`at` or `test_size` must be given. Received: neither"):
        splits.time_split(grid(2, 2))
    with pytest.raises(
        ValueError, match="One of `at` and `test_size` must be given, not both. Received: at=1"
    ):
        splits.time_split(grid(2, 2), at=1, test_size=0.5)
    with pytest.raises(ValueError, match="Received: at=9, that is 9; the times go from 0 to 3"):
        splits.time_split(grid(2, 2), at=9)
    for n in (0, 1.5, True):
        with pytest.raises(ValueError, match="`n` must be a positive integer. Received: n="):
            splits.leave_last_out(grid(2, 2), n=n)


@pytest.mark.parametrize("at", [1_577_923_200, 20200102, np.int64(0)])
def test_a_number_where_times_are_dates(at):
    frame = pd.DataFrame({"user": [1, 1], "item": [1, 2], "t": pd.to_datetime(["2020-01-01", "2020-01-03"])})
    whole = Interactions.from_frame(frame, time="t")
    message = r"`at` must be a date, as the times are: pass a date such as '2020-01-03'. Received: at="
    with pytest.raises(ValueError, match=message):
        splits.time_split(whole, at=at)
    with pytest.raises(
        ValueError, match="that is 2021-01-01 00:00:00; the times go from 2020-01-01 00:00:00 to"
    ):
        splits.time_split(whole, at="2021-01-01")
    middle = (whole.times[0] + whole.times[1]) // 2  # their own unit
    assert [len(part) for part in splits.time_split(whole, at=middle)] == [1, 1]
