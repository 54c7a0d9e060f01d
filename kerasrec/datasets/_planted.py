from dataclasses import dataclass

import numpy as np

from kerasrec.datasets._titles import NOUNS

GENRES = tuple(NOUNS)
COUNTRIES = ("US", "GB", "DE", "FR", "ES", "IN", "BR", "JP")

# A rating is a sum of parts with these standard deviations, rounded and clipped.
MEAN = 3.3
USER_SD = 0.4
ITEM_SD = 0.45
TASTE_SD = 0.6
NOISE_SD = 0.5
N_COMPONENTS = 5
# Share of the variance of the item biases and factors explained by genres, and of the users' by age and
# country.
GENRE_SHARE = 0.6
DEMOGRAPHIC_SHARE = 0.3


@dataclass(frozen=True)
class Planted:
    """The planted structure from which ratings are drawn.

    `user_latent` is `[U, 1 + C]` and `item_latent` `[I, 1 + C]`: the bias, then the factors. Columns have
    mean 0 and standard deviation 1.
    """

    user_latent: np.ndarray
    item_latent: np.ndarray
    ages: np.ndarray  # [U]
    countries: np.ndarray  # [U], index into COUNTRIES
    genres: np.ndarray  # [I, 3], index into GENRES, the main genre first; padded with -1
    years: np.ndarray  # [I]

    def taste(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The taste of users for items, pair by pair, with standard deviation 1."""
        dots = np.einsum("nc,nc->n", self.user_latent[users, 1:], self.item_latent[items, 1:])
        return np.asarray(dots / np.float32(np.sqrt(N_COMPONENTS)))

    def tastes(self, users: np.ndarray) -> np.ndarray:
        """The taste of these users for every item, `[users, I]`."""
        dots = self.user_latent[users, 1:] @ self.item_latent[:, 1:].T
        return np.asarray(dots / np.float32(np.sqrt(N_COMPONENTS)))

    def rating(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The ratings before noise, rounding and clipping, pair by pair."""
        biases = USER_SD * self.user_latent[users, 0] + ITEM_SD * self.item_latent[items, 0]
        return np.asarray(MEAN + biases + TASTE_SD * self.taste(users, items))


def plant(n_users: int, n_items: int, rng: np.random.Generator) -> Planted:
    """Draw users and items."""
    ages = np.clip(np.round(18 + rng.gamma(2.5, 8.0, n_users)), 18, 90).astype("int64")
    # Half the users come from the first two countries.
    countries = np.minimum((len(COUNTRIES) * rng.random(n_users) ** 2).astype("int64"), len(COUNTRIES) - 1)
    demographic = rng.standard_normal((len(COUNTRIES), 1 + N_COMPONENTS))[countries]
    demographic += np.outer((ages - 38.0) / 13.0, rng.standard_normal(1 + N_COMPONENTS))

    # Items with the largest log-probability plus Gumbel noise are a sample without replacement.
    likely = np.log(np.linspace(1.0, 0.3, len(GENRES)))[rng.permutation(len(GENRES))]
    genres = np.argsort(-(likely + rng.gumbel(size=(n_items, len(GENRES)))), axis=1)[:, :3]
    genres[np.arange(3) >= rng.integers(1, 4, n_items)[:, None]] = -1
    # A further row of zeros, for -1.
    effect = np.vstack([rng.standard_normal((len(GENRES), 1 + N_COMPONENTS)), np.zeros(1 + N_COMPONENTS)])

    return Planted(
        user_latent=_blend(demographic, DEMOGRAPHIC_SHARE, rng),
        item_latent=_blend(effect[genres].sum(axis=1), GENRE_SHARE, rng),
        ages=ages,
        countries=countries,
        genres=genres,
        years=2014 - np.minimum(rng.exponential(15.0, n_items).astype("int64"), 80),
    )


def _blend(explained: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; `explained` explains `share` of their variance."""
    own = rng.standard_normal(explained.shape)
    return _standard(np.sqrt(share) * _standard(explained) + np.sqrt(1 - share) * own).astype("float32")


def _standard(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9))
