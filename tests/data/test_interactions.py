import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrec.data import Interactions, pairs


def frame(**columns):
    return pd.DataFrame({"user": ["bob", "ann", "bob"], "item": [30, 10, 10], **columns})


def test_codes_follow_the_sorted_ids():
    x = Interactions.from_frame(frame(stars=[4, 2, 5]), value="stars")
    assert x.user_ids.tolist() == ["ann", "bob"] and x.item_ids.tolist() == [10, 30]
    assert x.users.tolist() == [1, 0, 1] and x.items.tolist() == [1, 0, 0] and x.values.tolist() == [4, 2, 5]
    assert (x.n_users, x.n_items, len(x), x.times) == (2, 2, 3, None)
    assert (x.users.dtype, x.items.dtype, x.values.dtype) == (np.int32, np.int32, np.float32)
    assert repr(x) == "Interactions(3 ratings of 2 users and 2 items)"


def test_values_are_ones_where_none_are_named():
    assert Interactions.from_frame(frame()).values.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (np.array([3, 1, 3], np.int16), [1, 3]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series([3, 1, 3], dtype="Int64"), [1, 3]),
        (pd.Series(["b", "a", "b"], dtype="string"), ["a", "b"]),
        (pd.Series([3.0, 1.0, 3.0]), [1, 3]),
        ([7, "a", 7], [7, "a"]),
        ([(1, 2), "a", (1, 2)], ["a", (1, 2)]),
    ],
)
def test_ids_of_any_type(ids, expected):
    x = Interactions.from_frame(pd.DataFrame({"user": ids, "item": [1, 2, 3]}))
    assert x.user_ids.tolist() == expected
    assert x.user_ids[x.users].tolist() == list(ids)
    assert x.user_codes(list(ids)).tolist() == x.users.tolist()


rows = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=2), st.integers(-3, 3)), min_size=1, unique=True
)


@settings(max_examples=50)
@given(rows=rows, data=st.data())
def test_frame_round_trip_and_codes_independent_of_row_order(rows, data):
    table = pd.DataFrame(rows, columns=["user", "item"]).assign(value=np.arange(len(rows), dtype=np.float32))
    x = Interactions.from_frame(table, value="value")
    pd.testing.assert_frame_equal(x.to_frame(), table, check_dtype=False)
    shuffled = Interactions.from_frame(
        table.iloc[data.draw(st.permutations(range(len(rows))))], value="value"
    )
    assert shuffled.user_ids.tolist() == x.user_ids.tolist()
    pd.testing.assert_frame_equal(
        shuffled.to_frame().sort_values("value", ignore_index=True), x.to_frame(), check_dtype=False
    )


def test_a_given_vocabulary_keeps_its_order():
    x = Interactions.from_frame(frame(), user_ids=["zoe", "bob", "ann"], item_ids=np.array([30, 20, 10]))
    assert x.users.tolist() == [1, 2, 1] and x.items.tolist() == [0, 2, 2]
    assert x.n_users == 3 and x.user_ids.tolist() == ["zoe", "bob", "ann"]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([3, 1, 2], [3, 1, 2]),
        ([3.0, 1.0, 2.0], [3, 1, 2]),
        (pd.to_datetime(["1970-01-02"] * 3), [86_400 * 10**9] * 3),
        (pd.to_datetime(["1970-01-02"] * 3).as_unit("s"), [86_400 * 10**9] * 3),
        (pd.to_datetime(["1970-01-02T01:00:00+01:00"] * 3), [86_400 * 10**9] * 3),
        (["1970-01-02T00:00Z", "1970-01-02T00:00:00Z", "1970-01-02T01:00+01:00"], [86_400 * 10**9] * 3),
        ([datetime.datetime(1970, 1, 2)] * 3, [86_400 * 10**9] * 3),
    ],
)
def test_times_are_nanoseconds_or_the_numbers_given(times, expected):
    x = Interactions.from_frame(frame(time=times), time="time")
    assert x.times.dtype == np.int64 and x.times.tolist() == expected


@pytest.mark.parametrize(
    ("policy", "time", "rows"),
    [
        ("last", None, [("a", 1, 7.0), ("b", 1, 4.0), ("a", 2, 3.0)]),
        ("last", "time", [("a", 1, 2.0), ("b", 1, 4.0), ("a", 2, 3.0)]),
        ("sum", None, [("a", 1, 9.0), ("b", 1, 4.0), ("a", 2, 3.0)]),
        ("mean", None, [("a", 1, 4.5), ("b", 1, 4.0), ("a", 2, 3.0)]),
        ("mean", "time", [("a", 1, 4.5), ("b", 1, 4.0), ("a", 2, 3.0)]),
    ],
)
def test_duplicates(policy, time, rows):
    table = pd.DataFrame(
        {"user": list("abaa"), "item": [1, 1, 2, 1], "value": [2.0, 4, 3, 7], "time": [9, 1, 1, 8]}
    )
    x = Interactions.from_frame(table, value="value", time=time, duplicates=policy)
    assert sorted(
        zip(*x.to_frame()[["user", "item", "value"]].to_dict("list").values(), strict=True)
    ) == sorted(rows)
    if time:
        assert x.times.max() == 9


@settings(max_examples=50)
@given(cells=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-9, 9)), min_size=1))
def test_duplicates_against_pandas(cells):
    table = pd.DataFrame(cells, columns=["user", "item", "value"])
    for policy in ("last", "mean", "sum"):
        x = Interactions.from_frame(table, value="value", duplicates=policy)
        expected = table.groupby(["user", "item"])["value"].agg(policy).astype(np.float32)
        got = x.to_frame().set_index(["user", "item"])["value"].sort_index()
        pd.testing.assert_series_equal(got, expected)


def test_context_columns_are_kept():
    table = frame(device=["tv", "app", "tv"], position=[3, 1, 2], ad=[True, False, True], value=[1, 2, 3])
    x = Interactions.from_frame(table, value="value", context=["device", "position", "ad"])
    assert x.context["device"].tolist() == [1, 0, 1] and x.context_ids["device"].tolist() == ["app", "tv"]
    assert x.context["position"].tolist() == [3, 1, 2] and x.context["ad"].tolist() == [True, False, True]
    assert set(x.context_ids) == {"device"}
    kept = x.at_least(2)
    assert kept.context["position"].tolist() == [1, 2]
    assert kept.to_frame()["device"].tolist() == ["app", "tv"]
    inputs, values = pairs(x, context=["device"])
    assert list(inputs) == ["user", "item", "device"] and values.tolist() == [1, 2, 3]
    assert list(pairs(x)[0]) == ["user", "item"]


def test_at_least_keeps_the_vocabularies():
    x = Interactions.from_frame(frame(value=[3.5, 4.0, 4.5]), value="value")
    likes = x.at_least(4)
    assert likes.values.tolist() == [4.0, 4.5] and likes.n_items == 2
    assert len(x.at_least(3.5)) == 3 and len(x.at_least(9)) == 0


def test_take():
    x = Interactions.from_frame(frame(value=[1, 2, 3]), value="value")
    for index in ([2, 0], np.array([2, 0]), slice(None, None, -2)):
        assert x.take(index).values.tolist() == [3, 1]
    assert x.take([True, False, True]).values.tolist() == [1, 3]
    assert len(x.take([])) == 0


def test_filter_counts_once_or_until_stable():
    # ann: 1 2 3, bob: 1 2, cy: 3, dan: 3 4
    table = pd.DataFrame({"user": list("aaabbcdd"), "item": [1, 2, 3, 1, 2, 3, 3, 4]})
    x = Interactions.from_frame(table)
    once = x.filter(min_user=2, min_item=2)
    assert once.to_frame()["user"].tolist() == list("aaabbd")
    core = x.filter(min_user=2, min_item=2, core=True)
    assert core.to_frame()[["user", "item"]].values.tolist() == [["a", 1], ["a", 2], ["b", 1], ["b", 2]]
    assert core.n_users == 4 and len(x.filter()) == 8 and len(x.filter(min_user=9, core=True)) == 0


def test_extend_grows_the_vocabularies_and_keeps_old_codes():
    old = Interactions.from_frame(
        pd.DataFrame(
            {"who": ["m", "b"], "what": [5, 7], "stars": [1, 2], "at": [1, 2], "device": ["x", "y"]}
        ),
        *("who", "what", "stars", "at"),
        context=["device"],
    )
    new = old.extend(
        pd.DataFrame(
            {
                "who": ["z", "a", "b"],
                "what": [6, 7, 5],
                "stars": [3, 4, 5],
                "at": [3, 4, 5],
                "device": list("yaa"),
            }
        )
    )
    assert new.user_ids.tolist() == ["b", "m", "a", "z"] and new.item_ids.tolist() == [5, 7, 6]
    assert new.users.tolist() == [1, 0, 3, 2, 0] and new.items.tolist() == [0, 1, 2, 1, 0]
    assert new.values.tolist() == [1, 2, 3, 4, 5] and new.times.tolist() == [1, 2, 3, 4, 5]
    assert new.context_ids["device"].tolist() == ["x", "y", "a"] and new.context["device"].tolist() == [
        0,
        1,
        1,
        2,
        2,
    ]
    assert len(old) == 2 and old.n_users == 2


def test_extend_with_a_pair_known_before():
    old = Interactions.from_frame(frame(value=[1, 2, 3]), value="value")
    again = pd.DataFrame({"user": ["ann"], "item": [10], "value": [9]})
    with pytest.raises(ValueError, match="first user 'ann' with item 10 in row 3"):
        old.extend(again)
    assert old.extend(again, duplicates="last").values.tolist() == [1, 3, 9]


def test_to_csr_stores_zeros():
    matrix = Interactions.from_frame(frame(value=[0, 2, 3]), value="value").to_csr()
    assert matrix.shape == (2, 2) and matrix.nnz == 3
    np.testing.assert_array_equal(matrix.toarray(), [[2, 0], [3, 0]])


def test_describe():
    x = Interactions.from_frame(frame(value=[1, 2, 2]), value="value")
    described = x.describe()["value"]
    assert described[("all", "interactions")] == 3 and described[("all", "density")] == 0.75
    assert described[("a user", "most")] == 2 and described[("an item", "mean")] == 1.5
    assert described["histogram"].to_dict() == {"1": 1, "2": 2}
    many = Interactions(np.zeros(100), np.arange(100), np.arange(100), user_ids=[0], item_ids=range(100))
    assert many.describe()["value"]["histogram"].tolist() == [10] * 10
    assert x.take([]).describe()["value"][("all", "interactions")] == 0


def test_codes_of_raw_ids():
    x = Interactions.from_frame(frame())
    assert x.user_codes(["bob", "ann"]).tolist() == [1, 0] and x.item_codes([30]).dtype == np.int32
    with pytest.raises(ValueError, match="must be ids of users that .* Received: 2 unknown ids, first 'zoe'"):
        x.user_codes(["ann", "zoe", "yan"])
    with pytest.raises(ValueError, match="must be ids of items that .* Received: 1 unknown ids, first 5"):
        x.item_codes(np.array([5]))


def test_nothing_can_be_changed():
    given_values = np.ones(3, np.float32)
    x = Interactions(
        [0, 0, 0], [0, 1, 2], given_values, user_ids=[1], item_ids=[1, 2, 3], context={"a": [1, 2, 3]}
    )
    for array in (x.users, x.items, x.values, x.user_ids, x.item_ids, x.context["a"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9
    given_values[0] = 2  # the caller's own array stays writable


def test_pickles():
    x = Interactions.from_frame(frame())
    x.user_codes(["ann"])
    assert pickle.loads(pickle.dumps(x)).users.tolist() == x.users.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"user": "userId"},
            "`user` must name a column .* user='userId'; its columns are 'user', 'item', 'bad'",
        ),
        ({"value": "stars"}, "`value` must name a column"),
        ({"time": "when"}, "`time` must name a column"),
        ({"context": ["device"]}, "`context` must name a column"),
        (
            {"context": ["user"]},
            r"`context` must not use the names user, item, value, time. Received: \['user'\]",
        ),
        ({"duplicates": "first"}, "`duplicates` must be one of error, last, mean, sum. Received: .*'first'"),
        (
            {"user_ids": ["ann", "bob", "ann"]},
            "ids given for 'user' must be unique. .* 1 repeated ids, first 'ann'",
        ),
        ({"user_ids": ["ann", None]}, "ids given for 'user' must not be missing. Received: 1 missing ids"),
        (
            {"user_ids": ["bob"]},
            "'user' must not have ids that .* lacks. Received: 1 row of them, first 'ann' in row 1",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Interactions.from_frame(frame(bad=[1, 2, 3]), **arguments)


@pytest.mark.parametrize(
    ("argument", "entries", "message"),
    [
        ("user", ["a", None, None], "must not have missing ids. Received: 2 rows of them, first .* in row 1"),
        ("user", ["a", "b", " "], "must not have empty ids. Received: 1 row of them, first ' ' in row 2"),
        (
            "item",
            [1.0, np.nan, 2.0],
            "must not have missing ids. Received: 1 row of them, first nan in row 1",
        ),
        (
            "value",
            ["1", "2", "x"],
            "entries that are not numbers. Received: 1 row of them, first 'x' in row 2",
        ),
        (
            "value",
            [1, np.nan, 2],
            "must not have missing values. Received: 1 row of them, first nan in row 1",
        ),
        ("value", [1, np.inf, -np.inf], "infinite in float32. Received: 2 rows of them, first inf in row 1"),
        ("value", [1, 1e39, 1], "infinite in float32. Received: 1 row of them, first 1e\\+39 in row 1"),
        ("value", pd.to_datetime(["2020-01-01"] * 3), "entries that are not numbers. Received: 3 rows"),
        (
            "time",
            [1.5, 2, 3],
            "times that are not whole numbers. Received: 1 row of them, first 1.5 in row 0",
        ),
        (
            "time",
            ["2020-01-01", "soon", "?"],
            "neither numbers nor ISO 8601. Received: 2 rows of them, first 'soon'",
        ),
        (
            "context",
            ["a", None, "b"],
            "must not have missing entries. Received: 1 row of them, first .* in row 1",
        ),
    ],
)
def test_bad_entries(argument, entries, message):
    name = ["bad"] if argument == "context" else "bad"
    with pytest.raises(ValueError, match="Column 'bad' .*" + message):
        Interactions.from_frame(frame(bad=entries), **{argument: name})


def test_bad_tables():
    with pytest.raises(ValueError, match="must have at least one row. Received: an empty table"):
        Interactions.from_frame(frame().head(0))
    with pytest.raises(ValueError, match="Column 'user' must occur once in the table. Received: 2 columns"):
        Interactions.from_frame(pd.concat([frame(), frame()], axis=1))
    with pytest.raises(TypeError, match="`frame` must be a pandas DataFrame; .* Received: dict"):
        Interactions.from_frame({"user": [1]})
    repeated = pd.concat([frame(), frame()])
    with pytest.raises(
        ValueError, match="must not have an item twice .* 3 rows .* 'bob' with item 30 in row 3"
    ):
        Interactions.from_frame(repeated)


def test_bad_codes():
    ids = {"user_ids": ["a", "b"], "item_ids": [1]}
    with pytest.raises(ValueError, match="`users` must be codes from 0 to 1. Received: 2 in row 1"):
        Interactions([0, 2], [0, 0], **ids)
    with pytest.raises(ValueError, match="`items` must be codes from 0 to 0. Received: -1 in row 0"):
        Interactions([0, 1], [-1, 0], **ids)
    with pytest.raises(ValueError, match="`values` must have one entry per interaction"):
        Interactions([0, 1], [0, 0], [1.0], **ids)


def test_pairs_feed_fit():
    import keras

    x = Interactions.from_frame(frame(value=[1, 2, 3]), value="value")
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    both = keras.layers.Concatenate()(
        [keras.layers.Embedding(2, 1)(user), keras.layers.Embedding(2, 1)(item)]
    )
    model = keras.Model({"user": user, "item": item}, keras.layers.Dense(1)(keras.layers.Flatten()(both)))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(*pairs(x), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
