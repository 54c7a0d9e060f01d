import math

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from references import ranking_metrics as reference
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    ndcg_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.metrics.pairwise import cosine_distances

from kerasrec.evaluation import _measures
from kerasrec.evaluation._judged import Judged
from kerasrec.evaluation._ragged import Ragged

N_ITEMS = 30


def cases(seed, k, n_users=12):
    """Lists of different lengths, and relevant items with values; the last user has none."""
    generator = np.random.default_rng(seed)
    lists = [list(generator.permutation(N_ITEMS)[: generator.integers(k + 1)]) for _ in range(n_users)]
    relevant = [
        {int(i): float(v) for i, v in zip(chosen, generator.integers(1, 6, len(chosen)), strict=True)}
        for chosen in (
            generator.permutation(N_ITEMS)[: generator.integers(1, 15)] for _ in range(n_users - 1)
        )
    ] + [{}]
    return lists, relevant


def judged(lists, relevant, k):
    padded = np.full((len(lists), k), -1, np.int32)
    for row, items in enumerate(lists):
        padded[row, : len(items)] = items
    rows = [row for row, own in enumerate(relevant) for _ in own]
    items = [item for own in relevant for item in own]
    values = np.array([value for own in relevant for value in own.values()], np.float32)
    return Judged(padded, Ragged(rows, items, len(lists), values))


@given(
    name=st.sampled_from(list(_measures.RELEVANCE)),
    k=st.sampled_from([1, 3, 10]),
    longer=st.sampled_from([0, 5]),
    seed=st.integers(0, 2**31),
)
def test_relevance_metrics_equal_the_reference(name, k, longer, seed):
    lists, relevant = cases(seed, k + longer)
    found = _measures.RELEVANCE[name](judged(lists, relevant, k + longer), k)
    expected = [
        getattr(reference, METRIC.get(name, name))(*own, k)
        for own in zip(lists, relevant, strict=True)
        if own[1]
    ]
    assert found[:-1] == pytest.approx(expected, abs=1e-12)
    assert math.isnan(found[-1])


METRIC = {"map": "mean_average_precision"}


def test_by_hand():
    # Ranks 1 and 3 of 4 are relevant, and a third relevant item is not in the list.
    case = judged([[7, 1, 8, 2]], [{7: 1.0, 8: 3.0, 9: 2.0}], 4)
    dcg, best = 1 + 1 / 2, 1 + 1 / math.log2(3) + 1 / 2
    assert _measures.recall(case, 4) == pytest.approx([2 / 3])
    assert _measures.precision(case, 4) == pytest.approx([1 / 2])
    assert _measures.precision(case, 10) == pytest.approx([1 / 5])  # k, not the list's length
    assert _measures.hit_rate(case, 1) == [1]
    assert _measures.f1(case, 4) == pytest.approx([4 / 7])
    assert _measures.ndcg(case, 4) == pytest.approx([dcg / best])
    assert _measures.mean_average_precision(case, 4) == pytest.approx([(1 + 2 / 3) / 3])
    assert _measures.mrr(case, 4) == [1]
    graded = (1 + 7 / 2) / (7 + 3 / math.log2(3) + 1 / 2)
    assert _measures.graded_ndcg(case, 4) == pytest.approx([graded])


def test_against_scikit_learn():
    generator = np.random.default_rng(0)
    k = 5
    for _ in range(20):
        values = generator.integers(0, 4, N_ITEMS) * (generator.random(N_ITEMS) < 0.3)
        if not values.any():
            continue
        scores = generator.normal(size=N_ITEMS)
        order = np.argsort(-scores)
        case = judged([list(order)], [{int(i): float(values[i]) for i in np.flatnonzero(values)}], N_ITEMS)
        truth, in_list = values > 0, np.isin(np.arange(N_ITEMS), order[:k])
        assert _measures.recall(case, k) == pytest.approx([recall_score(truth, in_list)])
        assert _measures.precision(case, k) == pytest.approx([precision_score(truth, in_list)])
        assert _measures.f1(case, k) == pytest.approx([f1_score(truth, in_list)])
        assert _measures.ndcg(case, k) == pytest.approx([ndcg_score([truth], [scores], k=k)])
        assert _measures.graded_ndcg(case, k) == pytest.approx([ndcg_score([2.0**values - 1], [scores], k=k)])
        # Over the whole catalogue the mean average precision is scikit-learn's.
        area = average_precision_score(truth, scores)
        assert _measures.mean_average_precision(case, N_ITEMS) == pytest.approx([area])


@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_auc_equals_the_reference_and_scikit_learn(levels):
    generator = np.random.default_rng(levels)
    scores = generator.integers(levels, size=(15, N_ITEMS)).astype(np.float32)
    scores[generator.random(scores.shape) < 0.3] = -np.inf  # no candidates
    relevant = (generator.random(scores.shape) < 0.2) & (scores > -np.inf)
    relevant[0] = False
    relevant[1] = scores[1] > -np.inf
    found = _measures.auc(scores, *np.nonzero(relevant))
    assert np.isnan(found[:2]).all()
    for row in range(2, 15):
        candidates = np.flatnonzero(scores[row] > -np.inf)
        own = set(np.flatnonzero(relevant[row]))
        assert found[row] == pytest.approx(reference.auc(scores[row], own, candidates))
        assert found[row] == pytest.approx(roc_auc_score(relevant[row][candidates], scores[row][candidates]))


def test_a_relevant_item_that_is_never_ranked_counts_as_below_all_others():
    scores = np.array([[3.0, 1.0, -np.inf, 2.0, -np.inf]], np.float32)
    assert _measures.auc(scores, np.array([0, 0]), np.array([0, 2])) == pytest.approx([0.5])


def test_metrics_of_lists_equal_the_reference():
    generator = np.random.default_rng(0)
    lists, _ = cases(1, 6)
    lists[0], lists[1] = [], [4]
    padded = judged(lists, [{}] * len(lists), 6).lists
    counts = generator.integers(0, 20, N_ITEMS)
    counts[3] = 0
    features = generator.integers(0, 2, (N_ITEMS, 5)) * generator.random((N_ITEMS, 5))
    features[5] = 0
    for k in (1, 3, 6):
        cut = padded[:, :k]
        novelty = _measures.novelty(cut, counts / 40, 40)
        popularity = _measures.popularity_bias(cut, counts / 40)
        diversity = _measures.diversity(cut, scipy.sparse.csr_matrix(features))
        assert diversity == pytest.approx(_measures.diversity(cut, features), nan_ok=True)
        assert np.isnan([novelty[0], popularity[0], diversity[0], diversity[1]]).all()
        for row, items in enumerate(lists):
            assert diversity[row] == pytest.approx(reference.diversity(items, features, k), nan_ok=True)
            if items:
                assert novelty[row] == pytest.approx(reference.novelty(items, counts, 40, k))
                assert popularity[row] == pytest.approx(reference.popularity_bias(items, counts, 40, k))
            if len(items[:k]) > 1:
                distances = cosine_distances(features[items[:k]])[np.triu_indices(len(items[:k]), 1)]
                assert diversity[row] == pytest.approx(distances.mean())
        assert _measures.coverage(cut, N_ITEMS) == pytest.approx(reference.coverage(lists, N_ITEMS, k))
        assert _measures.gini(cut, N_ITEMS) == pytest.approx(reference.gini(lists, N_ITEMS, k))


def test_coverage_and_gini_by_hand():
    assert _measures.coverage(np.array([[0, 1], [1, -1]]), 4) == 0.5
    assert _measures.gini(np.array([[0, 1], [2, 3]]), 4) == 0.0
    assert _measures.gini(np.array([[2], [2]]), 4) == 0.75  # all to one of four
    assert math.isnan(_measures.gini(np.array([[-1]]), 4))


def test_only_items_of_a_part_count():
    case = judged([[7, 1, 8, 2]], [{7: 1.0, 8: 3.0, 9: 2.0}], 4)
    part = case.of_items(np.isin(np.arange(N_ITEMS), [8, 1]))
    assert part.n_relevant.tolist() == [1]
    assert _measures.mrr(part, 4) == pytest.approx([1 / 3])
    assert _measures.graded_ndcg(part, 4) == pytest.approx([0.5])


def test_large_values_do_not_overflow_and_larger_ones_are_refused():
    case = judged([[1, 2]], [{1: 999.0, 2: 1000.0}], 2)
    expected = (0.5 + 1 / math.log2(3)) / (1 + 0.5 / math.log2(3))
    assert _measures.graded_ndcg(case, 2) == pytest.approx([expected])
    case = judged([[1, 2]], [{1: 1001.0}], 2)
    with pytest.raises(ValueError, match="`graded_ndcg` takes values of at most 1000.* Received: 1001.0"):
        _measures.graded_ndcg(case, 2)
