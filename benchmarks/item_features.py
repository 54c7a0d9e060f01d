"""The time of an epoch of the hybrid with item features, compared with one without.

The models have 128 components and a softmax over the catalogue. The first data set is MovieLens latest-small
(2018), likes of at least 4, in batches of 153 users: with genres, and with genres and all tags that users
gave (1,500; some films have more than a hundred). The second is synthetic: 8,000 users, 20,000 items, 60,000
pairs, batches of 256, and 500 tags. An item has five tags on average, and some have many more. Each time is
that of the fastest epoch after the first.
"""

from typing import Any

import numpy as np

from benchmarks._clock import EpochClock
from benchmarks._measure import alternate, data_folder, in_process, middle, ratio_row, ratios

CASES = {"movielens": ("none", "genres", "genres and tags"), "drawn": ("none", "500 tags")}
# Epochs of a tenth of a second vary.
EPOCHS = {"movielens": 12, "drawn": 3}


def run(quick: bool = False, rounds: int = 3) -> list[dict]:
    cases = [
        (backend, data, features)
        for backend in ("tensorflow", "jax")
        for data, kinds in CASES.items()
        for features in kinds
    ]
    results = dict(
        zip(
            cases,
            alternate(cases, 1 if quick else rounds, lambda case: _measure(case, quick)),
            strict=True,
        )
    )
    rows = [
        ratio_row(
            f"{data}, {features} / none, {backend}",
            ratios(result, results[backend, data, "none"], "epoch s"),
            2,
            lower_is_better=True,
        )
        for (backend, data, features), result in results.items()
        if features != "none"
    ]
    for (backend, data, features), result in results.items():
        rows.append(
            {
                "backend": backend,
                "data": data,
                "features": features,
                "epoch s": middle(result, "epoch s"),
                "first epoch s": middle(result, "first epoch s"),
                "peak MB": middle(result, "peak_mb"),
                "rounds": result,
            }
        )
    return rows


def epoch(data: str, features: str, epochs: int) -> dict[str, Any]:
    """Seconds of an epoch, in a fresh process."""
    from kerasrec import zoo
    from kerasrec.data import CatalogueBatches

    x, item_features, batch_size = (_movielens if data == "movielens" else _drawn)(features)
    model = zoo.create(
        "hybrid",
        x,
        item_features=item_features,
        n_components=128,
        loss="full_softmax",
        decay=0.2,
        learning_rate=0.02,
        seed=0,
    )
    clock = EpochClock()
    batches = CatalogueBatches(x, batch_size, seed=0)
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[clock])
    return {"epoch s": min(clock.seconds[1:]), "first epoch s": clock.seconds[0]}


def _movielens(features: str) -> Any:
    import pandas as pd

    from kerasrec.data import Features, Interactions

    folder = data_folder("movielens-latest-small-2018")
    ratings = pd.read_csv(folder / "ratings.csv")
    x = Interactions.from_frame(ratings, user="userId", item="movieId", value="rating").at_least(4)
    if features == "none":
        return x, None, 153
    movies = pd.read_csv(folder / "movies.csv").set_index("movieId").reindex(x.item_ids)
    words = {
        film: [f"genre {g}" for g in str(genres).split("|")] for film, genres in movies["genres"].items()
    }
    if features == "genres and tags":
        tags = pd.read_csv(folder / "tags.csv")
        for film, tag in zip(tags["movieId"], tags["tag"], strict=True):
            if film in words:
                words[film].append(f"tag {tag.lower()}")
    lists = pd.Series(
        ["|".join(sorted(set(words[film]))) for film in x.item_ids], index=x.item_ids, name="word"
    )
    return x, Features.indicator(x.item_ids) + Features.multilabel(lists), 153


def _drawn(features: str) -> Any:
    import scipy.sparse

    from kerasrec.data import Interactions

    n_users, n_items, n_pairs = 8000, 20_000, 60_000
    rng = np.random.default_rng(0)
    items = rng.permutation(n_items)[(n_items * rng.random(n_pairs) ** 3).astype("int32")]
    pairs = np.unique(rng.integers(0, n_users, n_pairs) * n_items + items)
    x = Interactions(pairs // n_items, pairs % n_items, user_ids=range(n_users), item_ids=range(n_items))
    if features == "none":
        return x, None, 256
    counts = np.minimum(1 + rng.geometric(0.25, n_items), 100)
    counts[rng.integers(0, n_items, 20)] = 100
    rows = np.repeat(np.arange(n_items), counts)
    tags = (500 * rng.random(len(rows)) ** 2).astype("int32")
    matrix = scipy.sparse.csr_matrix((np.ones(len(rows), "float32"), (rows, tags)), (n_items, 500))
    matrix.data[:] = 1
    return x, scipy.sparse.hstack([scipy.sparse.identity(n_items, "float32"), matrix]).tocsr(), 256


def _measure(case: tuple[str, str, str], quick: bool) -> dict[str, Any]:
    backend, data, features = case
    arguments = {"data": data, "features": features, "epochs": 2 if quick else EPOCHS[data]}
    return in_process("benchmarks.item_features:epoch", arguments, backend)
