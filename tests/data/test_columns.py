import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from kerasrec.data import InputColumns, columns


def encoded(kind, training, entries):
    return kind.fit(pd.Series(training, name="c")).encode(pd.Series(entries, name="c")).tolist()


def test_categories_are_known_unknown_or_missing():
    assert encoded(columns.Category(), ["b", "a", "b"], ["a", "b", "c", None, "", " b "]) == [
        [2],
        [3],
        [1],
        [0],
        [0],
        [3],
    ]


def test_whole_numbers_are_one_category_however_they_are_written():
    assert encoded(columns.Category(), [7, 8], ["7", "8", "9"]) == [[2], [3], [1]]
    assert encoded(columns.Category(), ["7", "8"], [7.0, np.nan, 8.0]) == [[2], [0], [3]]
    assert encoded(columns.Category(), [True, False], [False, True]) == [[2], [3]]


def test_rare_categories_are_unknown():
    assert encoded(columns.Category(min_count=2), ["a", "a", "b"], ["a", "b"]) == [[2], [1]]


def test_hashes_are_the_same_everywhere_and_apart_from_missing():
    codes = encoded(columns.Hashed(buckets=1000), ["x"], ["red", "a long query", None, " red"])
    # What files hold: these numbers must never change.
    assert codes == [[702], [322], [0], [702]]
    assert encoded(columns.Hashed(buckets=1000), ["x"], [7, 8]) == encoded(
        columns.Hashed(buckets=1000), ["x"], ["7", "8"]
    )
    many = np.array(encoded(columns.Hashed(buckets=10), ["x"], [f"query {i}" for i in range(1000)]))
    assert set(many.ravel()) == set(range(1, 11))


def test_labels_are_lists_of_a_fixed_width():
    kind = columns.Labels().fit(pd.Series(["War|Drama", "War", None], name="genres"))
    assert (kind.n, kind.width) == (4, 2)
    entries = pd.Series(["Drama", "War | Drama", "", "Jazz|War|Drama", "War|War"])
    assert kind.encode(entries).tolist() == [[2, -1], [3, 2], [0, -1], [1, 3], [3, -1]]
    assert columns.Labels(sep=",", most=1).fit(pd.Series(["a,b"], name="g")).width == 1


def test_numbers_are_standardised_as_scikit_learn_does():
    training, entries = np.array([3.0, 5.0, 10.0]), np.array([4.0, 0.0])
    expected = StandardScaler().fit(training[:, None]).transform(entries[:, None])
    np.testing.assert_allclose(encoded(columns.Number(), training, entries), expected, rtol=1e-6)
    expected = StandardScaler().fit(np.log1p(training)[:, None]).transform(np.log1p(entries)[:, None])
    np.testing.assert_allclose(encoded(columns.get("log1p"), training, entries), expected, rtol=1e-6)
    assert encoded(columns.Number(scale="none"), training, entries) == [[4.0], [0.0]]
    assert encoded(columns.Number(), [2.0, 2.0], [3.0]) == [[1.0]]


def test_quantiles_are_shares_of_the_training_rows():
    training = np.random.default_rng(0).gamma(2, 10, 5000)
    entries = np.array([0.0, 12.0, 25.0, 1e6])
    expected = [(training <= x).mean() for x in entries]
    np.testing.assert_allclose(
        np.ravel(encoded(columns.get("quantiles"), training, entries)), expected, atol=5e-3
    )
    assert encoded(columns.get("quantiles"), [0, 0, 0, 10], [0.0, 10.0])[1] == [1.0]


def test_times_are_points_of_two_circles():
    six_on_monday = [1, 0, np.sin(np.pi / 14), np.cos(np.pi / 14)]
    found = encoded(columns.Time(), ["2024-01-01"], ["2024-01-01T06:00:00", "2024-01-01T08:00+02:00"])
    np.testing.assert_allclose(found, [six_on_monday] * 2, atol=1e-6)
    seconds = encoded(columns.Time(unit="s"), [0], [1704088800])
    np.testing.assert_allclose(seconds, [six_on_monday], atol=1e-6)


@pytest.mark.parametrize(
    "kind, entries, message",
    [
        (
            columns.Number(),
            [1.0, "cheap"],
            r"'c' must not have entries that are not numbers.*'cheap' in row 1",
        ),
        (columns.Number(), [1.0, None], r"'c' must not have missing numbers.*row 1.*`default`"),
        (columns.Number(), [np.inf], r"'c' must not have infinite numbers"),
        (columns.get("log1p"), [-2.0], r"'c' must not have numbers below 0 on the scale 'log1p'"),
        (columns.Time(), ["noon"], r"'c' must not have entries that are not times.*'noon'.*ISO 8601"),
        (columns.Time(), ["2024-01-01", None], r"'c' must not have missing times.*row 1.*`default`"),
        (columns.Time(), [17.0], r"'c' must not have numbers for times.*unit='s'"),
    ],
)
def test_bad_entries(kind, entries, message):
    with pytest.raises(ValueError, match=message):
        kind.fit(pd.Series(entries, name="c"))


@pytest.mark.parametrize("known", [[True, False], ["true", "false"], ["TRUE", "FALSE"]])
def test_truth_values_are_one_category_however_they_are_spelt(known):
    spelt = [True, "True", "true", " TRUE", False, "False", "false"]
    found = np.ravel(encoded(columns.Category(), known, spelt))
    assert len(set(found[:4])) == 1 and len(set(found[4:])) == 1
    assert 1 not in found and found[0] != found[4]
    apart = encoded(columns.Category(), ["true", "True"], ["true", "True", "yes"])
    assert np.ravel(apart).tolist() == [3, 2, 1]


def test_lists_are_no_categories():
    with pytest.raises(
        TypeError, match=r"Column 'c' must have one text or number per row.*Received: \['a'\]"
    ):
        columns.Category().fit(pd.Series([["a"]], name="c"))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: columns.get("word"), r"must be one of category, hashed.*Received: 'word'"),
        (lambda: columns.Number(scale="log"), r"`scale` must be one of standard.*'log'"),
        (lambda: columns.Time(unit="h"), r"`unit` must be one of s, ms, us, ns.*'h'"),
        (lambda: columns.Labels(sep=""), r"`sep` must be the text.*sep=''"),
        (lambda: columns.Hashed(buckets=0), r"`buckets` must be a positive integer"),
        (lambda: columns.from_dict({"kind": "x"}), r"must be one that `Column.to_dict` wrote"),
        (lambda: InputColumns({}), r"`columns` must name at least one column"),
    ],
)
def test_bad_declarations(make, message):
    with pytest.raises(ValueError, match=message):
        make()


FRAME = pd.DataFrame(
    {"user": ["ann", "bob"], "ad type": ["x", "y"], "price": [1.0, 3.0], "history": ["a|b", "b"]}
)
KINDS = {"ad type": "category", "price": columns.Number(default=2.0), "history": "labels"}


def test_a_table_becomes_inputs_that_keras_takes():
    fitted = InputColumns.fit(FRAME, KINDS, user="user")
    found = fitted.encode(FRAME[["price", "history", "ad type", "user"]])
    assert {name: x.tolist() for name, x in found.items()} == {
        "user": [[2], [3]],
        "ad_type": [[2], [3]],
        "price": [[-1.0], [1.0]],
        "history_": [[2, 3], [3, -1]],
    }
    assert list(fitted.categories) == ["user", "ad_type", "history_"]
    assert list(fitted.numbers) == ["price"]


def test_a_default_stands_in_for_a_column_and_an_entry_where_it_was_given():
    fitted = InputColumns.fit(FRAME, KINDS, user="user")
    assert fitted.encode(FRAME.drop(columns="price"))["price"].tolist() == [[0.0], [0.0]]
    assert fitted.encode(FRAME.assign(price=[None, 3.0]))["price"].tolist() == [[0.0], [1.0]]
    with pytest.raises(ValueError, match=r"must have the column 'ad type'.*`default`.*'user', 'price'"):
        fitted.encode(FRAME.drop(columns="ad type"))
    with pytest.raises(TypeError, match="`frame` must be a pandas DataFrame. Received: dict"):
        fitted.encode({})


def test_columns_survive_as_plain_arrays():
    fitted = InputColumns.fit(FRAME, KINDS, user="user")
    arrays = fitted.to_arrays()
    again = InputColumns.from_arrays(arrays)
    assert repr(again) == repr(fitted) and again.user == "user"
    for name, x in again.encode(FRAME).items():
        np.testing.assert_array_equal(x, fitted.encode(FRAME)[name])
    newer = np.frombuffer(b'{"format": 2, "columns": []}', np.uint8)
    with pytest.raises(
        ValueError, match="format 1 or older; a newer kerasrec reads them. Received: format 2"
    ):
        InputColumns.from_arrays({"columns": newer})
    with pytest.raises(ValueError, match="must come from `to_arrays`"):
        InputColumns.from_arrays({"columns": np.frombuffer(b"{}", np.uint8)})


@pytest.mark.parametrize(
    "kind, settings",
    [
        (columns.Category, {"state": None}),
        (columns.Category, {"state": ["a", "a"]}),
        (columns.Category, {"state": [1]}),
        (columns.Category, {"state": ["a"], "default": []}),
        (columns.Hashed, {"state": ["a"]}),
        (columns.Labels, {"state": {"labels": ["a"]}}),
        (columns.Labels, {"state": {"labels": "a", "width": 1}}),
        (columns.Labels, {"state": {"labels": ["a"], "width": 0}}),
        (columns.Number, {"state": [0.0]}),
        (columns.Number, {"state": [0.0, 0.0]}),
        (columns.Number, {"state": [float("nan"), 1.0]}),
        (columns.Number, {"state": ["0", "1"]}),
        (columns.Number, {"state": [1.0] * 100 + [0.0], "scale": "quantiles"}),
        (columns.Time, {"state": 1}),
    ],
)
def test_columns_of_a_damaged_file(kind, settings):
    arrays = InputColumns({"a": kind(**settings)}).to_arrays()
    with pytest.raises(ValueError, match="Received: the column 'a' with settings that were not fitted"):
        InputColumns.from_arrays(arrays)


def test_bad_tables():
    with pytest.raises(ValueError, match="`columns` must name a column of the table.*columns='colour'"):
        InputColumns.fit(FRAME, {"colour": "category"})
    with pytest.raises(ValueError, match="at least one row"):
        InputColumns.fit(FRAME.head(0), KINDS)
    with pytest.raises(ValueError, match="`item` must be one of the columns 'a'. Received: item='b'"):
        InputColumns({"a": columns.Category()}, item="b")


def test_kinds_are_guessed_from_the_entries():
    n = 300
    frame = pd.DataFrame(
        {
            "user": np.arange(n) % 7,
            "price": np.arange(n) / 8,
            "when": pd.date_range("2024-01-01", periods=n).astype(str),
            "query": [f"words {i}" for i in range(n)],
            "device": ["phone", "tablet"] * (n // 2),
            "clicked": 1,
        }
    )
    found = InputColumns.guess(frame, leave_out=["clicked"])
    assert {name: kind.kind for name, kind in found.items()} == {
        "user": "category",
        "price": "number",
        "when": "time",
        "query": "hashed",
        "device": "category",
    }
