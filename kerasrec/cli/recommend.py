from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasrec.cli._files import check_writable
from kerasrec.cli._library import load_library
from kerasrec.cli._report import AsJson, Debug, reporting

if TYPE_CHECKING:
    import numpy as np


def recommend(
    model: Annotated[Path, typer.Argument(help="File of a trained model.", metavar="MODEL")],
    user: Annotated[
        list[str] | None, typer.Option("--user", "-u", help="Id of a user; may be repeated.")
    ] = None,
    item: Annotated[
        list[str] | None,
        typer.Option("--item", "-i", help="Id of an item liked, for somebody not in training; repeat it."),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Items a user.")] = 10,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Do not leave out what a user had in training.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for the lists of all users, or of those named.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Recommend items to users of a trained model, or to somebody who likes a few items."""
    with reporting(as_json, debug) as report:
        _check(user, item, out)
        load_library(report)
        from kerasrec.recommender import Recommender

        with report.waiting(f"Reading {model.name}"):
            recommender = Recommender.load(model)
        users = None if user is None else _raw(user, recommender.user_ids)
        if out is not None:
            recommender.recommend_to_parquet(
                out, users, k, exclude_seen=not include_seen, verbose=not as_json
            )
            report.line(f"Recommendations: {out}")
            report.result = {"model": recommender.model.name, "file": str(out)}
            return
        if item is not None:
            liked = _raw(item, recommender.item_ids)
            frame = recommender.recommend_for_history(liked, k=k, exclude_seen=not include_seen)
            title = f"For somebody who likes {', '.join(item)}"
        else:
            frame = recommender.recommend(users, k, exclude_seen=not include_seen)
            title = f"For user {', '.join(user or [])}"
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        report.table(title, [{name: _plain(value) for name, value in row.items()} for row in rows])
        report.result = {"model": recommender.model.name, "recommendations": rows}


def _check(user: list[str] | None, item: list[str] | None, out: Path | None) -> None:
    if out is not None:
        check_writable(out, ".parquet")
    if user and item:
        raise ValueError("`--user` and `--item` must not be given together. Received: both.")
    if not user and not item and out is None:
        raise ValueError("`--user`, `--item` or `--out` must say for whom. Received: none of them.")
    if item and out is not None:
        raise ValueError("`--out` must be given with users. Received: --item.")


def _raw(texts: list[str], known: "np.ndarray") -> list[Any]:
    """Ids as the model has them: numbers where its ids are."""
    known_ids = set(known.tolist())
    return [int(x) if x not in known_ids and x.strip().lstrip("-").isdigit() else x for x in texts]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
