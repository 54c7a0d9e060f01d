import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references.ranking_metrics import ranked

from kerasrec.evaluation._layout import Layout, tie_order


def in_columns(layout, scores):
    out = np.full((len(scores), layout.width), -np.inf, np.float32)
    there = layout.columns >= 0
    out[:, layout.columns[there]] = scores[:, there]
    return out


def test_tie_order_is_one_order_a_seed():
    assert np.array_equal(tie_order(100, 3), tie_order(100, 3))
    assert not np.array_equal(tie_order(100, 3), tie_order(100, 4))
    assert sorted(tie_order(100, 3)) == list(range(100))


@pytest.mark.parametrize("n_items", [1, 2, 15, 16, 17, 1000, 3706])
def test_every_item_has_a_column_of_its_own(n_items):
    layout = Layout.of(n_items)
    assert np.array_equal(layout.items[layout.columns], np.arange(n_items))
    assert (layout.items >= 0).sum() == n_items
    assert np.array_equal(layout.empty, np.flatnonzero(layout.items < 0))


def test_candidates_alone_have_columns():
    layout = Layout.of(50, candidates=[3, 7, 49])
    assert sorted(layout.items[layout.items >= 0]) == [3, 7, 49]
    assert (layout.columns >= 0).sum() == 3


@given(
    n_items=st.sampled_from([1, 2, 7, 40, 300, 2000]),
    k=st.sampled_from([1, 2, 10, 100, 5000]),
    levels=st.sampled_from([1, 2, 5, 10**6]),
    hidden=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_top_k_sorts_by_score_and_then_by_tie_order(n_items, k, levels, hidden, seed):
    generator = np.random.default_rng(seed)
    scores = (generator.integers(levels, size=(5, n_items)) - levels // 2).astype(np.float32)
    scores[generator.random(scores.shape) < hidden] = -np.inf
    scores[:2] *= -1  # brings -0.0 and +inf
    layout = Layout.of(n_items, seed=seed % 7)
    columns, best = layout.top_k(in_columns(layout, scores), k)
    for row in range(5):
        found = columns[row][best[row] > -np.inf]
        assert list(layout.items[found]) == ranked(scores[row], tie_order(n_items, seed % 7), set(), k)
        assert np.array_equal(scores[row][layout.items[found]], best[row][best[row] > -np.inf])
