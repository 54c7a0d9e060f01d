"""Features on disk: what `Features` makes in memory, made in blocks."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kerasrec.data import Features, _prepared_features


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Many blocks."""
    monkeypatch.setattr(_prepared_features, "BLOCK_ROWS", 7)


@pytest.fixture(scope="module")
def films():
    rng = np.random.default_rng(0)
    n = 40
    genres = np.array(["Drama", "War", "Comedy", " War|Drama ", "", None], object)
    return pd.DataFrame(
        {
            "film": [f"f{j:02d}" for j in rng.permutation(n)],
            "genres": genres[rng.integers(0, 6, n)],
            "title": rng.choice(["The War", "the Sea", None, "A war at sea", "", "Ödön"], n),
            "country": np.array(["fr", "us ", None, "de"], object)[rng.integers(0, 4, n)],
            "year": np.where(rng.random(n) < 0.2, np.nan, 1950.0 + rng.integers(0, 50, n)),
            "stars": pd.array(np.where(rng.random(n) < 0.3, None, rng.integers(1, 4, n)), "Int64"),
            "seen": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, n), "D"),
            "x": rng.normal(size=n),
            "y": rng.integers(-1, 2, n),
        }
    )


@pytest.fixture(scope="module")
def source(films, tmp_path_factory):
    """Three files."""
    folder = tmp_path_factory.mktemp("films")
    for number, rows in enumerate(np.array_split(np.arange(len(films)), 3)):
        films.iloc[rows].to_parquet(folder / f"part-{number}.parquet", row_group_size=5)
    return folder


COLUMNS = {
    "id": "film",
    "categorical": ["country", "stars"],
    "multilabel": ["genres"],
    "numeric": ["year", "seen"],
    "vectors": ["x", "y"],
}


@pytest.fixture(scope="module")
def in_memory(films):
    frame = films.set_index("film")
    whole = Features.categorical(frame["country"]) + Features.categorical(frame["stars"])
    whole += Features.multilabel(frame["genres"])
    return (
        whole
        + Features.numeric(frame["year"])
        + Features.numeric(frame["seen"])
        + Features.vectors(frame[["x", "y"]])
    )


def assert_same(found, expected):
    assert found.names == expected.names and found.ids.tolist() == expected.ids.tolist()
    np.testing.assert_array_equal(found.matrix.toarray(), expected.matrix.toarray())
    assert found.matrix.dtype == np.float32 and found.matrix.has_sorted_indices


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def test_assert_same_sees_a_difference(films, in_memory):
    for other in (
        in_memory.align(in_memory.ids[::-1]),  # other rows
        Features.indicator(films["film"]),
        in_memory + Features.indicator(films["film"]),
    ):
        with pytest.raises(AssertionError):
            assert_same(in_memory, other)


def test_as_in_memory(source, tmp_path, films, in_memory):
    found = Features.prepare(source, tmp_path / "out", verbose=False, **COLUMNS)
    assert_same(found, in_memory)
    assert_same(Features.open(tmp_path / "out"), in_memory)
    assert all(is_mapped(x) for x in (found.matrix.data, found.matrix.indices, found.matrix.indptr))
    # Of others, in memory as ever.
    assert_same(
        found.transform(films.set_index("film").iloc[:3]), in_memory.transform(films.set_index("film")[:3])
    )
    assert sorted(x.name for x in (tmp_path / "out").iterdir()) == sorted(
        ["header.json", "ids.parquet", "indices.npy", "indptr.npy", "weights.npy"]
    )


def test_blocks_with_missing_numbers_and_without(tmp_path):
    stars = [1, 2, 3, 2, 1, 1, 1, None, 2, 5]
    table = pa.table({"id": list("abcdefghij"), "stars": pa.array(stars, pa.int8())})
    pq.write_table(table, tmp_path / "items.parquet")
    found = Features.prepare(
        tmp_path / "items.parquet", tmp_path / "out", categorical=["stars"], verbose=False
    )
    expected = Features.categorical(table.to_pandas().set_index("id")["stars"])
    assert_same(found, Features.from_arrays(expected.to_arrays()))  # written, 1.0 is 1
    assert found.n_features == 4


@pytest.mark.parametrize(
    "how", [{}, {"min_count": 8}, {"weights": "tfidf", "min_count": 1}, {"buckets": 5}], ids=str
)
def test_texts(source, tmp_path, films, how):
    """The vocabulary and its weights are those of all blocks."""
    columns = {"id": "film", "text": ["title"], "categorical": ["country"], "verbose": False}
    found = Features.prepare(source, tmp_path / "out", **columns, **how)
    frame = films.set_index("film")
    expected = Features.categorical(frame["country"]) + Features.text(frame["title"], **how)
    assert found.n_features > frame["country"].nunique()
    assert_same(found, expected)
    new = frame.iloc[:2].assign(title=["War of the sea", "nothing known"], country="fr")
    transformed = Features.open(tmp_path / "out").transform(new)
    assert len(transformed.ids) == 2
    assert_same(transformed, expected.transform(new))


def test_in_the_order_of_codes(source, tmp_path, films, in_memory):
    ids = [*sorted(films["film"])[3:], "none"]
    expected_warning = pytest.warns(UserWarning, match="1 of 38 entity ids have no row .* first 'none'")
    with expected_warning:
        found = Features.prepare(source, tmp_path / "out", indicator=True, ids=ids, verbose=False, **COLUMNS)
    with expected_warning:
        expected = Features.indicator(ids) + in_memory.align(ids)
    assert_same(found, expected)
    assert found.has_identity and found.align(ids) is found
    assert_same(Features.from_arrays(found.to_arrays()), expected)


def test_identity_alone(source, tmp_path, films):
    found = Features.prepare(source, tmp_path / "out", "film", indicator=True, verbose=False)
    assert_same(found, Features.indicator(films["film"]))
    np.testing.assert_array_equal(found.matrix.toarray(), np.eye(len(films)))


def test_numbers_as_ids_and_unscaled(tmp_path, capsys):
    frame = pd.DataFrame({"id": np.arange(20)[::-1], "price": np.arange(20) % 3, "old": np.arange(20) > 9})
    frame.to_parquet(tmp_path / "items.parquet")
    columns = {"numeric": ["price"], "categorical": ["old"], "scale": False}
    found = Features.prepare(str(tmp_path / "*.parquet"), tmp_path / "out", **columns)
    assert found.ids.tolist() == frame["id"].tolist() and found.names == ["old=False", "old=True", "price"]
    expected = np.stack([~frame["old"], frame["old"], frame["price"]], axis=1)
    assert found.matrix.toarray().tolist() == expected.astype(float).tolist()
    assert found.matrix.nnz == 20 + np.count_nonzero(frame["price"])
    said = capsys.readouterr().out.splitlines()
    assert said == ["Reading 'old': 20 rows", "Reading 'price': 20 rows", "Encoding rows: 20 rows"]


def test_mistakes(source, tmp_path, films, monkeypatch):
    out = tmp_path / "out"

    def prepare(where=source, path=out, **columns):
        return Features.prepare(where, path, verbose=False, **{"id": "film", **columns})

    with pytest.raises(ValueError, match="must be given columns, or `indicator=True`. Received: neither"):
        prepare()
    with pytest.raises(ValueError, match="each column once.* Received: 'year' twice"):
        prepare(numeric=["year"], categorical=["year"])
    with pytest.raises(TypeError, match="`numeric` must be a list of names. Received: numeric='year'"):
        prepare(numeric="year")
    with pytest.raises(ValueError, match="Column 'title' must have a word .* min_count=41, 40 rows"):
        prepare(text=["title"], min_count=41)
    with pytest.raises(ValueError, match="`weights` cannot be combined with `buckets`"):
        prepare(text=["title"], weights="tfidf", buckets=4)
    with pytest.raises(ValueError, match="`numeric` must name a column.*numeric='none'; the columns"):
        prepare(numeric=["none"])
    with pytest.raises(FileNotFoundError, match="`source` must name existing files"):
        prepare(tmp_path / "none.parquet", indicator=True)
    with pytest.raises(ValueError, match="must have rows of the entity ids given"):
        prepare(numeric=["x"], ids=["none"])
    with pytest.raises(ValueError, match="`ids` must be of one type, text or numbers. Received: both"):
        with pytest.warns(UserWarning, match="1 of 2 entity ids have no row"):
            prepare(numeric=["x"], ids=["f01", 3])
    bad = films.assign(x=np.where(np.arange(len(films)) == 16, np.inf, films["x"]), none=None)
    bad.to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(
        ValueError, match=r"'x' must not have infinite .* in row 2\..* from row 14 of the tab"
    ):
        prepare(tmp_path / "bad.parquet", numeric=["x"])
    with pytest.raises(ValueError, match="'none' must have entries. Received: 40 rows, all missing"):
        prepare(tmp_path / "bad.parquet", categorical=["none"])
    for scale in (True, False):
        with pytest.raises(ValueError, match="'none' must have entries. Received: 40 rows, all missing"):
            prepare(tmp_path / "bad.parquet", numeric=["none"], scale=scale)
    films.head(0).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="must have at least one row. Received: an empty table"):
        prepare(tmp_path / "empty.parquet", indicator=True)
    pd.concat([films, films.head(1)]).to_parquet(tmp_path / "twice.parquet")
    with pytest.raises(ValueError, match="given for 'film' must be unique. Received: 1 repeated"):
        prepare(tmp_path / "twice.parquet", indicator=True)
    monkeypatch.setattr(_prepared_features, "MOST_ENTRIES", 10)
    with pytest.raises(ValueError, match="at most 10 entries that are not 0.*in the first 14 rows"):
        prepare(indicator=True)
    assert not out.exists() and not [*tmp_path.glob(".*")]


def test_a_table_that_changes(tmp_path, films, monkeypatch):
    films.to_parquet(tmp_path / "films.parquet")
    fit = _prepared_features._fitted

    def fitted(*args):
        found = fit(*args)
        pd.concat([films, films]).to_parquet(tmp_path / "films.parquet")
        return found

    monkeypatch.setattr(_prepared_features, "_fitted", fitted)
    with pytest.raises(ValueError, match="`source` must not change while it is read; run `Features.prepare`"):
        Features.prepare(tmp_path / "films.parquet", tmp_path / "out", verbose=False, **COLUMNS)


def test_other_folders(source, tmp_path):
    out = tmp_path / "out"
    Features.prepare(source, out, verbose=False, **COLUMNS)
    with pytest.raises(ValueError, match="`path` must be a new or empty folder"):
        Features.prepare(source, out, verbose=False, **COLUMNS)
    with pytest.raises(FileNotFoundError, match="folder that `Features.prepare` wrote.*does not exist"):
        Features.open(tmp_path / "none")
    with pytest.raises(ValueError, match="folder that `Features.prepare` wrote.*header cannot be read"):
        Features.open(source)
    header = json.loads((out / "header.json").read_text())
    for change, said in (
        ({"form": "kerasrec"}, "cannot be read \\(another form"),
        ({"version": 2}, "this version of kerasrec or an older one.*of version 2; the newest known one is 1"),
        ({"n_rows": 3}, "as `Features.prepare` wrote it.*header.json whose checksum does not match"),
    ):
        (out / "header.json").write_text(json.dumps(header | change))
        with pytest.raises(ValueError, match=said):
            Features.open(out)
    (out / "header.json").write_text(json.dumps(header))
    weights = bytearray((out / "weights.npy").read_bytes())
    weights[-1] ^= 1
    (out / "weights.npy").write_bytes(weights)
    with pytest.raises(ValueError, match="`Features.prepare` wrote it.*weights.npy, whose checksum does"):
        Features.open(out)
    Features.open(out, verify=False)
    (out / "weights.npy").write_bytes(weights[:-4])
    with pytest.raises(ValueError, match="`Features.prepare` wrote it.*for weights.npy, which had"):
        Features.open(out)
