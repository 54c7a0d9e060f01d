import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import KBinsDiscretizer, MultiLabelBinarizer, OneHotEncoder, StandardScaler

from kerasrec.data import Features

FILMS = pd.DataFrame(
    {
        "genres": ["Drama|War", "War", None, " War |Comedy|War"],
        "country": ["fr", "us", "fr", ""],
        "year": [1950.0, np.nan, 1970.0, 1990.0],
        "title": ["The War", "War of the Worlds", None, "A war"],
    },
    index=pd.Index(["w", "x", "y", "z"], name="film"),
)


def dense(features):
    assert features.matrix.dtype == np.float32
    return features.matrix.toarray().tolist()


def test_indicator():
    features = Features.indicator(["b", "a"])
    assert features.names == ["id=b", "id=a"] and dense(features) == [[1, 0], [0, 1]]
    assert features.has_identity and not Features.categorical(FILMS["country"]).has_identity
    assert dense(features.transform(pd.DataFrame(index=["a", "new"]))) == [[0, 1], [0, 0]]
    assert Features.indicator([(1, 2), "a"]).names == ["id=(1, 2)", "id=a"]


def test_categorical():
    features = Features.categorical(FILMS["country"])
    assert features.names == ["country=fr", "country=us"]
    assert dense(features) == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert features.ids.tolist() == list("wxyz")
    expected = OneHotEncoder(categories=[["fr", "us"]], handle_unknown="ignore").fit_transform(
        FILMS[["country"]]
    )
    assert dense(features) == expected.toarray().tolist()


def test_multilabel():
    features = Features.multilabel(FILMS["genres"])
    assert features.names == ["genres=Comedy", "genres=Drama", "genres=War"]
    assert dense(features) == [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 1]]
    assert dense(Features.multilabel(FILMS["genres"].str.replace("|", ","), sep=",")) == dense(features)


def test_text():
    features = Features.text(FILMS["title"])
    assert features.names == ["title=the", "title=war"]
    assert dense(features) == [[1, 1], [1, 1], [0, 0], [0, 1]]
    assert Features.text(FILMS["title"], min_count=1).n_features == 5


def test_numeric():
    features = Features.numeric(FILMS["year"])
    expected = np.nan_to_num(StandardScaler().fit_transform(FILMS[["year"]]))
    np.testing.assert_allclose(features.matrix.toarray(), expected, rtol=1e-6)
    assert features.names == ["year"]
    assert dense(Features.numeric(FILMS["year"], scale=False)) == [[1950], [0], [1970], [1990]]
    assert dense(Features.numeric(pd.Series([3, 3], name="constant"))) == [[0], [0]]
    assert dense(Features.numeric(pd.Series([1, None], dtype="Int64", name="n"), scale=False)) == [[1], [0]]


labels = st.lists(st.lists(st.sampled_from("abcd")), min_size=1, max_size=8)


@settings(max_examples=50)
@given(rows=labels.filter(any))
def test_multilabel_against_scikit_learn(rows):
    series = pd.Series(["|".join(row) for row in rows], name="x")
    binarizer = MultiLabelBinarizer().fit(rows)
    features = Features.multilabel(series)
    assert features.names == [f"x={label}" for label in binarizer.classes_]
    assert dense(features) == binarizer.transform(rows).tolist()


@settings(max_examples=50)
@given(rows=st.lists(st.text("ab Ä1-"), min_size=1, max_size=8), min_count=st.integers(1, 3))
def test_text_against_scikit_learn(rows, min_count):
    vectorizer = CountVectorizer(token_pattern=r"(?u)\b\w+\b", min_df=min_count, binary=True)
    series = pd.Series(rows, name="x", dtype=object)
    try:
        expected = vectorizer.fit_transform(rows)
    except ValueError:
        with pytest.raises(ValueError, match=r"in at least `min_count` rows. Received: min_count=\d"):
            Features.text(series, min_count=min_count)
        return
    assert dense(Features.text(series, min_count=min_count)) == expected.toarray().tolist()


def stacked():
    return (
        Features.indicator(FILMS.index)
        + Features.multilabel(FILMS["genres"])
        + Features.categorical(FILMS["country"])
        + Features.numeric(FILMS["year"])
        + Features.text(FILMS["title"])
    )


def test_stacking_keeps_rows_and_names():
    features = stacked()
    assert (len(features), features.n_features) == (4, 12) and features.ids.tolist() == list("wxyz")
    assert repr(features) == "Features(4 rows of 12 columns)"
    np.testing.assert_array_equal(
        features.matrix[:, 4:7].toarray(), dense(Features.multilabel(FILMS["genres"]))
    )
    assert features.names[4:9] == ["genres=Comedy", "genres=Drama", "genres=War", "country=fr", "country=us"]


def test_transform_encodes_what_it_was_fitted_on_to_the_same_rows():
    features = stacked()
    again = features.transform(FILMS.iloc[[2, 0]])
    np.testing.assert_array_equal(again.matrix.toarray(), features.matrix[[2, 0]].toarray())
    assert again.ids.tolist() == ["y", "w"] and again.names == features.names


def test_transform_counts_unknown_categories():
    features = Features.multilabel(FILMS["genres"]) + Features.numeric(FILMS["year"])
    new = pd.DataFrame({"genres": ["War|Horror|Noir", "Noir"], "year": [1970, None]}, index=["n", "m"])
    with pytest.warns(UserWarning, match="^3 of 4 entries of column 'genres' are unknown .*, first 'Horror'"):
        encoded = features.transform(new)
    assert dense(encoded) == [[0, 0, 1, 0], [0, 0, 0, 0]]
    with pytest.warns(UserWarning, match="^1 of 1 entries of column 'country' .* first 'jp'"):
        assert dense(Features.categorical(FILMS["country"]).transform(pd.Series(["jp"], name="country"))) == [
            [0, 0]
        ]


def test_from_csr():
    matrix = scipy.sparse.csr_matrix(np.array([[0, 2.0], [1, 0], [0, 0]]))
    features = Features.from_csr(matrix, ["a", "b"])
    assert features.names == ["a", "b"] and features.ids is None
    assert Features.from_csr(np.eye(2)).names == ["0", "1"]
    both = features.align(["x", "y", "z"]) + Features.from_csr(np.ones((3, 1)), ["c"], ids=["x", "y", "z"])
    assert both.ids.tolist() == ["x", "y", "z"] and dense(both) == [[0, 2, 1], [1, 0, 1], [0, 0, 1]]
    # The caller's matrix is left alone.
    untidy = scipy.sparse.csr_matrix((np.ones(2, np.float32), [0, 0], [0, 2]), (1, 1))
    assert dense(Features.from_csr(untidy)) == [[2]] and untidy.nnz == 2


def test_from_transformer():
    binned = KBinsDiscretizer(2, encode="onehot", strategy="uniform", subsample=None)
    features = Features.from_transformer(binned, FILMS[["year"]].dropna())
    assert features.ids.tolist() == ["w", "y", "z"] and features.n_features == 2
    assert dense(features) == [[1, 0], [0, 1], [0, 1]]
    assert not hasattr(binned, "bin_edges_")  # a clone was fitted
    assert dense(features.transform(pd.DataFrame({"year": [1955], "more": [0]}))) == [[1, 0]]
    fitted = StandardScaler(with_mean=False).fit(FILMS[["year"]] * 2)
    np.testing.assert_allclose(
        Features.from_transformer(fitted, FILMS[["year"]].dropna()).matrix.toarray(),
        fitted.transform(FILMS[["year"]].dropna()),
        rtol=1e-6,
    )
    texts = FILMS["title"].dropna()
    features = Features.from_transformer(TfidfVectorizer(), texts)
    np.testing.assert_allclose(
        features.matrix.toarray(), TfidfVectorizer().fit_transform(texts).toarray(), rtol=1e-6
    )
    assert features.transform(texts.head(1)).matrix.nnz == features.matrix[[0]].nnz


def test_align():
    features = Features.categorical(FILMS["country"])
    aligned = features.align(np.array(["z", "x"], dtype=object), "item")
    assert aligned.ids.tolist() == ["z", "x"] and dense(aligned) == [[0, 0], [0, 1]]
    with pytest.warns(UserWarning, match="^2 of 3 item ids have no row of features .* ones, first 'q'"):
        assert dense(features.align(["q", "x", "r"], "item")) == [[0, 0], [0, 1], [0, 0]]
    with pytest.raises(ValueError, match="rows of the item ids given. .* 4 rows, first of 'w', .* first 'q'"):
        features.align(["q", "r"], "item")
    without_ids = Features.from_csr(np.ones((2, 3)))
    assert without_ids.align(["a", "b"]).ids.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="one row per user. Received: 2 rows of 3 columns for 4.$"):
        without_ids.align(range(4), "user")
    with pytest.raises(
        ValueError, match="Received: 2 rows of 3 columns for 3. The matrix looks transposed.$"
    ):
        without_ids.align(range(3), "user")


@settings(max_examples=50)
@given(seed=st.integers(0, 999), n=st.integers(1, 6), width=st.integers(1, 6))
def test_bags_hold_the_same_rows(seed, n, width):
    rng = np.random.default_rng(seed)
    matrix = (rng.random((n, width)) < 0.4) * rng.normal(size=(n, width)).astype(np.float32)
    indices, weights = Features.from_csr(matrix).bags()
    assert indices.dtype == np.int32 and weights.dtype == np.float32
    assert indices.shape == weights.shape == (n, max(1, np.count_nonzero(matrix, axis=1).max()))
    rebuilt = np.zeros((n, width), np.float32)
    np.add.at(rebuilt, (np.arange(n)[:, None], indices), weights)
    np.testing.assert_array_equal(rebuilt, matrix)


def test_describe():
    matrix = np.array([[1, 1, 0, 2, 0], [1, 0, 0, 2, 1], [1, 1, 0, 2, 0]])
    described = Features.from_csr(matrix, list("abcde"), ids=["x", "y", "z"]).describe()
    assert described["count"].to_dict() == {
        "columns": 5,
        "rows": 3,
        "empty rows": 0,
        "constant columns": 3,
        "duplicated columns": 0,
    }
    assert described["names"]["constant columns"] == ["a", "c", "d"]
    matrix = np.array([[0, 0, 3, 0], [5, 5, 1, 5]])
    described = Features.from_csr(matrix, list("abcd"), ids=["x", "y"]).describe()
    assert (
        described["names"]["duplicated columns"] == ["b", "d"]
        and described["share"]["duplicated columns"] == 0.5
    )
    described = Features.from_csr(np.array([[0, 0], [0, 1]]), ids=["x", "y"]).describe()
    assert described["names"]["empty rows"] == ["x"] and described["share"]["empty rows"] == 0.5


def test_arrays_round_trip_without_pickle(tmp_path):
    features = stacked() + Features.from_csr(np.ones((4, 1)), ["one"], FILMS.index)
    np.savez(tmp_path / "f.npz", **features.to_arrays())
    with np.load(tmp_path / "f.npz", allow_pickle=False) as arrays:
        again = Features.from_arrays(arrays)
    assert (again.matrix != features.matrix).nnz == 0
    assert again.names == features.names and again.ids.tolist() == features.ids.tolist()
    encoders = Features.from_arrays(stacked().to_arrays())
    np.testing.assert_array_equal(
        encoders.transform(FILMS.tail(2)).matrix.toarray(),
        stacked().transform(FILMS.tail(2)).matrix.toarray(),
    )
    numbers = Features.indicator(np.array([5, 3])) + Features.categorical(
        pd.Series([True, 2], [5, 3], name="m")
    )
    again = Features.from_arrays(numbers.to_arrays())
    assert again.ids.dtype == np.int64 and again.names == numbers.names
    assert Features.from_arrays(Features.from_csr(np.ones((1, 1))).to_arrays()).ids is None


def test_a_matrix_is_no_file():
    with pytest.raises(TypeError, match=r"use `Features.from_csr` for a matrix\. Received: csr_matrix"):
        Features.from_arrays(scipy.sparse.csr_matrix(np.eye(2)))


def test_what_a_file_cannot_hold():
    with pytest.raises(ValueError, match="cannot be written to a file.* Received: StandardScaler"):
        Features.from_transformer(StandardScaler(), FILMS[["year"]].dropna()).to_arrays()
    with pytest.raises(
        TypeError, match=r"must be text, numbers or truth values .* Received: \(1, 2\) of type tuple"
    ):
        Features.indicator([(1, 2), "a"]).to_arrays()
    arrays = Features.indicator(["a"]).to_arrays()
    header = arrays["header"].tobytes().replace(b'"format": 1', b'"format": 9')
    with pytest.raises(
        ValueError, match="format 1 or older; a newer kerasrec reads them. Received: format 9"
    ):
        Features.from_arrays(arrays | {"header": np.frombuffer(header, np.uint8)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Features.from_csr(np.ones((0, 3))), r"must have rows and columns. Received: shape=\(0, 3\)"),
        (lambda: Features.from_csr(np.ones((3, 0))), r"must have rows and columns. Received: shape=\(3, 0\)"),
        (
            lambda: Features.from_csr(np.array([[0, 1], [np.nan, np.inf]])),
            "finite. Received: 2 .* first in row 1",
        ),
        (lambda: Features.from_csr(np.eye(2), ["a"]), "one name per column. Received: 1 names for 2 columns"),
        (lambda: Features.from_csr(np.eye(2), ids=["a"]), "one id per row. Received: 1 ids for 2 rows"),
        (
            lambda: Features.from_csr(np.eye(2), ids=["a", "a"]),
            "must be unique. Received: 1 repeated ids, first 'a'",
        ),
        (lambda: Features.indicator(["a", "a"]), "must be unique. Received: 1 repeated ids, first 'a'"),
        (lambda: Features.categorical(pd.Series(["a"])), "`series` must have a name"),
        (
            lambda: Features.categorical(pd.Series([None], name="c")),
            "Column 'c' must have entries. Received: 1 rows",
        ),
        (
            lambda: Features.numeric(pd.Series([np.nan], name="c")),
            "Column 'c' must have entries. Received: 1 rows",
        ),
        (
            lambda: Features.numeric(pd.Series(["x"], name="c")),
            "'c' .* not numbers. Received: 1 row of them, first 'x'",
        ),
        (
            lambda: Features.numeric(pd.Series([np.inf], name="c")),
            "'c' must not have infinite values. Received: 1 row",
        ),
        (
            lambda: Features.multilabel(pd.Series([["a"]], name="c")),
            r"series.str.join\('|'\)`. Received: \['a'\]",
        ),
        (lambda: Features.text(FILMS["title"], min_count=0), "`min_count` must be a positive integer"),
        (
            lambda: Features.indicator([1, 2]) + Features.indicator([1]),
            "equal rows .* Received: 2 and 1 rows",
        ),
        (
            lambda: Features.indicator([1, 2]) + Features.indicator([1, 3]),
            "the same ids .* Received: 2 and 3 in row 1",
        ),
        (
            lambda: Features.from_csr(np.eye(2)) + Features.indicator([1, 2]),
            r"`align\(ids\)` gives their rows ids. Received: ids of the second alone",
        ),
        (
            lambda: Features.indicator([1, 2]) + Features.from_csr(np.eye(2)),
            "without ids, whose order of rows is unknown; .* Received: ids of the first alone",
        ),
        (lambda: Features.multilabel(FILMS["genres"], sep=""), "`sep` must be the text .* sep=''"),
        (
            lambda: Features.categorical(pd.Series([1, True], name="c")),
            "both truth values and the numbers that equal them; .* Received: True and 1",
        ),
        (
            lambda: Features.numeric(pd.Series([1 + 2j], name="c")),
            r"'c' .* not numbers. Received: 1 row of them, first \(1\+2j\)",
        ),
        (
            lambda: Features.numeric(pd.Series([1.0, 1e300], name="c")),
            r"'c' must not have values that are infinite in float32. .* first 1e\+300 in row 1",
        ),
        (
            lambda: Features.numeric(FILMS["year"]).transform(
                pd.DataFrame({"year": pd.to_datetime(["1990-01-01"])}, index=["n"])
            ),
            "'year' must hold numbers, as it did when the features were made. Received: dates",
        ),
        (
            lambda: Features.indicator([1]) + Features.indicator([1]),
            "must not share .* 1 names in both, first 'id=1'",
        ),
        (
            lambda: stacked().transform(FILMS[["genres"]]),
            "`new_frame` must have the column 'country'. Received: .* 'genres'.",
        ),
        (
            lambda: Features.from_csr(np.eye(2)).transform(FILMS),
            "cannot encode new .* 2 such columns, first '0'",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types():
    with pytest.raises(TypeError, match="`series` must be a pandas Series. Received: list"):
        Features.categorical(["a"])
    with pytest.raises(
        TypeError, match="Categories of column 'c' must be text, .*: Timestamp.* of type Timestamp"
    ):
        Features.categorical(pd.Series(pd.to_datetime(["1990-01-01"]), name="c"))
    with pytest.raises(TypeError, match="unsupported operand"):
        Features.indicator(["a"]) + 1


def test_columns_are_found_by_what_they_were_made_from():
    frame = pd.DataFrame({"town": ["a", "b", "a"], "age": [1.0, 2.0, 3.0]}, index=[7, 8, 9])
    features = (
        Features.categorical(frame["town"]) + Features.numeric(frame["age"]) + Features.indicator(frame.index)
    )
    assert features.names == ["town=a", "town=b", "age", "id=7", "id=8", "id=9"]
    assert features.columns_of("id") == [3, 4, 5]
    assert features.columns_of("age", "town") == [0, 1, 2]
    assert features.columns_of() == []
    with pytest.raises(
        ValueError, match="`names` must name series .*: 'town', 'age', 'id'. Received: 'city'."
    ):
        features.columns_of("city")
    with pytest.raises(ValueError, match="`names` must name series .*: none. Received: 'id'."):
        Features.from_csr(np.eye(2)).columns_of("id")
