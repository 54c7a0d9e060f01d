"""NeuMF beside tuned simple models, in the split of "Neural collaborative filtering".

Protocol: MovieLens 1M, every rating a positive (994,169 to train on); the last one of 6,040 users is ranked
among the 99 negatives that the paper's authors published, so the figures are sampled ones and stand beside no
others; equal scores in pseudo-random order, seed 0. In 156 lines these negatives hold the positive too.
Settings were chosen by the item before the last among 99 negatives of its own.
With `KERASREC_REPRODUCTION=quick`, as in CI, popularity alone.
"""

import keras
import numpy as np
import pandas as pd
import pytest

from kerasrec import zoo
from kerasrec.data import Interactions, RankingBatches
from kerasrec.evaluation import evaluate

pytestmark = pytest.mark.reproduction

# Settings, and the hit rate and NDCG@10 that are required.
SIMPLE = {
    "popularity": ({}, 0.453, 0.254),
    "item_knn": ({"n_neighbors": 50, "weighting": "tfidf"}, 0.67, 0.398),
    "ease": ({"ridge": 1000.0}, 0.715, 0.449),
    "implicit_als": ({"n_components": 128, "alpha": 8.0, "l2": 60.0}, 0.72, 0.445),
}


@pytest.fixture(scope="module")
def split(shared_data):
    """Interactions to train on, the held-out ones, and the 99 negatives of each user."""
    folder = shared_data / "movielens-1m"
    lines = np.loadtxt(folder / "ncf_test.txt", int)
    ratings = pd.read_csv(folder / "interactions.csv")
    user, item = ratings.columns[:2]
    held_out = pd.MultiIndex.from_arrays(lines[:, :2].T)
    ratings = ratings[~pd.MultiIndex.from_frame(ratings[[user, item]]).isin(held_out)]
    ids = {
        "user_ids": np.unique(lines[:, 0]),
        "item_ids": np.union1d(ratings[item], lines[:, 1:]),
    }

    def coded(users, items):
        users, items = np.searchsorted(ids["user_ids"], users), np.searchsorted(ids["item_ids"], items)
        return Interactions(users, items, **ids)

    train = coded(ratings[user], ratings[item])
    assert (train.n_users, train.n_items, len(train)) == (6040, 3706, 994_169)
    negatives = coded(np.repeat(lines[:, 0], 99), lines[:, 2:].ravel())
    return train, coded(lines[:, 0], lines[:, 1]), negatives


def figures(name, model, split):
    train, test, candidates = split
    report = evaluate(model, test, train, metrics=["hit_rate", "ndcg"], candidates=candidates)
    found = report["hit_rate@10"], report["ndcg@10"]
    print(f"\n{name}: hit_rate@10, ndcg@10 {np.round(found, 4)}; {keras.backend.backend()}", flush=True)
    return found


@pytest.mark.parametrize("name", SIMPLE)
def test_simple_models(split, quick, name):
    if quick and name != "popularity":
        pytest.skip("too long for a quick run")
    settings, hit_rate, ndcg = SIMPLE[name]
    found = figures(name, zoo.create(name, split[0], **settings), split)
    assert found[0] >= hit_rate and found[1] >= ndcg


# Settings, epochs, and the epochs over which the learning rate would fall to 0. On the item before the last,
# NeuMF is best after 9 epochs.
NEURAL = {
    "neumf": ({"hidden": (32, 16, 8)}, 9, 12),
    "gmf": ({"parts": "gmf"}, 12, 12),
}


@pytest.mark.parametrize("name", NEURAL)
def test_neural_models(split, quick, name):
    if quick:
        pytest.skip("too long for a quick run")
    settings, epochs, falling = NEURAL[name]
    model = zoo.NeuMF(6040, 3706, 64, **settings, l2=5e-6, learning_rate=2e-3, seed=0)
    recipe = zoo.Recipe(schedule="linear", epochs=falling)
    batches = RankingBatches(split[0], 1024, 8, seed=0)
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[zoo.FallingRate(recipe, 2e-3)])
    found = figures(name, model, split)
    assert found[0] >= 0.70 and found[1] >= 0.42
