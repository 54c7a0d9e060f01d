"""What users have had, through updates and files; the expected values are counted by hand."""

import itertools
import json
import tracemalloc
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasrec
from kerasrec import Recommender
from kerasrec._assets import Assets, read_assets, write_assets
from kerasrec.data import Interactions
from kerasrec.recommender import load_model, save_model
from kerasrec.recommender._history import History, updated
from kerasrec.recommender._vector_file import read_vectors


def held(interactions):
    """A recommender of the smallest model that can be trained."""
    user, item = (
        keras.Input((1,), dtype="int32", name="user"),
        keras.Input((None,), dtype="int32", name="item"),
    )
    embedding = kerasrec.layers.FeatureEmbedding
    vectors = embedding(interactions.n_users, 1)(user), embedding(interactions.n_items, 1)(item)
    model = kerasrec.Model(
        {"user": user, "item": item}, kerasrec.layers.DotScore()(*vectors), name="smallest"
    )
    model.compile("sgd", "mse")
    return Recommender(model, interactions)


def table(recommender):
    frame = recommender.interactions.to_frame()
    return {(user, item): value for user, item, value in frame[["user", "item", "value"]].values}


def events(users, items, **columns):
    return pd.DataFrame({"user": list(users), "item": list(items), **columns})


@pytest.mark.slow
def test_counts_add_up(tmp_path):
    recommender = held(Interactions.from_frame(events("aaaaabbb", "xxxxxyyy"), duplicates="sum"))
    recommender.update(Interactions.from_frame(events("a", "x"), duplicates="sum"), epochs=0, verbose=0)
    assert table(recommender) == {("a", "x"): 6, ("b", "y"): 3}
    recommender.save(tmp_path / "x.keras")
    recommender = Recommender.load(tmp_path / "x.keras")
    assert recommender.interactions.kind == "counts"
    recommender.update(Interactions.from_frame(events("cb", "xy")), epochs=0, verbose=0)
    assert table(recommender) == {("a", "x"): 6, ("b", "y"): 4, ("c", "x"): 1}


@pytest.mark.slow
def test_ratings_replace_earlier_ones(tmp_path):
    old = Interactions.from_frame(
        events("ab", "xx", n=[5.0, 3], t=[10, 10]), value="n", time="t", kind="ratings"
    )
    recommender = held(old)
    recommender.save(tmp_path / "x.keras")
    recommender = Recommender.load(tmp_path / "x.keras")
    new = events("ab", "xx", n=[1.0, 4], t=[9, 11])
    recommender.update(Interactions.from_frame(new, value="n", time="t"), epochs=0, verbose=0)
    assert table(recommender) == {("a", "x"): 5, ("b", "x"): 4}
    assert recommender.interactions.times.tolist() == [10, 11]
    recommender.update(Interactions.from_frame(events("b", "x", n=[2.0]), value="n"), epochs=0, verbose=0)
    assert table(recommender) == {("a", "x"): 5, ("b", "x"): 2}


def test_means_of_all_events(tmp_path):
    x = Interactions.from_frame(events("aaa", "xxx", n=[1.0, 2, 3]), value="n", duplicates="mean")
    held(x).save(tmp_path / "x.keras")
    recommender = Recommender.load(tmp_path / "x.keras")
    recommender.update(Interactions.from_frame(events("a", "x", n=[10.0]), value="n"), epochs=0, verbose=0)
    assert table(recommender) == {("a", "x"): 4}


def test_the_file_of_a_model_alone_says_it_too(tmp_path):
    x = Interactions.from_frame(events("aaab", "xxxy"), kind="counts")
    save_model(held(x).model, tmp_path / "x.keras", x, seen=True)
    loaded = Recommender.load(tmp_path / "x.keras")
    assert loaded.interactions.kind == "counts" and table(loaded) == {("a", "x"): 3, ("b", "y"): 1}


def test_a_file_that_does_not_say_it(tmp_path):
    x = Interactions.from_frame(events("ab", "xy", n=[2, 1]), value="n")
    model = held(x).model
    save_model(model, tmp_path / "x.keras", x, seen=True)
    catalogue = kerasrec.layers.find_catalogue(loaded := load_model(tmp_path / "x.keras"))
    for values, kind in (([2.0, 1.0], "ratings"), ([1.0, 1.0], "likes")):
        catalogue.attachments = {"history": {"values": np.array(values, np.float32)}}
        save_model(loaded, tmp_path / "old.keras")
        assert Recommender.load(tmp_path / "old.keras").interactions.kind == kind


class TestRefused:
    def test_events_of_another_kind(self):
        counts = held(Interactions.from_frame(events("ab", "xy"), kind="counts"))
        ratings = Interactions.from_frame(events("a", "x", n=[4]), value="n", kind="ratings")
        with pytest.raises(
            ValueError, match="`interactions` must be counts, like .*`kind='counts'`. Received: ratings"
        ):
            counts.update(ratings)
        rated = held(ratings)
        with pytest.raises(ValueError, match="must be ratings, .* and `value=`. Received: likes"):
            rated.update(Interactions.from_frame(events("a", "x")))

    def test_values_that_nobody_called_likes(self):
        """A rating of 1 would become a like; ones and zeros can be likes even if nobody says so."""
        liked = held(Interactions.from_frame(events("ab", "xy"), kind="likes"))
        new = events("ab", "yx", n=[1, 5])
        with pytest.raises(
            ValueError, match="must be likes, .*`kind='likes'`, which .* `at_least`. Received: ratings"
        ):
            liked.update(Interactions.from_frame(new, value="n"))
        high = Interactions.from_frame(new, value="n", kind="likes").at_least(4)
        liked.update(high, epochs=0, verbose=0)
        assert set(table(liked)) == {("a", "x"), ("b", "y"), ("b", "x")}
        ones = Interactions.from_frame(events("ab", "yy", n=[1, 0]), value="n")
        liked.update(ones, epochs=0, verbose=0)
        assert table(liked)["a", "y"] == 1

    def test_times_of_another_kind(self):
        dates = pd.to_datetime(["2020-01-01"])
        recommender = held(Interactions.from_frame(events("a", "x", t=dates), time="t"))
        with pytest.raises(ValueError, match="Column 'time' must have dates, like the earlier events"):
            recommender.update(Interactions.from_frame(events("a", "x", t=[5]), time="t"))

    def test_no_event_that_is_a_like(self):
        old = Interactions.from_frame(events("ab", "xx", n=[5, 4]), value="n").at_least(4)
        with pytest.raises(
            ValueError,
            match="must have likes, values of at least 4 as in training. Received: 1 events without a like",
        ):
            held(old).update(Interactions.from_frame(events("a", "y", n=[3]), value="n"))

    @pytest.mark.parametrize(
        "entries",
        [
            {"kind": "clicks"},
            {"duplicates": "first"},
            {"least": "4"},
            {"least": float("nan")},
            {"stated": 1},
            {"colour": 1},
        ],
    )
    def test_a_file_that_says_something_else(self, entries):
        arrays = History(Interactions.from_frame(events("ab", "xy"))).to_arrays()
        meaning = json.loads(arrays["meaning"].tobytes()) | entries
        arrays["meaning"] = np.frombuffer(json.dumps(meaning).encode(), np.uint8)
        ids = np.array(["a", "b"], object), np.array(["x", "y"], object)
        with pytest.raises((ValueError, TypeError), match="the kind of the interactions is|colour"):
            History.from_arrays(np.array([0, 1, 2]), np.array([0, 1]), arrays, *ids)

    @pytest.mark.parametrize("counts", [[1], [0, 1], [1.0, 2.0]])
    def test_a_file_whose_numbers_of_events_do_not_fit(self, counts):
        arrays = {"n_events": np.array(counts)}
        ids = np.array(["a", "b"], object), np.array(["x", "y"], object)
        with pytest.raises(ValueError, match="the numbers of events do not fit the seen items"):
            History.from_arrays(np.array([0, 1, 2]), np.array([0, 1]), arrays, *ids)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"values": np.ones(3, np.float32)}, r"\(3,\) values do not fit \(2,\) seen items"),
            ({"times": np.ones(1, np.int64)}, r"\(1,\) times do not fit \(2,\) seen items"),
            ({"values": np.array([1, np.nan])}, "values of the seen items are not finite"),
            ({"times": np.ones(2)}, "times must be whole numbers, not float64"),
        ],
    )
    def test_a_file_whose_columns_do_not_fit(self, arrays, message):
        ids = np.array(["a", "b"], object), np.array(["x", "y"], object)
        with pytest.raises(ValueError, match=message):
            History.from_arrays(np.array([0, 1, 2]), np.array([0, 1]), arrays, *ids)


class TestMemory:
    """A file's arrays are taken as they are: 16 bytes a pair with values and times, which nothing doubles."""

    def test_no_copy(self):
        n_users, n_each = 1_000, 100
        items = np.tile(np.arange(n_each, dtype=np.int32), n_users)
        arrays = {"values": np.ones(len(items), np.float32), "times": np.arange(len(items))}
        starts = np.arange(0, len(items) + 1, n_each)
        tracemalloc.start()
        try:
            history = History.from_arrays(starts, items, arrays, np.arange(n_users), np.arange(n_each))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2 * len(items)
        assert history.items is items
        assert history.find(np.array([3, 3]), np.array([7, n_each])).tolist() == [3 * n_each + 7, -1]

    def test_reading_holds_no_more_than_it_gives(self, tmp_path):
        n_users, n_each = 1_000, 500
        n = n_users * n_each
        items, starts = np.tile(np.arange(n_each, dtype=np.int32), n_users), np.arange(0, n + 1, n_each)
        history = {"values": np.ones(n, np.float32), "times": np.arange(n)}
        ids = np.arange(n_users), np.arange(n_each)
        write_assets(tmp_path, Assets(*ids, (1.0, 1.0), (starts, items), {"history": history}))
        tracemalloc.start()
        try:
            read = read_assets(tmp_path)
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (read.seen[1] == items).all() and 16 * n < held
        assert peak < 1.3 * held

    def test_the_model_alone(self, tmp_path):
        data = Interactions.from_frame(events("ab", "xy"))
        recommender = Recommender(kerasrec.zoo.create("matrix_factorization", data, n_components=2), data)
        recommender.save(tmp_path / "all.keras")
        save_model(recommender.model, tmp_path / "alone.keras", history=False)
        with zipfile.ZipFile(tmp_path / "alone.keras") as file:
            assert not [name for name in file.namelist() if name.endswith(".npz") or "vectors" in name]
        alone = load_model(tmp_path / "alone.keras")
        rows = {"user": np.array([[0], [1]]), "item": np.array([[1], [0]])}
        scores = [keras.ops.convert_to_numpy(model(rows)) for model in (alone, recommender.model)]
        np.testing.assert_array_equal(*scores)
        save_model(recommender.model, tmp_path / "again.keras")  # the model still carries everything
        assert Recommender.load(tmp_path / "again.keras").recommend("a", k=1)["item"].tolist() == ["y"]
        with pytest.raises(ValueError, match="`seen` must be `False` for `history=False`"):
            save_model(recommender.model, tmp_path / "x.keras", data, seen=True, history=False)

    @pytest.mark.parametrize("read", [Recommender.load, read_vectors])
    def test_refused_where_there_is_none(self, read, tmp_path, monkeypatch):
        data = Interactions.from_frame(events("ab", "xy"))
        model = kerasrec.zoo.create("matrix_factorization", data, n_components=2)
        Recommender(model, data).save(tmp_path / "x.keras")
        monkeypatch.setattr("kerasrec._memory.memory_left", lambda trains=False: 500)
        with pytest.raises(ValueError, match=r"memory for what .*x\.keras holds: free some") as said:
            read(tmp_path / "x.keras")
        assert "bytes needed, and 500 left" in str(said.value)


CASES = [
    ({"kind": "ratings", "value": "n", "time": "t"}, "last"),
    ({"kind": "ratings", "value": "n"}, "last"),
    ({"kind": "counts"}, "sum"),
    ({"kind": "counts", "value": "n", "time": "t"}, "sum"),
    ({"kind": "likes"}, "last"),
    ({"duplicates": "mean", "value": "n", "time": "t"}, "mean"),
]
rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 5), st.integers(0, 4)),
    min_size=2,
    max_size=12,
)


@pytest.mark.parametrize(("said", "how"), CASES)
@settings(max_examples=8)
@given(rows=rows, cuts=st.sets(st.integers(1, 11), max_size=3))
def test_any_sequence_of_events_comes_to_one_table(said, how, rows, cuts):
    """As pandas says; the history goes through the form of a file between two of them."""
    table = pd.DataFrame(rows, columns=["user", "item", "n", "t"])
    ids = {"user_ids": list("abc"), "item_ids": list("xyz")}
    places = [0, *sorted(cut for cut in cuts if cut < len(table)), len(table)]
    parts = [
        Interactions.from_frame(table.iloc[start:end], **said, **ids)
        for start, end in zip(places, places[1:], strict=False)
    ]
    history = History(parts[0])
    names = [np.array(ids[name], object) for name in ("user_ids", "item_ids")]
    for part in parts[1:]:
        history = History(updated(history.interactions(*names), part))
        history = History.from_arrays(history.starts, history.items, history.to_arrays(), *names)
    events = table if "value" in said else table.assign(n=1)
    events = events.sort_values("t", kind="stable") if "time" in said else events
    frame = history.interactions(*names).to_frame().set_index(["user", "item"])
    assert frame["value"].to_dict() == pytest.approx(events.groupby(["user", "item"])["n"].agg(how).to_dict())
    if "time" in said:
        assert frame["time"].to_dict() == events.groupby(["user", "item"])["t"].max().to_dict()


_EVENTS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz"), st.integers(1, 5)), min_size=1, max_size=12
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ratings", "counts", "likes"])
@pytest.mark.parametrize("timed", [True, False])
@settings(max_examples=8)
@given(drawn=_EVENTS, data=st.data())
def test_updates_and_extensions_come_to_one_table(kind, timed, drawn, data):
    """In any order and in any parts; each second part comes by `extend` before the recommender sees it."""
    times = data.draw(st.permutations(range(len(drawn)))) if timed else range(len(drawn))
    frame = pd.DataFrame(drawn, columns=["user", "item", "n"]).assign(t=list(times))
    how = {"time": "t"} if timed else {}
    how |= {} if kind == "likes" else {"value": "n"}
    frame["n"] = frame["n"].astype(float)
    expected = {}  # by hand: of ratings the last one, counts added up, likes once
    for row in frame.sort_values("t").itertuples():
        before = expected.get((row.user, row.item), 0.0)
        value = {"ratings": row.n, "counts": before + row.n, "likes": 1.0}[kind]
        expected[row.user, row.item] = value
    cuts = sorted(data.draw(st.sets(st.integers(1, len(drawn)), max_size=4)) | {0, len(drawn)})
    parts = [frame.iloc[start:stop] for start, stop in itertools.pairwise(cuts)]
    made = [Interactions.from_frame(part, kind=kind, **how) for part in parts]
    recommender = held(made[0])
    waiting = None
    for i, part in enumerate(made[1:]):
        if waiting is not None:
            waiting = waiting.extend(parts[i + 1])
            recommender.update(waiting, epochs=0, verbose=0)
            waiting = None
        else:
            waiting = part
    if waiting is not None:
        recommender.update(waiting, epochs=0, verbose=0)
    assert table(recommender) == expected
    assert recommender.interactions.kind == kind
    whole = Interactions.from_frame(frame, kind=kind, **how).to_frame()
    columns = ["user", "item", "value", *(["time"] if timed else [])]
    found = recommender.interactions.to_frame()
    pd.testing.assert_frame_equal(
        *(x[columns].sort_values(["user", "item"], ignore_index=True) for x in (found, whole))
    )
