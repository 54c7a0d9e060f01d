"""A search index of many items: candidates from faiss, ranked again exactly."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._arguments import share
from kerasrec._partial import replacing
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._names import unknown_name
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import Ranked, Ranker
from kerasrec.evaluation._scorers import FactorScorer
from kerasrec.recommender import _vectors
from kerasrec.recommender._state import SEED, State

INDEXES = ("auto", "exact", "faiss")
# Below, ranking all items exactly takes a few milliseconds.
MANY = 300_000
# Candidates beyond those that are asked for and those that are hidden.
_MORE = 50
_ROWS = 256
_K = 10
_USERS = 1000
_PROBES = (8, 16, 32, 64)
# The recall at which no more lists are looked at.
_ENOUGH = 0.985
# Points of which a centre is made; faiss warns below 39.
_POINTS = 40
_ROUNDS = 8
# Of the items, those that may change before an index is of other vectors altogether.
_CHANGED = 0.1
_MAGIC = b"kerasrec"


@dataclass(frozen=True)
class Index:
    """Items by faiss, which never change.

    Attributes:
        faiss: of vectors with the bias as one more dimension, by item code.
        n_items: int.
        n_probe: int, lists that a search looks at.
        recall: share of the ten best that a search found, mean of the users asked at build.
        weights: checksum of the weights in the file that it was read beside, or `None`.
    """

    faiss: Any
    n_items: int
    n_probe: int
    recall: float
    weights: int | None = None

    def search(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Codes `[B, k]` of items that are likely to be the best; -1 where there are no more."""
        how = _faiss().SearchParametersIVF(nprobe=self.n_probe)
        found: np.ndarray = self.faiss.search(vectors, min(k, self.n_items), params=how)[1]
        return found

    def changed(self, removed: np.ndarray, added: np.ndarray, vectors: np.ndarray, n_items: int) -> "Index":
        """The same without some items and with others.

        Args:
            removed: item codes.
            added: item codes.
            vectors: float32, a row for each of `added`.
            n_items: int, items afterwards.
        """
        faiss = _faiss()
        # One that is mapped from a file cannot change: its bytes are read.
        grown = faiss.deserialize_index(faiss.serialize_index(self.faiss))
        if len(removed):
            grown.remove_ids(faiss.IDSelectorBatch(removed.astype(np.int64)))
        if len(added):
            grown.add_with_ids(vectors, added.astype(np.int64))
        return replace(self, faiss=grown, n_items=n_items, weights=None)


def built(
    state: State, min_recall: float, seed: int, tell: Callable[[str], None]
) -> tuple[Index, dict[str, Any]]:
    """An index of the items, and what it came to.

    Args:
        state: `State`.
        min_recall: the least recall that it may have.
        seed: int, of the centres and of the users who are asked.
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
    index.cp.min_points_per_centroid = 1  # of a catalogue of a few items
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
    """The state with an index, and what the index came to; arguments are those of `built`."""
    index, about = built(state, min_recall, seed, tell)
    return replace(state, index=index), about


def after_training(old: State, new: State, history: Any) -> tuple[State, Any]:
    """The state after more training with the index of the state before it, and what the training told."""
    return after(old, new), history


def after(old: State, new: State) -> State:
    """A state with the index of the state before it, as far as the items' vectors are the same.

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
    """What ranks items: all of them, or those that an index finds.

    Args:
        state: `State`.
        how: one of `INDEXES`.
        candidates: item codes that may be ranked, or `None`: all.
        n_users: int, for how many users, if it is known. Defaults to `None`.
    """
    if how not in INDEXES:
        raise ValueError(unknown_name("index", how, INDEXES))
    few = (state.n_items if candidates is None else len(candidates)) < MANY
    if how == "exact" or (how == "auto" and (few or state.index is None)):
        return _vectors.ranker(state, candidates, n_users)
    if state.index is None:
        raise ValueError(
            "index='faiss' needs an index: make one with `build_index`, which `save` keeps beside the file. "
            "Received: a recommender without one."
        )
    return _ranker(state, state.index, candidates)


class Nearest:
    """Ranks what an index finds, in the exact order, as `Ranker` ranks the whole catalogue.

    Args:
        scorer: `FactorScorer`.
        index: `Index` of its items.
        places: place of each item in the order of ties `[I]`.
        vectors: items as the index has them `[I, C]`.
        candidates: item codes that may be ranked, or `None`: all.
        exact: gives the `Ranker` for users of whom too little was found.
    """

    def __init__(
        self,
        scorer: FactorScorer,
        index: Index,
        places: np.ndarray,
        vectors: np.ndarray,
        candidates: np.ndarray | None,
        exact: Callable[[], Ranker],
    ) -> None:
        self.scorer, self.index, self.places, self.vectors = scorer, index, places, vectors
        self.n_left = index.n_items if candidates is None else len(candidates)
        self.allowed = None if candidates is None else np.isin(np.arange(index.n_items), candidates)
        self.exact = exact

    def rank(self, users: Any, k: int, seen: Ragged | None = None) -> Iterator[Ranked]:
        """The k best items of each user.

        Args:
            users: user codes `[U]`.
            k: int, length of the lists.
            seen: items to leave out, by user. Defaults to `None`: none.
        """
        users = np.asarray(users)
        n_seen = np.zeros(len(users), np.int64) if seen is None else seen.counts(users)
        items = np.full((len(users), k), -1, np.int32)
        scores = np.full((len(users), k), -np.inf, np.float32)
        # Users who have much ask for much: they stand together.
        order = np.argsort(n_seen, kind="stable")
        for first in range(0, len(users), _ROWS):
            rows = order[first : first + _ROWS]
            items[rows], scores[rows] = self._block(users[rows], n_seen[rows], k, seen)
        yield Ranked(users, items, scores)

    def _block(
        self, users: np.ndarray, n_seen: np.ndarray, k: int, seen: Ragged | None
    ) -> tuple[np.ndarray, np.ndarray]:
        vectors = _with_one(self.scorer.users(users), self.vectors.shape[1])
        hidden = len(self.places) - self.n_left + int(n_seen.max())
        found = self.index.search(vectors, k + hidden + _MORE)
        there = found >= 0
        if self.allowed is not None:
            there &= self.allowed[found]
        if seen is not None:
            there &= seen.find(users[:, None], found) < 0
        # In the order of ties, which a stable sort keeps.
        ties = np.argsort(np.where(there, self.places[found], len(self.places)), axis=1)
        found, there = np.take_along_axis(found, ties, 1), np.take_along_axis(there, ties, 1)
        exact = np.einsum("bkc,bc->bk", self.vectors[found].astype(np.float64), vectors.astype(np.float64))
        scores = np.where(there, exact, -np.inf).astype(np.float32)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, items = np.take_along_axis(scores, best, 1), np.take_along_axis(found, best, 1)
        items = np.where(scores > -np.inf, items, -1)
        if items.shape[1] < k:
            none = (len(users), k - items.shape[1])
            items = np.concatenate([items, np.full(none, -1)], axis=1)
            scores = np.concatenate([scores, np.full(none, -np.inf, np.float32)], axis=1)
        short = np.flatnonzero((items >= 0).sum(axis=1) < np.minimum(k, self.n_left - n_seen))
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))  # the ranker says what is wrong
        again = np.union1d(short, bad)
        if len(again):
            for ranked in self.exact().rank(users[again], k, seen):
                rows = again[: len(ranked.items)]
                again = again[len(ranked.items) :]
                items[rows, : ranked.items.shape[1]] = ranked.items
                scores[rows, : ranked.items.shape[1]] = ranked.scores
        return items.astype(np.int32), scores


def write(index: Index, path: Path, weights: int) -> None:
    """Write an index beside the file that it belongs to.

    Args:
        index: `Index`.
        path: the model's file.
        weights: checksum of the weights in it.
    """
    about = {name: x for name, x in asdict(replace(index, faiss=None)).items() if name != "faiss"}
    line = json.dumps(about | {"weights": weights}).encode()
    with replacing(beside(path), index.n_items * 4) as partial:
        _faiss().write_index(index.faiss, os.fspath(partial))
        with partial.open("ab") as file:  # faiss reads no further than its own
            file.write(line + len(line).to_bytes(8, "little") + _MAGIC)


def read(path: Path, weights: int, n_items: int) -> Index | None:
    """The index beside a file, mapped into memory; `None` where there is none.

    Args:
        path: the model's file.
        weights: checksum of the weights in it.
        n_items: int, its items.
    """
    there = beside(path)
    if not there.is_file():
        return None
    remedy = f"remove {there.name}, or make it anew with `build_index` and `save`"
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
            f"An index must be of the vectors in the file beside it; {remedy}. "
            f"Received: {there.name}, which is older than {path.name} or another model's."
        )
    faiss = _faiss()
    mapped = faiss.read_index(os.fspath(there), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    return Index(mapped, about["n_items"], about["n_probe"], about["recall"], weights)


def remove(path: Path) -> None:
    """Remove the index that an earlier model of a file left beside it."""
    there = beside(path)
    if there.is_file() and there.stat().st_size >= len(_MAGIC):
        with there.open("rb") as file:
            file.seek(-len(_MAGIC), os.SEEK_END)
            own = file.read() == _MAGIC
        if own:
            there.unlink()


def beside(path: Path) -> Path:
    """Where the index of a model's file stands: `shop.index` for `shop.keras`."""
    return path.with_suffix(".index")


def _ranker(state: State, index: Index, candidates: np.ndarray | None) -> Nearest:
    def places() -> np.ndarray:
        found = np.empty(state.n_items, np.int32)
        found[tie_order(state.n_items, SEED)] = np.arange(state.n_items, dtype=np.int32)
        return found

    scorer: Any = _vectors.scorer(state)
    return Nearest(
        scorer,
        index,
        state.once("places", places),
        _items(state),
        candidates,
        lambda: _vectors.ranker(state, candidates),
    )


def _items(state: State) -> np.ndarray:
    """Items' vectors, float32, with the bias as one more dimension."""

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
                f"Received: others in {state.name!r}; the model diverged in training."
            )
        return np.ascontiguousarray(found, np.float32)

    found: np.ndarray = state.once("index_items", make)
    return found


def _exact(state: State, candidates: np.ndarray | None) -> Ranker:
    """A ranker that is not kept: it holds the items once more."""
    return Ranker(_vectors.scorer(state), SEED, candidates, state.name)


def _best(ranker: Any, users: np.ndarray, seen: Ragged) -> np.ndarray:
    return np.concatenate([block.items for block in ranker.rank(users, _K, seen)])


def _recall(best: np.ndarray, found: np.ndarray) -> float:
    """The share of `best` `[U, k]` that `found` has, -1 apart."""
    there = best >= 0
    hits = (best[:, :, None] == found[:, None, :]).any(axis=2) & there
    return float(hits.sum() / max(1, there.sum()))


def _with_one(vectors: np.ndarray, width: int) -> np.ndarray:
    """Users' vectors, float32, with a one for the bias where items have one."""
    vectors = np.asarray(vectors, np.float32)
    if vectors.shape[1] < width:
        vectors = np.column_stack([vectors, np.ones(len(vectors), np.float32)])
    return np.ascontiguousarray(vectors)


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise ValueError(
            f"An index needs a further package: pip install 'kerasrec[ann]'. Received: no {error.name}."
        ) from error
    return faiss
