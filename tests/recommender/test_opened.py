"""Recommenders of interactions on disk."""

import errno
import io

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Interactions, _opened, _opened_parts, _windows, splits
from kerasrec.recommender._batches import confidence
from kerasrec.recommender._history import History
from kerasrec.recommender._rating_batches import RatingBatches


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same ratings in memory and on disk."""
    folder = tmp_path_factory.mktemp("both")
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 20)
    frame = pd.DataFrame(
        {
            "user": [f"u{user:02d}" for user in users],
            "item": np.concatenate([rng.permutation(50)[:20] for _ in range(60)]),
            "value": rng.integers(1, 6, len(users)),
            "time": rng.permutation(len(users)),
        }
    )
    frame.to_parquet(folder / "events.parquet")
    how = {"value": "value", "time": "time", "kind": "ratings"}
    opened = Interactions.prepare(folder / "events.parquet", folder / "out", verbose=False, **how)
    return Interactions.from_frame(frame, **how), opened


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Many blocks, and whatever is taken stays on disk."""
    monkeypatch.setattr(_opened, "BLOCK_ROWS", 100)
    monkeypatch.setattr(_opened_parts, "HELD_ROWS", 0)
    monkeypatch.setattr(_windows, "WINDOW", 256)


def test_closed_form(both):
    held, opened = (kerasrec.Recommender.train(x, "item_knn") for x in both)
    pd.testing.assert_frame_equal(opened.recommend(k=5), held.recommend(k=5))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["hybrid", "matrix_factorization"])
def test_lists_of_names(both, model, tmp_path):
    held, opened = both
    trained = kerasrec.Recommender.train(opened, model, epochs=2, n_components=4, verbose=0)
    lists = trained.recommend(k=3)
    assert len(lists) == 180 and set(lists["user"]) == set(held.user_ids)
    had = set(zip(held.user_ids[held.users], held.item_ids[held.items], strict=True))
    assert not had & set(zip(lists["user"], lists["item"], strict=True))
    trained.save(tmp_path / "model.keras")
    pd.testing.assert_frame_equal(kerasrec.Recommender.load(tmp_path / "model.keras").recommend(k=3), lists)


def test_history(both):
    held, opened = (History(x) for x in both)
    for name in ("starts", "items", "values", "times"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(held, name))
    users, items = np.arange(60)[:, None], np.arange(50)[None]
    np.testing.assert_array_equal(opened.find(users, items), held.find(users, items))
    frame, expected = (x.interactions(both[0].user_ids, both[0].item_ids).to_frame() for x in (opened, held))
    pd.testing.assert_frame_equal(frame, expected)


def test_history_stays_on_disk(both, monkeypatch):
    history = History(both[1])
    for name in ("items", "values", "times"):
        array = getattr(history, name)
        while isinstance(array.base, np.ndarray) and not isinstance(array, np.memmap):
            array = array.base
        assert isinstance(array, np.memmap), name

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with pytest.raises(OSError, match="history must have room in .*TMPDIR.*No space left") as caught:
        History(both[1])
    assert caught.value.errno == errno.ENOSPC


def test_ratings_in_batches(both):
    held, opened = both
    batches = RatingBatches(opened, 100, seed=0)
    rows = []
    for index in range(len(batches)):
        inputs, values = batches[index]
        assert inputs["user"].shape == (len(values), 1)
        rows += zip(inputs["user"][:, 0], inputs["item"][:, 0], values, strict=True)
    assert sorted(rows) == sorted(zip(held.users, held.items, held.values, strict=True))
    first = batches[0][1]
    batches.on_epoch_end()
    assert not np.array_equal(batches[0][1], first)


def test_signs(both):
    batches = RatingBatches(both[1].take(both[1].values != 3), 2000, seed=0, signs=True)
    # All values are above 0, and so likes: nothing changes.
    assert set(batches[0][1]) == {1, 2, 4, 5}


def test_confidence_grows_with_the_log_of_a_count():
    x = Interactions(
        [0, 0, 1, 1], [0, 1, 0, 2], [1, 3, 7, 0], user_ids=[0, 1], item_ids=[0, 1, 2], kind="counts"
    )
    # Logs of 1 + count: ln 2 times 1, 2 and 3, with a mean of 2; a count of 0 is no like.
    np.testing.assert_allclose(confidence(x).values, [0.75, 1, 1.25, 0], rtol=1e-6)


def test_confidence(both):
    held, opened = (confidence(x.of_kind("counts")) for x in both)
    order = np.lexsort((both[0].times, both[0].users))
    np.testing.assert_allclose(opened.values, held.values[order], rtol=1e-6)


@pytest.mark.slow
def test_windows_cost_no_quality():
    """Three seeds: the mean is below that of whole orders by no more than the seeds differ, or 3 %."""
    data = kerasrec.datasets.synthetic(1000, 300, 25_000, seed=0).interactions
    train, test = splits.per_user_split(data, 0.2, seed=0)
    figures = []
    for window in (None, 2000):
        for seed in range(3):
            model = kerasrec.zoo.create("hybrid", train, n_components=16, loss="bpr", seed=seed)
            batches = kerasrec.data.RankingBatches(train, 512, 10, seed=seed, window=window)
            model.fit(batches, epochs=4, verbose=0)
            report = kerasrec.evaluation.evaluate(model, test, train, k=10, metrics=["ndcg"])
            figures.append(report["ndcg@10"])
    whole, windows = np.reshape(figures, (2, 3))
    error = np.sqrt((whole.var(ddof=1) + windows.var(ddof=1)) / 3)
    random = kerasrec.zoo.create("random", train)
    by_chance = kerasrec.evaluation.evaluate(random, test, train, k=10, metrics=["ndcg"])["ndcg@10"]
    assert windows.mean() > whole.mean() - max(2 * error, 0.03 * whole.mean())
    assert windows.min() > 3 * by_chance
