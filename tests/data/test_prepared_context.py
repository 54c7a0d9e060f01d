"""Context columns of interactions on disk: what they are in memory, whatever is taken of the rows."""

import numpy as np
import pandas as pd
import pytest

from kerasrec.data import (
    Interactions,
    ModelInputs,
    RankingBatches,
    _folder,
    _opened,
    _opened_parts,
    _windows,
    splits,
)

CONTEXT = ["device", "position", "price", "ad"]
NAMES = {"value": "value", "time": "time"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Many blocks, and whatever is taken stays on disk."""
    monkeypatch.setattr(_opened, "BLOCK_ROWS", 100)
    monkeypatch.setattr(_opened_parts, "HELD_ROWS", 0)
    monkeypatch.setattr(_windows, "WINDOW", 256)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 1000
    return pd.DataFrame(
        {
            "user": rng.integers(0, 50, n),
            "item": rng.integers(0, 30, n),
            "value": rng.integers(1, 6, n).astype(np.float32),
            "time": rng.permutation(n),
            "device": np.array(["tv", "ärm", "App", "watch"], object)[rng.integers(0, 4, n)],
            "position": rng.integers(0, 9, n).astype(np.int16),
            "price": rng.integers(0, 900, n) / 8,
            "ad": rng.random(n) < 0.3,
        }
    )


@pytest.fixture(scope="module")
def both(frame, tmp_path_factory):
    """The same in memory and on disk."""
    folder = tmp_path_factory.mktemp("both")
    frame[:600].to_parquet(folder / "a.parquet")
    frame[600:].to_parquet(folder / "b.parquet")
    how = {"kind": "ratings", "context": CONTEXT, **NAMES}
    opened = Interactions.prepare(f"{folder}/*.parquet", folder / "out", verbose=False, **how)
    return Interactions.from_frame(frame, **how), opened


def rows(interactions):
    columns = {name: getattr(interactions, name) for name in ("users", "items", "values", "times")}
    found = pd.DataFrame(columns | interactions.context)
    return found.sort_values(["users", "times"], ignore_index=True)


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


def assert_same(found, expected):
    pd.testing.assert_frame_equal(rows(found), rows(expected))
    pd.testing.assert_frame_equal(rows(found.events), rows(expected.events))
    assert set(found.context_ids) == set(expected.context_ids) == {"device"}
    assert found.context_ids["device"].tolist() == expected.context_ids["device"].tolist()


def test_assert_same_sees_a_difference(both):
    held, opened = both
    for other in (
        held.take(slice(1, None)),
        held._with(context=held.context | {"position": held.context["position"] + 1}),
        held._with(context_ids={"device": np.array(["App", "tv", "watch", "x"], object)}),
    ):
        with pytest.raises(AssertionError):
            assert_same(opened, other)


def test_as_in_memory(both, tmp_path):
    held, opened = both
    assert_same(opened, held)
    assert opened.context_ids["device"].tolist() == ["App", "tv", "watch", "ärm"]
    assert all(is_mapped(opened.context[name]) for name in CONTEXT)
    assert opened._columns == held._columns
    assert_same(Interactions.open(opened._disk.place, verify=True), held)


@pytest.mark.parametrize("form", ["csv", "query"])
def test_forms(frame, both, tmp_path, form):
    frame.to_csv(tmp_path / "events.csv", index=False)
    source, expected = tmp_path / "events.csv", both[0]
    how = {"kind": "ratings", "context": CONTEXT, **NAMES}
    if form == "query":
        source = f"FROM read_parquet('{both[1]._disk.place.parent}/?.parquet')"
    else:  # where types are as they are written
        expected = Interactions.from_csv(source, **how)
    found = Interactions.prepare(source, tmp_path / "out", verbose=False, **how)
    assert len(found.events) == len(frame)
    assert_same(found, expected)


def test_what_is_taken(both):
    held, opened = both
    ordered = held.take(np.lexsort((held.times, held.users)))
    mask = np.random.default_rng(1).random(len(held)) < 0.5
    assert_same(opened.take(mask), ordered.take(mask))
    assert_same(opened.take(mask).take(slice(5)), ordered.take(mask).take(slice(5)))
    assert_same(opened.at_least(4), held.at_least(4))
    assert_same(opened.of_kind("ratings"), held)
    none = opened.take([])
    assert len(none) == len(none.context["price"]) == 0
    pd.testing.assert_frame_equal(opened.to_frame(), ordered.to_frame())


def test_splits(both):
    held, opened = both
    for found, expected in zip(
        splits.time_split(opened, test_size=0.3), splits.time_split(held, test_size=0.3), strict=True
    ):
        assert_same(found, expected)
        assert found._disk is not None
    for found in splits.random_split(opened, 0.3, seed=0):
        whole = rows(opened).set_index(["users", "items"])
        own = rows(found).set_index(["users", "items"])
        pd.testing.assert_frame_equal(own, whole.loc[own.index])


def test_held_in_memory(both, monkeypatch):
    monkeypatch.setattr(_opened_parts, "HELD_ROWS", 10_000)
    held, opened = both
    found = opened.at_least(4)
    assert found._disk is None
    assert_same(found, held.at_least(4))
    new = held.to_frame().head(1).assign(time=5000, device="new")
    assert found.extend(new).context_ids["device"].tolist() == ["App", "tv", "watch", "ärm", "new"]


def test_batches(both):
    _, opened = both
    known = rows(opened).set_index(["users", "items"])
    model = ModelInputs(["user", "item", "price"])
    for batches in (
        RankingBatches(opened, 50, 2, seed=0, context=["device", "price"]),
        RankingBatches(opened, 50, 2, seed=0, context=["device"], model=["user", "item", "price"]),
    ):
        inputs, _ = batches[1]
        expected = known.loc[list(zip(inputs["user"][:, 0], inputs["item"][:, 0], strict=True))]
        np.testing.assert_array_equal(inputs["device"][:, 0], expected["device"])
        np.testing.assert_array_equal(inputs["price"][:, 0], expected["price"])
    np.testing.assert_array_equal(model.pairs(opened, [3, 7])["price"][:, 0], opened.context["price"][[3, 7]])


def test_one_table_of_several_forms(tmp_path):
    """Whole numbers in one file and fractions in another are numbers."""
    for name, entries in (("a", [1, 2]), ("b", [0.5, 3.0])):
        pd.DataFrame({"user": [1, 2], "item": [name] * 2, "price": entries}).to_parquet(
            tmp_path / f"{name}.parquet"
        )
    opened = Interactions.prepare(tmp_path, tmp_path / "out", verbose=False, context=["price"])
    assert opened.context["price"].tolist() == [1, 0.5, 2, 3] and opened.context_ids == {}


def test_folders_without_context_are_of_the_first_version(tmp_path, both):
    pd.DataFrame({"user": [1, 2], "item": [1, 1]}).to_parquet(tmp_path / "a.parquet")
    Interactions.prepare(tmp_path / "a.parquet", tmp_path / "out", verbose=False)
    assert _folder.read_header(tmp_path / "out").version == 1
    assert _folder.read_header(both[1]._disk.place).version == 2


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["a", None], "'c' must not have missing entries. Received: 1 row of them, first in row 1 of"),
        ([1.0, np.nan], "'c' must not have missing entries. Received: 1 row"),
        (["a", " "], "'c' must not have empty entries. Received: 1 row"),
        (pd.to_datetime(["2020", "2021"]), "'c' must hold numbers, text or truth values.*type TIMESTAMP"),
    ],
)
def test_entries_that_are_none(tmp_path, entries, said):
    pd.DataFrame({"user": [1, 2], "item": [1, 1], "c": entries}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=said):
        Interactions.prepare(tmp_path / "a.parquet", tmp_path / "out", verbose=False, context=["c"])


def test_mistakes(both, tmp_path):
    source = f"{both[1]._disk.place.parent}/a.parquet"
    with pytest.raises(
        ValueError, match="`context` must name a column of the table. Received: context='none'"
    ):
        Interactions.prepare(source, tmp_path / "out", verbose=False, context=["none"])
    with pytest.raises(ValueError, match=r"`context` must not use the names user.*Received: \['item'\]"):
        Interactions.prepare(source, tmp_path / "out", verbose=False, context=["item"])
    with pytest.raises(TypeError, match="`context` must be a list of names. Received: context='ad'"):
        Interactions.prepare(source, tmp_path / "out", verbose=False, context="ad")
    (tmp_path / "a.csv").write_text("user,item,c\n1,1,NA\n2,1,b\n")
    with pytest.raises(ValueError, match="'c' must not have missing entries"):
        Interactions.prepare(tmp_path / "a.csv", tmp_path / "out", verbose=False, context=["c"])
    found = Interactions.prepare(
        tmp_path / "a.csv", tmp_path / "out", verbose=False, context=["c"], keep_na=True
    )
    assert found.context_ids["c"].tolist() == ["NA", "b"] and found.context["c"].tolist() == [0, 1]
