import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit
from sklearn.linear_model import Ridge

from kerasrec import datasets
from kerasrec.datasets import _planted
from kerasrec.datasets.synthetic import _draw_at_once, _draw_one_by_one


@pytest.fixture(scope="module")
def data():
    return datasets.synthetic()


def rmse(x):
    return np.sqrt(np.mean(np.square(x, dtype="float64")))


def pairs(interactions):
    return interactions.users.astype("int64") * interactions.n_items + interactions.items


def test_it_is_what_was_asked_for(data):
    x = data.interactions
    assert (len(x), x.n_users, x.n_items) == (100_000, 1000, 2000)
    assert x.user_ids.tolist() == list(range(1, 1001))
    assert data.items.index.tolist() == x.item_ids.tolist() == list(range(1, 2001))
    assert data.users.index.tolist() == x.user_ids.tolist()
    assert len(np.unique(pairs(x))) == len(x)
    assert set(np.unique(x.values)) == set(np.arange(1, 11) / 2)
    assert np.bincount(x.users).min() >= 1
    dates = x.times.astype("datetime64[s]")
    assert np.datetime64("2015-01-01") <= dates.min() < dates.max() <= np.datetime64("2025-01-01")
    assert (data.name, data.licence) == ("synthetic", "Generated: no restriction.")


def test_metadata_reads_well(data):
    assert list(data.items.columns) == ["title", "genres", "year"]
    assert data.items["title"].is_unique
    assert data.items["title"].str.fullmatch(r"The [A-Z][a-z]+ [A-Z][A-Za-z-]+( \d+)? \(\d{4}\)").all()
    assert (data.items["title"].str[-5:-1].astype(int) == data.items["year"]).all()
    genres = data.items["genres"].str.split("|")
    assert genres.map(len).value_counts().index.sort_values().tolist() == [1, 2, 3]
    assert genres.map(lambda g: g == sorted(set(g)) and set(g) <= set(_planted.GENRES)).all()
    assert data.users["age"].between(18, 90).all()
    assert set(data.users["country"]) == set(_planted.COUNTRIES)


def test_same_seed_same_data(data):
    again, other = datasets.synthetic(), datasets.synthetic(seed=1)
    for name in ("users", "items", "values", "times"):
        assert (getattr(again.interactions, name) == getattr(data.interactions, name)).all()
        assert (getattr(other.interactions, name) != getattr(data.interactions, name)).any()
    assert again.items.equals(data.items) and again.users.equals(data.users)
    assert not other.items.equals(data.items)


def test_popularity_has_a_long_tail(data):
    counts = np.sort(np.bincount(data.interactions.items, minlength=2000))[::-1]
    assert counts[:200].sum() > 0.4 * counts.sum()
    assert counts[1000:].sum() < 0.2 * counts.sum()
    # Popular items are not those of the lowest codes.
    assert abs(np.corrcoef(np.arange(2000), np.bincount(data.interactions.items, minlength=2000))[0, 1]) < 0.1


def test_noise_is_what_is_documented(data):
    x = data.interactions
    planted = _planted.plant(1000, 2000, np.random.default_rng(0))
    error = x.values - planted.rating(x.users, x.items)
    # Noise of deviation 0.5 and rounding to half steps, which adds 0.5 ** 2 / 12; clipping takes a little.
    assert rmse(error) == pytest.approx(np.sqrt(0.25 + 0.25 / 12), rel=0.03)
    # Bias, bias and taste each have their documented part in the pairs of all users and items.
    u, i = np.divmod(np.random.default_rng(1).integers(0, 2_000_000, 50_000), 2000)
    assert np.std(planted.rating(u, i)) == pytest.approx(np.sqrt(0.4**2 + 0.45**2 + 0.6**2), rel=0.03)
    assert np.mean(planted.rating(u, i)) == pytest.approx(3.3, abs=0.02)


def factorise(x, train, n_components, penalty=2.0, rounds=8):
    """Predictions of biases and factors fitted by alternating least squares."""
    mean = x.values[train].mean()
    cells = (x.users[train], x.items[train])
    known = scipy.sparse.csr_matrix((np.ones(train.sum()), cells), (x.n_users, x.n_items))
    rest = scipy.sparse.csr_matrix((x.values[train] - mean, cells), known.shape)

    # Columns: the user's bias, the item's bias, the factors; the other's bias has the constant factor 1.
    rng = np.random.default_rng(0)
    user, item = (rng.normal(0, 0.1, (size, 2 + n_components)) for size in known.shape)
    user[:, 1] = item[:, 0] = 1.0
    for _ in range(rounds):
        for own, other, fixed, k, r in ((user, item, 1, known, rest), (item, user, 0, known.T, rest.T)):
            free = np.delete(np.arange(2 + n_components), fixed)
            z = other[:, free]
            gram = (k @ (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)).reshape(
                len(own), *2 * z.shape[1:]
            )
            target = r @ z - k @ (z * other[:, [fixed]])
            gram += penalty * np.eye(len(free))
            own[:, free] = np.linalg.solve(gram, target[..., None])[..., 0]
    return mean + np.einsum("nc,nc->n", user[x.users], item[x.items])


def test_a_model_that_learns_beats_the_mean_by_a_known_margin(data):
    x = data.interactions
    test = np.random.default_rng(2).random(len(x)) < 0.1
    errors = [
        rmse((x.values - x.values[~test].mean())[test]),
        rmse((x.values - factorise(x, ~test, 0))[test]),
        rmse((x.values - factorise(x, ~test, 5))[test]),
    ]
    assert errors == pytest.approx([0.92, 0.72, 0.56], abs=0.015)


def test_genres_help_cold_items(data):
    x = data.interactions
    genres = data.items["genres"].str.get_dummies("|").to_numpy(float)
    cold = np.random.default_rng(3).permutation(2000) < 400
    test = cold[x.items]
    model = Ridge(1.0).fit(genres[x.items[~test]], x.values[~test])
    by_mean = rmse(x.values[test] - x.values[~test].mean())
    by_genres = rmse(x.values[test] - model.predict(genres[x.items[test]]))
    # Genres explain 60 % of the item biases' variance of 0.45 ** 2.
    assert by_mean**2 - by_genres**2 == pytest.approx(0.6 * 0.45**2, rel=0.4)


def test_country_and_age_help_cold_users(data):
    x = data.interactions
    users = np.hstack(
        [
            data.users["country"].str.get_dummies().to_numpy(float),
            data.users[["age"]].to_numpy(float) / 50,
        ]
    )
    cold = np.random.default_rng(4).permutation(1000) < 200
    test = cold[x.users]
    model = Ridge(1.0).fit(users[x.users[~test]], x.values[~test])
    by_mean = rmse(x.values[test] - x.values[~test].mean())
    assert rmse(x.values[test] - model.predict(users[x.users[test]])) < by_mean - 0.01


@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 1),
        (3, 4, 12),  # every pair
        (20, 30, 200),
        (10, 5, 3),  # fewer ratings than users
        (1, 1000, 1000),
        (1000, 1, 1000),
        (5, 50_000, 100),
        (300, 5000, 4000),
    ],
)
def test_any_size(sizes):
    n_users, n_items, n = sizes
    data = datasets.synthetic(*sizes)
    x = data.interactions
    assert (x.n_users, x.n_items, len(x)) == sizes
    assert len(np.unique(pairs(x))) == n
    if n >= n_users:
        assert len(np.unique(x.users)) == n_users
    assert data.items["title"].is_unique and len(data.items) == n_items


def test_both_ways_to_draw_have_the_chances_documented():
    n_users, n_items = 6000, 5
    rng = np.random.default_rng(5)
    planted = _planted.plant(n_users, n_items, rng)
    by_rank = rng.permutation(n_items)
    rank = np.empty(n_items)
    rank[by_rank] = np.arange(n_items)

    share = n_items / 300
    popularity = np.log((rank + 1 + share) / (rank + share))
    dots = planted.user_latent[:, 1:].astype(float) @ planted.item_latent[:, 1:].T.astype(float)
    first = popularity * expit(dots / np.sqrt(5))
    first /= first.sum(axis=1, keepdims=True)
    # One of two draws without replacement: the first, or the second after any other.
    after = first * ((first / (1 - first)).sum(axis=1, keepdims=True) - first / (1 - first))
    expected = (first + after).mean(axis=0)

    users, counts = np.arange(n_users), np.full(n_users, 2)
    for draw in (_draw_one_by_one, _draw_at_once):
        who, what = draw(planted, users, counts, by_rank, rng)
        assert who.tolist() == np.repeat(users, 2).tolist()
        assert np.bincount(what) / n_users == pytest.approx(expected, abs=0.02)


def test_many_blocks_and_bounded_memory(monkeypatch):
    monkeypatch.setitem(datasets.synthetic.__globals__, "_BLOCK", 20_000)
    sizes = (4000, 3000, 200_000)
    tracemalloc.start()
    x = datasets.synthetic(*sizes).interactions
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(pairs(x))) == len(x) == 200_000
    result = 20 * len(x)  # two codes, a value and a time
    assert peak < result + 12e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_users": 0}, r"`n_users` must be a positive integer\. Received: n_users=0\."),
        ({"n_items": 1.5}, r"`n_items` must be a positive integer\. Received: n_items=1\.5\."),
        ({"n_interactions": True}, "`n_interactions` must be a positive integer"),
        (
            {"n_users": 3, "n_items": 4, "n_interactions": 13},
            r"`n_interactions` must be at most n_users \* n_items.*n_interactions=13, n_users=3, n_items=4",
        ),
    ],
)
def test_bad_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.synthetic(**arguments)
