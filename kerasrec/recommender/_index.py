"""A search index of many items: candidates from faiss, ranked again exactly."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._arguments import share
from kerasrec._names import unknown_name
from kerasrec._partial import replacing
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import FactorScorer
from kerasrec.recommender import _vectors
from kerasrec.recommender._nearest import Nearest, NearestToItems
from kerasrec.recommender._state import SEED, State

INDEXES = ("auto", "exact", "faiss")
# Smaller catalogues are ranked exactly in a few milliseconds.
MANY = 300_000
_K = 10
_USERS = 1000
_PROBES = (8, 16, 32, 64)
# Recall above which the number of lists is not increased further.
_ENOUGH = 0.985
# Points per centre; faiss warns below 39.
_POINTS = 40
_ROUNDS = 8
# Share of the items that may change before an index is dropped.
_CHANGED = 0.1
_MAGIC = b"kerasrec"


@dataclass(frozen=True)
class Index:
    """An immutable index of items by faiss.

    Attributes:
        faiss: index of vectors with the bias as a further dimension, by item code.
        n_items: int.
        n_probe: number of lists that a search looks at.
        recall: share of the ten best items that a search found, mean over sampled users.
        weights: checksum of the weights in its model's file, or `None`.
    """

    faiss: Any
    n_items: int
    n_probe: int
    recall: float
    weights: int | None = None

    def search(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Codes `[B, k]` of items that are likely to be the best; -1 after the last."""
        how = _faiss().SearchParametersIVF(nprobe=self.n_probe)
        found: np.ndarray = self.faiss.search(vectors, min(k, self.n_items), params=how)[1]
        return found

    def around(self, vector: np.ndarray) -> np.ndarray:
        """Codes of all items in the lists nearest to a vector `[1, C]`."""
        lists = self.faiss.quantizer.search(vector, self.n_probe)[1][0]
        stored, view = self.faiss.invlists, _faiss().rev_swig_ptr
        filled = [int(n) for n in lists if n >= 0 and stored.list_size(int(n))]
        codes = [view(stored.get_ids(n), stored.list_size(n)) for n in filled]
        return np.concatenate(codes) if codes else np.empty(0, np.int64)

    def changed(self, removed: np.ndarray, added: np.ndarray, vectors: np.ndarray, n_items: int) -> "Index":
        """A copy without some items and with others.

        Args:
            removed: item codes.
            added: item codes.
            vectors: float32, one row per item of `added`.
            n_items: number of items afterwards.
        """
        faiss = _faiss()
        # An index mapped from a file cannot be changed, so this copies it into memory.
        grown = faiss.deserialize_index(faiss.serialize_index(self.faiss))
        if len(removed):
            grown.remove_ids(faiss.IDSelectorBatch(removed.astype(np.int64)))
        if len(added):
            grown.add_with_ids(vectors, added.astype(np.int64))
        return replace(self, faiss=grown, n_items=n_items, weights=None)


def built(
    state: State, min_recall: float, seed: int, tell: Callable[[str], None]
) -> tuple[Index, dict[str, Any]]:
    """An index of the items, and its measurements.

    Args:
        state: `State`.
        min_recall: lowest acceptable recall.
        seed: seed of the centres and of the sampled users.
        tell: called with lines of progress.
    """
    min_recall = share("min_recall", min_recall)
    faiss = _faiss()
    vectors, start = _items(state), time.perf_counter()
    n, width = vectors.shape
    n_lists = max(1, min(round(n**0.5), n // _POINTS))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter = seed % (1 << 31), _ROUNDS
    draw = np.random.default_rng(seed)
    sample = vectors[np.sort(draw.permutation(n)[: max(_POINTS * n_lists, 1)])]
    index.cp.min_points_per_centroid = 1  # in a catalogue of a few items
    tell(f"Index: {n_lists:,} lists of {n:,} items")
    index.train(sample)
    index.add_with_ids(vectors, np.arange(n))
    users = np.sort(draw.permutation(state.n_users)[:_USERS]).astype(np.int32)
    tell(f"Index: recall of {len(users):,} users")
    best = _best(_exact(state, None), users, state.history)
    found = Index(index, n, _PROBES[0], 0.0)
    for n_probe in _PROBES:
        found = replace(found, n_probe=min(n_probe, n_lists))
        found = replace(found, recall=_recall(best, _best(_ranker(state, found, None), users, state.history)))
        if found.recall >= _ENOUGH or n_probe >= n_lists:
            break
    if found.recall < min_recall:
        raise ValueError(
            f"An index must find at least {min_recall:g} of the ten best items (`min_recall`); these vectors "
            "have too little structure to be searched in parts, so rank them with index='exact'. "
            f"Received: a recall of {found.recall:.3f} looking at {found.n_probe} of {n_lists:,} lists."
        )
    seconds = time.perf_counter() - start
    tell(f"Index: recall {found.recall:.3f} at {found.n_probe} of {n_lists:,} lists, {seconds:.0f} s")
    about = {"recall": found.recall, "n_lists": n_lists, "n_probe": found.n_probe, "seconds": seconds}
    return found, about


def with_built(
    state: State, min_recall: float, seed: int, tell: Callable[[str], None]
) -> tuple[State, dict[str, Any]]:
    """The state with an index, and the measurements of the index; arguments as in `built`."""
    index, about = built(state, min_recall, seed, tell)
    return replace(state, index=index), about


def after_training(old: State, new: State, history: Any) -> tuple[State, Any]:
    """The state after more training, with the index of the earlier state, and the result of the training."""
    return after(old, new), history


def after(old: State, new: State) -> State:
    """A state with the index of an earlier state, updated where items' vectors have changed.

    Args:
        old: the state before.
        new: the state after new items, new users or more training.
    """
    if old.index is None or not isinstance(_vectors.scorer(new), FactorScorer):
        return new
    before, now = _items(old), _items(new)
    n = len(before)
    if before.shape[1] != now.shape[1]:
        return new
    other = np.flatnonzero((before != now[:n]).any(axis=1))
    if len(other) > _CHANGED * n:
        return new
    added = np.concatenate([other, np.arange(n, len(now))])
    return replace(new, index=old.index.changed(other, added, now[added], len(now)))


def ranker(state: State, how: str, candidates: np.ndarray | None, n_users: int | None = None) -> Any:
    """The ranker of all items, or of those that an index finds.

    Args:
        state: `State`.
        how: one of `INDEXES`.
        candidates: item codes that may be ranked, or `None` for all.
        n_users: number of users, if it is known. Defaults to `None`.
    """
    if not _by_index(state, how, state.n_items if candidates is None else len(candidates)):
        return _vectors.ranker(state, candidates, n_users)
    index: Any = state.index
    return _ranker(state, index, candidates)


def write(index: Index, path: Path, weights: int) -> None:
    """Write an index next to the file that it belongs to.

    Args:
        index: `Index`.
        path: the model's file.
        weights: checksum of the weights in it.
    """
    about = {name: x for name, x in asdict(replace(index, faiss=None)).items() if name != "faiss"}
    line = json.dumps(about | {"weights": weights}).encode()
    with replacing(beside(path), index.n_items * 4) as partial:
        _faiss().write_index(index.faiss, os.fspath(partial))
        with partial.open("ab") as file:  # faiss ignores what follows its own data
            file.write(line + len(line).to_bytes(8, "little") + _MAGIC)


def read(path: Path, weights: int, n_items: int) -> Index | None:
    """The index next to a file, mapped into memory; `None` if there is none.

    Args:
        path: the model's file.
        weights: checksum of the weights in it.
        n_items: number of items of the model.
    """
    there = beside(path)
    if not there.is_file():
        return None
    remedy = f"remove {there.name}, or build it again with `build_index` and `save`"
    with there.open("rb") as file:
        size = there.stat().st_size
        file.seek(max(0, size - len(_MAGIC) - 8))
        end = file.read()
        length = int.from_bytes(end[:8], "little")
        if end[8:] != _MAGIC or length > size:
            raise ValueError(f"{there} must be an index that `save` wrote; {remedy}. Received: another file.")
        file.seek(size - len(_MAGIC) - 8 - length)
        about = json.loads(file.read(length))
    if about["weights"] != weights or about["n_items"] != n_items:
        raise ValueError(
            f"An index must belong to the vectors in the file next to it; {remedy}. "
            f"Received: {there.name}, which is older than {path.name} or another model's."
        )
    faiss = _faiss()
    mapped = faiss.read_index(os.fspath(there), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    return Index(mapped, about["n_items"], about["n_probe"], about["recall"], weights)


def remove(path: Path) -> None:
    """Remove the index of an earlier model of a file."""
    there = beside(path)
    if there.is_file() and there.stat().st_size >= len(_MAGIC):
        with there.open("rb") as file:
            file.seek(-len(_MAGIC), os.SEEK_END)
            own = file.read() == _MAGIC
        if own:
            there.unlink()


def beside(path: Path) -> Path:
    """The path of the index of a model's file: `shop.index` for `shop.keras`."""
    return path.with_suffix(".index")


def similar(state: State, how: str, measure: str, exact: Callable[[], CatalogueRanker]) -> Any:
    """The ranker of the items most similar to an item, among all or among those that an index finds.

    Args:
        state: `State`.
        how: one of `INDEXES`.
        measure: `"cosine"` or `"dot"`.
        exact: gives the `CatalogueRanker` of all items, whose users are items.
    """
    if not _by_index(state, how, state.n_items):
        return exact()
    index: Any = state.index
    width, table = _items(state).shape[1], _vectors.check_table(state, "item")
    return NearestToItems(index, _places(state), table, width, measure == "cosine", exact)


def _by_index(state: State, how: str, n_items: int) -> bool:
    """Whether to use an index for `n_items` items."""
    if how not in INDEXES:
        raise ValueError(unknown_name("index", how, INDEXES))
    if how == "exact" or (how == "auto" and (n_items < MANY or state.index is None)):
        return False
    if state.index is None:
        raise ValueError(
            "index='faiss' needs an index: make one with `build_index`; `save` stores it next to the file. "
            "Received: a recommender without one."
        )
    return True


def _ranker(state: State, index: Index, candidates: np.ndarray | None) -> Nearest:
    scorer: Any = _vectors.scorer(state)
    exact = partial(_vectors.ranker, state, candidates)
    return Nearest(scorer.users, index, _places(state), _items(state), candidates, exact)


def _places(state: State) -> np.ndarray:
    """The place of each item in the tie order `[I]`."""

    def make() -> np.ndarray:
        found = np.empty(state.n_items, np.int32)
        found[tie_order(state.n_items, SEED)] = np.arange(state.n_items, dtype=np.int32)
        return found

    found: np.ndarray = state.once("places", make)
    return found


def _items(state: State) -> np.ndarray:
    """Items' vectors, float32, with the bias as a further dimension."""

    def make() -> np.ndarray:
        scorer = _vectors.scorer(state)
        if not isinstance(scorer, FactorScorer):
            raise ValueError(
                "An index needs a model that compares users and items by a dot product. "
                f"Received: {state.name!r}, which does not."
            )
        vectors, bias = scorer.items(np.arange(state.n_items))
        found = vectors if bias is None else np.column_stack([vectors, bias])
        if not np.isfinite(found).all():
            raise ValueError(
                "Representations must be finite to be searched. "
                f"Received: NaN or infinity in {state.name!r}; the model diverged in training."
            )
        return np.ascontiguousarray(found, np.float32)

    found: np.ndarray = state.once("index_items", make)
    return found


def _exact(state: State, candidates: np.ndarray | None) -> CatalogueRanker:
    """A ranker that is not cached, because it holds a copy of the items."""
    return CatalogueRanker(_vectors.scorer(state), SEED, candidates, state.name)


def _best(ranker: Any, users: np.ndarray, seen: Ragged) -> np.ndarray:
    return np.concatenate([block.items for block in ranker.rank(users, _K, seen)])


def _recall(best: np.ndarray, found: np.ndarray) -> float:
    """The share of `best` `[U, k]` that `found` contains, without -1."""
    there = best >= 0
    hits = (best[:, :, None] == found[:, None, :]).any(axis=2) & there
    return float(hits.sum() / max(1, there.sum()))


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise ValueError(
            f"An index needs another package: pip install 'kerasrec[ann]'. Received: no {error.name}."
        ) from error
    return faiss
