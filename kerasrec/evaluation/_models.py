"""The cheapest way to score the whole catalogue with a Keras model."""

import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasrec._forks import check_fork
from kerasrec.data import Interactions, ModelInputs
from kerasrec.evaluation._folding import FoldIn
from kerasrec.evaluation._layout import Layout
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._scorers import CatalogueScorer, FactorScorer, Rows, Scorer
from kerasrec.layers import DotScore, Towers, find_towers
from kerasrec.trainers._inference import call

# Number of entities per call of a tower, and of pairs per call of a model without towers.
_ENTITIES = 4096
_PAIRS = 1 << 17
# Number of history items per call of a tower.
_HISTORY = 1 << 16

# By model; a model's graph does not change.
_towers: "weakref.WeakKeyDictionary[Any, Towers | None]" = weakref.WeakKeyDictionary()


def scorer_of(model: Any, n_items: int, inputs: ModelInputs | None = None) -> Scorer:
    """The scorer of a model.

    Args:
        model: a `keras.Model` with an input `item` and further inputs that `inputs` supplies, or any object
            with a method `score_catalogue(user_codes) -> [B, I]`.
        n_items: int, size of the catalogue.
        inputs: `ModelInputs` of the model. Defaults to `None`: user codes only.
    """
    source = _catalogue_source(model)
    if source is None and not hasattr(model, "predict_on_batch"):
        raise TypeError(
            "A model must be a `keras.Model` with inputs `user` and `item`, or have a method "
            f"`score_catalogue(user_codes)`; `kerasrec.zoo.create` makes one by name. Received: {model!r}."
        )
    if source is not None:
        return SourceScorer(source, n_items)
    towers = _towers_of(model)
    inputs = ModelInputs(model) if inputs is None else inputs
    if towers is None:
        return CatalogueScorer(_PairCalls(model, n_items, inputs), n_items)
    if type(towers.score) is DotScore:  # a subclass may compute another score
        return TowerScorer(towers, n_items, inputs)
    return AllPairsScorer(towers, n_items, inputs)


def _towers_of(model: Any) -> Towers | None:
    """The towers of a model, the same for every evaluation, so that JAX compiles them once."""
    if model not in _towers:
        _towers[model] = find_towers(model)
    return _towers[model]


class TowerScorer(FactorScorer):
    """A factorised model whose score is a dot product; every `arrange` reads its weights again.

    Args:
        towers: `Towers`.
        n_items: int.
        inputs: `ModelInputs`. Defaults to `None`: user codes only.
    """

    def __init__(self, towers: Towers, n_items: int, inputs: ModelInputs | None = None) -> None:
        self.towers = towers
        self.n_items = n_items
        self.inputs = inputs

    def users(self, codes: np.ndarray) -> np.ndarray:
        """Vectors `[n, C]` of users."""
        return user_outputs(self.towers, codes, self.inputs)["user"]

    def items(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Vectors `[n, C]` of items, and their biases `[n]` or `None`."""
        found = item_outputs(self.towers, codes)
        bias = found.get("item_bias")
        return found["item"], None if bias is None else bias.reshape(-1)

    def finish(self, users: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Add what is equal for all items of a user, and apply the layers after the score."""
        return finish(self.towers, users, scores, self.inputs)


class SourceScorer(Scorer):
    """A model, or a layer of a model, that scores the whole catalogue itself.

    Args:
        source: object with `score_catalogue(user_codes)`. If it has `catalogue_scorer()`, which returns a
            thread-safe function of this kind, that is used.
        n_items: int.
    """

    def __init__(self, source: Any, n_items: int) -> None:
        self.source = source
        self.n_items = n_items
        self.parallel = hasattr(source, "catalogue_scorer")

    def arrange(self, layout: Layout) -> Rows:
        """Whole rows, sorted into the columns."""
        score = self.source.catalogue_scorer() if self.parallel else self.source.score_catalogue
        return CatalogueScorer(score, self.n_items).arrange(layout)


class AllPairsScorer(Scorer):
    """A factorised model with another score, computed by its own layer.

    Args:
        towers: `Towers`.
        n_items: int.
        inputs: `ModelInputs`. Defaults to `None`: user codes only.
    """

    def __init__(self, towers: Towers, n_items: int, inputs: ModelInputs | None = None) -> None:
        self.towers = towers
        self.n_items = n_items
        self.inputs = inputs

    def arrange(self, layout: Layout) -> Rows:
        """Item representations in the order of the columns."""
        return _AllPairsRows(self.towers, layout, self.inputs)

    def finish(self, users: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Add what is equal for all items of a user, and apply the layers after the score."""
        return finish(self.towers, users, scores, self.inputs)


class _AllPairsRows:
    def __init__(self, towers: Towers, layout: Layout, inputs: ModelInputs | None) -> None:
        self.towers, self.inputs = towers, inputs
        items = item_outputs(towers, np.maximum(layout.items, 0))
        self.items = {name: keras.ops.convert_to_tensor(x) for name, x in items.items()}

    def prepare(self, users: np.ndarray) -> np.ndarray:
        return users

    def fill(self, prepared: np.ndarray, out: np.ndarray) -> None:
        user = user_outputs(self.towers, prepared, self.inputs)
        user.pop("user_bias", None)  # equal for all items
        out[...] = keras.ops.convert_to_numpy(self.towers.score.all_pairs(**user, **self.items))


class _PairCalls:
    """Scores of a model that takes only pairs, in blocks of one shape, so it is compiled only once."""

    def __init__(self, model: Any, n_items: int, inputs: ModelInputs) -> None:
        self.model = model
        self.n_items = n_items
        self.inputs = inputs
        self.lists = _takes_lists(model)
        self.list_size = min(n_items, _PAIRS)
        self.n_rows = max(1, _PAIRS // self.list_size)

    def __call__(self, users: np.ndarray) -> np.ndarray:
        scores = np.empty((len(users), self.n_items), np.float32)
        for row in range(0, len(users), self.n_rows):
            rows = users[row : row + self.n_rows]
            for first in range(0, self.n_items, self.list_size):
                items = np.arange(first, min(first + self.list_size, self.n_items), dtype=np.int32)
                block = self._block(_padded(rows, self.n_rows), _padded(items, self.list_size))
                scores[row : row + len(rows), first : first + len(items)] = block[: len(rows), : len(items)]
        return scores

    def _block(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        check_fork()
        shape = len(users), len(items)
        inputs = self.inputs.users(users)
        if self.lists:
            inputs["item"] = np.broadcast_to(items, shape)
        else:
            inputs = {name: np.repeat(x, len(items), axis=0) for name, x in inputs.items()}
            inputs["item"] = np.tile(items, len(users))[:, None]
        return np.asarray(self.model.predict_on_batch(inputs), np.float32).reshape(shape)


def takes_pairs_alone(scorer: Scorer) -> bool:
    """Whether a scorer calls its model pair by pair."""
    return isinstance(scorer, CatalogueScorer) and isinstance(scorer.score, _PairCalls)


def folded_scorer(model: Any, given: Interactions, train: Interactions) -> Scorer:
    """The scorer for users who were not in training, from their given items.

    Models that can score histories do so; `FoldIn` represents the users of a factorised model.

    Args:
        model: a model for `scorer_of`, without an input `history`.
        given: `Interactions` of those users.
        train: `Interactions` that the model was trained on.
    """
    likes = given.take(given.liked)
    source = _catalogue_source(model)
    if hasattr(source, "score_histories"):
        rows = likes.to_csr()
        rows.data[:] = 1
        return CatalogueScorer(lambda users: source.score_histories(rows[users]), given.n_items)
    towers = find_towers(model) if source is None else None
    if towers is None or towers.user_inputs != ("user",):
        raise ValueError(
            "A model must represent users and items, score histories, or have an input `history` to be "
            f"evaluated on users held out of training. Received: {getattr(model, 'name', model)!r}."
        )
    known = train.take(train.liked)
    items = item_outputs(towers, np.arange(given.n_items, dtype=np.int32))
    fold = FoldIn(
        items["item"],
        outputs(towers.user, np.arange(given.n_users, dtype=np.int32)),
        Ragged(known.users, known.items, known.n_users, known.gains),
    )
    mean = float(known.gains.mean())

    def score(users: np.ndarray) -> np.ndarray:
        chosen = np.isin(likes.users, users)
        row_of = np.zeros(given.n_users, np.int64)
        row_of[users] = np.arange(len(users))
        own = Ragged(
            row_of[likes.users[chosen]],
            likes.items[chosen],
            len(users),
            np.full(int(chosen.sum()), mean, np.float32),
        )
        return np.asarray(keras.ops.convert_to_numpy(towers.score.all_pairs(**fold(own), **items)))

    return CatalogueScorer(score, given.n_items)


def pair_scores(
    model: Any, users: np.ndarray, items: np.ndarray, inputs: ModelInputs | None = None
) -> np.ndarray:
    """The scores of pairs, `[n]`."""
    check_fork()
    inputs = ModelInputs(model) if inputs is None else inputs
    parts = []
    for start in range(0, len(users), _PAIRS):
        n = len(users[start : start + _PAIRS])
        size = 1 << max(0, n - 1).bit_length()
        pair = inputs.users(_padded(users[start : start + _PAIRS], size))
        pair["item"] = _padded(items[start : start + _PAIRS], size)[:, None]
        parts.append(np.asarray(model.predict_on_batch(pair), np.float32).reshape(-1)[:n])
    return np.concatenate(parts)


def user_outputs(towers: Towers, codes: np.ndarray, inputs: ModelInputs | None) -> dict[str, np.ndarray]:
    """Outputs of the user tower, in blocks of users with histories of similar length."""
    if inputs is None or not inputs.needs_history:
        supply = (lambda block: {"user": block[:, None]}) if inputs is None else inputs.users
        return _by_blocks(lambda block: call(towers.user, towers.of_user(supply(block))), codes)
    order = np.argsort(inputs.sequences.counts[codes], kind="stable")
    longest = inputs.users(codes[order[-1:]])["history"].shape[1] if len(codes) else 1
    rows = max(1, min(_ENTITIES, _HISTORY // longest))

    def represent(block: np.ndarray) -> Any:
        return call(towers.user, towers.of_user(inputs.users(block)))

    found = _by_blocks(represent, codes[order], 1 << (rows.bit_length() - 1))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return {name: x[back] for name, x in found.items()}


def outputs(tower: keras.Model, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of a tower for codes, in blocks."""
    ranks = {name: len(x.shape) for name, x in tower.output.items()}

    def represent(block: np.ndarray) -> dict[str, Any]:
        found = call(tower, block[:, None])
        # An input with one code per row becomes a list of one item if it shares a table with lists.
        return {
            name: x if len(x.shape) == ranks[name] else keras.ops.expand_dims(x, 1)
            for name, x in found.items()
        }

    return _by_blocks(represent, codes)


def _by_blocks(
    represent: Callable[[np.ndarray], Any], codes: np.ndarray, size: int = _ENTITIES
) -> dict[str, np.ndarray]:
    """Outputs of a tower for blocks of codes.

    `predict` would compile every new tower again. The number of rows of a block is a power of two, so JAX
    compiles for few shapes.
    """
    check_fork()
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(codes), size):
        block = codes[start : start + size]
        padded = _padded(block, 1 << max(0, len(block) - 1).bit_length()).astype(np.int32)
        for name, tensor in represent(padded).items():
            part = _float32(tensor)[: len(block)]
            if not start:
                found[name] = np.empty((len(codes), *part.shape[1:]), np.float32)
            found[name][start : start + len(block)] = part
    return found


def item_outputs(towers: Towers, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of the item tower for codes, in the form that `all_pairs` of a score takes."""
    found = outputs(towers.item, codes)
    # A tower that takes lists returns lists of one item.
    return {name: x[:, 0] for name, x in found.items()} if _takes_lists(towers.item) else found


def finish(
    towers: Towers, users: np.ndarray, scores: np.ndarray, inputs: ModelInputs | None = None
) -> np.ndarray:
    """Scores `[B, k]` of the model, from scores without the terms that do not change the order."""
    if "user_bias" in towers.user.output:
        scores = scores + user_outputs(towers, users, inputs)["user_bias"].reshape(-1, 1)
    if towers.transforms:
        check_fork()
    for layer in towers.transforms:
        scores = keras.ops.convert_to_numpy(layer(scores))
    return scores


def _catalogue_source(model: Any) -> Any:
    """The model itself, or the layer of its output, if it scores the whole catalogue; otherwise `None`."""
    if hasattr(model, "score_catalogue"):
        return model
    try:
        tensor = model.outputs[0]
    except (AttributeError, TypeError, IndexError):  # subclassed models have no graph
        return None
    while True:
        layer = tensor._keras_history.operation
        if hasattr(layer, "score_catalogue"):
            return layer
        sources = layer._inbound_nodes[tensor._keras_history.node_index].input_tensors
        if not getattr(layer, "keeps_order", False) or len(sources) != 1:
            return None
        tensor = sources[0]


def _takes_lists(model: Any) -> bool:
    """Whether input `item` takes lists of any length."""
    try:
        return any(x.name == "item" and len(x.shape) == 2 and x.shape[1] is None for x in model.inputs)
    except (AttributeError, TypeError):  # subclassed models have no graph
        return False


def _float32(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)


def _padded(codes: np.ndarray, size: int) -> np.ndarray:
    """The codes, padded to a size by repeating the last one."""
    return np.concatenate([codes, np.repeat(codes[-1:], size - len(codes))])
