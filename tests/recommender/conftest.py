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


@pytest.fixture(scope="session")
def elsewhere():
    with Elsewhere() as found:
        yield found


@pytest.fixture(scope="session")
def data():
    frame = table()
    users, items = [f"u{user}" for user in range(12)], [10 * item for item in range(20)]
    return Interactions.from_frame(frame, value="value", user_ids=users, item_ids=items)


@pytest.fixture(scope="session")
def films():
    return pd.DataFrame(
        {"title": [f"Film {i}" for i in range(20)], "genres": [GENRES[i % 4] for i in range(20)]},
        index=[10 * i for i in range(20)],
    )


@pytest.fixture(scope="session")
def item_features(films):
    return Features.indicator(films.index) + Features.multilabel(films["genres"])


@pytest.fixture(scope="session")
def user_features(data):
    cities = pd.Series(["even" if i % 2 == 0 else "odd" for i in range(12)], index=data.user_ids, name="camp")
    return Features.indicator(data.user_ids) + Features.categorical(cities)


@pytest.fixture(scope="session")
def factorised(data, films):
    """Vectors in closed form: the same numbers on every backend."""
    return Recommender.train(data, "implicit_als", n_components=4, l2=0.5, item_metadata=films)


@pytest.fixture(scope="session")
def hybrid(data, films, item_features, user_features):
    return Recommender.train(
        data,
        "hybrid",
        epochs=8,
        batch_size=16,
        user_features=user_features,
        item_features=item_features,
        item_metadata=films,
        n_components=3,
        verbose=0,
    )
