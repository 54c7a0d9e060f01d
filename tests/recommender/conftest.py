import numpy as np
import pandas as pd
import pytest
from contracts.elsewhere import Elsewhere

from kerasrec import Recommender
from kerasrec.data import Features, Interactions

GENRES = ["Drama", "War", "Comedy|Drama", "Comedy"]


def table(n_users=12, n_items=20, seed=0):
    """Users and items in two camps, by parity; text and whole numbers as ids."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"u{user}", 10 * item)
        for user in range(n_users)
        for item in range(n_items)
        if draw.random() < (0.6 if user % 2 == item % 2 else 0.1)
    ]
    return pd.DataFrame(rows, columns=["user", "item"]).assign(value=1.0)


def shop():
    """What the fixtures hold: the interactions, the films, and features of items and users."""
    users, items = [f"u{user}" for user in range(12)], [10 * item for item in range(20)]
    data = Interactions.from_frame(table(), value="value", user_ids=users, item_ids=items)
    films = pd.DataFrame(
        {"title": [f"Film {i}" for i in range(20)], "genres": [GENRES[i % 4] for i in range(20)]}, index=items
    )
    camps = pd.Series(["even" if i % 2 == 0 else "odd" for i in range(12)], index=data.user_ids, name="camp")
    of_items = Features.indicator(films.index) + Features.multilabel(films["genres"])
    return data, films, of_items, Features.indicator(data.user_ids) + Features.categorical(camps)


def train(model, data, films, item_features, user_features):
    """A recommender of the shop: `implicit_als`, the same numbers on every backend, or `hybrid`."""
    if model == "implicit_als":
        return Recommender.train(data, model, n_components=4, l2=0.5, item_metadata=films)
    features = {"user_features": user_features, "item_features": item_features}
    how = {"epochs": 8, "batch_size": 16, "n_components": 3, "verbose": 0}
    return Recommender.train(data, model, item_metadata=films, **features, **how)


@pytest.fixture(scope="session")
def elsewhere():
    with Elsewhere() as found:
        yield found


@pytest.fixture(scope="session")
def writers():
    """Interpreters that make what those of `elsewhere`, which have seen nothing of it, read."""
    with Elsewhere(tests=True) as found:
        yield found


@pytest.fixture(scope="session")
def _shop():
    return shop()


@pytest.fixture(scope="session")
def data(_shop):
    return _shop[0]


@pytest.fixture(scope="session")
def films(_shop):
    return _shop[1]


@pytest.fixture(scope="session")
def item_features(_shop):
    return _shop[2]


@pytest.fixture(scope="session")
def user_features(_shop):
    return _shop[3]


@pytest.fixture(scope="session")
def factorised(_shop):
    return train("implicit_als", *_shop)


@pytest.fixture(scope="session")
def hybrid(_shop):
    return train("hybrid", *_shop)
