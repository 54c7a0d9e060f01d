"""Six models on three splits of MovieLens latest-small: which is best, and which differences are significant.

    python examples/compare_models.py [FOLDER]

Likes are ratings of at least 4. A random fifth of them is held out. FOLDER has `ratings.csv` and
`movies.csv`; without it the data set is downloaded.
"""

import sys
from typing import Any

import kerasrec
from kerasrec.data import Features, splits
from kerasrec.datasets import Dataset
from kerasrec.evaluation import Comparison

SEEDS = (0, 1, 2)
# Everything else comes from the models' recipes.
TRAINING: dict[str, Any] = {"verbose": 0}


def compared(dataset: Dataset, seed: int) -> Comparison:
    """Compare the hybrid and matrix factorisation, both trained by their recipe, with four baselines."""
    data = dataset.interactions
    train, test = splits.random_split(data.at_least(4), test_size=0.2, seed=seed)
    genres = dataset.items["genres"].reindex(data.item_ids).fillna("")
    films = Features.indicator(data.item_ids) + Features.multilabel(genres)
    models: dict[str, Any] = {
        "hybrid": kerasrec.Recommender.train(train, "hybrid", item_features=films, seed=seed, **TRAINING),
        "matrix_factorization": kerasrec.Recommender.train(
            train, "matrix_factorization", seed=seed, **TRAINING
        ),
        "implicit_als": "implicit_als",
    }
    return kerasrec.evaluation.compare(models, train, test, metrics=["ndcg", "recall", "coverage"])


def summary(tables: list[Comparison]) -> str:
    """Means over the splits, and in how many splits a model is the best or not significantly different."""
    frames = [table.to_frame() for table in tables]
    metrics = list(tables[0].reports[tables[0].best].metrics)
    means = sum(frame[metrics] for frame in frames) / len(frames)
    lines = ["".join([f"{'':22}", *(f"{metric:>12}" for metric in metrics), "   best or tied"])]
    for name, row in means.sort_values(tables[0].metric, ascending=False).iterrows():
        ahead = sum(name == table.best or name in table.ties for table in tables)
        figures = "".join(f"{row[metric]:12.4f}" for metric in metrics)
        lines.append(f"{name:22}{figures}{f'{ahead} of {len(tables)}':>15}")
    return "\n".join(lines)


def main(folder: str | None = None) -> list[Comparison]:
    """Print the table and slices of each split, and the means."""
    dataset = kerasrec.datasets.movielens("latest-small", path=folder)
    tables = []
    for seed in SEEDS:
        tables.append(compared(dataset, seed))
        print(f"Split {seed}", tables[-1], tables[-1].slices().round(4).to_string(), "", sep="\n", flush=True)
    print(f"Means of {len(SEEDS)} splits", summary(tables), sep="\n")
    return tables


if __name__ == "__main__":
    main(*sys.argv[1:2])
