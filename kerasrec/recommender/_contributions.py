"""The contributions of features, components and items of the history to a score."""

from typing import Any, NamedTuple

import keras
import numpy as np

from kerasrec.data import ModelInputs
from kerasrec.evaluation._models import outputs, user_outputs
from kerasrec.layers import CosineScore, DotScore, EuclideanScore, FeatureLookup, TasteMixture
from kerasrec.recommender._model_parts import ModelParts
from kerasrec.recommender._new_user_scores import Ends, side_of_features, takes_lists

# Relative difference between the sum of parts in float32 and the whole.
_ADDITIVE = 1e-4
# Step of the central differences relative to the input: errors of rounding and of curvature stay small.
_STEP = 0.02


class Part(NamedTuple):
    """One contribution to a score."""

    kind: str
    name: Any
    contribution: float
    exact: bool


def of_towers(
    sides: ModelParts, user: int, item: int, by: str, names: list[str] | None, inputs: ModelInputs
) -> list[Part]:
    """Contributions to the score of a factorised model.

    Args:
        sides: of the model.
        user: code.
        item: code.
        by: `"item"` or `"user"`, the side whose features are separated, or `"component"`.
        names: names of that side's features, if they are known.
        inputs: `ModelInputs`.
    """
    towers: Any = sides.towers
    ends = {
        "user": user_outputs(towers, np.array([user], np.int32), inputs),
        "item": _one(sides, "item", item),
    }
    if by != "component":
        found = _by_features(sides, by, user if by == "user" else item, ends, names)
        if found is not None:
            return found
    return _by_components(sides, ends)


def of_head(sides: ModelParts, user: int, item: int) -> list[Part]:
    """Contributions of the two representations to the output of a network, by gradient times input."""
    lists = takes_lists(sides.item)
    given = {**_one(sides, "user", user), **_one(sides, "item", item)}

    def score(rows: Ends) -> np.ndarray:
        in_lists = {name: x[:, None] if lists and name.startswith("item_") else x for name, x in rows.items()}
        return _numpy(sides.combined(in_lists)).reshape(-1)

    parts = []
    for name, x in given.items():
        flat = x.reshape(-1)
        steps = np.maximum(np.abs(flat) * _STEP, 1e-4)
        moved = np.concatenate([flat + np.diag(steps), flat - np.diag(steps)])
        rows = {other: np.repeat(y, len(moved), axis=0) for other, y in given.items()}
        rows[name] = moved.reshape(-1, *x.shape[1:]).astype(np.float32)
        scores = score(rows).astype(np.float64)
        slopes = (scores[: len(flat)] - scores[len(flat) :]) / (2 * steps)
        side, _, layer = name.partition("_")
        parts.append(Part(f"{side} representation", layer, float(slopes @ flat), False))
    return with_rest(parts, float(score(given)[0]))


def with_rest(parts: list[Part], total: float) -> list[Part]:
    """The parts, and the rest of the score."""
    rest = total - sum(part.contribution for part in parts)
    return [*parts, Part("rest", "not explained by gradients", rest, False)]


def lookup_of(sides: ModelParts, side: str) -> FeatureLookup | None:
    """The table of features that a side reads; `None` if it reads only identities or several tables."""
    found = [
        layer
        for layer in getattr(sides, side).layers
        if isinstance(layer, FeatureLookup) and layer.n_values is not None
    ]
    return found[0] if len(found) == 1 else None


def _one(sides: ModelParts, side: str, code: int) -> Ends:
    found = outputs(getattr(sides, side), np.array([code], np.int32))
    return _no_lists(sides, found) if side == "item" else found


def _no_lists(sides: ModelParts, ends: Ends) -> Ends:
    return {name: x[:, 0] for name, x in ends.items()} if takes_lists(sides.item) else ends


def _by_features(
    sides: ModelParts, side: str, code: int, ends: dict[str, Ends], names: list[str] | None
) -> list[Part] | None:
    lookup = lookup_of(sides, side)
    if lookup is None:
        return None
    columns, weights = _bag(lookup, code)
    other = "item" if side == "user" else "user"
    bias = ends[other].get(f"{other}_bias")
    fixed = [Part(f"{other} bias", "", float(bias.reshape(-1)[0]), True)] if bias is not None else []

    def represented(rows: np.ndarray) -> Ends:
        import scipy.sparse

        matrix = scipy.sparse.lil_matrix((len(rows), int(columns.max()) + 1), dtype=np.float32)
        matrix[:, columns] = rows
        own = side_of_features(getattr(sides, side), matrix.tocsr())
        return _no_lists(sides, own) if side == "item" else own

    n = len(columns)
    # Each feature alone, all features, and none.
    own = represented(np.concatenate([np.diag(weights), weights[None], np.zeros((1, n), np.float32)]))
    parts = {name: x[:n] - x[n + 1] for name, x in own.items()}
    exact = _compare_of(sides) in (DotScore, CosineScore) and all(
        np.abs(x.sum(axis=0) - (own[name][n] - own[name][n + 1])).max()
        <= _ADDITIVE * (np.abs(x).sum() + 1e-6)
        and np.abs(own[name][n + 1]).max() <= 1e-6
        for name, x in parts.items()
    )
    if exact:
        contributions = _linear(sides, ends, {**ends[side], **parts}, side)
    else:
        steps = np.diag(np.abs(weights) * _STEP).astype(np.float32)
        others = {name: x for name, x in ends[other].items() if not name.endswith("_bias")}
        moved = _compared(
            sides, represented(np.concatenate([weights + steps, weights - steps])), others, side
        )
        contributions = (moved[:n] - moved[n:]) / (2 * np.diag(steps)) * weights
    found = [
        Part(f"{side} feature", names[j] if names else f"feature {j}", float(x), exact)
        for j, x in zip(columns, contributions, strict=True)
    ]
    return [*found, *fixed] if exact else with_rest([*found, *fixed], raw_of(ends, sides))


def raw_of(ends: dict[str, Ends], sides: ModelParts) -> float:
    """The score of the representations of both sides."""
    towers: Any = sides.towers
    return float(_numpy(towers.score.all_pairs(**ends["user"], **ends["item"]))[0, 0])


def _linear(sides: ModelParts, ends: dict[str, Ends], parts: Ends, side: str) -> np.ndarray:
    """The contribution of each part of one side's representation to the score, `[n]`."""
    weights, tastes = _tastes(sides, ends)
    vector = ends["item"]["item"][0].astype(np.float64)
    contributions = np.zeros(len(parts[side]))
    for t, weight in enumerate(weights):
        lengths = 1.0
        if _compare_of(sides) is CosineScore:
            lengths = max(float(np.linalg.norm(tastes[t]) * np.linalg.norm(vector)), 1e-12)
        if side == "item":
            products = parts["item"].astype(np.float64) @ tastes[t]
        else:
            products = parts["user"].reshape(len(parts["user"]), len(weights), -1)[:, t] @ vector
        contributions += weight * products / lengths
    bias = parts.get(f"{side}_bias")
    return contributions if bias is None else contributions + bias.reshape(len(contributions), -1)[:, 0]


def _tastes(sides: ModelParts, ends: dict[str, Ends]) -> tuple[np.ndarray, np.ndarray]:
    """The weight of each taste of a user for an item `[T]`, and the tastes `[T, C]`."""
    towers: Any = sides.towers
    tastes = np.atleast_2d(ends["user"]["user"][0]).astype(np.float64)
    if not isinstance(towers.score, TasteMixture):
        return np.ones(1), tastes
    compare, vector = towers.score.score, ends["item"]["item"][0].astype(np.float64)
    if "attention" in ends["user"]:
        pull = np.array([_compare(compare, taste, vector) for taste in ends["user"]["attention"][0]])
        weights = np.exp(pull - pull.max())
        return weights / weights.sum(), tastes
    best = np.argmax([_compare(compare, taste, vector) for taste in tastes])
    return (np.arange(len(tastes)) == best).astype(np.float64), tastes


def _compare_of(sides: ModelParts) -> type:
    """The class of the layer that compares two vectors."""
    towers: Any = sides.towers
    return type(towers.score.score if isinstance(towers.score, TasteMixture) else towers.score)


def _compared(sides: ModelParts, own: Ends, others: Ends, side: str) -> np.ndarray:
    """Scores of rows of one side with the one row of the other."""
    towers: Any = sides.towers
    both = {**own, **others}
    found = _numpy(towers.score.all_pairs(**both)).astype(np.float64)
    return found[:, 0] if side == "user" else found[0]


def _by_components(sides: ModelParts, ends: dict[str, Ends]) -> list[Part]:
    towers: Any = sides.towers
    compare = towers.score.score if isinstance(towers.score, TasteMixture) else towers.score
    vector = ends["item"]["item"][0].astype(np.float64)
    parts = np.zeros(len(vector))
    for weight, taste in zip(*_tastes(sides, ends), strict=True):
        parts += weight * _components(compare, taste, vector)
    found = [Part("component", c, float(x), True) for c, x in enumerate(parts)]
    for side in ("user", "item"):
        bias = ends[side].get(f"{side}_bias")
        if bias is not None:
            found.append(Part(f"{side} bias", "", float(bias.reshape(-1)[0]), True))
    return found


def _components(compare: Any, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Shares `[C]` of the comparison of two vectors, which sum to it."""
    whole = _compare(compare, user, item)
    terms = (user - item) ** 2 if isinstance(compare, EuclideanScore) else user * item
    if isinstance(compare, DotScore):
        return terms
    if not isinstance(compare, (CosineScore, EuclideanScore)) or not terms.sum():
        return np.full(len(terms), whole / len(terms))
    return whole * terms / terms.sum()


def _compare(compare: Any, user: np.ndarray, item: np.ndarray) -> float:
    pair = (keras.ops.convert_to_tensor(x[None].astype(np.float32)) for x in (user, item))
    return float(_numpy(compare.compare(*pair))[0])


def _bag(lookup: FeatureLookup, code: int) -> tuple[np.ndarray, np.ndarray]:
    starts = _numpy(lookup.starts)
    own = slice(int(starts[code]), int(starts[code + 1]))
    return _numpy(lookup.indices)[own], _numpy(lookup.values)[own]


def _numpy(x: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(x)
