"""Values computed once from a model for all lists: vectors, scores, rankers of the catalogue."""

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import ModelInputs
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import Scorer
from kerasrec.recommender._factors import Factors, HeldScorer, factors_of
from kerasrec.recommender._state import SEED, State

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.recommender._model_parts import ModelParts


# From this many users on, it is faster to score all items than to gather the vectors of some.
_FEW = 32


def inputs(state: State) -> ModelInputs:
    """The inputs of the model for users by their codes, with their whole histories."""

    def make() -> ModelInputs:
        from kerasrec.recommender._context import coded

        return ModelInputs(state.model, state.history.sequences, context=coded(state))

    found: ModelInputs = state.once("inputs", make)
    return found


def factors(state: State) -> Factors | None:
    """The model as plain arrays; `None` if its score is not a dot product."""
    found: Factors | None = state.once(
        "factors", lambda: factors_of(state.model, state.n_users, state.n_items, inputs(state))
    )
    return found


def sides(state: State) -> "ModelParts | None":
    """The sides of the model; `None` if it combines users and items before representing them."""
    from kerasrec.recommender._model_parts import find_sides

    found: ModelParts | None = state.once("sides", lambda: find_sides(state.model))
    return found


def scorer(state: State) -> Scorer:
    """The cheapest scorer of the whole catalogue."""

    def make() -> Scorer:
        from kerasrec.recommender._context import check_context

        if state.model is not None:
            check_context(state)
        held = factors(state)
        if held is not None:
            return HeldScorer(held)
        from kerasrec.evaluation._models import scorer_of

        return scorer_of(state.model, state.n_items, inputs(state))

    found: Scorer = state.once("scorer", make)
    return found


def ranker(state: State, candidates: np.ndarray | None = None, n_users: int | None = None) -> CatalogueRanker:
    """The ranker of all items, or of some.

    Args:
        state: `State`.
        candidates: item codes, or `None` for all.
        n_users: number of users, if it is known. Defaults to `None`.
    """
    few = n_users is not None and n_users <= _FEW
    if candidates is not None and not few:
        return CatalogueRanker(scorer(state), SEED, candidates, state.name)
    found: CatalogueRanker = state.once(
        "ranker", lambda: CatalogueRanker(scorer(state), SEED, name=state.name)
    )
    if candidates is None:
        return found
    narrowed: _Narrowed = state.once("narrowed", _Narrowed)
    return narrowed.get(found, candidates)


class _Narrowed:
    """Rankers of some items, each cached while the array of their codes is in use, e.g. by rules."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[np.ndarray], CatalogueRanker]] = {}

    def get(self, ranker: CatalogueRanker, candidates: np.ndarray) -> CatalogueRanker:
        """The ranker of some of the items.

        Args:
            ranker: ranker of all items.
            candidates: item codes, in an array that is never changed.
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
    """Representations `[n, C]` of all users or items; `None` if the model has none."""

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
        # The vectors of popularity have one component, so every cosine would be 1.
        return vectors if vectors.shape[1] > 1 and vectors.any() else None

    found: np.ndarray | None = state.once(f"{side}_table", make)
    return found


def source(state: State) -> Any:
    """The model, or its layer, that scores the whole catalogue itself; `None` if none does."""
    return getattr(scorer(state), "source", None)


def represents(state: State) -> bool:
    """Whether the model represents users and items."""
    return factors(state) is not None or sides(state) is not None


def for_folding(state: State) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Vectors `[I, C]` of the items, and outputs of the user's side for all users, by name."""
    held = factors(state)
    if held is not None:
        return held.item, held.users
    cut: Any = sides(state)
    return cut.table("item", np.arange(state.n_items, dtype=np.int32)), user_ends(state)


def user_ends(state: State) -> dict[str, np.ndarray]:
    """Outputs of the user's side of the model for all users, by name."""
    from kerasrec.evaluation._models import outputs, user_outputs

    cut: Any = sides(state)
    codes = np.arange(state.n_users, dtype=np.int32)
    if cut.towers is not None:
        return user_outputs(cut.towers, codes, inputs(state))
    return outputs(cut.user, codes)


def check_table(state: State, side: str) -> np.ndarray:
    """Representations `[n, C]`, or an error if there are none."""
    found = table(state, side)
    if found is None:
        raise ValueError(
            "The model must represent users and items by vectors of two or more components. "
            f"Received: {state.name!r}, which does not."
        )
    return found


def vector_frame(state: State, side: str) -> "pd.DataFrame":
    """Representations of one side, one row per raw id, and the bias if the model has one."""
    import pandas as pd

    vectors = check_table(state, side)
    names = [f"component_{c}" for c in range(vectors.shape[1])]
    frame = pd.DataFrame(vectors, pd.Index(state.ids(side).raw, name=side, tupleize_cols=False), names)
    held: Any = factors(state)
    bias = None if held is None else getattr(held, f"{side}_bias")
    return frame if bias is None else frame.assign(bias=bias)
