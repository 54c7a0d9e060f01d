"""Columns as shops and labels have them, and as no shop has them."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from kerasrec.data import Features

DATES = pd.to_datetime(["1990-01-01", None, "2001-01-01", "1970-01-01"])


def column(entries, name="c", **kwargs):
    return pd.Series(entries, name=name, **kwargs)


def dense(features):
    return features.matrix.toarray()


class TestNumeric:
    @pytest.mark.parametrize("constant", [9.99, 0.1, 1e-12, 123456.789, -3.3e20, 0.0])
    @pytest.mark.parametrize("n", [1, 3, 10, 997])
    def test_a_constant_is_0_and_another_number_its_difference(self, constant, n):
        features = Features.numeric(column([constant] * n))
        assert not dense(features).any()
        new = features.transform(column([constant + 2.5], index=["new"]))
        assert dense(new)[0, 0] == np.float32((constant + 2.5) - constant)

    def test_numbers_that_differ_by_rounding_alone(self):
        """0.1 + 0.2 and 0.3: a deviation of 2.8e-17, which scikit-learn takes for none."""
        numbers = np.array([0.1 + 0.2, 0.3] * 5)
        scaler = StandardScaler().fit(numbers[:, None])
        assert scaler.scale_ == [1.0]
        new = Features.numeric(column(numbers)).transform(column([1.3], index=["new"]))
        np.testing.assert_allclose(dense(new), scaler.transform([[1.3]]), rtol=1e-6)

    def test_dates_with_one_missing(self):
        days = np.array([7305, 11323, 0])  # since 1970
        expected = (days - days.mean()) / days.std()
        got = dense(Features.numeric(column(DATES))).ravel()
        np.testing.assert_allclose(got, [expected[0], 0, *expected[1:]], rtol=1e-6)

    @pytest.mark.parametrize(
        "entries",
        [
            DATES.as_unit("s"),
            DATES.as_unit("ns"),
            DATES.tz_localize("UTC"),
            [datetime.date(1990, 1, 1), None, datetime.date(2001, 1, 1), datetime.date(1970, 1, 1)],
            pd.Series(DATES).astype("category"),
        ],
        ids=["seconds", "nanoseconds", "zone", "objects", "categories"],
    )
    def test_dates_in_any_form_are_the_same_numbers(self, entries):
        features = Features.numeric(column(DATES))
        other = column(pd.Series(entries))
        np.testing.assert_allclose(dense(Features.numeric(other)), dense(features), atol=1e-6)
        np.testing.assert_allclose(dense(features.transform(other)), dense(features), atol=1e-6)

    def test_durations_with_one_missing(self):
        lengths = column(pd.to_timedelta([60, None, 180], unit="s"))
        np.testing.assert_allclose(dense(Features.numeric(lengths)).ravel(), [-1, 0, 1], rtol=1e-6)
        raw = dense(Features.numeric(lengths, scale=False)).ravel()
        assert raw.tolist() == np.float32([6e10, 0, 1.8e11]).tolist()

    def test_a_column_stays_what_it_was(self, tmp_path):
        features = Features.numeric(column(DATES))
        np.savez(tmp_path / "f.npz", **features.to_arrays())
        with np.load(tmp_path / "f.npz", allow_pickle=False) as arrays:
            again = Features.from_arrays(arrays)
        with pytest.raises(ValueError, match="'c' must hold dates, as it did .* Received: numbers"):
            again.transform(column([1990]))
        assert not dense(again.transform(column([None], dtype=object))).any()

    def test_periods_are_no_numbers(self):
        with pytest.raises(ValueError, match="entries that are not numbers. Received: 2 rows"):
            Features.numeric(column(pd.period_range("2000", periods=2, freq="M")))


class TestCategories:
    def test_a_number_and_its_text_are_two(self):
        features = Features.categorical(column([1, "1", 1], dtype=object))
        assert features.names == ["c=1", "c='1'"]
        assert dense(features).tolist() == [[1, 0], [0, 1], [1, 0]]

    def test_text_that_looks_like_the_way_out(self):
        names = Features.categorical(column([1, "1", "'1'"], dtype=object)).names
        assert len(set(names)) == 3

    def test_spaces_do_not_count(self):
        entries = column([" fr", "fr ", "us", "  ", None])
        expected = [[1, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
        for given_as in (entries, entries.astype(object), entries.astype("category")):
            for make in (Features.categorical, Features.multilabel):
                features = make(given_as)
                assert features.names == ["c=fr", "c=us"] and dense(features).tolist() == expected

    def test_whole_numbers_are_one_category_in_either_form(self):
        features = Features.categorical(column([1, 1.0, "a", np.int64(1)], dtype=object))
        assert features.names == ["c=1", "c=a"] and dense(features)[:, 0].tolist() == [1, 1, 0, 1]
        with_gap = Features.categorical(column([1, None, 2]))  # float64 in pandas
        assert dense(with_gap.transform(column([2, 1]))).tolist() == [[0, 1], [1, 0]]

    def test_words_of_a_column_of_categories_or_numbers(self):
        expected = [[0, 1], [0, 0], [1, 1]]
        features = Features.text(column(["War", None, "the war"], dtype="category"), min_count=1)
        assert features.names == ["c=the", "c=war"] and dense(features).tolist() == expected
        assert Features.text(column([7, None], dtype="Int64"), min_count=1).names == ["c=7"]


texts = st.one_of(st.none(), st.text(" aB1|é", max_size=4))
mixed = st.one_of(st.none(), st.sampled_from([1, 1.0, "1", 2.5, " 1", "", -1]))
floats = st.one_of(
    st.none(), st.floats(-1e30, 1e30, allow_subnormal=False), st.sampled_from([9.99, 0.1, 1e-9])
)
dates = st.one_of(st.none(), st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)))
COLUMNS = {
    "categorical": (Features.categorical, st.one_of(st.lists(texts), st.lists(mixed)), object),
    "multilabel": (Features.multilabel, st.lists(texts), object),
    "text": (lambda series: Features.text(series, min_count=1), st.lists(texts), object),
    "numeric": (Features.numeric, st.lists(floats), "float64"),
    "as they are": (lambda series: Features.numeric(series, scale=False), st.lists(floats), "float64"),
    "dates": (Features.numeric, st.lists(dates), "datetime64[us]"),
}


@pytest.mark.parametrize("kind", COLUMNS)
@settings(max_examples=40)
@given(data=st.data())
def test_laws(kind, data):
    """Finite; the same in `transform` as in the fit; a permutation of rows changes nothing else."""
    make, entries, dtype = COLUMNS[kind]
    series = column(data.draw(entries), dtype=dtype)
    try:
        features = make(series)
    except ValueError as error:
        assert not len(series) or "must have" in str(error), error
        return
    assert np.isfinite(features.matrix.data).all() and len(set(features.names)) == features.n_features
    np.testing.assert_array_equal(dense(features.transform(series)), dense(features))
    missing = series.isna().to_numpy()
    assert not dense(features)[missing].any()
    order = np.array(data.draw(st.permutations(range(len(series)))), int)
    permuted = make(series.iloc[order])
    assert permuted.names == features.names and permuted.ids.tolist() == order.tolist()
    np.testing.assert_array_equal(dense(permuted), dense(features)[order])


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64"])
def test_names_of_numbers_stay_the_same_in_a_file(dtype):
    """Whole numbers in a column of floats are whole numbers, as ids are."""
    series = pd.Series([2.0, 1.5, None, 10.0], list("abcd"), dtype=dtype, name="size")
    features = Features.categorical(series)
    assert features.names == ["size=1.5", "size=2", "size=10"]
    loaded = Features.from_arrays(features.to_arrays())
    assert loaded.names == features.names
    np.testing.assert_array_equal(dense(loaded.transform(series)), dense(features))


TITLES = pd.Series(["The War of the Worlds", "War and peace", "peace", None], list("wxyz"), name="title")


def test_tfidf_is_that_of_its_formula():
    """Smoothed: `log((1 + n) / (1 + n_with)) + 1`, times the count, rows of length 1."""
    features = Features.text(TITLES, min_count=2, weights="tfidf")
    assert features.names == ["title=peace", "title=war"]
    r = 1 / np.sqrt(2)
    np.testing.assert_allclose(features.matrix.toarray(), [[0, 1], [r, r], [1, 0], [0, 0]], rtol=1e-6)
    whole = Features.text(TITLES, min_count=1, weights="tfidf")
    row = dict(zip(whole.names, whole.matrix.toarray()[0], strict=True))
    weight = {n: np.log(5 / (1 + n)) + 1 for n in (1, 2)}
    length = np.sqrt((2 * weight[1]) ** 2 + weight[2] ** 2 + 2 * weight[1] ** 2)  # the, war, of and worlds
    assert row["title=the"] == pytest.approx(2 * weight[1] / length, rel=1e-6)
    assert row["title=war"] == pytest.approx(weight[2] / length, rel=1e-6)


@pytest.mark.parametrize(
    "features",
    [
        Features.text(TITLES, min_count=1, weights="tfidf"),
        Features.text(TITLES, buckets=16),
        Features.vectors(pd.DataFrame({"a": [1.0, 2, 3, 0], "b": [0, -1, 2, 0]}, list("wxyz"))),
    ],
    ids=["tfidf", "hashed", "vectors"],
)
def test_texts_and_vectors_encode_new_entities_from_a_file(features):
    read = Features.from_arrays(features.to_arrays())
    assert read.names == features.names
    frame = pd.DataFrame({"title": ["peace of War", "unheard"], "a": [5.0, 0], "b": [1.0, 2]}, [8, 9])
    new = read.transform(frame)
    np.testing.assert_array_equal(new.matrix.toarray(), features.transform(frame).matrix.toarray())
    if features.names == ["a", "b"]:
        np.testing.assert_array_equal(new.matrix.toarray(), [[5, 1], [0, 2]])
    else:
        lengths = np.linalg.norm(new.matrix.toarray(), axis=1)
        np.testing.assert_allclose(lengths, [1, 1 if len(features.names) == 16 else 0], rtol=1e-6)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Features.text(TITLES, weights="count"), ValueError, "`weights` must be one of one, tfidf"),
        (
            lambda: Features.text(TITLES, weights="tfidf", buckets=4),
            ValueError,
            "`weights` cannot be combined with `buckets`",
        ),
        (lambda: Features.text(TITLES, buckets=0), ValueError, "`buckets` must be a positive integer"),
        (lambda: Features.text(TITLES, 9, "tfidf"), ValueError, "must have a word that is in at least"),
        (lambda: Features.vectors(TITLES), TypeError, "`frame` must be a pandas DataFrame indexed by raw id"),
        (lambda: Features.vectors(pd.DataFrame(index=["x"])), ValueError, "a column for each dimension"),
        (
            lambda: Features.vectors(pd.DataFrame({"a": [1.0, None]})),
            ValueError,
            "'a' must not have missing numbers.*0 for entities without a vector",
        ),
        (
            lambda: Features.vectors(pd.DataFrame({"a": ["1", "x"]})),
            ValueError,
            "'a' must not have entries that are not numbers",
        ),
    ],
)
def test_bad_texts_and_vectors(make, error, message):
    with pytest.raises(error, match=message):
        make()
