"""Matrix factorisation, content and hybrid models on MovieLens latest-small (2018), as in a published table.

    python examples/movielens_hybrid.py [FOLDER]

Ratings are split 80/20 at random, three times. Likes are ratings of at least 4. The first two columns follow
the published protocol: recall@10 over all films, with training films *not* left out. The last two leave out
every film that the user rated in the training part, as a product would. FOLDER has `ratings.csv` and
`movies.csv`; without it the data set is downloaded.

The table was published by Kirk, "Getting started with recommender systems and TensorRec", 2018. Its recall@10
in train and test is: matrix factorisation with a rating loss 0.0008 and 0.0010, WMRB 0.1098 and 0.0776,
content 0.0471 and 0.0130, hybrid 0.1196 and 0.0794.
"""

import sys
from typing import Any, NamedTuple

import keras
import numpy as np

import kerasrec
from kerasrec.data import Features, Interactions, RankingBatches, pairs, samplers, splits
from kerasrec.evaluation import evaluate

SEEDS = (0, 1, 2)
FIGURES = ("train recall", "test recall", "recall, unseen", "ndcg, unseen")
# Chosen on a fifth of the training rows of the first split, like the recipe of the hybrid.
N_COMPONENTS, RATE, BATCH_SIZE, EPOCHS = 5, 0.01, 256, 24
L2 = {"hybrid": 2e-4, "matrix_factorization": 1e-4, "content": 1e-4}


class Split(NamedTuple):
    """Ratings and likes of one split, and the features of the films."""

    rated: Interactions
    train: Interactions
    test: Interactions
    genres: Features


def split_of(dataset: Any, seed: int) -> Split:
    """Split the ratings 80/20 at random, then keep the likes."""
    data = dataset.interactions
    rated, test = splits.random_split(data, test_size=0.2, seed=seed)
    genres = Features.multilabel(dataset.items["genres"].reindex(data.item_ids).fillna(""))
    return Split(rated, rated.at_least(4.0), test.at_least(4.0), genres)


def identity_and_genres(split: Split) -> Features:
    return Features.indicator(split.train.item_ids) + split.genres


def falling(rate: float, steps: int) -> Any:
    """A learning rate that falls linearly to 0."""
    return keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0)


def baseline(name: str, split: Split, seed: int = 0, share: float = 1.0) -> keras.Model:
    return kerasrec.zoo.create(name, split.train)


def by_ratings(name: str, split: Split, seed: int = 0, share: float = 1.0) -> keras.Model:
    """Matrix factorisation with the RMSE of the ratings as loss, and the settings of the other models."""
    epochs = round(EPOCHS * share)
    model = kerasrec.zoo.create(
        "matrix_factorization",
        split.rated,
        n_components=N_COMPONENTS,
        loss="rmse",
        l2=L2["matrix_factorization"],
        learning_rate=falling(RATE, epochs * -(-len(split.rated) // BATCH_SIZE)),
        seed=seed,
    )
    keras.utils.set_random_seed(seed)
    x, y = pairs(split.rated)
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def by_wmrb(name: str, split: Split, seed: int = 0, share: float = 1.0) -> keras.Model:
    """A model with five components; one sample of 1 % of the films per batch."""
    epochs = round(EPOCHS * share)
    batches = RankingBatches(
        split.train,
        BATCH_SIZE,
        n_sampled_items=round(0.01 * split.train.n_items),
        sampler=samplers.UniformSampler(shared=True),
        seed=seed,
    )
    settings: dict[str, Any] = {} if name == "content" else {"n_components": N_COMPONENTS}
    if name != "matrix_factorization":
        settings["item_features"] = split.genres if name == "content" else identity_and_genres(split)
    model = kerasrec.zoo.create(
        name,
        split.train,
        loss="wmrb",
        l2=L2[name],
        learning_rate=falling(RATE, epochs * len(batches)),
        seed=seed,
        **settings,
    )
    model.fit(batches, epochs=epochs, verbose=0)
    return model


def at_its_best(name: str, split: Split, seed: int = 0, share: float = 1.0) -> keras.Model:
    """The hybrid trained by its recipe, which is a softmax over all films here, for all its epochs."""
    epochs = round(kerasrec.zoo.recipe("hybrid", split.train).epochs * share)
    return kerasrec.Recommender.train(
        split.train, "hybrid", epochs, item_features=identity_and_genres(split), seed=seed, verbose=0
    ).model


MODELS = {
    "popularity": (baseline, "popularity"),
    "rating-loss MF": (by_ratings, "matrix_factorization"),
    "WMRB MF": (by_wmrb, "matrix_factorization"),
    "content": (by_wmrb, "content"),
    "hybrid": (by_wmrb, "hybrid"),
    "ease": (baseline, "ease"),
    "hybrid, tuned": (at_its_best, "hybrid"),
}


def figures(model: keras.Model, split: Split) -> np.ndarray:
    """The four values of a row."""

    def at_10(test: Interactions, train: Interactions, **how: Any) -> Any:
        return evaluate(model, test, train, k=10, metrics=["recall", "ndcg"], **how)

    unseen = at_10(split.test, split.rated)
    return np.array(
        [
            at_10(split.train, split.train, exclude_seen=False)["recall@10"],
            at_10(split.test, split.train, exclude_seen=False)["recall@10"],
            unseen["recall@10"],
            unseen["ndcg@10"],
        ]
    )


def row(title: str, values: Any) -> str:
    return f"{title:<16}" + "".join(f"{value:>16.4f}" for value in values)


HEAD = f"{'':<16}" + "".join(f"{figure:>16}" for figure in FIGURES)


def main(folder: str | None = None) -> None:
    dataset = kerasrec.datasets.movielens("latest-small", folder)
    every_split = [split_of(dataset, seed) for seed in SEEDS]
    print(HEAD)
    for title, (train, name) in MODELS.items():
        measured = [
            figures(train(name, split, seed), split) for seed, split in zip(SEEDS, every_split, strict=True)
        ]
        print(row(title, np.mean(measured, axis=0)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
