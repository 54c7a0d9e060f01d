from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kerasrec.cli import _items, _rules, _table
from kerasrec.cli._files import check_writable
from kerasrec.cli._form import Form
from kerasrec.cli._report import AsJson, Debug, reporting
from kerasrec.cli._state import as_known, read_state, records

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.recommender._state import State


def recommend(
    model: Annotated[Path, typer.Argument(help="File of a trained model.", metavar="MODEL")],
    user: Annotated[list[str] | None, typer.Option("--user", "-u", help="User id; may be repeated.")] = None,
    item: Annotated[
        list[str] | None,
        typer.Option(
            "--item", "-i", help="Id of a liked item, for a user who was not in training; may be repeated."
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Items per user.")] = 10,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Include items that the user had in training.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for the lists of all users, or of the given ones.")
    ] = None,
    where: _rules.Where = None,
    available: _rules.Available = None,
    at_most: _rules.AtMost = None,
    at_least: _rules.AtLeast = None,
    boost: _rules.Boost = None,
    diversity: _rules.Diversity = None,
    calibrate: _rules.Calibrate = None,
    explore: _rules.Explore = None,
    pool: _rules.Pool = None,
    seed: _rules.Seed = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Entry of a context column, e.g. device=phone; may be repeated."
        ),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet file with one row per item, to print titles next to the ids."),
    ] = None,
    item_column: Annotated[
        str | None, typer.Option(help="Column of item ids in --items. Default: guessed from its name.")
    ] = None,
    title_column: Annotated[
        str | None,
        typer.Option(help="Comma-separated columns of --items to print. Default: a title or name."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Column separator of --items. Default: guessed.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of --items. Default: guessed.")] = None,
    quoting: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="Quotes in --items: standard or none (text). Default: guessed."),
    ] = None,
    names: Annotated[
        str | None, typer.Option(help="Comma-separated column names of --items, if it has no header.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Recommend items to known users, or to a new user who likes a few items."""
    with reporting(as_json, debug) as report:
        _check(user, item, out)
        if items is None and (item_column or title_column):
            option = "--item-column" if item_column else "--title-column"
            raise ValueError(f"`{option}` needs `--items`. Received: no `--items`.")
        if items is None and (separator or encoding or quoting or names):
            raise ValueError("`--separator`, `--encoding`, `--quoting` and `--names` need `--items`.")
        form = Form(separator=separator, encoding=encoding, quoting=quoting, names=names)
        shown = None if items is None else _titles(items, item_column, title_column, form)
        given = _rules.given(
            where=where,
            available=available,
            at_most=at_most,
            at_least=at_least,
            boost=boost,
            diversity=diversity,
            calibrate=calibrate,
            explore=explore,
            pool=pool,
            seed=seed,
        )
        state = read_state(model, report, newcomers=item is not None)
        from kerasrec.recommender import _context, _lists, _newcomers
        from kerasrec.recommender._request import rules_of

        state = _context.in_context(state, _entries(context))
        rules = rules_of(state, given)  # for the metadata in the file, whatever `--items` shows
        if shown is not None:
            state = _with_titles(state, shown)
        users = None if user is None else as_known(user, state.users.raw)
        if out is not None:
            with report.saying_warnings():
                _lists.recommend_to_parquet(
                    state,
                    out,
                    users,
                    not as_json,
                    k=k,
                    exclude_seen=not include_seen,
                    short="fewer",
                    rules=rules,
                )
            report.line(f"Recommendations: {out}")
            report.result = {"model": state.name, "file": str(out)}
            return
        if item is not None:
            liked = as_known(item, state.items.raw)
            left = state.n_items - (0 if include_seen else len(set(liked)))
            if left > 0:
                with report.saying_warnings():
                    frame = _newcomers.recommend_for_history(
                        state, liked, None, not include_seen, k=min(k, left), short="fewer", rules=rules
                    )
            else:
                frame = _newcomers.recommend_for_history(state, liked, None, False, k=1).head(0)
            title = f"For somebody who likes {', '.join(item)}"
        else:
            with report.saying_warnings():
                frame = _lists.recommend(
                    state, users, k=k, exclude_seen=not include_seen, short="fewer", rules=rules
                )
            title = f"For user {', '.join(user or [])}"
        rows, plain = records(frame)
        if plain:
            report.table(title, plain, as_written=("user", "item"))
        without = list(map(str, users or ())) if item is None else [", ".join(item)]
        served = {str(row["user"]) for row in plain} if item is None else set(without if plain else ())
        for who in without:
            if who not in served:
                if rules is None:
                    why = "all items are seen; `--include-seen` lists them, too"
                else:
                    why = "all items are seen or ruled out; `--include-seen` or fewer rules leave more"
                report.line(f"Nothing left for {who}: {why}")
        report.result = {"model": state.name, "recommendations": rows}


def _check(user: list[str] | None, item: list[str] | None, out: Path | None) -> None:
    if out is not None:
        check_writable(out, ".parquet")
    if user and item:
        raise ValueError("`--user` and `--item` cannot be combined. Received: both.")
    if not user and not item and out is None:
        raise ValueError("One of `--user`, `--item` and `--out` must be given. Received: none of them.")
    if item and out is not None:
        raise ValueError("`--out` works only with users. Received: --item.")


def _entries(said: list[str] | None) -> dict[str, str] | None:
    """Entries such as `device=phone`, by the name of the column."""
    if not said:
        return None
    found = {}
    for text in said:
        name, equals, entry = text.partition("=")
        if not equals:
            raise ValueError(f"`--context` must be NAME=VALUE, e.g. device=phone. Received: {text!r}.")
        found[name] = entry
    return found


def _titles(path: Path, item_column: str | None, title_column: str | None, form: Form) -> "pd.DataFrame":
    """The columns to print, indexed by the ids of the items."""
    frame, by = _table.read_items(path, item_column, form)
    named = None if title_column is None else [name.strip() for name in title_column.split(",")]
    for name in named or ():
        if name not in frame.columns or name == by:
            listed = ", ".join(repr(other) for other in frame.columns if other != by)
            raise ValueError(
                f"`--title-column` must name a column of the items. Received: {name!r}; there are {listed}."
            )
    chosen = named or _table.title_columns([name for name in frame.columns if name != by])
    titles = frame.set_index(by)[chosen]
    return titles[titles.index.notna() & ~titles.index.duplicated()]


def _with_titles(state: "State", titles: "pd.DataFrame") -> "State":
    """The state with the columns of `titles` in its lists, whatever the type of the ids."""
    from kerasrec.recommender._metadata import aligned

    known = _items.known_rows(titles, state.items.raw, "; name their column with `--item-column`")
    return replace(state, item_metadata=aligned(known, state.items.raw))
