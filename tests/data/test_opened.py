"""Interactions on disk give what interactions in memory give, whatever is taken of them."""

import gc

import numpy as np
import pandas as pd
import pytest

from kerasrec.data import (
    CatalogueBatches,
    Interactions,
    ModelInputs,
    RankingBatches,
    SequenceBatches,
    Sequences,
    _opened,
    _opened_parts,
    _windows,
    samplers,
    splits,
)
from kerasrec.data._membership import DiskHolders, DiskMembership
from kerasrec.evaluation import evaluate

N_USERS, N_ITEMS = 90, 40
KINDS = {"ratings": {"kind": "ratings"}, "counts": {"kind": "counts"}, "mean": {"duplicates": "mean"}}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 2000
    return pd.DataFrame(
        {
            "user": rng.integers(0, N_USERS, n),
            "item": rng.integers(0, N_ITEMS, n),
            "value": rng.integers(-1, 6, n).astype(np.float32),
            "time": rng.permutation(n),
        }
    )


@pytest.fixture(scope="module")
def both(frame, tmp_path_factory):
    """The same interactions in memory and on disk, by kind."""
    folder = tmp_path_factory.mktemp("both")
    frame.to_parquet(folder / "events.parquet")
    found = {}
    for name, kind in KINDS.items():
        held = Interactions.from_frame(frame, value="value", time="time", **kind)
        how = {"value": "value", "time": "time", "verbose": False, **kind}
        found[name] = held, Interactions.prepare(folder / "events.parquet", folder / name, **how)
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Many blocks, and whatever is taken stays on disk."""
    monkeypatch.setattr(_opened, "BLOCK_ROWS", 100)
    monkeypatch.setattr(_opened_parts, "HELD_ROWS", 0)
    monkeypatch.setattr(_windows, "WINDOW", 256)


@pytest.fixture(params=KINDS)
def pair(request, both):
    return both[request.param]


@pytest.fixture
def opened(both):
    return both["ratings"][1]


def rows(interactions):
    """Its rows in one order, as a frame."""
    columns = {name: getattr(interactions, name) for name in ("users", "items", "values", "times")}
    return pd.DataFrame(columns).sort_values(["users", "times"], ignore_index=True)


def pairs(interactions):
    return zip(interactions.users.tolist(), interactions.items.tolist(), strict=True)


def check_same(found, expected):
    pd.testing.assert_frame_equal(rows(found), rows(expected))
    pd.testing.assert_frame_equal(rows(found.events), rows(expected.events))
    assert found._meaning == expected._meaning
    if found._counts is not None:
        counts = np.ones(len(expected)) if expected._counts is None else expected._counts
        np.testing.assert_array_equal(found._counts, counts[np.lexsort((expected.times, expected.users))])
    assert found.user_ids is found.user_ids and len(found.user_ids) == N_USERS
    if found._disk is not None:
        starts = np.searchsorted(found.users, np.arange(N_USERS + 1))
        np.testing.assert_array_equal(found._disk.starts, starts)
        by_item = np.lexsort((found.items, found.users))
        np.testing.assert_array_equal(found._disk.by_item, found.items[by_item])


def check_split(found, expected):
    for part, known in zip(found, expected, strict=True):
        check_same(part, known)


def in_order(held):
    return held.take(np.lexsort((held.times, held.users)))


def test_take(pair):
    held, opened = pair
    mask = np.random.default_rng(1).random(len(held)) < 0.5
    check_same(opened.take(mask), in_order(held).take(mask))
    check_same(opened.take(np.flatnonzero(mask)), in_order(held).take(mask))
    check_same(opened.take(slice(10, None, 3)), in_order(held).take(slice(10, None, 3)))
    check_same(opened.take([3, -1]), in_order(held).take([3, -1]))
    check_same(opened.take(mask).take(slice(5)), in_order(held).take(mask).take(slice(5)))
    assert len(opened.take(np.zeros(len(held), bool))) == len(opened.take([])) == 0


def test_take_refuses(opened):
    with pytest.raises(ValueError, match="must be a mask, a slice, or ascending positions below"):
        opened.take([1, 0])
    with pytest.raises(ValueError, match="ascending positions"):
        opened.take([len(opened)])
    with pytest.raises(IndexError, match="must have one entry per row"):
        opened.take(np.ones(3, bool))


def test_what_is_small_is_held(pair, monkeypatch):
    held, opened = pair
    monkeypatch.setattr(_opened_parts, "HELD_ROWS", 10_000)
    found = opened.at_least(2)
    assert found._disk is None
    check_same(found, held.at_least(2))
    check_split(splits.time_split(found, at=1500), splits.time_split(held.at_least(2), at=1500))


def test_files_go_when_nobody_needs_them(opened):
    folder = opened._disk.place.parent
    found = opened.take(slice(100))
    assert len(list(folder.glob(".ratings.part-*"))) == 1
    events = found.events
    del found
    gc.collect()
    assert len(events) and len(list(folder.glob(".ratings.part-*"))) == 1
    del events
    gc.collect()
    assert not list(folder.glob(".ratings.part-*"))


@pytest.mark.parametrize("least", [2, -0.5])
def test_at_least(pair, least):
    held, opened = pair
    check_same(opened.at_least(least), held.at_least(least))
    np.testing.assert_array_equal(np.sort(opened.at_least(least).gains), np.sort(held.at_least(least).gains))
    assert opened.at_least(least).liked.all()
    assert opened.liked.sum() == held.liked.sum()


@pytest.mark.parametrize("core", [False, True])
def test_filter(both, core):
    held, opened = both["counts"]
    some = np.arange(len(held)) % 3 > 0
    held, opened = in_order(held).take(some), opened.take(some)
    expected = held.filter(7, 18, core)
    assert 0 < len(expected) < len(held)
    check_same(opened.filter(7, 18, core), expected)


def test_whole_tables(pair):
    held, opened = pair
    pd.testing.assert_frame_equal(opened.describe(), held.describe())
    assert (opened.to_csr() != held.to_csr()).nnz == 0
    pd.testing.assert_frame_equal(opened.to_frame(), in_order(held).to_frame())
    check_same(opened.of_kind("likes"), held.of_kind("likes"))
    with pytest.raises(ValueError, match="must be prepared again to be extended"):
        opened.extend(pd.DataFrame({"user": [1], "item": [2], "value": [1.0], "time": [1]}))


def test_a_frame_that_does_not_fit(opened, monkeypatch):
    monkeypatch.setattr("kerasrec.data.interactions._FRAME_BYTES", 10**12)
    with pytest.raises(ValueError, match="There must be memory for a frame of .* rows; `take` gives fewer"):
        opened.to_frame()


@pytest.mark.parametrize("least", [None, 2])
class TestSplits:
    @pytest.fixture
    def pair(self, pair, least):
        return pair if least is None else tuple(x.at_least(least) for x in pair)

    def test_by_time(self, pair):
        held, opened = pair
        check_split(splits.time_split(opened, at=1500), splits.time_split(held, at=1500))
        check_split(splits.time_split(opened, test_size=0.2), splits.time_split(held, test_size=0.2))

    def test_last_out(self, pair):
        held, opened = pair
        check_split(splits.leave_last_out(opened, 2), splits.leave_last_out(held, 2))

    def test_cold(self, pair):
        held, opened = pair
        for cold in (splits.cold_user_split, splits.cold_item_split):
            check_split(cold(opened, 0.3, seed=1), cold(held, 0.3, seed=1))

    def test_again(self, pair):
        held, opened = (splits.leave_last_out(x)[0] for x in pair)
        check_split(splits.time_split(opened, at=1200), splits.time_split(held, at=1200))


def test_ties_in_time(opened, tmp_path):
    frame = opened.to_frame().assign(time=np.arange(len(opened)) // 50)
    frame.to_parquet(tmp_path / "events.parquet")
    names = {"value": "value", "time": "time"}
    tied = Interactions.prepare(tmp_path / "events.parquet", tmp_path / "out", verbose=False, **names)
    for size in (1, 7, 0.5, len(tied) - 1):
        expected = splits.time_split(Interactions.from_frame(frame, **names), test_size=size)
        for part, known in zip(splits.time_split(tied, test_size=size), expected, strict=True):
            assert set(pairs(part)) == set(pairs(known))
    same = tied.take(tied.times == 3)
    with pytest.raises(ValueError, match="at least two different times. Received: 1"):
        splits.time_split(same, test_size=1)
    with pytest.raises(ValueError, match="must leave interactions on both sides"):
        splits.time_split(tied, at=10**6)


def test_random(opened):
    train, test = splits.random_split(opened, 0.25, seed=3)
    n_test = -(-len(opened) // 4)
    assert len(test) == n_test and len(train) == len(opened) - n_test
    pd.testing.assert_frame_equal(
        rows(opened), pd.concat([rows(train), rows(test)]).sort_values(["users", "times"], ignore_index=True)
    )
    again = splits.random_split(opened, 0.25, seed=3)[1]
    np.testing.assert_array_equal(test.items, again.items)
    assert not np.array_equal(test.times, splits.random_split(opened, 0.25, seed=4)[1].times)
    # Whether rows of every block are as likely: of 40 splits, each row is in 10 of them on average.
    times = np.sort(opened.times)
    drawn = sum(np.isin(times, splits.random_split(opened, 0.25, seed=s)[1].times) for s in range(40))
    assert abs(drawn[: len(drawn) // 2].mean() - 10) < 0.5 and 3 < drawn.std() ** 2 < 12  # 7.5 by binomial


def test_per_user(both):
    held, opened = both["ratings"]
    found, expected = (splits.per_user_split(x, 0.3, seed=1) for x in (opened, held))
    for part, known in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.bincount(part.users), np.bincount(known.users))
    pd.testing.assert_frame_equal(
        rows(opened), pd.concat(map(rows, found)).sort_values(["users", "times"], ignore_index=True)
    )
    again = splits.per_user_split(opened, 0.3, seed=1)
    np.testing.assert_array_equal(again[1].times, found[1].times)


def test_held_out_users(opened):
    train, given, test = splits.held_out_users(opened, 0.2, seed=0)
    assert len(train) + len(given) + len(test) == len(opened)
    assert not set(train.users) & set(test.users) and set(given.users) == set(test.users)


def test_windows_read_in_another_order_cause_a_warning():
    order = _windows.Windows(4096, 256, np.random.default_rng(0))
    for _ in range(3):
        for begin in range(0, 4096, 64):
            order[begin : begin + 64]
    begins = np.random.default_rng(0).permutation(64) * 64
    with pytest.warns(UserWarning, match="pass `shuffle=False`.*Received: 64 readings of 16 windows"):
        for begin in begins:
            order[begin : begin + 64]


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000, 4097])
def test_windows(n):
    order = _windows.Windows(n, 256, np.random.default_rng(0))
    whole = order[:]
    assert sorted(whole) == list(range(n))
    parts = [order[begin : begin + 100] for begin in range(0, n, 100)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(order[n // 2 : n // 2 + 7], whole[n // 2 : n // 2 + 7])
    assert len(order[n:]) == 0
    if n > 1000:
        other = _windows.Windows(n, 256, np.random.default_rng(1))
        assert not np.array_equal(other[:], whole)
        first = order[:256]
        assert np.ptp(first) > n / 2  # from anywhere, in stretches of four
        assert np.mean(np.abs(np.diff(np.sort(first))) == 1) > 0.7


def test_who_has_what(opened):
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, N_USERS, (50, 1)), rng.integers(0, N_ITEMS, 30)
    has = set(pairs(opened))
    expected = [[(int(user), int(item)) in has for item in items] for user in users[:, 0]]
    np.testing.assert_array_equal(DiskMembership(opened)(users, items), expected)
    labels = np.zeros((len(users), 1 + len(items)), np.int8)
    DiskHolders(opened).mark(labels, users[:, 0], items)
    np.testing.assert_array_equal(labels[:, 1:] < 0, expected)


class TestRankingBatches:
    def make(self, interactions, **options):
        options = {"batch_size": 128, "n_sampled_items": 5, "seed": 0} | options
        return RankingBatches(interactions, **options)

    @pytest.mark.parametrize("sampler", [samplers.UniformSampler(), samplers.PopularitySampler(shared=True)])
    def test_an_epoch(self, both, sampler):
        held, opened = both["counts"]
        batches = self.make(opened, sampler=sampler)
        expected = self.make(held, sampler=sampler)
        assert len(batches) == len(expected) and batches._n_negatives == expected._n_negatives > 0
        pairs = []
        liked = {(u, i) for u, i, like in zip(held.users, held.items, held.liked, strict=True) if like}
        given = {(u, i) for u, i, like in zip(held.users, held.items, held.liked, strict=True) if not like}
        for index in range(len(batches)):
            inputs, labels = batches[index]
            users, own = inputs["user"][:, 0], inputs["item"]
            pairs += zip(users, own[:, 0], labels[:, 0], strict=True)
            n_own = 1 + batches._n_negatives
            for j in range(1, n_own):
                assert {
                    (u, i) for u, i, y in zip(users, own[:, j], labels[:, j], strict=True) if y == 0
                } <= given
            sampled = (
                own[:, n_own:]
                if "shared_item" not in inputs
                else np.tile(inputs["shared_item"], (len(own), 1))
            )
            drawn = labels[:, -5:] == 0
            assert not liked & set(
                zip(np.broadcast_to(users[:, None], drawn.shape)[drawn], sampled[drawn], strict=True)
            )
        values = held.values[held.liked]
        expected = zip(held.users[held.liked], held.items[held.liked], values, strict=True)
        assert sorted(pairs) == sorted(expected)

    def test_same_seed(self, opened):
        first, second = self.make(opened), self.make(opened)
        for index in (0, 3, 1):
            for a, b in zip(first[index][0].values(), second[index][0].values(), strict=True):
                np.testing.assert_array_equal(a, b)
        before = first[0][0]["user"]
        first.on_epoch_end()
        assert not np.array_equal(first[0][0]["user"], before)

    def test_by_user(self, both):
        held, opened = both["counts"]
        batches = self.make(opened, by="user", batch_size=16)
        expected = self.make(held, by="user", batch_size=16)
        assert len(batches) == len(expected)
        users = np.concatenate([batches[index][0]["user"][:, 0] for index in range(len(batches))])
        assert sorted(users) == sorted(set(held.users[held.liked]))
        inputs, labels = batches[0]
        user = inputs["user"][0, 0]
        own = set(inputs["item"][0][labels[0] > 0])
        assert own == set(held.items[held.liked & (held.users == user)])

    def test_a_window_in_memory(self, both):
        held, _ = both["counts"]
        users = [self.make(held, window=256)[index][0]["user"] for index in range(3)]
        assert len({len(x) for x in users}) == 1
        with pytest.raises(ValueError, match="`window` must be a positive integer"):
            self.make(held, window=0)

    def test_histories(self, opened):
        likes = opened.take(opened.liked)
        inputs = ModelInputs(["history", "item"], likes, length=5)
        chosen = np.array([40, 7, 1000])
        held = Interactions(
            likes.users, likes.items, times=likes.times, user_ids=likes.user_ids, item_ids=likes.item_ids
        )
        expected = ModelInputs(["history", "item"], held, length=5).pairs(held, chosen)
        np.testing.assert_array_equal(inputs.pairs(likes, chosen)["history"], expected["history"])
        with pytest.raises(ValueError, match="must contain only likes for a model of histories"):
            inputs.pairs(opened, chosen)


def test_sequences(pair):
    held, opened = (x.at_least(1) for x in pair)
    for repeats in (True, False):
        found, expected = Sequences(opened, repeats), Sequences(held, repeats)
        np.testing.assert_array_equal(found.items, expected.items)
        np.testing.assert_array_equal(found.starts, expected.starts)
    until = np.random.default_rng(0).integers(0, 2000, N_USERS)
    until[:5] = np.iinfo(np.int64).max
    users = np.arange(N_USERS)
    found, expected = Sequences(opened).until(until), Sequences(held).until(until)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.latest(users, 4), expected.latest(users, 4))


@pytest.mark.parametrize("targets", ["next", "masked", "last"])
def test_sequence_batches(opened, targets):
    likes = opened.at_least(1)
    how = {"batch_size": 8, "length": 8, "targets": targets, "max_targets": 2, "repeats": False, "seed": 0}
    batches, again = (SequenceBatches(likes, window=64, **how) for _ in range(2))
    held = Interactions(
        likes.users, likes.items, times=likes.times, user_ids=likes.user_ids, item_ids=likes.item_ids
    )
    expected = SequenceBatches(held, **how)
    assert len(batches) == len(expected)
    np.testing.assert_array_equal(batches[0][0]["history"], again[0][0]["history"])
    users = sorted(user for _, part in batches._batches for user in batches._users[part])
    assert users == sorted(user for _, part in expected._batches for user in expected._users[part])


def test_catalogue_batches(both):
    held, opened = (x.at_least(1) for x in both["counts"])
    batches = CatalogueBatches(opened, 16, seed=0, dense=True, window=32)
    expected = held.to_csr().toarray()
    seen = []
    for index in range(len(batches)):
        inputs, labels = batches[index]
        seen += inputs["user"][:, 0].tolist()
        np.testing.assert_array_equal(labels, expected[inputs["user"][:, 0]])
    assert sorted(seen) == sorted(set(held.users))
    some = CatalogueBatches(opened, 16, list_size=20, seed=0, log_q=True)
    inputs, labels = some[0]
    np.testing.assert_array_equal(labels[..., 0], expected[inputs["user"][:, 0]][:, inputs["item"][0]])


def test_evaluation(both):
    class Noise:
        name = "noise"

        def score_catalogue(self, users):
            return np.sin(np.outer(users + 1, np.arange(1, N_ITEMS + 1)) * 1.7).astype(np.float32)

    held, opened = both["ratings"]
    metrics = ("ndcg", "recall", "novelty", "popularity_bias", "auc", "coverage")
    reports = [
        evaluate(Noise(), *reversed(splits.time_split(x, at=1500)), metrics=metrics) for x in (held, opened)
    ]
    for name in reports[0].metrics:
        assert reports[1][name] == pytest.approx(reports[0][name], rel=1e-12)
