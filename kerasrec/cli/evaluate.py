from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, reporting

if TYPE_CHECKING:
    import numpy as np

    from kerasrec.data import Interactions
    from kerasrec.layers import Catalogue


def evaluate(
    model: Annotated[Path, typer.Argument(help="File that `kerasrec train` wrote.", metavar="MODEL")],
    ratings: _table.Ratings,
    user_column: _table.UserColumn = None,
    item_column: _table.ItemColumn = None,
    value_column: _table.ValueColumn = None,
    separator: _table.Separator = None,
    encoding: _table.Encoding = None,
    duplicates: _table.Duplicates = "error",
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out ratings of users and items new to the model.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure the error of a trained model on a table of ratings."""
    with reporting(as_json, debug) as report:
        load_library(report)
        from kerasrec.cli._fit import predict
        from kerasrec.cli._measure import errors
        from kerasrec.layers import find_catalogue
        from kerasrec.recommender import load_model

        with report.waiting(f"Reading {model.name}"):
            loaded = load_model(model)
        _check_predicts_ratings(loaded.name)
        catalogue: Any = find_catalogue(loaded)  # `load_model` refuses a file without
        columns = _table.Columns(user_column, item_column, value_column)
        with report.waiting(f"Reading {ratings.name}"):
            table, found = _table.read_ratings(ratings, columns, separator, encoding, duplicates)
        known = _recoded(table, catalogue, skip_unknown)
        predicted = predict(loaded, known, report)

        rows = [
            {"ratings": name, "count": int(part.sum()), **errors(predicted[part], known.values[part])}
            for name, part in _parts(known, catalogue).items()
            if part.any()
        ]
        report.table(f"Error of {loaded.name}", rows)
        if skip_unknown:
            report.line(f"Left out: {len(table) - len(known):,} ratings of unknown users or items")
        report.result = {
            "model": loaded.name,
            "columns": found,
            "errors": rows,
            "left_out": len(table) - len(known),
        }


def _recoded(table: "Interactions", catalogue: "Catalogue", skip_unknown: bool) -> "Interactions":
    """The interactions with the codes of the model."""
    from kerasrec.data import Interactions

    users = _codes(table.user_ids, catalogue.user_ids)[table.users]
    items = _codes(table.item_ids, catalogue.item_ids)[table.items]
    known = (users >= 0) & (items >= 0)
    if not known.all() and not skip_unknown:
        parts = [
            f"{(codes < 0).sum():,} of an unknown {side}, first {ids[own[(codes < 0).argmax()]]!r}"
            for side, codes, own, ids in (
                ("user", users, table.users, table.user_ids.tolist()),
                ("item", items, table.items, table.item_ids.tolist()),
            )
            if (codes < 0).any()
        ]
        raise ValueError(
            f"The ratings must be of users and items that the model was trained on; `--skip-unknown` leaves "
            f"others out. Received: of {len(table):,} ratings {' and '.join(parts)}."
        )
    if not known.any():
        raise ValueError(f"The model knows both user and item of none of the {len(table):,} ratings.")
    return Interactions(
        users[known],
        items[known],
        table.values[known],
        user_ids=catalogue.user_ids,
        item_ids=catalogue.item_ids,
    )


def _codes(ids: "np.ndarray", vocabulary: Any) -> "np.ndarray":
    """The code of each id, -1 of an unknown one; `7` is the id `"7"` of a column that had other text too."""
    import pandas as pd

    index = pd.Index(vocabulary)
    codes = index.get_indexer(pd.Index(ids))
    text = index.get_indexer(pd.Index(ids).astype(str))
    return pd.Series(codes).where(codes >= 0, text).to_numpy()


def _parts(interactions: "Interactions", catalogue: "Catalogue") -> dict[str, "np.ndarray"]:
    """All rows and, where the model's file knows, those that it was trained on and those that it was not."""
    import numpy as np

    parts = {"all": np.ones(len(interactions), bool)}
    if catalogue.seen is not None:
        indptr, items = catalogue.seen
        n_items = interactions.n_items
        trained = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) * n_items + items
        seen = np.isin(interactions.users.astype(np.int64) * n_items + interactions.items, trained)
        parts |= {"in training": seen, "not in training": ~seen}
    return parts


def _check_predicts_ratings(name: str) -> None:
    from kerasrec import zoo

    if name in zoo.names() and zoo.card(name).task != "rating":
        raise ValueError(
            f"The model must predict ratings to have an error. Received: a {name}, whose scores only rank."
        )
