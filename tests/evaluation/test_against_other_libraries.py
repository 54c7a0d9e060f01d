"""Every metric through `evaluate`, against RecTools, keras-rs and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import auc, top_k_accuracy_score

from kerasrec.data import Interactions
from kerasrec.evaluation import evaluate

N_USERS, N_ITEMS = 20, 30


class Given:
    """A model of given scores."""

    name = "given"

    def __init__(self, scores):
        self.scores = np.asarray(scores, "float32")

    def score_catalogue(self, user_codes):
        return self.scores[user_codes]


def of_lists(rows, n_items):
    users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    ids = {"user_ids": np.arange(len(rows)), "item_ids": np.arange(n_items)}
    return Interactions(users, np.concatenate(rows), **ids)


# What RecTools 0.19.0 gives for this case at k = 3, a value a user.
TRAIN = [[0, 1, 2], [0, 1, 3], [0, 2, 4], [0, 3, 5], [1, 2, 6], [0, 1, 5]]
LISTS = [[3, 4, 6], [2, 4, 5], [1, 3, 6], [2, 1, 4], [0, 3, 5], [4, 2, 6]]
TEST = [[4, 6, 5], [2], [7], [1, 7], [0, 3, 5, 7], [6, 7]]
KINDS = [0, 0, 1, 1, 2, 2, 0, 1]
RECTOOLS = {
    "recall": [0.666667, 1.0, 0.0, 0.5, 0.75, 0.5],
    "precision": [0.666667, 0.333333, 0.0, 0.333333, 1.0, 0.333333],
    "hit_rate": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
    "f1": [0.666667, 0.5, 0.0, 0.4, 0.857143, 0.4],  # F1Beta
    "ndcg": [0.530721, 1.0, 0.0, 0.386853, 1.0, 0.306574],  # divide_by_achievable=True
    "map": [0.388889, 1.0, 0.0, 0.25, 0.75, 0.166667],
    "mrr": [0.5, 1.0, 0.0, 0.5, 1.0, 0.333333],
    "novelty": [2.251629, 1.723308, 1.584963, 1.389975, 1.14432, 2.056642],  # MeanInvUserFreq
    "popularity_bias": [1.333333, 2.0, 2.333333, 2.666667, 3.0, 1.666667],  # AvgRecPopularity
    "diversity": [1.0, 0.666667, 0.666667, 1.0, 1.0, 1.0],  # IntraListDiversity, Hamming
}
RECTOOLS_COVERAGE = 0.875  # CatalogCoverage, normalize=True


def test_rectools():
    scores = np.zeros((6, 8))
    np.put_along_axis(scores, np.array(LISTS), [[3.0, 2.0, 1.0]], axis=1)
    report = evaluate(
        Given(scores),
        of_lists(TEST, 8),
        of_lists(TRAIN, 8),
        k=3,
        metrics=[*RECTOOLS, "coverage"],
        exclude_seen=False,
        item_features=np.eye(3)[KINDS],  # equal kinds have cosine 1, others 0
    )
    n_relevant = np.array([len(row) for row in TEST])
    for name, values in RECTOOLS.items():
        expected = np.array(values)
        if name == "map":  # theirs divides by the relevant items also where these are more than k
            expected = expected * n_relevant / np.minimum(n_relevant, 3)
        if name == "popularity_bias":  # theirs counts interactions, ours is a share of the 6 users
            expected = expected / 6
        found = report.per_user(f"{name}@3").to_numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=name)
    assert report["coverage@3"] == RECTOOLS_COVERAGE


@pytest.fixture
def random_case():
    """Values, of which about a third are above 0, and scores without ties."""
    generator = np.random.default_rng(0)
    values = generator.integers(1, 4, (N_USERS, N_ITEMS)) * (generator.random((N_USERS, N_ITEMS)) < 0.3)
    values[:, 0] = 1  # nobody is without
    scores = generator.permuted(np.tile(np.arange(N_ITEMS, dtype="float32"), (N_USERS, 1)), axis=1)
    users, items = np.nonzero(values)
    ids = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}
    return values, scores, Interactions(users, items, values[users, items], **ids)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 5])
def test_keras_rs(random_case, k):
    import keras_rs

    values, scores, test = random_case
    theirs = {
        "recall": keras_rs.metrics.RecallAtK,
        "precision": keras_rs.metrics.PrecisionAtK,
        "mrr": keras_rs.metrics.MeanReciprocalRank,
        "map": keras_rs.metrics.MeanAveragePrecision,
        "ndcg": keras_rs.metrics.NDCG,
        "graded_ndcg": keras_rs.metrics.NDCG,
    }
    report = evaluate(Given(scores), test, k=k, metrics=list(theirs))
    n_relevant = (values > 0).sum(axis=1)
    for name, metric in theirs.items():
        labels = values if name == "graded_ndcg" else values > 0
        own = []
        for row in range(N_USERS):
            measured = metric(k=k)
            measured.update_state(labels[row : row + 1].astype("float32"), scores[row : row + 1])
            own.append(float(measured.result()))
        expected = np.array(own)
        if name == "map":  # theirs divides by the relevant items also where these are more than k
            expected = expected * n_relevant / np.minimum(n_relevant, k)
        np.testing.assert_allclose(report.per_user(f"{name}@{k}"), expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("k", [1, 5])
def test_hit_rate_is_scikit_learn_s_top_k_accuracy(random_case, k):
    _, scores, _ = random_case
    own = np.random.default_rng(1).integers(0, N_ITEMS, N_USERS)  # one relevant item a user
    report = evaluate(Given(scores), of_lists(own[:, None], N_ITEMS), k=k, metrics=["hit_rate"])
    assert report[f"hit_rate@{k}"] == pytest.approx(
        top_k_accuracy_score(own, scores, k=k, labels=np.arange(N_ITEMS))
    )


def test_gini_is_the_area_beside_the_lorenz_curve_by_scikit_learn(random_case):
    _, scores, test = random_case
    report = evaluate(Given(scores), test, k=4, metrics=["gini"])
    counts = np.sort(np.bincount(np.argsort(-scores, axis=1)[:, :4].ravel(), minlength=N_ITEMS))
    lorenz = np.concatenate([[0], np.cumsum(counts) / counts.sum()])
    assert report["gini@4"] == pytest.approx(1 - 2 * auc(np.linspace(0, 1, N_ITEMS + 1), lorenz))
