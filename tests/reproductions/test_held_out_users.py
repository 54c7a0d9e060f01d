"""Mult-VAE and Mult-DAE beside tuned baselines, for users whom no model has learned from.

Protocol: MovieLens 1M, ratings of 4 and 5 are likes (575,280). A tenth of the users (604) are held out
(`splits.held_out_users(likes, 0.1, 0.8, seed=0)`): four fifths of their likes are given, and the rest is
ground truth. The whole catalogue is ranked without what is given, equal scores in pseudo-random order,
seed 0. The ridge of EASE is the best of four by NDCG@100 on a tenth of the other users. With
`KERASREC_REPRODUCTION=quick`, as in CI, Mult-VAE trains for a few epochs.
"""

import keras
import numpy as np
import pandas as pd
import pytest

from kerasrec import zoo
from kerasrec.data import CatalogueBatches, Interactions, splits
from kerasrec.evaluation import evaluate

pytestmark = pytest.mark.reproduction
METRICS = ("recall@20", "recall@50", "ndcg@100")
AUTOENCODERS = {"mult_vae": {}, "mult_dae": {"hidden": (), "variational": False}}


@pytest.fixture(scope="module")
def parts(shared_data):
    ratings = pd.read_csv(shared_data / "movielens-1m" / "interactions.csv")
    likes = ratings[ratings["level"] == 2]  # 4 and 5 stars
    columns = {"user": ratings.columns[0], "item": ratings.columns[1]}
    train, given, test = splits.held_out_users(Interactions.from_frame(likes, **columns), 0.1, 0.8, seed=0)
    assert len(train) + len(given) + len(test) == 575_280
    return train, given, test


def measured(model, parts):
    train, given, test = parts
    return evaluate(model, test, train, given=given, k=[20, 50, 100], metrics=["recall", "ndcg"])


def show(name, report):
    figures = [f"{x} {report[x]:.4f} {np.round(report.interval(x), 4).tolist()}" for x in METRICS]
    print(f"\n{name}: {', '.join(figures)}; {keras.backend.backend()}")


@pytest.fixture(scope="module")
def ease(parts):
    return measured(zoo.create("ease", parts[0], ridge=500.0), parts)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_autoencoders_by_their_recipe(parts, ease, quick, name):
    if quick and name != "mult_vae":
        pytest.skip("too long for a quick run")
    train = parts[0]
    recipe = zoo.recipe("mult_vae", train)
    epochs = 8 if quick else recipe.epochs
    model = zoo.create("mult_vae", train, seed=0, **(recipe.settings | AUTOENCODERS[name]))
    batches = CatalogueBatches(train, recipe.batch_size, seed=0, model=model)
    falling = zoo.FallingRate(recipe.replace(epochs=epochs), recipe.settings["learning_rate"])
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[falling])
    report = measured(model, parts)
    show(name, report)
    show("ease", ease)
    low, high = ease.interval("ndcg@100")
    # Popularity has 0.2165.
    assert report["ndcg@100"] >= (0.28 if quick else ease["ndcg@100"] - (high - low))
