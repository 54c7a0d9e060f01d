import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.evaluation import evaluate
from kerasrec.recommender import _index, _lists
from kerasrec.recommender._vector_file import read_vectors
from kerasrec.zoo._fitted import factorised as of_vectors
from kerasrec.zoo.implicit_als import CARD

N_USERS, N_ITEMS = 40, 900


def made(vectors, seed=0):
    """A recommender of given vectors; one user has all but three items."""
    has = np.random.default_rng(seed).random((len(vectors[0]), len(vectors[1]))) < 0.05
    has[:, 0], has[3] = True, True
    has[3, 5:8] = False
    users, items = np.nonzero(has)
    ids = {"user_ids": range(len(vectors[0])), "item_ids": [f"i{n}" for n in range(len(vectors[1]))]}
    return Recommender(of_vectors(CARD, *vectors), Interactions(users, items, **ids))


@pytest.fixture(scope="module")
def vectors():
    """Small whole numbers: scores tie by the hundred."""
    draw = np.random.default_rng(1)
    return [draw.integers(-2, 3, (n, 4)).astype(np.float32) for n in (N_USERS, N_ITEMS)]


@pytest.fixture(scope="module")
def noise():
    draw = np.random.default_rng(2)
    return [draw.normal(size=(n, 16)).astype(np.float32) for n in (N_USERS, 2000)]


def whole(recommender):
    """The same with an index that looks at all of its lists, and so finds everything."""
    index = recommender._held.state.index
    widest = replace(index, n_probe=index.faiss.nlist)
    recommender._held.change(lambda state: replace(state, index=widest))
    return recommender


def lists(recommender, index, **how):
    return recommender.recommend(index=index, short="fewer", **{"k": 7, **how})


def test_lists_are_the_exact_ones_where_everything_is_found(vectors, monkeypatch):
    recommender = made(vectors)
    about = recommender.build_index(min_recall=0, verbose=False)
    assert about["n_lists"] == 22 and whole(recommender)._held.state.index.faiss.ntotal == N_ITEMS
    others = [f"i{n}" for n in range(30)]
    for how in ({}, {"k": 1000}, {"exclude_seen": False}, {"exclude": others}, {"only": others}):
        exact = lists(recommender, "exact", **how)
        assert exact.equals(lists(recommender, "faiss", **how)), how
    few = recommender.recommend(3, k=5, index="faiss", short="fewer")["item"].tolist()
    assert sorted(few) == ["i5", "i6", "i7"]
    # Of each user alone, as of all at once.
    rows = [recommender.recommend(user, k=3, index="faiss") for user in range(N_USERS)]
    together = recommender.recommend(k=3, index="faiss")
    assert [x for row in rows for x in row["item"]] == together["item"].tolist()


def test_the_bias_counts(hybrid):
    assert hybrid.item_vectors()["bias"].std() > 0
    index, _ = _index.built(hybrid._now(), 0.95, 0, lambda line: None)
    state = replace(hybrid._now(), index=index)
    exact, found = (_lists.recommend(state, k=7, short="fewer", index=how) for how in ("exact", "faiss"))
    assert exact.equals(found)


def test_histories_and_similar_items_are_the_exact_ones_where_everything_is_found(vectors, monkeypatch):
    recommender = made(vectors)
    recommender.build_index(min_recall=0, verbose=False)
    whole(recommender)
    histories = {"x": ["i1", "i2"], "y": [f"i{n}" for n in range(40, 90)]}
    for how in ({}, {"exclude_seen": False}, {"only": [f"i{n}" for n in range(60)]}):
        exact, found = (
            recommender.recommend_for_history(histories, k=7, index=index, **how)
            for index in ("exact", "faiss")
        )
        assert exact.equals(found), how
    for measure in ("cosine", "dot"):
        exact, found = (
            recommender.similar_items(["i4", "i8"], k=50, measure=measure, index=index)
            for index in ("exact", "faiss")
        )
        assert exact.equals(found), measure

    # Of 22 lists, one has too few for 500 neighbours: then all items are looked at.
    one = replace(recommender._held.state, index=replace(recommender._held.state.index, n_probe=1))
    recommender._held.change(lambda state: one)
    exact, found = (recommender.similar_items("i4", k=500, index=index) for index in ("exact", "faiss"))
    assert exact.equals(found)


def test_similar_items_are_the_nearest_of_the_lists_around_an_item(noise):
    recommender = made(noise)
    recommender.build_index(min_recall=0, verbose=False)
    index = replace(recommender._held.state.index, n_probe=8)
    recommender._held.change(lambda state: replace(state, index=index))
    units = noise[1] / np.linalg.norm(noise[1], axis=1, keepdims=True)
    around = np.sort(index.around(noise[1][[120]]))
    # Eight of 45 lists: far fewer than all items, the nearest of them among them.
    assert 120 in around and 100 < len(around) < 1000
    others = around[around != 120]
    best = others[np.argsort(-(units[others] @ units[120]))[:10]]
    near = recommender.similar_items("i120", k=10, index="faiss")
    assert near["similar"].tolist() == [f"i{n}" for n in best]
    np.testing.assert_allclose(near["score"], units[best] @ units[120], rtol=1e-5)


def test_the_recall_is_that_of_the_users_lists(noise):
    recommender = made(noise)
    about = recommender.build_index(min_recall=0, seed=3, verbose=False)
    found, best = (lists(recommender, how, k=10) for how in ("faiss", "exact"))
    pairs = [set(zip(frame["user"], frame["item"], strict=True)) for frame in (found, best)]
    assert about["recall"] == pytest.approx(len(pairs[0] & pairs[1]) / len(pairs[1]))
    assert about["n_probe"] in (8, 16, 32, 45) and about["n_lists"] == 45


def test_too_low_a_recall_is_refused(noise, monkeypatch, capsys):
    monkeypatch.setattr(_index, "_PROBES", (1,))
    recommender = made(noise)
    with pytest.raises(
        ValueError, match=r"at least 0\.9 of the ten best.*index='exact'\. Received: .* 1 of 45"
    ):
        recommender.build_index(min_recall=0.9)
    assert recommender._held.state.index is None
    recommender.build_index(min_recall=0.01)
    assert "Index: 45 lists of 2,000 items" in capsys.readouterr().out


def test_where_too_little_is_found_all_items_are_looked_at(vectors):
    recommender = made(vectors)
    recommender.build_index(min_recall=0, verbose=False)
    one = replace(recommender._held.state, index=replace(recommender._held.state.index, n_probe=1))
    recommender._held.change(lambda state: one)
    assert set(recommender.recommend(3, k=3, index="faiss")["item"]) == {"i5", "i6", "i7"}
    exact = lists(recommender, "exact", k=400, users=[0, 1])
    assert exact.equals(lists(recommender, "faiss", k=400, users=[0, 1]))


def test_auto_and_evaluation(vectors, monkeypatch):
    recommender = made(vectors)
    recommender.build_index(min_recall=0, verbose=False)

    def search(self, vectors, k):
        raise RuntimeError("searched")

    monkeypatch.setattr(_index.Index, "search", search)
    recommender.recommend(1)  # few items: exactly
    monkeypatch.setattr(_index, "MANY", 500)
    with pytest.raises(RuntimeError, match="searched"):
        recommender.recommend(1)
    recommender.recommend(1, index="exact")
    recommender.recommend(1, only=[f"i{n}" for n in range(100)])
    test = Interactions([1], [899], user_ids=recommender.user_ids, item_ids=recommender.item_ids)
    evaluate(recommender.model, test, recommender.interactions)


def test_saved_beside_the_file_and_mapped(vectors, tmp_path):
    recommender = made(vectors)
    recommender.build_index(min_recall=0, verbose=False)
    recommender.save(tmp_path / "shop.keras")
    assert sorted(os.listdir(tmp_path)) == ["shop.index", "shop.keras"]
    expected = lists(recommender, "faiss")
    loaded = Recommender.load(tmp_path / "shop.keras")
    assert lists(loaded, "faiss").equals(expected)
    if os.path.exists("/proc/self/maps"):
        assert str(tmp_path / "shop.index") in Path("/proc/self/maps").read_text()
    light = read_vectors(tmp_path / "shop.keras")
    assert light.index.recall == recommender._held.state.index.recall

    # A save without an index takes the old one away; a file of other weights refuses it.
    os.rename(tmp_path / "shop.index", tmp_path / "kept")
    other = made([vectors[0], vectors[1] + 1])
    other.save(tmp_path / "shop.keras")
    os.rename(tmp_path / "kept", tmp_path / "shop.index")
    for read in (Recommender.load, read_vectors):
        with pytest.raises(ValueError, match=r"Received: shop\.index, which is older than shop\.keras"):
            read(tmp_path / "shop.keras")
    other.save(tmp_path / "shop.keras")
    assert os.listdir(tmp_path) == ["shop.keras"]
    (tmp_path / "shop.index").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"must be an index that `save` wrote; remove shop\.index, or"):
        Recommender.load(tmp_path / "shop.keras")
    other.save(tmp_path / "shop.keras")
    assert (tmp_path / "shop.index").read_bytes() == b"something else"


def test_new_and_changed_items(vectors, monkeypatch):
    recommender = made(vectors)
    recommender.build_index(min_recall=0, verbose=False)
    before = whole(recommender)._held.state
    recommender.add_items(["new 1", "new 2"])
    assert recommender._held.state.index.n_items == recommender._held.state.index.faiss.ntotal == N_ITEMS + 2
    assert lists(recommender, "exact", k=2000).equals(lists(recommender, "faiss", k=2000))
    assert before.index.faiss.ntotal == N_ITEMS

    moved = vectors[1].copy()
    moved[10:20] *= 3
    after = _index.after(before, made([vectors[0], moved])._held.state)
    recommender._held.change(lambda state: after)
    assert lists(recommender, "exact").equals(lists(recommender, "faiss"))
    assert _index.after(before, made([vectors[0], 2 * vectors[1]])._held.state).index is None
    recommender.item_metadata = recommender.item_metadata
    assert recommender._held.state.index is not None
    recommender.refresh()
    assert recommender._held.state.index is None


def test_bad_arguments(vectors, data, monkeypatch):
    recommender = made(vectors)
    with pytest.raises(ValueError, match=r"`index` must be .*'fais'"):
        recommender.recommend(1, index="fais")
    asked = (
        lambda: recommender.recommend(1, index="faiss"),
        lambda: recommender.recommend_for_history(["i1"], index="faiss"),
        lambda: recommender.similar_items("i1", index="faiss"),
    )
    for ask in asked:
        with pytest.raises(
            ValueError, match=r"make one with `build_index`.*Received: a recommender without one"
        ):
            ask()
    with pytest.raises(ValueError, match=r"`index` must be .*'fais'"):
        recommender.similar_items("i1", index="fais")
    with pytest.raises(ValueError, match=r"`min_recall` must be a share"):
        recommender.build_index(min_recall=2)
    with pytest.raises(ValueError, match=r"by a dot product\. Received: 'ease', which does not"):
        Recommender.train(data, "ease").build_index(verbose=False)
    broken = vectors[1].copy()
    broken[0, 0] = np.inf
    with pytest.raises(
        ValueError, match=r"must be finite to be searched.*'implicit_als'; the model diverged"
    ):
        made([vectors[0], broken]).build_index(verbose=False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ValueError, match=r"pip install 'kerasrec\[ann\]'\. Received: no faiss"):
        recommender.build_index(verbose=False)
