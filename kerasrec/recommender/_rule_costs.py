"""The cost of rules: metrics of the same users' lists with and without them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import Interactions
from kerasrec.evaluation._plan import Plan
from kerasrec.evaluation._ranker import ranked
from kerasrec.recommender import _order, _vectors
from kerasrec.recommender._choosing import choose
from kerasrec.recommender._compiled_rules import check_length, of_state, tastes
from kerasrec.recommender._request import candidates_of
from kerasrec.recommender._state import State
from kerasrec.recommender.rules import Rules

if TYPE_CHECKING:
    import pandas as pd


def costs(
    state: State, test: Interactions, k: int, metrics: Iterable[str], rules: Mapping[str, Any]
) -> "pd.DataFrame":
    """A row without rules, one for each rule, and one with all rules.

    Args:
        state: `State`.
        test: `Interactions` held out.
        k: int.
        metrics: names.
        rules: arguments of `Rules`, in place of the state's own.
    """
    import pandas as pd

    together = (state.rules or Rules()).but(**rules)
    if not together.names:
        raise ValueError("`rules` must hold at least one rule to evaluate. Received: none.")
    if not (
        np.array_equal(test.user_ids, state.users.raw) and np.array_equal(test.item_ids, state.items.raw)
    ):
        raise ValueError(
            "`test` must have the ids of the recommender; split the interactions that it was trained on. "
            f"Received: {test.n_users:,} users and {test.n_items:,} items, and the recommender has "
            f"{state.n_users:,} and {state.n_items:,}, or others."
        )
    wanted = list(metrics)
    features: Any = state.item_features
    if features is None and "diversity" in wanted:
        features = _vectors.table(state, "item")
        if features is None:
            wanted.remove("diversity")
    plan = Plan(test, state.interactions, k, wanted, item_features=features)
    named = {"without": None, **{name: together.alone(name) for name in together.names}, "all": together}
    if len(named) == 3:
        del named["all"]
    reports = {name: plan.run(_Lists(state, own, k), name) for name, own in named.items()}
    rows = {name: {metric: report[metric] for metric in report.metrics} for name, report in reports.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


class _Lists:
    """Lists as a model for evaluation, which scores the items of a list by their ranks."""

    def __init__(self, state: State, rules: Rules | None, k: int) -> None:
        self.state = replace(state, rules=None)
        self.ruled = None if rules is None else of_state(self.state, rules)
        if self.ruled is not None:
            check_length(self.ruled, k)
        self.k = k
        first = _vectors.ranker(self.state, candidates_of(self.state, None, None, self.ruled))
        self.ranker = _order.staged(self.state, first)

    def score_catalogue(self, user_codes: np.ndarray) -> np.ndarray:
        """Scores `[B, I]`, minus infinity outside of the lists."""
        codes, ruled = np.asarray(user_codes), self.ruled
        if ruled is None or not ruled.chooses:
            items, _ = ranked(self.ranker, codes, self.k, self.state.history)
        else:
            taste = None if ruled.shares is None else tastes(ruled, self.state.history, codes)
            draw = np.random.default_rng(ruled.rules.seed or 0)
            items = choose(ruled, self.ranker, codes, self.k, self.state.history, taste, draw).items
        scores = np.full((len(codes), self.state.n_items), -np.inf, np.float32)
        rows, places = np.nonzero(items >= 0)
        scores[rows, items[rows, places]] = self.k - places
        return scores
