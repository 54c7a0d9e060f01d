"""The default recipe on MovieLens latest-small (2018), from Python and from the command.

Ratings are split at random, 80/20, likes are ratings of at least 4, and lists leave out every film that the
user rated in the training part, as in `examples/movielens_hybrid.py`. In full, three seeds: NDCG@10 of at
least 0.300 with genres. With `KERASREC_REPRODUCTION=quick`, as in CI, one seed and few epochs.
"""

import dataclasses
import json

import numpy as np
import pytest

import kerasrec
from kerasrec import zoo
from kerasrec.data import Features, splits
from kerasrec.evaluation import evaluate

pytestmark = pytest.mark.reproduction
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def films(shared_data):
    return kerasrec.datasets.movielens("latest-small", shared_data / "movielens-latest-small-2018")


@pytest.fixture
def shortened(quick, monkeypatch):
    """The whole recipe, or a few of its epochs."""
    card = zoo.card("hybrid")

    def short(size, loss=None):
        return card.recipe_for(size, loss).replace(epochs=6)

    if quick:
        monkeypatch.setitem(zoo.registry._CARDS, "hybrid", dataclasses.replace(card, recipe=short))


def likes_of(films, seed):
    rated, test = splits.random_split(films.interactions, 0.2, seed)
    return rated, rated.at_least(4.0), test.at_least(4.0)


def ndcg(recommender, test, rated):
    return evaluate(recommender.model, test, rated, metrics=["ndcg"])["ndcg@10"]


def test_the_hybrid_by_default(films, quick):
    ids = films.interactions.item_ids
    genres = Features.indicator(ids) + Features.multilabel(films.items["genres"].reindex(ids).fillna(""))
    found = []
    for seed in SEEDS[:1] if quick else SEEDS:
        rated, train, test = likes_of(films, seed)
        how = {"epochs": 14 if quick else None, "item_features": genres, "verbose": 0}
        recommender = kerasrec.Recommender.train(train, "hybrid", **how)
        found.append(ndcg(recommender, test, rated))
    print("\nndcg@10:", np.round(found, 4))
    assert np.mean(found) >= (0.22 if quick else 0.300)


def test_the_command_trains_what_python_trains(films, shortened, tmp_path, monkeypatch, capsys):
    from kerasrec.cli.app import app

    monkeypatch.chdir(tmp_path)
    rated, train, test = likes_of(films, 0)
    train.to_frame().drop(columns=["time"], errors="ignore").to_csv("likes.csv", index=False)
    with pytest.raises(SystemExit) as ended:
        app(["train", "likes.csv", "--model", "hybrid", "--test-size", "0", "--no-plot", "--json"])
    assert ended.value.code == 0 and json.loads(capsys.readouterr().out)["model"] == "hybrid"
    ours = kerasrec.Recommender.load("model.keras")
    # Its table has the films and users of the training rows alone.
    frame = test.to_frame()
    known = frame[frame["user"].isin(ours.user_ids) & frame["item"].isin(ours.item_ids)]
    ids = {"user_ids": ours.user_ids, "item_ids": ours.item_ids}
    kept = kerasrec.data.Interactions.from_frame(known, value="value", **ids)
    seen = rated.to_frame()
    seen = seen[seen["user"].isin(ours.user_ids) & seen["item"].isin(ours.item_ids)]
    seen = kerasrec.data.Interactions.from_frame(seen, value="value", **ids)
    same = kerasrec.data.Interactions.from_csv("likes.csv", user="user", item="item", value="value")
    theirs = kerasrec.Recommender.train(same, "hybrid", verbose=0)
    figures = ndcg(ours, kept, seen), ndcg(theirs, kept, seen)
    print("\nndcg@10 of the command and of Python:", np.round(figures, 4))
    assert figures[0] == pytest.approx(figures[1], abs=0.005)
