"""The recipes of `fit_ranking` for losses on sampled negatives, and how they are trained."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

import kerasrec
from benchmarks._catalogue import all_scores, fit, given, interactions_of, normal
from benchmarks._recall import N_ITEMS, N_USERS, interactions
from kerasrec.data import RankingBatches, samplers
from kerasrec.layers import DotScore, FeatureEmbedding, FrequencyRegularization

N_COMPONENTS = 64


@dataclass(frozen=True)
class Recipe:
    """What a loss trains best with, on negatives that a batch shares.

    Attributes:
        batch_size: int, rows a batch.
        max_positives: int; 1 is a row an interaction, more is a row a user with so many of its positives.
        n_sampled_items: int, negatives that a batch shares.
        exponent: float, popularity to this power is how often an item is sampled; 0 is uniform.
        epochs: int; the rate falls linearly to 0 over them.
        rate: float, Adam's at the beginning.
        beta_1: float, Adam's.
        beta_2: float, Adam's.
        user_l2: float, weight in the loss of a user's squared vector, for each positive of its row.
        item_l2: float, that of an item's, each time that it is read, times (count / mean count) to a power.
        item_exponent: float, that power.
        stddev: float, of the normal initial vectors.
        scale: float, multiplies the user table after it, and so its learning rate: Adam's step does not know
            the scale, and a user of whom there is one row an epoch is read less often than an item.
        popularity: float, item biases begin at so many times the centred logarithm of the item's count.
        parts: int, how often an epoch quality is measured: some losses reach their target within two.
        settings: of the loss.
    """

    batch_size: int = 4096
    max_positives: int = 1
    n_sampled_items: int = 256
    exponent: float = 0.0
    epochs: int = 8
    rate: float = 0.015
    beta_1: float = 0.9
    beta_2: float = 0.999
    user_l2: float = 1e-3
    item_l2: float = 1e-3
    item_exponent: float = 0.5
    stddev: float = 0.05
    scale: float = 1.0
    popularity: float = 0.5
    parts: int = 1
    settings: dict[str, Any] = field(default_factory=dict)


# Chosen among some 270 settings, most of them random, by recall@10 on a tenth of the training interactions
# and, where two were close, by their time.
_WMRB = Recipe(
    batch_size=2048,
    epochs=6,
    beta_1=0.8,
    beta_2=0.95,
    user_l2=1.5e-3,
    item_l2=1e-3,
    stddev=1 / 64,
    popularity=1.0,
    parts=4,
    settings={"n_items": N_ITEMS},
)
RECIPES = {
    "SampledSoftmax": Recipe(
        batch_size=302,
        max_positives=128,
        n_sampled_items=1024,
        exponent=0.5,
        epochs=7,
        rate=0.025,
        beta_2=0.98,
        user_l2=0.1,
        item_l2=4e-4,
        item_exponent=0.0,
        stddev=0.03,
        popularity=1.0,
        scale=6.0,
        parts=2,
        # The batches leave out what a user has, so that there are none.
        settings={"remove_accidental_hits": False},
    ),
    "WMRB": _WMRB,
    "WMRB, 100 samples": replace(_WMRB, n_sampled_items=100),
    "BalancedWMRB": Recipe(
        batch_size=2048,
        n_sampled_items=512,
        epochs=4,
        rate=0.01,
        beta_1=0.8,
        beta_2=0.95,
        user_l2=1.5e-3,
        item_l2=3e-4,
        item_exponent=0.0,
        stddev=1 / 64,
        popularity=1.0,
        settings={"n_items": N_ITEMS},
    ),
    "WARP": Recipe(
        batch_size=2048,
        epochs=4,
        rate=0.022,
        beta_1=0.8,
        beta_2=0.95,
        user_l2=4.1e-3,
        item_l2=2e-3,
        parts=4,
        settings={"n_items": N_ITEMS, "max_sampled": None},
    ),
    "KOSWARP": Recipe(
        epochs=6,
        user_l2=2.3e-3,
        item_l2=1.1e-3,
        stddev=1 / 64,
        settings={"n_items": N_ITEMS, "max_sampled": None},
    ),
    "BPR": Recipe(
        batch_size=1024,
        n_sampled_items=128,
        epochs=4,
        rate=0.015,
        beta_1=0.8,
        beta_2=0.95,
        user_l2=8.5e-3,
        item_l2=3.2e-5,
        stddev=0.1,
        popularity=1.0,
        parts=4,
    ),
    "BPRMax": Recipe(
        n_sampled_items=128,
        epochs=6,
        rate=0.01,
        beta_2=0.99,
        user_l2=2.6e-3,
        item_l2=8.9e-5,
        stddev=1 / 64,
        popularity=0.0,
    ),
    "TOP1": Recipe(n_sampled_items=512, user_l2=1.1e-3, item_l2=2.1e-5, stddev=0.1),
    "PairwiseHinge": Recipe(
        batch_size=2048, beta_1=0.8, beta_2=0.95, user_l2=2.7e-4, item_l2=2.3e-4, stddev=1 / 64
    ),
    # Of labels 1 and 0 the same loss as BPR.
    "PairwiseLogistic": Recipe(
        batch_size=1024,
        n_sampled_items=128,
        epochs=4,
        rate=0.015,
        beta_1=0.8,
        beta_2=0.95,
        user_l2=8.5e-3,
        item_l2=3.2e-5,
        stddev=0.1,
        popularity=1.0,
    ),
}


def sampled(
    name: str, seed: int = 0, held_out: float = 0.0, budget: float = 60.0, **changes: Any
) -> dict[str, Any]:
    """The curve of a loss.

    Args:
        name: of the recipe, the loss's at its beginning.
        seed: int.
        held_out: float, share of the training interactions that is held out and measured on in place of the
            test interactions: recipes are chosen on it.
        budget: float, seconds of training.
        **changes: other values of the recipe's attributes.
    """
    recipe = Recipe(**{**vars(RECIPES[name]), **changes})
    train, test = interactions()
    if held_out:
        train, test = _split(train, held_out)
    keras.utils.set_random_seed(seed)
    n_by_item = np.bincount(train.indices, minlength=N_ITEMS)
    n_by_row = np.minimum(np.diff(train.indptr), recipe.max_positives)
    start = time.perf_counter()
    sampler: Any = samplers.UniformSampler(shared=True, replace=False)
    if recipe.exponent:
        sampler = samplers.PopularitySampler(shared=True, replace=False, exponent=recipe.exponent)
    batches = RankingBatches(
        interactions_of(train),
        recipe.batch_size,
        recipe.n_sampled_items,
        sampler,
        seed=seed,
        by="interaction" if recipe.max_positives == 1 else "user",
        max_positives=recipe.max_positives,
        log_q=name == "SampledSoftmax" and bool(recipe.exponent),
        balanced=name == "BalancedWMRB",
        drop_remainder=True,
    )
    parts = _Parts(batches, recipe.parts)

    def make() -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        user = keras.Input((1,), name="user", dtype="int32")
        item = keras.Input((None,), name="item", dtype="int32")
        users = FeatureEmbedding(N_USERS, N_COMPONENTS, normal(rng, recipe.stddev / recipe.scale))
        items = FeatureEmbedding(N_ITEMS, N_COMPONENTS, normal(rng, recipe.stddev))
        logarithms = np.log1p(n_by_item)
        biases = FeatureEmbedding(
            N_ITEMS, 1, given(recipe.popularity * (logarithms - logarithms.mean())[:, None])
        )
        user_decay = FrequencyRegularization.from_counts(n_by_row, recipe.user_l2 * n_by_row.mean())
        item_decay = FrequencyRegularization.from_counts(n_by_item, recipe.item_l2, recipe.item_exponent)
        score = DotScore()(
            user_decay(keras.layers.Rescaling(recipe.scale)(users(user)), user),
            item_decay(items(item), item),
            item_bias=biases(item),
        )
        model = kerasrec.Model({"user": user, "item": item}, score)
        steps = len(parts) * recipe.parts * recipe.epochs
        schedule = keras.optimizers.schedules.PolynomialDecay(recipe.rate, steps, 0.0)
        # The tables have few more rows than a batch reads: whole, a step costs as much.
        model.compile(
            keras.optimizers.Adam(schedule, beta_1=recipe.beta_1, beta_2=recipe.beta_2),
            getattr(kerasrec.losses, name.split(",")[0])(**recipe.settings),
            row_sparse=False,
        )
        return model, lambda: all_scores(users, items, biases, recipe.scale)

    return fit(make, parts, train, test, recipe.epochs * recipe.parts, budget, start)


class _Parts(keras.utils.PyDataset):
    """Batches whose epochs end, for Keras, several times: so often quality is measured.

    Args:
        batches: `RankingBatches`.
        n_parts: int, how often an epoch ends. Batches that are left over are left out.
    """

    batches_in_thread = True

    def __init__(self, batches: RankingBatches, n_parts: int) -> None:
        super().__init__()
        self._batches, self._n_parts, self._part = batches, n_parts, 0

    def __len__(self) -> int:
        return len(self._batches) // self._n_parts

    def __getitem__(self, index: int) -> Any:
        return self._batches[self._part * len(self) + index]

    def on_epoch_end(self) -> None:
        """Go on to the next part, and after the last to the next epoch."""
        self._part = (self._part + 1) % self._n_parts
        if not self._part:
            self._batches.on_epoch_end()


def _split(matrix: Any, share: float) -> tuple[Any, Any]:
    """Interactions without a random share of them, and that share."""
    from scipy import sparse

    users, items = matrix.nonzero()
    out = np.random.default_rng(7).random(len(users)) < share

    def take(chosen: np.ndarray) -> Any:
        values = np.ones(int(chosen.sum()), np.float32)
        return sparse.csr_matrix((values, (users[chosen], items[chosen])), matrix.shape)

    return take(~out), take(out)
