from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli import _table
from kerasrec.cli._clicks import refuse_without_label
from kerasrec.cli._form import Form, Ratings, reads_table
from kerasrec.cli._library import load_library
from kerasrec.cli._likes import likes
from kerasrec.cli._report import AsJson, Debug, Report, reporting

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kerasrec.data import Interactions
    from kerasrec.layers import Catalogue
    from kerasrec.recommender import Recommender


@reads_table
def evaluate(
    model: Annotated[Path, typer.Argument(help="File of a trained model.", metavar="MODEL")],
    ratings: Ratings,
    *,
    form: Form,
    time_column: Annotated[
        str | None, typer.Option(help="Column of times, used to find the last rating of a repeated pair.")
    ] = None,
    skip_unknown: Annotated[
        bool,
        typer.Option(
            "--skip-unknown", help="Ignore ratings of users and items that the model does not know."
        ),
    ] = False,
    at_least: Annotated[
        float | None, typer.Option(help="Lowest rating that counts as a like, for ranking models.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of clicks, for click models.")] = None,
    watch_time: Annotated[str | None, typer.Option(help="Column of watch times, for youtube_ranker.")] = None,
    include_seen: Annotated[
        bool,
        typer.Option(
            "--include-seen", help="Also rank items that a user had in training, e.g. for sessions."
        ),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Evaluate a trained model on a table: its rating error, its ranking, or its click probabilities."""
    with reporting(as_json, debug) as report:
        load_library(report)
        from kerasrec.layers import find_catalogue
        from kerasrec.recommender import Recommender, load_model

        with report.waiting(f"Reading {model.name}"):
            loaded = load_model(model)
        catalogue: Any = find_catalogue(loaded)  # `load_model` refuses a file without one
        if "columns" in catalogue.attachments:
            _clicks(model, ratings, label, watch_time, form, report)
            return
        refuse_without_label({"watch-time": watch_time})
        rates = _rates(loaded.name)
        with report.saying_warnings(), report.waiting(f"Reading {ratings.name}"):
            read = _table.read_ratings(ratings, form.columns(time_column), form, needs_values=rates)
        table, found = read.interactions, read.columns
        read.tell(report)
        if rates and at_least is not None:
            raise ValueError(
                f"`--at-least` is for ranking models. Received: {at_least:g}, and {loaded.name}."
            )
        if rates and include_seen:
            raise ValueError(f"`--include-seen` is for ranking models. Received: {loaded.name}.")
        if not rates:
            recommender = Recommender.load(model)
            if at_least is None and "value" in found:
                at_least = _lowest_like(table, recommender.interactions, report)
            table = likes(table, at_least, "value" in found)
        known = recoded(table, catalogue, skip_unknown)
        left_out = len(table) - len(known)
        report.result = {"model": loaded.name, "columns": found, "left_out": left_out}
        if rates:
            _errors(loaded, known, catalogue, report)
        else:
            _ranking(recommender, known, include_seen, report)
        if skip_unknown:
            report.line(f"Left out: {left_out:,} {'ratings' if rates else 'rows'} of unknown users or items")


def _clicks(
    model: Path, table: Path, label: str | None, watch_time: str | None, form: Form, report: Report
) -> None:
    from kerasrec.cli._clicks import evaluate_clicks
    from kerasrec.recommender import Ranker

    if label is None:
        raise ValueError("`--label` must name the column of clicks. Received: no `--label`.")
    evaluate_clicks(Ranker.load(model), table, label, watch_time, form, report)


def _errors(model: "keras.Model", known: "Interactions", catalogue: "Catalogue", report: Report) -> None:
    from kerasrec.cli._fit import predict
    from kerasrec.cli._measure import errors

    predicted = predict(model, known, report)
    rows = [
        {"ratings": name, "count": int(part.sum()), **errors(predicted[part], known.values[part])}
        for name, part in _parts(known, catalogue).items()
        if part.any()
    ]
    report.table(f"Error of {model.name}", rows)
    report.result["errors"] = rows


def _lowest_like(table: "Interactions", had: "Interactions", report: Report) -> float | None:
    """The lowest value that the model was trained on, if the table has lower ones."""
    from kerasrec.data._access import meaning_of

    said = meaning_of(had).least
    lowest = float(had.values.min()) if said is None else said
    if not len(table) or table.values.min() >= lowest or (said is None and had.kind != "ratings"):
        return said
    why = "the lowest in training" if said is None else "as in training"
    report.line(f"Counted as liked: {had.kind} of at least {lowest:g}, {why}; `--at-least` sets another")
    return lowest


def _ranking(recommender: "Recommender", known: "Interactions", include_seen: bool, report: Report) -> None:
    """Evaluate the ranking of items that users did not have in training, or of all with `include_seen`."""
    import numpy as np

    from kerasrec.cli._measure import METRICS
    from kerasrec.evaluation import evaluate

    had = recommender.interactions
    pairs = [table.users.astype(np.int64) * had.n_items + table.items for table in (known, had)]
    if not include_seen and np.isin(*pairs).all():
        raise ValueError(
            "The table must have rows that the model does not know. It also knows the rows that `train` "
            "held out, because nobody should be recommended items that they have. Evaluate on other rows, or "
            "with `--include-seen` if users repeat items, as in sessions. "
            f"Received: {len(known):,} rows, all of them known."
        )
    found = evaluate(recommender.model, known, had, metrics=METRICS, exclude_seen=not include_seen)
    frame = found.to_frame()[["value", "low", "high"]].astype(object)
    rows = [
        {"metric": name, **row} for name, row in frame.where(frame.notna(), None).to_dict("index").items()
    ]
    report.table(f"Ranking of {recommender.model.name}", rows)
    report.line("low, high: 95 % interval over users.")
    report.facts("How it was measured", {key: str(value) for key, value in found.protocol.items()})
    report.result |= {"ranking": rows, "protocol": found.protocol}


def recoded(table: "Interactions", catalogue: "Catalogue", skip_unknown: bool) -> "Interactions":
    """The interactions with the codes of the model."""
    from kerasrec.data._access import with_columns

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
            "The ratings must be of users and items that the model was trained on; "
            f"`--skip-unknown` ignores the others. Received: {len(table):,} ratings, {' and '.join(parts)}."
        )
    if not known.any():
        raise ValueError(f"None of the {len(table):,} ratings has a user and an item that the model knows.")
    return with_columns(
        table,
        users=users[known],
        items=items[known],
        values=table.values[known],
        times=None if table.times is None else table.times[known],
        context={},
        user_ids=catalogue.user_ids,
        item_ids=catalogue.item_ids,
    )


def _codes(ids: "np.ndarray", vocabulary: Any) -> "np.ndarray":
    """The code of each id, -1 if unknown; `7` is the id `"7"` if the training column also had text."""
    import pandas as pd

    index = pd.Index(vocabulary)
    codes = index.get_indexer(pd.Index(ids))
    text = index.get_indexer(pd.Index(ids).astype(str))
    return pd.Series(codes).where(codes >= 0, text).to_numpy()


def _parts(interactions: "Interactions", catalogue: "Catalogue") -> dict[str, "np.ndarray"]:
    """All rows and, if the file has the training data, the rows in training and those not in training."""
    import numpy as np

    parts = {"all": np.ones(len(interactions), bool)}
    if catalogue.seen is not None:
        indptr, items = catalogue.seen
        n_items = interactions.n_items
        trained = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)) * n_items + items
        seen = np.isin(interactions.users.astype(np.int64) * n_items + interactions.items, trained)
        parts |= {"in training": seen, "not in training": ~seen}
    return parts


def _rates(name: str) -> bool:
    """Whether a model predicts ratings; models that are not in the zoo are assumed to."""
    from kerasrec import zoo

    return name not in zoo.names() or zoo.card(name).task == "rating"
