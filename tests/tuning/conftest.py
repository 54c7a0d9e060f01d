import warnings

import pytest

import kerasrec
from kerasrec.data import splits


@pytest.fixture(scope="session")
def ratings():
    """Ratings to search with and ratings to test with."""
    data = kerasrec.datasets.synthetic(n_users=40, n_items=30, n_interactions=600).interactions
    return splits.random_split(data, 0.2, seed=0)


@pytest.fixture
def search(ratings, tmp_path):
    """A small search in a folder of its own."""

    def search(model="item_knn", objective="val_ndcg@10", tuner="random", max_trials=3, epochs=2, **kwargs):
        how = {"directory": tmp_path / "search", "verbose": False} | kwargs
        return kerasrec.tuning.search(ratings[0], model, objective, tuner, max_trials, epochs, **how)

    return search


@pytest.fixture
def quiet():
    """Let warnings be warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
