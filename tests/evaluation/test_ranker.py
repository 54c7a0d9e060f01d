import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references.ranking_metrics import ranked

from kerasrec.evaluation import _ranker
from kerasrec.evaluation._layout import Layout, tie_order
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer

NOBODY = Ragged(np.empty(0, int), np.empty(0, int), 10_000)


def factor_scorer(users, items, bias=None):
    users, items = np.asarray(users, np.float32), np.asarray(items, np.float32)
    return FactorScorer(lambda codes: users[codes], items, bias)


def lists(ranker, users, k, seen=NOBODY):
    blocks = list(ranker.rank(users, k, seen))
    return np.concatenate([x.items for x in blocks]), np.concatenate([x.scores for x in blocks])


def some_pairs(generator, n_users, n_items, share):
    users, items = np.nonzero(generator.random((n_users, n_items)) < share)
    return Ragged(users, items, n_users), [set(items[users == u]) for u in range(n_users)]


@pytest.mark.parametrize("batch_size", [1, None])
@pytest.mark.parametrize("n_items, biased", [(30, True), (900, False)])
def test_what_is_added_to_products_is_added_in_single_precision(n_items, biased, batch_size):
    draw = np.random.default_rng(n_items)
    users, items = (
        draw.normal(size=(6, 8)).astype("float32"),
        draw.normal(size=(n_items, 8)).astype("float32"),
    )
    items[1::7] = items[0]  # equal items: the order of ties decides
    bias = draw.normal(size=n_items).astype("float32") if biased else None
    boost = np.where(draw.random(n_items) < 0.3, draw.normal(size=n_items), 0.0)
    units = draw.random(6) * 100
    exact = users.astype(float) @ items.astype(float).T + (bias if biased else 0)
    scores = exact.astype("float32") + (units[:, None] * boost).astype("float32")
    ranker = CatalogueRanker(factor_scorer(users, items, bias), seed=5, batch_size=batch_size)
    of_columns = np.where(ranker.layout.items >= 0, boost[np.maximum(ranker.layout.items, 0)], 0.0)
    ranker.rows = ranker.rows.boosted(of_columns, lambda codes: units[codes])
    found, best = lists(ranker, np.arange(6), 10)
    order = tie_order(n_items, 5)
    for user in range(6):
        expected = ranked(scores[user], order, set(), 10)
        assert found[user].tolist() == expected
        np.testing.assert_array_equal(best[user], scores[user][expected])
    column = ranker.layout.columns[found[0]]
    np.testing.assert_array_equal(ranker.rows.exact(ranker.rows.prepare(np.zeros(10, int)), column), best[0])


@pytest.mark.slow
@given(
    n_items=st.sampled_from([1, 2, 30, 700]),
    n_components=st.sampled_from([1, 3, 64]),
    k=st.sampled_from([1, 10, 100, 1000]),
    levels=st.sampled_from([1, 3, 1000]),
    biased=st.booleans(),
    seen_share=st.sampled_from([0.0, 0.2, 1.0]),
    batch_size=st.sampled_from([1, 7, None]),
    seed=st.integers(0, 2**31),
)
def test_equals_brute_force(n_items, n_components, k, levels, biased, seen_share, batch_size, seed):
    generator = np.random.default_rng(seed)
    # Whole numbers have exact products, so that ties are ties in any arithmetic.
    users = generator.integers(-levels, levels + 1, (20, n_components))
    items = generator.integers(-levels, levels + 1, (n_items, n_components))
    bias = generator.integers(-levels, levels + 1, n_items) if biased else None
    scores = users @ items.T + (bias if biased else 0)
    seen, seen_sets = some_pairs(generator, 20, n_items, seen_share)
    order = tie_order(n_items, 5)
    expected = [ranked(scores[u], order, seen_sets[u], k) for u in range(20)]

    exact = np.asarray(scores, np.float32)
    for scorer in (
        factor_scorer(users, items, bias),
        CatalogueScorer(lambda codes: exact[codes], n_items),
        CatalogueScorer(lambda codes: exact[codes], n_items, parallel=True),
    ):
        found, best = lists(CatalogueRanker(scorer, seed=5, batch_size=batch_size), np.arange(20), k, seen)
        for u in range(20):
            left = found[u] >= 0
            assert list(found[u][left]) == expected[u]
            assert np.array_equal(best[u][left], exact[u][found[u][left]])
            assert (best[u][~left] == -np.inf).all()


@pytest.mark.parametrize("n_users", [1, 3])
def test_lists_longer_than_there_are_groups(n_users):
    """The best of each of 256 groups are the best items of all; a list of 300 goes on with others."""
    layout = Layout.of(4096)
    scores = np.random.default_rng(0).random(4096).astype(np.float32)
    scores[layout.items[: layout.n_groups]] += 10
    assert layout.n_groups == 256
    ranker = CatalogueRanker(factor_scorer(np.ones((n_users, 1)), scores[:, None]))
    _, best = lists(ranker, np.arange(n_users), 300)
    np.testing.assert_array_equal(best, np.tile(np.sort(scores)[::-1][:300], (n_users, 1)))


def test_equal_items_tie_whatever_the_product_rounds():
    generator = np.random.default_rng(0)
    kinds = generator.normal(size=(40, 33))
    kind_of = generator.integers(40, size=1500)
    users = generator.normal(size=(300, 33))
    scores = (users.astype(np.float32).astype(float) @ kinds.astype(np.float32).astype(float).T)[:, kind_of]
    order = tie_order(1500, 0)
    scorer = factor_scorer(users, kinds[kind_of])
    found, _ = lists(CatalogueRanker(scorer), np.arange(300), 20)
    for u in range(300):
        assert list(found[u]) == ranked(scores[u], order, set(), 20)
    alone = np.concatenate([lists(CatalogueRanker(scorer), [u], 20)[0] for u in range(20)])
    assert np.array_equal(alone, found[:20])


def test_user_vectors_of_zero_rank_in_tie_order():
    found, _ = lists(CatalogueRanker(factor_scorer(np.zeros((3, 8)), np.ones((500, 8)))), np.arange(3), 10)
    assert np.array_equal(found, np.tile(tie_order(500)[:10], (3, 1)))


@pytest.mark.parametrize("n_items", [300, 20_000])
def test_close_scores_are_decided_in_double_precision(n_items):
    # Scores differ by less than the rounding of a float32 product and are still told apart where they can be.
    generator = np.random.default_rng(0)
    items = generator.normal(size=(n_items, 50)).astype(np.float32)
    items[: n_items // 2] = items[0]
    items[: n_items // 2, 0] += np.arange(n_items // 2, dtype=np.float32) * np.float32(1e-6)
    users = generator.normal(size=(4, 50)).astype(np.float32)
    scores = (users.astype(float) @ items.astype(float).T).astype(np.float32)
    found, best = lists(CatalogueRanker(factor_scorer(users, items)), np.arange(4), 25)
    for u in range(4):
        assert list(found[u]) == ranked(scores[u], tie_order(n_items), set(), 25)
        assert np.array_equal(best[u], scores[u][found[u]])


def test_a_user_who_has_everything_gets_an_empty_list():
    seen = Ragged(np.zeros(50, int), np.arange(50), 2)
    found, scores = lists(CatalogueRanker(factor_scorer(np.ones((2, 2)), np.ones((50, 2)))), [0, 1], 5, seen)
    assert (found[0] == -1).all() and (scores[0] == -np.inf).all() and (found[1] >= 0).all()


def test_candidates_alone_are_ranked():
    scorer = factor_scorer(np.ones((1, 1)), np.arange(50.0)[:, None])
    found, _ = lists(CatalogueRanker(scorer, candidates=[4, 9, 2]), [0], 5)
    assert list(found[0][found[0] >= 0]) == [9, 4, 2]


def test_minus_infinity_is_never_recommended():
    bias = np.zeros(50, np.float32)
    bias[10:] = -np.inf
    found, _ = lists(CatalogueRanker(factor_scorer(np.ones((1, 1)), np.ones((50, 1)), bias)), [0], 20)
    assert set(found[0]) == {-1, *range(10)}


def test_large_vectors_do_not_lose_the_others():
    items = np.ones((50, 1))
    items[7] = 3e38
    found, _ = lists(CatalogueRanker(factor_scorer([[1.0]], items)), [0], 5)
    assert found[0][0] == 7 and (found[0] >= 0).all()


def test_scores_that_overflow_are_refused():
    items = np.ones((50, 1))
    items[7] = 3e38
    with pytest.raises(
        ValueError, match="must be finite. Received: infinity from 'mine', first for user code 1"
    ):
        lists(CatalogueRanker(factor_scorer([[1.0], [1e10]], items), name="mine"), [0, 1], 5)


@pytest.mark.parametrize("bad", ["user", "item"])
def test_nan_scores_name_the_model(bad):
    users, items = np.ones((3, 2)), np.ones((40, 2))
    (users if bad == "user" else items)[1, 0] = np.nan
    with pytest.raises(ValueError, match="must be finite. Received: NaN from 'mine', first for user code"):
        lists(CatalogueRanker(factor_scorer(users, items), name="mine"), np.arange(3), 5)
    with pytest.raises(ValueError, match="NaN from 'mine'"):
        lists(
            CatalogueRanker(CatalogueScorer(lambda u: (users @ items.T)[u], 40), name="mine"), np.arange(3), 5
        )


def test_the_last_block_is_visited_like_the_others():
    scorer = factor_scorer(np.ones((11, 2)), np.ones((40, 2)))
    ranker, visited = CatalogueRanker(scorer, batch_size=4), {}
    list(
        ranker.rank(
            np.arange(11), 3, NOBODY, lambda where, s: visited.update(dict.fromkeys(where, s.shape[1]))
        )
    )
    assert visited == dict.fromkeys(range(11), ranker.layout.width)


def test_few_blocks_of_a_large_catalogue_are_held_at_once(monkeypatch):
    monkeypatch.setattr(_ranker, "n_threads", lambda: 64)
    many = CatalogueRanker(CatalogueScorer(lambda u: None, 10**6, parallel=True))
    assert many.n_workers * many.batch_size * many.layout.width * 4 <= _ranker._BYTES
    assert many.batch_size >= 64


@given(n_items=st.sampled_from([1, 16, 20, 100]), seed=st.integers(0, 2**31), parallel=st.booleans())
def test_some_items_rank_alike_by_themselves_and_among_all(n_items, seed, parallel):
    """What a user has had and is no candidate hides nothing else, also where no column is empty."""
    generator = np.random.default_rng(seed)
    users, items = generator.integers(-2, 3, (4, 3)), generator.integers(-2, 3, (2 * n_items, 3))
    scores = (users @ items.T).astype(np.float32)
    candidates = np.sort(generator.permutation(2 * n_items)[:n_items])
    seen, seen_sets = some_pairs(generator, 4, 2 * n_items, 0.4)
    others = set(range(2 * n_items)) - set(candidates.tolist())
    allowed = np.isin(np.arange(2 * n_items), candidates)
    scorer = factor_scorer(users, items)
    if not parallel:
        scorer = CatalogueScorer(lambda codes: scores[codes], 2 * n_items)
    for ranker in (CatalogueRanker(scorer, 5, candidates), CatalogueRanker(scorer, 5).only(allowed)):
        for who in (np.arange(4), np.array([2])):
            found, _ = lists(ranker, who, 10, seen)
            for row, user in zip(found, who, strict=True):
                expected = ranked(scores[user], tie_order(2 * n_items, 5), seen_sets[user] | others, 10)
                assert row[row >= 0].tolist() == list(expected)
