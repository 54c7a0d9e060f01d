import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from kerasrec.data import _draws, samplers
from kerasrec.data._membership import Membership


def never(rows, drawn):
    return np.zeros(drawn.shape, bool)


def test_samplers_by_name():
    assert samplers.get("uniform") == samplers.UniformSampler()
    assert samplers.get("popularity") == samplers.PopularitySampler(exponent=0.75)
    assert samplers.get("in_batch") == samplers.InBatchSampler(replace=False)
    own = samplers.PopularitySampler(exponent=1, shared=True)
    assert samplers.get(own) is own
    with pytest.raises(ValueError, match="one of uniform, popularity, in_batch. Received: sampler='hard'"):
        samplers.get("hard")
    with pytest.raises(ValueError, match="`exponent` must be a finite number of at least 0. Received: -1"):
        samplers.PopularitySampler(exponent=-1)
    with pytest.raises(NotImplementedError, match="Sampler must define `probabilities`"):
        samplers.Sampler().probabilities(np.ones(2))


def test_probabilities_by_hand():
    counts = np.array([0, 1, 16])
    np.testing.assert_allclose(samplers.PopularitySampler(exponent=0.5).probabilities(counts), [0, 0.2, 0.8])
    np.testing.assert_allclose(samplers.PopularitySampler(exponent=0).probabilities(counts), [1 / 3] * 3)
    np.testing.assert_allclose(samplers.InBatchSampler().probabilities(counts), [0, 1 / 17, 16 / 17])
    assert samplers.UniformSampler().probabilities(counts) is None


SKEWED = np.arange(1, 51) ** 1.5
SKEWED[[3, 20, 21, 22]] = 0
SKEWED /= SKEWED.sum()


@pytest.mark.parametrize("probabilities", [None, SKEWED])
def test_draws_follow_the_probabilities(probabilities):
    drawn = _draws.Pool(50, probabilities).draw(np.random.default_rng(0), (100, 400))
    assert drawn.dtype == np.int32 and drawn.shape == (100, 400)
    expected = np.full(50, 1 / 50) if probabilities is None else probabilities
    counts = np.bincount(drawn.ravel(), minlength=50)
    assert counts[expected == 0].sum() == 0
    assert chisquare(counts[expected > 0], expected[expected > 0] * drawn.size).pvalue > 0.001


@pytest.mark.parametrize("only", [0, 30, 49])
def test_draws_of_the_only_possible_item(only):
    pool = _draws.Pool(50, np.eye(50)[only])
    assert pool.n_possible == 1 and (pool.draw(np.random.default_rng(0), 1000) == only).all()


def test_draws_of_a_long_tail():
    probabilities = 0.5 ** np.arange(30, 0, -1)  # most items share one range of the guide
    probabilities /= probabilities.sum()
    counts = np.bincount(_draws.Pool(30, probabilities).draw(np.random.default_rng(0), 200_000), minlength=30)
    groups = np.maximum(np.arange(30), 16)  # the rarest ones together
    observed, expected = (np.bincount(groups, x)[16:] for x in (counts, probabilities * 200_000))
    assert chisquare(observed, expected).pvalue > 0.001


@pytest.mark.parametrize("n", [4, 20])  # by repeated draws, and by keys for the whole pool
@pytest.mark.parametrize("probabilities", [None, SKEWED])
def test_draws_without_replacement_follow_numpy(n, probabilities):
    rows = 4000
    drawn, good = _draws.without_replacement(
        np.random.default_rng(1), _draws.Pool(50, probabilities), rows, n, never
    )
    assert all(len(set(row)) == n for row in drawn) and good.all()
    rng = np.random.default_rng(2)
    reference = np.array([rng.choice(50, n, replace=False, p=probabilities) for _ in range(rows)])
    share, expected = (np.bincount(x.ravel(), minlength=50) / rows for x in (drawn, reference))
    error = np.sqrt(2 * expected * (1 - expected) / rows)
    assert (np.abs(share - expected) <= 4.5 * error + 1e-9).all()


@settings(max_examples=80)
@given(
    size=st.integers(1, 30),
    n=st.integers(1, 30),
    replace=st.booleans(),
    weighted=st.booleans(),
    seed=st.integers(0, 999),
)
def test_unwanted_draws_are_never_good(size, n, replace, weighted, seed):
    rng = np.random.default_rng(seed)
    forbidden = rng.random((7, size)) < rng.random()
    probabilities = rng.random(size) + 0.01 if weighted else None
    draw = _draws.with_replacement if replace else _draws.without_replacement
    drawn, good = draw(rng, _draws.Pool(size, probabilities), 7, n, lambda rows, x: forbidden[rows, x])
    assert drawn.shape == good.shape == (7, n)
    assert (drawn >= 0).all() and (drawn < size).all()
    rows = np.broadcast_to(np.arange(7)[:, None], drawn.shape)
    assert not forbidden[rows, drawn][good].any()
    if not replace:
        for row, is_good in zip(drawn, good, strict=True):
            assert len(set(row[is_good])) == is_good.sum()
        if n > 0.25 * size:  # nothing possible is missed
            np.testing.assert_array_equal(good.sum(axis=1), np.minimum(n, (~forbidden).sum(axis=1)))


def test_unwanted_draws_are_replaced():
    taken = np.arange(100) < 50
    for draw in (_draws.with_replacement, _draws.without_replacement):
        drawn, good = draw(np.random.default_rng(0), _draws.Pool(100), 500, 10, lambda rows, x: taken[x])
        assert good.mean() > 0.99
        counts = np.bincount(drawn[good], minlength=100)
        assert counts[:50].sum() == 0 and chisquare(counts[50:]).pvalue > 0.001


@settings(max_examples=80)
@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), min_size=1))
def test_membership_against_a_set(pairs):
    users, items = np.array(pairs, np.int32).T
    has = Membership(users, items, 13)
    every = has(np.arange(10, dtype=np.int32)[:, None], np.arange(13, dtype=np.int32)[None])
    assert every.shape == (10, 13)
    assert {(int(u), int(i)) for u, i in zip(*np.nonzero(every), strict=True)} == set(pairs)


def test_membership_of_many_pairs():
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 70_000, 200_000), rng.integers(0, 90_000, 200_000)
    has = Membership(users, items, 90_000)
    assert has(users, items).all()
    others = rng.integers(0, 90_000, 200_000)
    known = set(zip(users.tolist(), items.tolist(), strict=True))
    expected = [pair in known for pair in zip(users.tolist(), others.tolist(), strict=True)]
    np.testing.assert_array_equal(has(users, others), expected)
