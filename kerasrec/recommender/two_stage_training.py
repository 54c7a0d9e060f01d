from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._seeds import check_seed
from kerasrec.data import Impressions, Interactions, splits
from kerasrec.data.columns import Column
from kerasrec.layers import find_catalogue
from kerasrec.recommender import _metadata
from kerasrec.recommender._clicks import STAGE_COLUMNS
from kerasrec.recommender._rescaled import Scale, rescaled
from kerasrec.recommender._stage_training_rows import LABEL, shown_rows
from kerasrec.recommender._state_holder import current_state
from kerasrec.recommender.ranker import Ranker
from kerasrec.recommender.recommender import Recommender
from kerasrec.recommender.two_stage import TwoStage

if TYPE_CHECKING:
    import pandas as pd

_VALIDATION = 0.1
_FEWEST = 10


def train_two_stages(
    interactions: Interactions,
    candidates: str = "implicit_als",
    ranker: str = "dcn",
    columns: Mapping[str, str | Column] | None = None,
    users: Any = None,
    items: Any = None,
    n_candidates: int = 200,
    later: float | int = 0.2,
    n_negatives: int = 20,
    n_requests: int = 3,
    item_metadata: Any = None,
    candidate_settings: Mapping[str, Any] | None = None,
    ranker_settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    verbose: Any = "auto",
) -> TwoStage:
    """Train a model that retrieves candidates and a model that ranks them, on one table.

    A click ranker learns from what the first model would have shown. The first model is trained on the
    earlier part of the interactions. Its candidates for users with later likes are labelled by these likes.
    The ranker is trained on them until its ranking of the candidates of a held-out tenth of these users stops
    improving. Then the first model is trained again on all interactions. The ranker's labels are therefore
    unknown to the model that found the candidates. Any other ranker is trained separately on all
    interactions.

    The score of a click ranker only ranks candidates. It is not the probability of a click, because only a
    sample of the negative candidates is used in training.

    Args:
        interactions: `Interactions`. The columns of their `context` are the context of each event.
        candidates: name in `kerasrec.zoo` of the model that retrieves. Defaults to `"implicit_als"`.
        ranker: name of the model that ranks: one with `task="click"`, or any other. Defaults to `"dcn"`.
        columns: kinds of further columns for a click ranker, by name, as in `kerasrec.data.columns.get`:
            columns of `users`, of `items`, and of the context. Ids, counts and the score of the first model
            are always used. Defaults to `None`: none.
        users: frame indexed by raw user id. Defaults to `None`.
        items: frame indexed by raw item id. Defaults to `None`.
        n_candidates: int, number of items that the ranker ranks. Defaults to `200`.
        later: events that label the candidates: a float, the latest share of all events, split at one moment;
            or an int, the last events of each user. Defaults to `0.2`.
        n_negatives: int, number of negative candidates drawn for each request. Defaults to `20`.
        n_requests: int, number of contexts of a user's later likes that are used as requests. Defaults to
            `3`.
        item_metadata: as in `Recommender`. Defaults to `None`.
        candidate_settings: further arguments of `Recommender.train`. Defaults to `None`.
        ranker_settings: further arguments of `Ranker.train`, or of `Recommender.train`. Defaults to `None`.
        seed: int, for the draws and both trainings. Defaults to `0`.
        verbose: as in `keras.Model.fit`. Defaults to `"auto"`.

    Returns:
        `TwoStage`.

    Raises:
        TypeError: if `interactions` are not `Interactions`.
        ValueError: if they have no times, if no later like is among the candidates, or if a column is in none
            of the tables.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(40, 30, 600).interactions
        >>> both = kerasrec.train_two_stages(data, "popularity", "ease", n_candidates=10, verbose=0)
        >>> both.name
        'popularity then ease'
    """
    from kerasrec import zoo

    if not isinstance(interactions, Interactions):
        raise TypeError(
            "`interactions` must be `kerasrec.data.Interactions`; make them with `Interactions.from_frame`. "
            f"Received: {type(interactions).__name__}."
        )
    for name, given in (
        ("n_candidates", n_candidates),
        ("n_negatives", n_negatives),
        ("n_requests", n_requests),
    ):
        positive_integer(name, given)
    seed = check_seed(seed)
    how = {"seed": seed, "verbose": verbose}
    first = {"model": candidates, **how, **(candidate_settings or {})}
    second = {"model": ranker, **how, **(ranker_settings or {})}
    of_clicks = zoo.card(ranker).task == "click"
    if zoo.card(candidates).task == "click":
        raise ValueError(
            "`candidates` must be a model that ranks all items; a click model ranks the candidates "
            f"(`ranker=`). Received: candidates={candidates!r}."
        )
    if item_metadata is not None:
        _metadata.aligned(item_metadata, interactions.item_ids)  # raises errors before the training
    orders: Ranker | Recommender
    if of_clicks:
        declared = _declared(columns, interactions, users, items)
        earlier, after = _parts(interactions, later)
        found = Recommender.train(earlier, **first)
        before = current_state(found)
        table = shown_rows(before, after, n_candidates, n_negatives, n_requests, seed)
        orders = _ranker(table, declared, users, items, after, second)
    else:
        orders = Recommender.train(interactions, **second)
    finds = Recommender.train(interactions, item_metadata=item_metadata, **first)
    if isinstance(orders, Ranker):
        orders = _following(
            orders, Scale.of(before, n_candidates), Scale.of(current_state(finds), n_candidates)
        )
    return TwoStage(finds, orders, n_candidates)


def _following(ranker: Ranker, before: Scale, now: Scale) -> Ranker:
    """The ranker, with its columns adapted to the current scores of the first stage."""
    if before.resembles(now):
        return ranker
    found = rescaled(ranker, before, now)
    catalogue: Any = find_catalogue(found.model)
    catalogue.attachments = {**catalogue.attachments, "columns": found.columns.to_arrays()}
    return found


def _declared(
    columns: Mapping[str, str | Column] | None, interactions: Interactions, users: Any, items: Any
) -> dict[str, str | Column]:
    """Kinds of all columns, after checking that each is in one of the tables."""
    declared = dict(columns or {})
    there = {"user", "item", *interactions.context}
    for table in (users, items):
        there |= set() if table is None else {*table.columns}
    for name in declared:
        if name in STAGE_COLUMNS or name == LABEL:
            raise ValueError(
                f"`columns` must not be called {', '.join((*STAGE_COLUMNS, LABEL))}, which the two stages "
                f"use themselves; rename yours. Received: {name!r}."
            )
        if name not in there:
            raise ValueError(
                "`columns` must be columns of `users`, of `items` or of the context of the interactions "
                f"(`Interactions.from_frame(..., context=[...])`). Received: {name!r}, which is in none."
            )
    return {**declared, **STAGE_COLUMNS}


def _parts(interactions: Interactions, later: float | int) -> tuple[Interactions, Interactions]:
    if isinstance(later, (int, np.integer)) and not isinstance(later, bool):
        return splits.leave_last_out(interactions, int(later))
    return splits.time_split(interactions, test_size=later)


def _ranker(
    table: "pd.DataFrame",
    declared: dict[str, str | Column],
    users: Any,
    items: Any,
    after: Interactions,
    settings: dict[str, Any],
) -> Ranker:
    """A ranker trained on the shown rows; some users are held out to choose the best epoch."""
    if not len(table) or not table[LABEL].any():
        raise ValueError(
            "The candidates must contain some of the users' later likes, from which the ranker learns; a "
            "larger `n_candidates` or `later` may help. Received: none of "
            f"{len(after):,} later events."
        )
    tables: dict[str, Any] = {}
    for key, given in (("user", users), ("item", items)):
        read = [] if given is None else [x for x in given.columns if x in declared]
        tables[f"{key}s"] = given if read else None
        for name in (x for x in read if x not in table):
            table[name] = given[name].reindex(table[key].to_numpy()).to_numpy()
    shown = Impressions.from_frame(table, LABEL, declared, user="user", item="item")
    if "validation" not in settings and "epochs" not in settings:
        owners = np.unique(table["request"])
        if len(owners) >= _FEWEST:
            draw = np.random.default_rng(settings["seed"])
            held = draw.permutation(owners)[: max(1, round(_VALIDATION * len(owners)))]
            out = np.isin(table["request"], held)
            settings = {**settings, "validation": shown.take(out)}
            shown = shown.take(~out)
    return Ranker.train(shown, **tables, **settings)
