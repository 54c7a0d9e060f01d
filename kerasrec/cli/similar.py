from pathlib import Path
from typing import Annotated

import typer

from kerasrec.cli._report import AsJson, Debug, reporting
from kerasrec.cli._state import as_known, read_state, records


def similar(
    model: Annotated[Path, typer.Argument(help="File of a trained model.", metavar="MODEL")],
    item: Annotated[list[str] | None, typer.Option("--item", "-i", help="Item id; may be repeated.")] = None,
    user: Annotated[list[str] | None, typer.Option("--user", "-u", help="User id; may be repeated.")] = None,
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, help="Similar items per item, or users per user.")
    ] = 10,
    dot: Annotated[
        bool, typer.Option("--dot", help="Compare by dot product, which favours popular items.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the items most similar to an item, or the users most similar to a user."""
    with reporting(as_json, debug) as report:
        if bool(item) == bool(user):
            received = "both" if item else "neither"
            raise ValueError(f"Either `--item` or `--user` must be given. Received: {received}.")
        state = read_state(model, report)
        from kerasrec.recommender._similar import similar as most_alike

        side, given = ("item", item or []) if item else ("user", user or [])
        ids, known = as_known(given, state.ids(side).raw), len(state.ids(side))
        if known < 2:
            raise ValueError(f"There must be at least two {side}s to compare. Received: {known}.")
        frame = most_alike(state, side, ids, min(k, known - 1), "dot" if dot else "cosine")
        rows, plain = records(frame)
        report.table(f"Similar to {side} {', '.join(given)}", plain, as_written=(side, "similar"))
        report.result = {"model": state.name, "similar": rows}
