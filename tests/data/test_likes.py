"""What `at_least` keeps is liked, whatever its sign. Jokes rated from -10 to 10; counted by hand."""

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender, zoo
from kerasrec.data import CatalogueBatches, Interactions, RankingBatches
from kerasrec.evaluation import evaluate

JOKES = pd.DataFrame(
    {
        "user": ["ann", "ann", "ann", "bob", "bob", "cy"],
        "item": ["a", "b", "c", "a", "c", "d"],
        "value": [-1.0, 3, -9, -2, 8, 0],
    }
)
LIKED = [True, True, False, True, True, True]


@pytest.fixture
def jokes():
    return Interactions.from_frame(JOKES, value="value")


@pytest.fixture
def likes(jokes):
    return jokes.at_least(-2)


def test_what_is_liked_and_what_it_counts(jokes, likes):
    assert jokes.liked.tolist() == [False, True, False, False, True, False]
    assert jokes.gains.tolist() == [0, 3, 0, 0, 8, 0]
    assert likes.liked.all() and likes.gains.tolist() == [1] * 5
    assert likes.values.tolist() == [-1, 3, -2, 8, 0]
    assert jokes.at_least(3).gains.tolist() == [3, 8]
    assert likes.at_least(-9).liked.all() and len(likes.at_least(-9)) == 5
    described = [x.describe()["value"][("all", "liked")] for x in (jokes, likes)]
    assert described == [2, 5]


def test_all_likes_are_trained_on(likes):
    batches = RankingBatches(likes, batch_size=5, n_sampled_items=1, seed=0)
    inputs, labels = batches[0]
    pairs = sorted(zip(inputs["user"][:, 0].tolist(), inputs["item"][:, 0].tolist(), strict=True))
    assert pairs == [(0, 0), (0, 1), (1, 0), (1, 2), (2, 3)] and labels[:, 0].tolist() == [1] * 5
    inputs, labels = CatalogueBatches(likes, batch_size=3, seed=0, dense=True)[0]
    by_user = dict(zip(inputs["user"][:, 0].tolist(), labels.tolist(), strict=True))
    assert by_user == {0: [1, 1, 0, 0], 1: [1, 0, 1, 0], 2: [0, 0, 0, 1]}


def test_dislikes_are_negatives_that_were_given(jokes):
    """Ann's dislikes stand beside her one like."""
    inputs, labels = RankingBatches(jokes, batch_size=2, n_sampled_items=1, seed=0)[0]
    ann = inputs["user"][:, 0].tolist().index(0)
    given = inputs["item"][ann, 1:3][labels[ann, 1:3] == 0]
    assert sorted(given.tolist()) == [0, 2]


@pytest.mark.parametrize("values", ["binary", "raw"])
def test_popularity_counts_all_likes(likes, values):
    model = zoo.create("popularity", likes, values=values)
    codes = {"user": np.array([[0]]), "item": np.arange(4)[None]}
    assert model.predict(codes, verbose=0).tolist() == [[2, 1, 1, 1]]


def test_evaluation_looks_for_all_likes(jokes, likes):
    """Popularity puts joke a first; ann and bob like it, and cy does not have it."""
    model = zoo.create("popularity", likes)
    report = evaluate(model, likes, k=1, metrics=["hit_rate", "recall", "graded_ndcg"])
    assert report.n_users == 3
    assert report["hit_rate@1"] == pytest.approx(2 / 3) and report["recall@1"] == pytest.approx(1 / 3)
    assert report["graded_ndcg@1"] == pytest.approx(2 / 3)
    assert report.protocol["relevant"] == "test value of at least -2"
    assert evaluate(model, jokes, k=1, metrics=["recall"]).protocol["relevant"] == "test value above 0"


def test_shares_of_the_training_users(likes):
    """Two of three users like a, which is first for all: a popularity bias of 2/3."""
    model = zoo.create("popularity", likes)
    how = {"k": 1, "metrics": ["popularity_bias"], "exclude_seen": False}
    assert evaluate(model, likes, likes, **how)["popularity_bias@1"] == pytest.approx(2 / 3)


def test_a_recommender_keeps_what_is_liked(jokes, likes, tmp_path):
    model = zoo.create("popularity", likes)
    Recommender(model, likes).save(tmp_path / "x.keras")
    for recommender in (Recommender(model, likes), Recommender.load(tmp_path / "x.keras")):
        assert recommender.interactions.liked.all()
        popular = recommender.recommend("new", k=1, unknown="popular")
        assert popular["item"].tolist() == ["a"]
        # a and c share bob, of two and one who like them: 1 / sqrt(2 * 1).
        near = recommender.similar_items("c", k=1)
        assert near["similar"].tolist() == ["a"] and near["score"].iloc[0] == pytest.approx(1 / np.sqrt(2))
    assert not Recommender(model, jokes).interactions.liked.all()


def test_a_newcomer_likes_what_reaches_the_value(likes):
    model = zoo.create("item_knn", likes)
    recommender = Recommender(model, likes)
    liked = recommender.recommend_for_history(["a"], values=[-1], k=1, exclude_seen=True)
    disliked = recommender.recommend_for_history(["a"], values=[-9], k=1, exclude_seen=True)
    assert liked["score"].iloc[0] > 0 and disliked["score"].iloc[0] == 0


def test_decay_follows_all_likes(likes):
    """Ann has two likes, Bob two and Cy one, all of which their rows decay by."""
    model = zoo.create("hybrid", likes, loss="full_softmax", decay=0.1, n_components=2)
    layers = [x for x in model._flatten_layers() if isinstance(x, kerasrec.layers.FrequencyRegularization)]
    users = next(np.asarray(x.factors) for x in layers if x.factors.shape[0] == 3)
    assert users[0] == users[1] == 2 * users[2] > 0
