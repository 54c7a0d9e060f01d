"""The baselines on MovieLens 1M, implicit, against what independent implementations reach.

Protocol: `train.csv` and `test.csv` as they are, every interaction relevant; the 6,034 of 6,040 users who
have test items; the whole catalogue of 3,706 items is ranked without the user's training items, equal scores
in the pseudo-random order of seed 0. The figures are those of the cards.

The tuned settings of ImplicitALS were chosen on a tenth of the training rows; then it is fitted on all of
these, and tested once. With `KERASREC_REPRODUCTION=quick`, as in CI, the choice is among three of the nine.
"""

import re

import numpy as np
import pytest

from kerasrec import zoo
from kerasrec.data import Interactions, splits
from kerasrec.evaluation import evaluate

pytestmark = pytest.mark.reproduction

# Lowest and highest recall@10 and NDCG@10 of other implementations.
ELSEWHERE = {
    "popularity": ((0.0652 - 0.001, 0.0652 + 0.001), (0.1822 - 0.001, 0.1822 + 0.001)),
    "ease": ((0.1602 - 0.0005, 0.1602 + 0.0005), (0.3595 - 0.0005, 0.3595 + 0.0005)),
    "implicit_als": ((0.149, 0.155), (0.324, 0.337)),
}
NAMES = ["ease", "implicit_als", "item_knn", "popularity", "pure_svd", "random", "user_knn"]


@pytest.fixture(scope="module")
def split(shared_data):
    folder = shared_data / "movielens-1m-implicit"
    ids = {"user_ids": np.arange(6040), "item_ids": np.arange(3706)}
    parts = []
    for name in ("train.csv", "test.csv"):
        users, items = np.loadtxt(folder / name, delimiter=",", skiprows=1, dtype=int, unpack=True)
        parts.append(Interactions(users, items, **ids))
    assert [len(part) for part in parts] == [720_152, 200_041]
    return parts


def figures(name, train, test, **settings):
    """Recall@10 and NDCG@10."""
    report = evaluate(zoo.create(name, train, **settings), test, train, metrics=["recall", "ndcg"])
    return report["recall@10"], report["ndcg@10"], report.n_users


def shown(name, line):
    """The two figures of a line of the card's results."""
    found = re.search(rf"^{line} +(0\.\d{{4}}) +(0\.\d{{4}})$", zoo.card(name).results, re.MULTILINE)
    return [float(found[1]), float(found[2])]


@pytest.mark.parametrize("name", NAMES)
def test_default_settings(name, split):
    *found, n_users = figures(name, *split)
    print(f"\n{name:14} {found[0]:.4f} {found[1]:.4f}")
    assert n_users == 6034
    np.testing.assert_allclose(found, shown(name, "default settings"), atol=0.0005)
    for figure, (low, high) in zip(found, ELSEWHERE.get(name, ()), strict=False):
        assert low <= figure <= high


def recipe_of(name):
    return zoo.card(name).recipe_for(zoo.Size(6040, 3706, 720_152)).settings


def test_settings_were_chosen_on_training_rows(split, quick):
    fitted, validation = splits.random_split(split[0], test_size=0.1, seed=0)
    found = {
        (alpha, l2): figures("implicit_als", fitted, validation, alpha=alpha, l2=l2)[1]
        for alpha in (2.0, 4.0, 8.0)
        for l2 in ((60.0,) if quick else (20.0, 60.0, 120.0))
    }
    print("\nvalidation:", {setting: round(ndcg, 4) for setting, ndcg in found.items()})
    assert max(found, key=found.get) == tuple(recipe_of("implicit_als").values())


def test_tuned_settings(split):
    *found, _ = figures("implicit_als", *split, **recipe_of("implicit_als"))
    print(f"\ntuned: {found[0]:.4f} {found[1]:.4f}")
    np.testing.assert_allclose(found, shown("implicit_als", "tuned settings"), atol=0.0005)
