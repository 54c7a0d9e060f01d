"""Processes that are killed at random moments: nothing that was there is lost, and nothing stays for ever."""

import json
import random
import tempfile
import time
from collections import Counter

import pandas as pd
import pytest

import kerasrec
from faults import works
from faults.children import Child
from kerasrec import Recommender

# Kills of each work; the few are what CI runs.
KILLS = [
    pytest.param(2, marks=pytest.mark.slow, id="few"),
    pytest.param(20, marks=pytest.mark.faults, id="all"),
]
# Seconds within which a child is killed: about what two rounds of its work take.
_SOON = {"save": 0.5, "lists": 0.5, "train": 3.0, "update": 2.5, "tune": 0.3}
# Works that train for most of their time: every other kill waits until they write, and comes that soon after.
_WRITE_SELDOM = {"train": 0.1, "update": 0.1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("out", "models", "tmp"):
        (tmp_path / name).mkdir()
    for name in ("popularity", "item_knn"):
        Recommender.train(works.data(), name).save(tmp_path / "models" / f"{name}.keras")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def killed(work, folder, n, check):
    """Kill a work `n` times, check what is there after each time, and count kills in the midst of writing."""
    draw = random.Random(work.__name__)
    found = Counter()
    for _ in range(n):
        child = Child(work, folder)
        child.hear()
        name, before = work.__name__, writing(folder)
        if name in _WRITE_SELDOM and found["killed"] % 2:
            while not writing(folder) - before:
                child.check()
                time.sleep(0.001)
            time.sleep(draw.uniform(0, _WRITE_SELDOM[name]))
        else:
            time.sleep(draw.uniform(0, _SOON[name]))
        child.check()
        child.kill()
        found["killed"] += 1
        found["in the midst of writing"] += bool(writing(folder) - before)
        check()
    print(work.__name__, dict(found))
    return found


def writing(folder):
    """Names of the hidden folders in which something is written, or was by who is no more."""
    return {path.name for path in out(folder) if path.name.startswith(".x.")}


def out(folder):
    return list((folder / "out").iterdir())


def check_nothing_stays(folder, *names):
    """After the next writer there is what was written, and nothing else; nor what Keras unpacked."""
    assert sorted(path.name for path in out(folder)) == sorted(names)
    # The socket of the children's own server stays.
    assert not [path for path in (folder / "tmp").iterdir() if not path.name.startswith("pymp-")]


@pytest.mark.parametrize("n", KILLS)
def test_save(folder, n):
    models = {path.stem: Recommender.load(path) for path in (folder / "models").iterdir()}
    expected = {name: model.recommend(k=3) for name, model in models.items()}
    path = folder / "out" / "x.keras"
    models["popularity"].save(path)

    def check():
        found = Recommender.load(path)
        pd.testing.assert_frame_equal(found.recommend(k=3), expected[found.model.name])

    killed(works.save, folder, n, check)
    models["popularity"].save(path)
    check_nothing_stays(folder, "x.keras")


@pytest.mark.parametrize("n", KILLS)
def test_lists(folder, n):
    models = {path.stem: Recommender.load(path) for path in (folder / "models").iterdir()}
    path = folder / "out" / "x.parquet"
    frames = []
    for model in models.values():
        model.recommend_to_parquet(path, k=3, verbose=False)
        frames.append(pd.read_parquet(path))

    def check():
        found = pd.read_parquet(path)
        assert any(found.equals(frame) for frame in frames)

    killed(works.lists, folder, n, check)
    models["popularity"].recommend_to_parquet(path, k=3, verbose=False)
    check_nothing_stays(folder, "x.parquet")


@pytest.mark.parametrize("n", KILLS)
def test_train(folder, n):
    path = folder / "out" / "x.keras"
    next_one = Recommender.load(folder / "models" / "popularity.keras")
    next_one.save(path)
    picture = path.with_suffix(".png")
    users, items = ([*sorted(works.table()[side].unique())] for side in ("user", "item"))

    def check():
        found = Recommender.load(path)
        assert found.model.name in ("popularity", "recommender_v2", "item_knn")
        assert [*found.user_ids] == users and [*found.item_ids] == items
        assert len(found.recommend(k=3)) == 3 * len(users)
        if picture.exists():
            content = picture.read_bytes()
            assert content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")

    killed(works.train, folder, n, check)
    child = Child(works.train, folder)  # goes on without being asked
    child.hear()
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:
        assert child.process.is_alive()
        time.sleep(0.05)
    child.kill()
    check()


@pytest.mark.parametrize("n", KILLS)
def test_update(folder, n):
    path = folder / "out" / "x.keras"
    recommender = Recommender.train(
        works.counted(), "matrix_factorization", epochs=1, verbose=0, n_components=2
    )
    recommender.save(path)
    others = counts(recommender, others=True)
    seen = [1.0]

    def check():
        found = Recommender.load(path)
        assert counts(found, others=True) == others
        seen.append(counts(found)["ann", "x"])
        assert seen[-1] >= seen[-2] and seen[-1].is_integer()
        assert found.recommend("ann", k=3)["score"].notna().all()

    killed(works.update, folder, n, check)
    last = Recommender.load(path)
    last.update(works.event(), verbose=0)
    last.save(path)
    check()
    assert seen[-1] == seen[-2] + 1
    check_nothing_stays(folder, "x.keras")


def counts(recommender, others=False):
    found = recommender.interactions.to_frame()
    values = dict(zip(zip(found["user"], found["item"], strict=True), found["value"], strict=True))
    if others:
        del values["ann", "x"]
    return values


@pytest.mark.parametrize("n", KILLS)
def test_tune(folder, n, tmp_path_factory):
    """A search goes on in its folder however often it is killed, and ends as one that was not."""
    draw = random.Random(0)
    how = {"interactions": works.data(), "model": "item_knn", **works.TUNED}
    whole = kerasrec.tuning.search(directory=tmp_path_factory.mktemp("whole"), **how)
    kills = Counter()
    for i in range(4 * n):  # some searches end before they are killed
        if kills["killed"] >= n:
            break
        search = folder / f"search {i}"
        for moment in (None, draw.randrange(30)):
            child = Child(works.tune, search, moment)
            child.hear()
            if moment is None:
                time.sleep(draw.uniform(0, _SOON["tune"]))
                died = not child.ours.poll()  # it ended before, or failed
                child.check()
                child.kill()
            else:
                died = child.died()
            kills["killed"] += died
            kills["with trials"] += died and (search / "search.json").exists()
            kills["in the midst of writing"] += any(path.name != ".lock" for path in search.rglob(".*"))
            for path in search.rglob("*.json"):
                if not any(part.startswith(".") for part in path.relative_to(search).parts):
                    json.loads(path.read_bytes())
        found = kerasrec.tuning.search(directory=search, **how)
        frames = [x.frame().drop(columns="started") for x in (found, whole)]
        pd.testing.assert_frame_equal(*frames)
        assert found.best_hyperparameters == whole.best_hyperparameters
        left = [path for path in search.rglob(".*") if path.name != ".lock"]
        assert not left
    print("tune", dict(kills))
    assert kills["killed"] >= n and kills["in the midst of writing"] >= n // 3
