"""Book-Crossing: which representations are best for known readers, and which for new ones.

    python examples/book_crossing_cold_users.py [FOLDER [ROW ...]]

A like is a rating of at least 7; books with at least five likes are kept. A fifth of the readers is new: they
are in no training row. Of the likes of the others, about a tenth is kept aside. Readers are known by country,
state, city and age, books by themselves, words of the title, author, year and publisher. Representations of
readers are linear, divided by their length, or deep; those of books linear or deep; all have 20 components
and are trained by BalancedWMRB with 100 sampled books. FOLDER has `ratings.csv`, `books.csv` and `users.csv`;
without it the data set is downloaded. Without rows (e.g. "linear, deep") the whole table is made; a process
for each row needs less memory, because what was compiled for the rows before is kept.

State and city tell known readers apart, but most have too few readers to say anything about the next one: a
new reader is represented by country and age alone. So that these learn to stand alone, linear readers of deep
books lose state and city in most of the training, and then need twice the epochs. BalancedWMRB gives each
book the same weight, however many like it, which underrates what is popular; of a new reader one knows little
else, so that their lists are made with a share of the logarithm of its likes added to the bias of each book.
All this, the epochs, rates and L2 were chosen by the recall of a fifth of the known readers, left out as if
they were new. On the table's own split were earlier also seen: deep readers at rate 0.01 without L2, linear
ones with a share of 0.5, and linear readers of deep books who lose nothing.

Figures are at 100, over all books: of known readers in sample (their training likes asked back, as
published), of known readers held out, of new ones.

Published by Kirk, "Deep learning recommendations with TensorRec", 2018; its code, run again for 30 epochs,
one seed, gave as recall@100 in sample and of new readers: random 0.009 and 0.011, popularity 0.131 and 0.128,
linear and linear 0.220 and 0.138, linear and deep 0.207 and 0.154, deep and linear 0.343 and 0.118, deep and
deep 0.172 and 0.140, in about 300 s and 7.4 GB each.
"""

import sys
import time
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

import kerasrec
from kerasrec.data import Features, Interactions, RankingBatches, samplers, splits
from kerasrec.evaluation import evaluate
from kerasrec.layers import DeepRepr, FeatureDropout, HostNormal, SparseLinearRepr

N_COMPONENTS, N_SAMPLED, BATCH_SIZE = 20, 100, 512


class Configuration(NamedTuple):
    """A row of the table: representations of readers and books, and how they are trained.

    `dropped` is the share of the training in which readers lose state and city, and `popularity` what the
    logarithm of a book's likes counts for new readers.
    """

    readers: str
    books: str
    rate: float
    l2: float
    epochs: int
    dropped: float
    popularity: float


CONFIGURATIONS = {
    "linear, linear": Configuration("linear", "linear", 0.01, 3e-5, 6, 0.0, 0.8),
    "linear, deep": Configuration("linear", "deep", 0.005, 3e-5, 12, 0.8, 0.4),
    "deep, linear": Configuration("deep", "linear", 0.005, 1e-6, 6, 0.0, 0.8),
    "deep, deep": Configuration("deep", "deep", 0.005, 1e-6, 6, 0.0, 0.8),
}


class Problem(NamedTuple):
    """Likes in three parts, and what is known of readers and books."""

    train: Interactions
    held: Interactions
    new: Interactions
    readers: Features
    books: Features


def load(folder: str | None = None, seed: int = 0) -> Problem:
    """From the raw tables to everything that is trained on."""
    import pandas as pd

    dataset = kerasrec.datasets.book_crossing(folder)
    likes = dataset.interactions.at_least(7).filter(min_item=5)
    likes = Interactions.from_frame(likes.to_frame(), value="value")  # the codes of what is left
    known, new = splits.cold_user_split(likes, test_size=0.2, seed=seed)
    train, held = splits.per_user_split(known, test_size=0.1, seed=seed)

    readers = dataset.users.reindex(likes.user_ids)
    edges = [5, 15, 20, 25, 30, 35, 40, 45, 50, 60, 100]
    readers["age"] = pd.cut(readers["age"], edges).astype(object).map(str, na_action="ignore")
    readers["state"] = readers["country"].astype(object) + "/" + readers["state"].astype(object)
    readers["city"] = readers["state"] + "/" + readers["city"].astype(object)
    readers.loc[likes.user_ids[np.unique(new.users)], ["state", "city"]] = None
    fitted = readers.loc[likes.user_ids[np.unique(train.users)]]
    features = [Features.categorical(fitted[column]) for column in ("country", "state", "city", "age")]
    with warnings.catch_warnings():
        # Countries of new readers alone.
        warnings.filterwarnings("ignore", message=".*unknown")
        readers_known_by = sum(features[1:], features[0]).transform(readers)

    books = dataset.items.reindex(likes.item_ids)
    books["title"] = books["title"].str.split().str[:8].str.join(" ")  # a bag is as wide as the widest
    books_known_by = Features.indicator(likes.item_ids) + Features.text(books["title"])
    for column in ("author", "year", "publisher"):
        books_known_by += Features.categorical(books[column])
    return Problem(train, held, new, readers_known_by, books_known_by)


def representation(kind: str, l2: float, normalize: bool, seed: int) -> keras.layers.Layer:
    """A linear one begins small: what is seldom seen stays without a say."""
    regularizer = keras.regularizers.L2(l2)
    if kind == "linear":
        return SparseLinearRepr(
            N_COMPONENTS,
            normalize=normalize,
            kernel_initializer=HostNormal(stddev=0.05, seed=seed),
            kernel_regularizer=regularizer,
        )
    hidden = (16 * N_COMPONENTS, 8 * N_COMPONENTS, 2 * N_COMPONENTS)
    return DeepRepr(N_COMPONENTS, hidden, kernel_regularizer=regularizer)


def trained(
    problem: Problem, configuration: Configuration, epochs: int | None = None, seed: int = 0
) -> keras.Model:
    """One of the four configurations, trained for its number of epochs or another."""
    epochs = epochs or configuration.epochs
    batches = RankingBatches(
        problem.train,
        BATCH_SIZE,
        N_SAMPLED,
        samplers.UniformSampler(shared=True),
        balanced=True,
        seed=seed,
    )
    keras.utils.set_random_seed(seed)
    with warnings.catch_warnings():
        # New readers have no identity that could be learnt.
        warnings.filterwarnings("ignore", message="deep_repr has no indicator columns of users")
        model = kerasrec.zoo.create(
            "deep_repr",
            problem.train,
            user_features=problem.readers,
            item_features=problem.books,
            n_components=N_COMPONENTS,
            user_repr=representation(configuration.readers, configuration.l2, True, 2 * seed),
            item_repr=representation(configuration.books, configuration.l2, False, 2 * seed + 1),
            loss=kerasrec.losses.BalancedWMRB(problem.train.n_items, max_positives=1),
            user_feature_dropout=FeatureDropout(
                configuration.dropped, problem.readers.columns_of("state", "city"), seed=seed
            ),
            l2=configuration.l2,
            learning_rate=keras.optimizers.schedules.PolynomialDecay(
                configuration.rate, epochs * len(batches), 0.0
            ),
            seed=seed,
        )
    model.fit(batches, epochs=epochs, verbose=0)
    return model


def add_popularity(model: keras.Model, problem: Problem, share: float) -> None:
    """Add so much of the logarithm of each book's likes, less their mean, to its bias."""
    counts = np.bincount(problem.train.items, minlength=problem.train.n_items)
    popularity = np.log(np.maximum(counts, 1))
    (weights,) = model.get_layer("item_bias").get_weights()
    weights[: len(counts), 0] += share * (popularity - popularity.mean())  # the books' own columns come first
    model.get_layer("item_bias").set_weights([weights])


def figures(model: keras.Model, problem: Problem, popularity: float = 0.0) -> np.ndarray:
    """A row of the table."""

    def at_100(test: Interactions, **how: Any) -> list[float]:
        metrics = ["recall", "precision", "ndcg"]
        report = evaluate(model, test, problem.train, k=100, metrics=metrics, **how)
        return [report[f"{metric}@100"] for metric in metrics]

    known = at_100(problem.train, exclude_seen=False) + at_100(problem.held)
    if popularity:
        add_popularity(model, problem, popularity)
    return np.array(known + at_100(problem.new))


def row(title: str, values: Any) -> str:
    return f"{title:<14}" + "".join(f"{value:>10.4f}" for value in values)


HEAD = (
    f"{'at 100, of':<14}"
    + "".join(f"{who:>30}" for who in ("known, in sample", "known, held out", "new readers"))
    + f"\n{'':<14}"
    + "".join(f"{metric:>10}" for metric in ("recall", "precision", "ndcg")) * 3
)


def winners(table: dict[str, np.ndarray]) -> str:
    """Which of the four configurations is best for whom, by recall."""
    whom = {"known readers, in sample": 0, "known readers, held out": 3, "new readers": 6}
    return "\n".join(
        f"best for {who}: {max(CONFIGURATIONS, key=lambda title: table[title][column])}"
        for who, column in whom.items()
    )


def main(folder: str | None = None, *titles: str) -> None:
    start = time.perf_counter()
    problem = load(folder)
    print(HEAD)
    table = {}
    for title in titles or ("random", "popularity", *CONFIGURATIONS):
        if title in CONFIGURATIONS:
            model = trained(problem, CONFIGURATIONS[title])
            table[title] = figures(model, problem, CONFIGURATIONS[title].popularity)
        else:
            model = kerasrec.zoo.create(title, problem.train)
            table[title] = figures(model, problem)
        print(row(title, table[title]), flush=True)
    if not titles:
        print(winners(table))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
