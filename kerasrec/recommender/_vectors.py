"""What is computed from a model once and read by every list: vectors, scores, the catalogue's ranking."""

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import ModelInputs
from kerasrec.evaluation._ranker import Ranker
from kerasrec.evaluation._scorers import Scorer
from kerasrec.recommender._factors import Factors, HeldScorer, factors_of
from kerasrec.recommender._state import SEED, State

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.recommender._sides import Sides


# Users for whom the scores of all items are looked at rather than vectors of some items gathered.
_FEW = 32


def inputs(state: State) -> ModelInputs:
    """What supplies the model for users by their codes: histories hold all that is known."""

    def make() -> ModelInputs:
        from kerasrec.recommender._situations import coded

        return ModelInputs(state.model, state.history.sequences, context=coded(state))

    found: ModelInputs = state.once("inputs", make)
    return found


def by_history_alone(state: State) -> bool:
    """Whether the model knows a user by the history, so that it takes those of others as well."""
    names = inputs(state).names
    return "history" in names and "user" not in names


def factors(state: State) -> Factors | None:
    """The model as plain arrays; `None` where it does not factorise, or not by a dot product."""
    found: Factors | None = state.once(
        "factors", lambda: factors_of(state.model, state.n_users, state.n_items, inputs(state))
    )
    return found


def sides(state: State) -> "Sides | None":
    """The model cut where its users meet its items; `None` where they do not meet as representations."""
    from kerasrec.recommender._sides import find_sides

    found: Sides | None = state.once("sides", lambda: find_sides(state.model))
    return found


def scorer(state: State) -> Scorer:
    """The cheapest way in which the whole catalogue can be scored."""

    def make() -> Scorer:
        from kerasrec.recommender._situations import check_context

        if state.model is not None:
            check_context(state)
        held = factors(state)
        if held is not None:
            return HeldScorer(held)
        from kerasrec.evaluation._models import scorer_of

        return scorer_of(state.model, state.n_items, inputs(state))

    found: Scorer = state.once("scorer", make)
    return found


def ranker(state: State, candidates: np.ndarray | None = None, n_users: int | None = None) -> Ranker:
    """What ranks all items, or some of them.

    Args:
        state: `State`.
        candidates: item codes, or `None`: all.
        n_users: int, for how many users, if it is known. Defaults to `None`.
    """
    few = n_users is not None and n_users <= _FEW
    if candidates is not None and not few:
        return Ranker(scorer(state), SEED, candidates, state.name)
    found: Ranker = state.once("ranker", lambda: Ranker(scorer(state), SEED, name=state.name))
    if candidates is None:
        return found
    narrowed: _Narrowed = state.once("narrowed", _Narrowed)
    return narrowed.get(found, candidates)


class _Narrowed:
    """Rankers of some items, each as long as the array of their codes is in use: that of rules is kept."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[np.ndarray], Ranker]] = {}

    def get(self, ranker: Ranker, candidates: np.ndarray) -> Ranker:
        """The ranker of some of the items.

        Args:
            ranker: of all items.
            candidates: item codes, an array that nobody changes.
        """
        key = id(candidates)
        held = self._known.get(key)
        if held is not None and held[0]() is candidates:
            return held[1]
        allowed = np.zeros(ranker.scorer.n_items, bool)
        allowed[candidates] = True
        found = ranker.only(allowed)
        self._known[key] = weakref.ref(candidates, lambda _: self._known.pop(key, None)), found
        return found


def table(state: State, side: str) -> np.ndarray | None:
    """Representations `[n, C]` of all users or items; `None` where the model tells none apart."""

    def make() -> np.ndarray | None:
        held = factors(state)
        if held is not None:
            vectors = getattr(held, side)
        elif (cut := sides(state)) is None:
            return None
        elif side == "user":
            ends = user_ends(state)
            named = {name: x for name, x in ends.items() if not name.endswith("_bias")} or ends
            vectors = np.concatenate([x.reshape(len(x), -1) for x in named.values()], axis=1)
        else:
            vectors = cut.table("item", np.arange(state.n_items, dtype=np.int32))
        # Popularity has one number per item, of which every cosine is 1.
        return vectors if vectors.shape[1] > 1 and vectors.any() else None

    found: np.ndarray | None = state.once(f"{side}_table", make)
    return found


def source(state: State) -> Any:
    """The model, or the layer of it, that scores the whole catalogue itself; `None` where none does."""
    return getattr(scorer(state), "source", None)


def represents(state: State) -> bool:
    """Whether the model represents users and items."""
    return factors(state) is not None or sides(state) is not None


def for_folding(state: State) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Vectors `[I, C]` of the items, and what the user's side gives for all users, by name."""
    held = factors(state)
    if held is not None:
        return held.item, held.users
    cut: Any = sides(state)
    return cut.table("item", np.arange(state.n_items, dtype=np.int32)), user_ends(state)


def user_ends(state: State) -> dict[str, np.ndarray]:
    """What the user's side of the model gives for all users, by name."""
    from kerasrec.evaluation._models import outputs, user_outputs

    cut: Any = sides(state)
    codes = np.arange(state.n_users, dtype=np.int32)
    if cut.towers is not None:
        return user_outputs(cut.towers, codes, inputs(state))
    return outputs(cut.user, codes)


def check_table(state: State, side: str) -> np.ndarray:
    """Representations `[n, C]`, and an error where there are none."""
    found = table(state, side)
    if found is None:
        raise ValueError(
            "The model must represent users and items by vectors of two or more components. "
            f"Received: {state.name!r}, which does not."
        )
    return found


def vector_frame(state: State, side: str) -> "pd.DataFrame":
    """Representations of one side, a row a raw id, and the bias where the model has one."""
    import pandas as pd

    vectors = check_table(state, side)
    names = [f"component_{c}" for c in range(vectors.shape[1])]
    frame = pd.DataFrame(vectors, pd.Index(state.ids(side).raw, name=side, tupleize_cols=False), names)
    held: Any = factors(state)
    bias = None if held is None else getattr(held, f"{side}_bias")
    return frame if bias is None else frame.assign(bias=bias)
