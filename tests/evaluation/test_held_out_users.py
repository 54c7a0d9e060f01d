"""Users who were held out of training, with a part of their items given."""

import numpy as np
import pytest
from references import baselines
from zoo_models import of_counts

import kerasrec
from kerasrec.data import splits
from kerasrec.evaluation import RankingMetrics, compare, evaluate


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    groups = rng.integers(3, size=90), rng.integers(3, size=40)
    return (rng.random((90, 40)) < np.where(groups[0][:, None] == groups[1], 0.4, 0.05)).astype(float)


@pytest.fixture(scope="module")
def parts(counts):
    return splits.held_out_users(of_counts(counts), 0.3, seed=0)


def dense(x):
    return x.to_csr().toarray() > 0


def test_the_parts(counts, parts):
    train, given, test = (dense(part) for part in parts)
    held_out = (given | test).any(axis=1)
    assert held_out.sum() == 27
    assert not train[held_out].any() and not (given & test).any()
    np.testing.assert_array_equal(train | given | test, counts > 0)
    shares = given[held_out].sum(axis=1) / counts[held_out].sum(axis=1)
    assert shares.min() == 0.5  # of two items one is given
    assert abs(shares.mean() - 0.8) < 0.03
    again = splits.held_out_users(of_counts(counts), 0.3, seed=0)
    for part, same in zip(parts, again, strict=True):
        np.testing.assert_array_equal(dense(part), dense(same))


def test_ease_scores_what_is_given(parts):
    train, given, test = parts
    x = dense(train).astype(float)
    p = np.linalg.inv(x.T @ x + 2 * np.eye(40))
    b = p / -np.diag(p)
    np.fill_diagonal(b, 0)
    np.testing.assert_allclose(x @ b, baselines.ease(x, 2.0))
    scores = dense(given) @ b
    scores[dense(given)] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :5]
    hits = np.take_along_axis(dense(test), best, axis=1).any(axis=1)
    expected = hits[dense(test).any(axis=1)].mean()
    model = kerasrec.zoo.EASE(train, ridge=2.0)
    report = evaluate(model, test, train, k=5, metrics=["hit_rate"], given=given)
    assert report["hit_rate@5"] == pytest.approx(expected)
    assert report.protocol["given"].startswith(f"{len(given):,} interactions of users held out")
    assert report.protocol["left out"] == "the user's given items"


def test_a_factorised_model_folds_them_in(parts):
    train, given, test = parts
    model = kerasrec.zoo.ImplicitALS(train, n_components=8, l2=1.0)
    found = compare(
        {"als": model}, train, test, k=5, metrics=["recall"], given=given, baselines=["popularity", "ease"]
    )
    assert found.reports["als"]["recall@5"] > 1.5 * found.reports["popularity"]["recall@5"]
    ranking = RankingMetrics(test, train, k=5, metrics=["recall"], given=given)
    assert ranking.measure(model)["recall@5"] == found.reports["als"]["recall@5"]


def test_bad_parts(counts, parts):
    train, given, test = parts
    model = kerasrec.zoo.EASE(train)
    with pytest.raises(ValueError, match="must not have users of `given`.* 27 of 27 users are in both"):
        evaluate(model, test, of_counts(counts), given=given)
    with pytest.raises(ValueError, match="`given` must have items of every user .* 27 users have none"):
        evaluate(model, test, train, given=train)
    with pytest.raises(ValueError, match="`train` must be given together with `given`"):
        evaluate(model, test, given=given)
    with pytest.raises(ValueError, match="represent users and items, score histories.*Received: 'neumf'"):
        evaluate(kerasrec.zoo.create("neumf", train), test, train, given=given)
    with pytest.raises(ValueError, match="`given` must be a share between 0 and 1. Received: given=1"):
        splits.held_out_users(train, given=1)
    single = of_counts(np.eye(4))
    with pytest.raises(ValueError, match="A held-out user must have at least two interactions"):
        splits.held_out_users(single, 0.5, seed=0)
