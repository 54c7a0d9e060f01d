from collections.abc import Iterator

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data import Interactions
from kerasrec.datasets._planted import COUNTRIES, GENRES, NOISE_SD, Planted, plant
from kerasrec.datasets._titles import film_titles
from kerasrec.datasets.dataset import Dataset

_LICENCE = "Generated: no restriction."
_CITATION = "kerasrec.datasets.synthetic"

# Popularity falls as 1 / (rank + n_items / _HEAD): the first tenth of the items gets 60 % of the draws.
_HEAD = 300.0
# Approximate number of pairs in temporary arrays, whatever the size of the data set.
_BLOCK = 2_000_000
# For users with more than this share of the catalogue, drawing one by one would repeat too many items.
_DENSE = 1 / 16
_START, _END = 1_420_070_400, 1_735_689_600  # 2015-01-01, 2025-01-01


def synthetic(
    n_users: int = 1000, n_items: int = 2000, n_interactions: int = 100_000, seed: int = 0
) -> Dataset:
    """Film ratings with a planted structure, from 0.5 to 5 in half steps.

    `rating = 3.3 + 0.4 user bias + 0.45 item bias + 0.6 taste + 0.5 noise`, rounded to half steps and
    clipped; each part has standard deviation 1. The taste is the dot product of 5 user and 5 item factors.
    Genres explain 60 % of the variance of the item biases and factors, and age and country 30 % of that of
    the users. Which items a user rates depends on their popularity, which has a long tail, and on the user's
    taste. No pair occurs twice.

    At the default size the root mean squared error on held-out ratings is 0.92 for the global mean, 0.72 for
    user and item biases, and about 0.56 for a model with 5 factors. No model can be better than the noise of
    0.50.

    Args:
        n_users: int, number of users; all are in the vocabulary. Defaults to `1000`.
        n_items: int, number of items; all are in the vocabulary. Defaults to `2000`.
        n_interactions: int, number of ratings. The time grows with it; memory beyond the result does not.
            Defaults to `100_000`.
        seed: int. The same seed gives the same data. Defaults to `0`.

    Returns:
        `Dataset`. Its `items` have the columns `title`, `genres` (joined by `|`) and `year`, its `users`
        `age` and `country`. The interactions are grouped by user.

    Raises:
        ValueError: if a size is not a positive integer or there are more interactions than pairs.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(n_users=50, n_items=80, n_interactions=900)
        >>> sorted(data.items.columns)
        ['genres', 'title', 'year']
    """
    n_users = positive_integer("n_users", n_users)
    n_items = positive_integer("n_items", n_items)
    n_interactions = positive_integer("n_interactions", n_interactions)
    if n_interactions > n_users * n_items:
        raise ValueError(
            "`n_interactions` must be at most n_users * n_items, because no pair occurs twice. Received: "
            f"n_interactions={n_interactions}, n_users={n_users}, n_items={n_items}."
        )
    import pandas as pd

    rng = np.random.default_rng(seed)
    planted = plant(n_users, n_items, rng)
    counts = _activity(n_users, n_items, n_interactions, rng)
    # The popularity of items does not depend on their codes.
    by_rank = rng.permutation(n_items).astype("int32")
    joined = rng.uniform(_START, _END, n_users)
    stayed = np.minimum(rng.exponential(180 * 86_400.0, n_users), _END - joined)

    users = np.empty(n_interactions, "int32")
    items = np.empty(n_interactions, "int32")
    values = np.empty(n_interactions, "float32")
    times = np.empty(n_interactions, "int64")
    start = 0
    for u, i in _pairs(planted, counts, by_rank, rng):
        rows = slice(start, start := start + len(u))
        ratings = planted.rating(u, i) + NOISE_SD * rng.standard_normal(len(u), "float32")
        users[rows], items[rows] = u, i
        values[rows] = np.clip(np.round(2 * ratings) / 2, 0.5, 5.0)
        times[rows] = joined[u] + stayed[u] * rng.random(len(u))

    user_ids, item_ids = np.arange(1, n_users + 1), np.arange(1, n_items + 1)
    return Dataset(
        name="synthetic",
        interactions=Interactions(users, items, values, times, user_ids=user_ids, item_ids=item_ids),
        items=pd.DataFrame(
            {
                "title": film_titles(planted.genres[:, 0], planted.years),
                "genres": _genre_names(planted.genres),
                "year": planted.years,
            },
            index=pd.Index(item_ids, name="item"),
        ),
        users=pd.DataFrame(
            {"age": planted.ages, "country": np.array(COUNTRIES, dtype=object)[planted.countries]},
            index=pd.Index(user_ids, name="user"),
        ),
        licence=_LICENCE,
        citation=_CITATION,
    )


def _activity(n_users: int, n_items: int, n_interactions: int, rng: np.random.Generator) -> np.ndarray:
    """Ratings per user `[U]`: log-normal; at least one, if there are enough; at most one per item."""
    eagerness = rng.lognormal(sigma=1.0, size=n_users)
    counts = np.full(n_users, int(n_interactions >= n_users))
    while left := n_interactions - counts.sum():
        open_ = counts < n_items
        share = np.floor(left * (eagerness * open_) / (eagerness @ open_)).astype("int64")
        if not share.any():  # only remainders are left: the most eager users get one each
            share[np.argsort(-(eagerness * open_))[: min(left, open_.sum())]] = 1
        counts = np.minimum(counts + share, n_items)
    return counts


def _pairs(
    planted: Planted, counts: np.ndarray, by_rank: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of unique user-item pairs, `counts[u]` of user u; each user is in one block.

    The probability of an item is proportional to its popularity times the logistic function of the taste.
    """
    n_items = len(by_rank)
    dense = counts > _DENSE * n_items
    light = np.flatnonzero(~dense & (counts > 0))
    # A block has whole users with about _BLOCK / 4 pairs, because four draws per pair are made at once.
    block = np.cumsum(counts[light]) * 4 // _BLOCK
    for users in np.split(light, np.flatnonzero(np.diff(block)) + 1):
        if len(users):
            yield _draw_one_by_one(planted, users, counts[users], by_rank, rng)
    heavy = np.flatnonzero(dense)
    size = max(1, _BLOCK // n_items)
    for first in range(0, len(heavy), size):
        users = heavy[first : first + size]
        yield _draw_at_once(planted, users, counts[users], by_rank, rng)


def _draw_one_by_one(
    planted: Planted, users: np.ndarray, counts: np.ndarray, by_rank: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw with replacement, and keep the first `counts` unique items of each user."""
    n_items = len(by_rank)
    kept = np.empty(0, "int64")  # row in `users` * n_items + item
    missing = counts
    while missing.any():
        rows = np.repeat(np.arange(len(users)), 4 * missing)
        # The inverse of the cumulative distribution of popularity.
        rank = n_items / _HEAD * np.expm1(np.log1p(_HEAD) * rng.random(len(rows)))
        items = by_rank[np.minimum(rank.astype("int64"), n_items - 1)]
        taste = planted.taste(users[rows], items)
        liked = rng.random(len(rows), "float32") * (1 + np.exp(-taste)) < 1
        drawn = np.concatenate([kept, rows[liked] * n_items + items[liked]])
        # Unique pairs in the order of the draws, then sorted by user.
        _, first = np.unique(drawn, return_index=True)
        drawn = drawn[np.sort(first)]
        drawn = drawn[np.argsort(drawn // n_items, kind="stable")]
        have = np.bincount(drawn // n_items, minlength=len(users))
        nth = np.arange(len(drawn)) - np.repeat(np.cumsum(have) - have, have)
        kept = drawn[nth < np.repeat(counts, have)]
        missing = np.maximum(counts - have, 0)
    return users[kept // n_items], kept % n_items


def _draw_at_once(
    planted: Planted, users: np.ndarray, counts: np.ndarray, by_rank: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same distribution for dense users: the items with the largest log-probability plus Gumbel noise."""
    n_items = len(by_rank)
    chance = np.empty(n_items, "float32")
    chance[by_rank] = np.log(np.diff(np.log1p(_HEAD / n_items * np.arange(n_items + 1))))
    taste = planted.tastes(users)
    score = chance - np.logaddexp(0, -taste) + rng.gumbel(size=taste.shape)
    order = np.argsort(-score, axis=1)
    return np.repeat(users, counts), order[np.arange(n_items) < counts[:, None]]


def _genre_names(genres: np.ndarray) -> np.ndarray:
    """Names such as `"Comedy|Drama"` for indices `[I, 3]`, in alphabetical order."""
    names = np.array([*GENRES, ""], dtype=object)
    # GENRES is in alphabetical order; -1 is sorted to the end.
    genres = np.sort(np.where(genres < 0, len(GENRES), genres), axis=1)
    joined = names[genres[:, 0]]
    for column in genres.T[1:]:
        joined = joined + np.where(column < len(GENRES), "|", "") + names[column]
    return np.asarray(joined)
