"""Reports of parts of the users: together they are what one `evaluate` of all users gives."""

import pickle

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Interactions
from kerasrec.evaluation import ClickReport, evaluate, merge

N_USERS, N_ITEMS = 40, 25
METRICS = (
    "recall",
    "graded_ndcg",
    "mrr",
    "auc",
    "coverage",
    "gini",
    "novelty",
    "popularity_bias",
    "diversity",
)


class Given:
    """A model of given scores, many of them equal."""

    name = "given"

    def __init__(self, seed=1):
        self.scores = np.random.default_rng(seed).integers(4, size=(N_USERS, N_ITEMS)).astype(np.float32)

    def score_catalogue(self, user_codes):
        return self.scores[user_codes]


@pytest.fixture(scope="module")
def split():
    """Train and test of disjoint pairs, text ids; some users have few items, and some none in training."""
    rng = np.random.default_rng(0)
    part = rng.random((N_USERS, N_ITEMS)) * np.linspace(0.6, 1.4, N_USERS)[rng.permutation(N_USERS), None]
    part[0] = np.where(part[0] < 0.3, 0.5, part[0])
    ids = {"user_ids": [f"u{u:02d}" for u in range(N_USERS)], "item_ids": [f"i{i}" for i in range(N_ITEMS)]}

    def of(mask):
        users, items = np.nonzero(mask)
        return Interactions(users, items, rng.integers(-1, 4, len(users)).astype(np.float32), **ids)

    return of(part < 0.3), of(part > 0.8)


@pytest.fixture(scope="module")
def measured(split):
    """What measures some users, or all."""
    train, test = split
    features = np.random.default_rng(2).random((N_ITEMS, 3))
    how = {"k": (3, 10), "metrics": METRICS, "item_features": features}

    def measured(users=None, model=None, **options):
        return evaluate(model or Given(), test, train, users=users, **(how | options))

    return measured


@pytest.fixture(scope="module")
def whole(measured):
    return measured()


def cut(users, seed=0):
    """Parts of some users, in no order, of different sizes."""
    mixed = np.random.default_rng(seed).permutation(np.asarray(users))
    return np.split(mixed, [len(mixed) // 5, len(mixed) // 2])


def check_same(found, expected):
    assert found.metrics == expected.metrics and found.protocol == expected.protocol
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(found.slices(), expected.slices(), check_exact=True)
    for name in expected.metrics:
        if expected.figure(name).values is not None:
            pd.testing.assert_series_equal(found.per_user(name), expected.per_user(name), check_exact=True)


def test_as_one_evaluation(measured, whole, split):
    users = whole.per_user("recall@3").index
    parts = [measured(part) for part in cut(users)]
    merged = merge(parts)
    check_same(merged, whole)
    assert merged.interval("recall@3") == whole.interval("recall@3")
    assert np.isfinite(merged.interval("auc")).all() and np.isnan(merged.interval("coverage@3")).all()
    # Coverage is not a mean of those of the parts.
    assert merged["coverage@3"] != pytest.approx(np.mean([part["coverage@3"] for part in parts]))
    kinds = pd.Series(np.arange(N_ITEMS) % 3, split[1].item_ids)
    pd.testing.assert_frame_equal(merged.by_item(kinds), whole.by_item(kinds), check_exact=True)


def test_a_part_and_merged_parts(measured, whole):
    parts = [measured(part) for part in cut(whole.per_user("recall@3").index)]
    check_same(merge([merge(parts[1:]), parts[0]]), whole)
    check_same(merge([whole]), whole)


def test_reports_of_other_processes(measured, whole):
    parts = [pickle.loads(pickle.dumps(measured(part))) for part in cut(whole.per_user("recall@3").index)]
    check_same(merge(iter(parts)), whole)


def test_by_hand():
    """Two users: one whose first item is right, and one whose second is."""
    ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
    test = Interactions([0, 1], [0, 1], **ids)

    class Falling:
        name = "falling"

        def score_catalogue(self, users):
            return np.tile(np.array([3, 2, 1], np.float32), (len(users), 1))

    parts = [
        evaluate(Falling(), test, users=[user], k=(1, 2), metrics=("mrr", "coverage"))
        for user in ("bob", "ann")
    ]
    merged = merge(parts)
    assert merged["mrr@1"] == 0.5 and merged["mrr@2"] == 0.75
    assert merged["coverage@1"] == 1 / 3 and merged["coverage@2"] == 2 / 3
    assert merged.per_user("mrr@2").to_dict() == {"ann": 1.0, "bob": 0.5}


def test_errors_of_ratings(split):
    train, test = split
    model = kerasrec.zoo.create("global_bias", train)
    how = {"metrics": ("rmse", "mae")}
    whole = evaluate(model, test, train, **how)
    users = whole.per_user("mae").index
    check_same(merge([evaluate(model, test, train, users=part, **how) for part in cut(users)]), whole)


def test_compare_takes_it(measured, whole):
    merged = merge([measured(part) for part in cut(whole.per_user("recall@3").index)])
    table = kerasrec.evaluation.compare({"merged": merged, "whole": whole})
    assert set(table.reports) == {"merged", "whole"}


def test_refusals(measured, whole, split):
    train, test = split
    first, second, _ = cut(whole.per_user("recall@3").index)
    part = measured(first)
    with pytest.raises(ValueError, match="must have at least one report. Received: none"):
        merge([])
    with pytest.raises(TypeError, match="must be `EvaluationReport`s. Received: ClickReport"):
        merge([part, ClickReport("mine", [1, 0], [0.9, 0.4])])
    again = [*second, first[0]]
    with pytest.raises(ValueError, match=f"must have different users. Received: 1 .*, first '{first[0]}'"):
        merge([part, measured(again)])
    with pytest.raises(ValueError, match="must be of one model. Received: 'given' and 'other'"):
        merge([part, measured(second).renamed("other")])
    with pytest.raises(ValueError, match="must be of the same metrics. Received: 'recall@3, .*' and 'mrr@3"):
        merge([part, measured(second, metrics=("mrr",))])
    with pytest.raises(ValueError, match="same protocol, apart from the users. Received: 'ties' is .*seed 1"):
        merge([part, measured(second, seed=1)])
    with pytest.raises(ValueError, match="same protocol.*'left out' is .* and 'nothing'"):
        merge([part, measured(second, exclude_seen=False)])
    ids = {"user_ids": test.user_ids, "item_ids": [f"j{i}" for i in range(N_ITEMS)]}
    others = [Interactions(x.users, x.items, x.values, **ids) for x in (train, test)]
    metrics = ("recall", "coverage")
    there = [
        evaluate(Given(), *pair[::-1], users=who, metrics=metrics)
        for pair, who in ((split, first), (others, second))
    ]
    with pytest.raises(ValueError, match="must be of one test set. Received: different `item_ids`"):
        merge(there)


def test_fixed_candidates(split):
    train, test = split
    pairs = np.argwhere(np.ones((N_USERS, N_ITEMS)))
    ids = {"user_ids": test.user_ids, "item_ids": test.item_ids}
    candidates = Interactions(pairs[:, 0], pairs[:, 1], **ids)
    report = evaluate(Given(), test, train, metrics=("recall",), candidates=candidates)
    with pytest.raises(ValueError, match="must rank the whole catalogue.*Received: sampled: "):
        merge([report])
