"""New users and new films of MovieLens latest-small (2018), as a product meets them.

With `KERASREC_REPRODUCTION=quick`, as in CI, the hybrid is trained for half of the epochs.
"""

import os

import keras
import numpy as np
import pandas as pd
import pytest

from kerasrec import Recommender
from kerasrec.data import Features, Interactions

pytestmark = pytest.mark.reproduction

QUICK = os.environ.get("KERASREC_REPRODUCTION") == "quick"
HYBRID = {"epochs": 20 if QUICK else 40}


@pytest.fixture(scope="module")
def likes(shared_data):
    path = shared_data / "movielens-latest-small-2018" / "ratings.csv"
    return Interactions.from_csv(path, user="userId", item="movieId", value="rating").at_least(4.0)


@pytest.fixture(scope="module")
def films(shared_data):
    return pd.read_csv(shared_data / "movielens-latest-small-2018" / "movies.csv", index_col="movieId")


def genres(films, ids):
    return Features.indicator(ids) + Features.multilabel(films["genres"].reindex(ids))


def trained(name, data, films):
    keras.utils.set_random_seed(0)
    if name != "hybrid":
        return Recommender.train(data, name, verbose=0)
    return Recommender.train(
        data, "hybrid", item_features=genres(films, data.item_ids), verbose=0, seed=0, **HYBRID
    )


def recall(frame, wanted, column="user"):
    """Mean share of what each user wanted that is in the user's list."""
    lists = frame.groupby(column)["item"].apply(set)
    return np.mean([len(lists.get(user, set()) & items) / len(items) for user, items in wanted.items()])


def per_user(interactions):
    return interactions.to_frame().groupby("user")["item"].apply(set).to_dict()


@pytest.mark.parametrize("name", ["implicit_als", "hybrid"])
def test_fold_in_reaches_what_retraining_reaches(likes, films, name, capsys):
    """20 % of the users with ten likes or more are unseen; half of each one's likes are given."""
    draw = np.random.default_rng(0)
    active = np.flatnonzero(np.bincount(likes.users, minlength=likes.n_users) >= 10)
    unseen = np.isin(likes.users, draw.choice(active, int(0.2 * len(active)), replace=False))
    order = draw.permutation(len(likes))
    rank = pd.Series(order).groupby(likes.users).rank().to_numpy()
    count = np.bincount(likes.users, minlength=likes.n_users)[likes.users]
    given = unseen & (rank <= count / 2)
    train, asked = likes.take(~unseen), per_user(likes.take(unseen & ~given))
    histories = {user: sorted(items) for user, items in per_user(likes.take(given)).items()}

    found = {}
    for label in ("popularity", "ease", name):
        recommender = trained(label, train, films)
        found[label] = recall(recommender.recommend_for_history(histories), asked)
    again = trained(name, likes.take(~unseen | given), films)
    found["retrained"] = recall(again.recommend(list(histories)), asked)
    with capsys.disabled():
        print(f"\nrecall@10 of {len(asked)} users unseen in training, {name}:")
        print(" ".join(f"{label} {value:.4f}" for label, value in found.items()))
    assert found[name] >= 0.9 * found["retrained"]
    assert found[name] > 1.1 * found["popularity"]


def test_new_films_by_their_genres_alone(likes, films, capsys):
    """10 % of the films are held out of training, and ranked among themselves once they are added."""
    draw = np.random.default_rng(0)
    new = draw.choice(likes.n_items, likes.n_items // 10, replace=False)
    is_new = np.isin(likes.items, new)
    old = Interactions.from_frame(likes.take(~is_new).to_frame(), value="value")
    new_ids = np.setdiff1d(likes.item_ids[new], old.item_ids)
    wanted = per_user(likes.take(is_new & np.isin(likes.user_ids[likes.users], old.user_ids)))
    recommender = trained("hybrid", old, films)
    recommender.add_items(films.loc[new_ids])
    found = {"genres": recall(recommender.recommend(list(wanted), only=new_ids), wanted)}
    for label in ("random", "popularity"):
        baseline = Recommender.train(old, label)
        baseline.add_items(new_ids)
        found[label] = recall(baseline.recommend(list(wanted), only=new_ids), wanted)
    with capsys.disabled():
        print(f"\nrecall@10 of {len(wanted)} users on {len(new_ids)} films that nobody had in training:")
        print(" ".join(f"{label} {value:.4f}" for label, value in found.items()))
    assert found["genres"] > 1.5 * max(found["random"], found["popularity"])


def test_an_update_beside_retraining(shared_data, films, capsys):
    """The latest 20 % of each user's likes: one half comes as an update, the other is asked for."""
    path = shared_data / "movielens-latest-small-2018" / "ratings.csv"
    likes = Interactions.from_csv(path, user="userId", item="movieId", value="rating", time="timestamp")
    likes = likes.at_least(4.0)
    late = pd.Series(likes.times).groupby(likes.users).rank(pct=True, method="first").to_numpy()
    before, week, after = (likes.take(x) for x in (late <= 0.8, (late > 0.8) & (late <= 0.9), late > 0.9))
    before, week = (Interactions.from_frame(x.to_frame(), value="value") for x in (before, week))
    old = trained("hybrid", before, films)
    whole = Interactions.from_frame(pd.concat([before.to_frame(), week.to_frame()]), value="value")
    wanted = per_user(after)
    known = [user for user in wanted if user in set(before.user_ids.tolist())]
    wanted = {user: wanted[user] for user in known}
    found = {"not updated": recall(old.recommend(known), wanted)}
    old.update(week, epochs=2, replay=0.3, item_metadata=films, verbose=0)
    found["updated"] = recall(old.recommend(known), wanted)
    found["retrained"] = recall(trained("hybrid", whole, films).recommend(known), wanted)
    with capsys.disabled():
        print(f"\nrecall@10 of {len(known)} users on the latest tenth of their likes:")
        print(" ".join(f"{label} {value:.4f}" for label, value in found.items()))
    assert found["updated"] >= 0.9 * found["retrained"]
