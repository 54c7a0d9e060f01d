"""Fixed candidates in place of the catalogue, against counting by hand."""

import numpy as np
import pytest

import kerasrec
from kerasrec.data import Interactions
from kerasrec.evaluation import compare, evaluate

IDS = {"user_ids": ["ann", "bob", "cid"], "item_ids": list("abcdefgh")}


class Scores:
    """Scores that are given."""

    name = "scores"

    def __init__(self, scores):
        self.scores = np.asarray(scores, np.float32)

    def score_catalogue(self, users):
        return self.scores[users]


@pytest.fixture
def parts():
    """Ann's test item is a, and b is a candidate too; bob's are c and d; cid has none."""
    train = Interactions([0, 1, 2], [7, 6, 0], **IDS)
    test = Interactions([0, 1, 1], [0, 2, 3], **IDS)
    candidates = Interactions([0, 0, 0, 1, 1], [1, 2, 0, 4, 5], **IDS)
    return train, test, candidates


def test_only_candidates_and_relevant_items_are_ranked(parts):
    train, test, candidates = parts
    scores = np.zeros((3, 8))
    scores[0] = [3, 9, 1, 8, 8, 8, 8, 8]  # of a, b and c: b, a, c
    scores[1] = [9, 9, 1, 4, 3, 2, 9, 9]  # of c, d, e and f: d, e, f, c
    report = evaluate(
        Scores(scores), test, train, k=(1, 2), metrics=["hit_rate", "ndcg", "mrr"], candidates=candidates
    )
    assert report["hit_rate@1"] == 0.5 and report["hit_rate@2"] == 1.0
    ann, bob = 1 / np.log2(3), 1 / (1 + 1 / np.log2(3))
    assert report["ndcg@2"] == pytest.approx((ann + bob) / 2)
    assert report["mrr@2"] == pytest.approx(0.75)
    assert report.protocol["catalogue"].startswith("sampled: 3.5 fixed items per user of 8 items")


def test_ties_stand_in_the_order_of_the_catalogue():
    """As a constant model among 100: 10 of them are in the first ten."""
    n = 2000
    ids = {"user_ids": range(n), "item_ids": range(300)}
    rng = np.random.default_rng(0)
    picked = rng.permuted(np.tile(np.arange(300), (n, 1)), axis=1)[:, :100]
    test = Interactions(np.arange(n), picked[:, 0], **ids)
    candidates = Interactions(np.repeat(np.arange(n), 99), picked[:, 1:].ravel(), **ids)
    report = evaluate(Scores(np.zeros((n, 300))), test, metrics=["hit_rate"], candidates=candidates)
    assert report["hit_rate@10"] == pytest.approx(0.1, abs=0.03)


def test_seen_candidates_are_left_out(parts):
    train, test, candidates = parts
    seen = Interactions([0], [1], **IDS)
    scores = np.tile(np.arange(8)[::-1], (3, 1)).astype(float)
    scores[0, 1] = 99
    whole = evaluate(Scores(scores), test, train, k=1, metrics=["hit_rate"], candidates=candidates)
    left = evaluate(Scores(scores), test, seen, k=1, metrics=["hit_rate"], candidates=candidates)
    assert whole.per_user("hit_rate@1")["ann"] == 0 and left.per_user("hit_rate@1")["ann"] == 1


@pytest.mark.parametrize("name", ["neumf", "recommender_v1", "ease"])
def test_models_rank_by_their_own_scores(parts, name):
    """Of pairs alone, of towers, and of histories."""
    train, test, candidates = parts
    model = kerasrec.zoo.create(name, train)
    scores = model.predict({"user": np.arange(3)[:, None], "item": np.tile(np.arange(8), (3, 1))}, verbose=0)
    how = {"k": (1, 2), "metrics": ["ndcg"], "candidates": candidates}
    found, expected = evaluate(model, test, train, **how), evaluate(Scores(scores), test, train, **how)
    assert found["ndcg@1"] == expected["ndcg@1"] and found["ndcg@2"] == expected["ndcg@2"]


def test_sampled_figures_are_compared_with_none_that_are_exact(parts):
    train, test, candidates = parts
    exact = evaluate(Scores(np.eye(3, 8)), test, train, metrics=["ndcg"])
    sampled = evaluate(Scores(np.eye(3, 8)), test, train, metrics=["ndcg"], candidates=candidates)
    with pytest.raises(ValueError, match="differ in catalogue; catalogue is .*sampled: 3.5 fixed items"):
        compare({"exact": exact, "sampled": sampled})


def test_bad_candidates(parts):
    train, test, candidates = parts
    model = Scores(np.eye(3, 8))
    few = candidates.take(candidates.users == 0)
    with pytest.raises(
        ValueError, match="must have items for every evaluated user; .* none for 1 of 2 users, first 'bob'"
    ):
        evaluate(model, test, train, candidates=few)
    with pytest.raises(ValueError, match="`metrics` cannot include auc"):
        evaluate(model, test, train, metrics=["auc"], candidates=candidates)
    with pytest.raises(TypeError, match="`candidates` must be `kerasrec.data.Interactions`"):
        evaluate(model, test, train, candidates=[1])
    with pytest.raises(ValueError, match="Scores must be finite. Received: NaN from 'scores'"):
        evaluate(Scores(np.full((3, 8), np.nan)), test, train, candidates=candidates)
