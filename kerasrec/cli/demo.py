from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, reporting

if TYPE_CHECKING:
    import keras

    from kerasrec.data import Interactions
    from kerasrec.datasets import Dataset

SEED = 42
EPOCHS = 6
BATCH_SIZE = 256
SETTINGS = {"n_components": 16, "l2": 1e-5, "learning_rate": 3e-3}
K = 10


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the model and the plot.")] = Path("kerasrec-demo"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train, evaluate and use a model on synthetic film ratings, in less than a minute."""
    with reporting(as_json, debug) as report:
        if out.exists() and not out.is_dir():
            raise ValueError(f"`--out` must be a folder. Received: {str(out)!r}, which is a file.")
        load_library(report)
        from kerasrec import datasets
        from kerasrec.cli.datasets import print_description
        from kerasrec.cli.train import train_and_write
        from kerasrec.data import splits

        out.mkdir(parents=True, exist_ok=True)
        dataset = datasets.synthetic()
        print_description(dataset, report)
        train, test = splits.random_split(dataset.interactions, test_size=0.1, seed=SEED)
        how = {"hyperparameters": SETTINGS, "epochs": EPOCHS, "batch_size": BATCH_SIZE, "seed": SEED}
        name, whole = "recommender_v2", dataset.interactions
        model = train_and_write(name, whole, (train, test), how, out / "model.keras", True, report)

        user, liked, recommended = _recommendations(model, dataset, train)
        report.table(f"What user {user} rated highest", liked)
        report.table(f"{K} recommendations for user {user}", recommended)
        report.result |= {"user": user, "liked": liked, "recommended": recommended}


def _recommendations(
    model: "keras.Model", dataset: "Dataset", train: "Interactions"
) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
    """A user with a median number of ratings, their favourite films, and the best recommendations."""
    import numpy as np

    counts = np.bincount(train.users, minlength=train.n_users)
    user = int(np.argsort(counts, kind="stable")[len(counts) // 2])
    own = train.take(train.users == user)
    ratings = model.predict({"user": np.array([[user]]), "item": np.arange(train.n_items)[None]}, verbose=0)[
        0
    ]
    ratings[own.items] = -np.inf
    films = dataset.items.reindex(train.item_ids)

    def rows(items: Any, column: str, values: Any) -> list[dict[str, Any]]:
        return [
            {
                "": place,
                "film": films["title"].iloc[item],
                "genres": films["genres"].iloc[item].replace("|", ", "),
                column: float(value),
            }
            for place, (item, value) in enumerate(zip(items, values, strict=True), 1)
        ]

    liked = np.argsort(-own.values, kind="stable")[:3]
    best = np.argsort(-ratings, kind="stable")[:K]
    return (
        train.user_ids[user].item(),
        rows(own.items[liked], "rating", own.values[liked]),
        rows(best, "predicted rating", ratings[best]),
    )
