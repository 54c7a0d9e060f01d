"""Figures of a model from many users' lists: metrics with intervals, coverage, items never recommended."""

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _likes
from kerasrec.serving._answers import plain
from kerasrec.serving._served import Served

if TYPE_CHECKING:
    from kerasrec.data import Interactions

_LOG = logging.getLogger("kerasrec.serving")
K = 10
# With more users, a sample is precise enough.
_MOST_USERS = 5000
_PARTS = 10
_AT_ONCE = 500
METRICS = ("ndcg", "recall", "precision", "hit_rate", "map", "coverage", "novelty")


@dataclass(frozen=True)
class Part:
    """Items of similar popularity.

    Attributes:
        name: str.
        n_items: int.
        recommended: share of these items that are in at least one list.
        slots: share of these items among the places of all lists.
        had: share of these items among the likes of all users.
    """

    name: str
    n_items: int
    recommended: float
    slots: float
    had: float


@dataclass
class Figures:
    """Figures of one model.

    Attributes:
        n_users: int, number of users with lists.
        counts: number of lists that each item is in `[I]`.
        parts: `Part`s by popularity, the most popular first.
        never: codes of the items in no list, the most popular first.
        measured: rows of `metric`, `value`, `low`, `high`; empty without held-out rows.
        slices: rows of `by`, `slice`, `n_users` and metrics.
        protocol: how the metrics were measured.
        left_out: int, number of held-out rows with unknown users or items.
    """

    n_users: int
    counts: np.ndarray
    parts: list[Part]
    never: np.ndarray
    measured: list[dict[str, Any]] = field(default_factory=list)
    slices: list[dict[str, Any]] = field(default_factory=list)
    protocol: dict[str, Any] = field(default_factory=dict)
    left_out: int = 0


class Computed:
    """The figures of a file, computed once, in a thread.

    Args:
        served: `Served`.
        held_out: raw pairs, or `None`.
    """

    def __init__(self, served: Served, held_out: "HeldOut | None") -> None:
        self.served, self._held_out = served, held_out
        self.figures: Figures | None = None
        self.failed: str | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start the computation if it has not been started."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._compute, name="figures", daemon=True)
                self._thread.start()

    def _compute(self) -> None:
        try:
            self.figures = figures_of(self.served, self._held_out)
        except Exception as error:  # the page shows the error; the server continues
            _LOG.warning("The figures of %s could not be computed: %s", self.served.path.name, error)
            self.failed = str(error)


class HeldOut:
    """Held-out events of users, by raw ids.

    Args:
        path: Parquet file with columns `user` and `item`, and optionally `value`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a column is missing.
    """

    def __init__(self, path: Path) -> None:
        import pandas as pd

        if not path.is_file():
            raise FileNotFoundError(f"`held_out` must be a Parquet file. Received: no file at {str(path)!r}.")
        frame = pd.read_parquet(path)
        missing = [name for name in ("user", "item") if name not in frame.columns]
        if missing:
            raise ValueError(
                f"`held_out` must have the columns 'user' and 'item'. Received: {path.name}, without "
                f"{missing[0]!r}."
            )
        self._frame = frame
        self._by_user: dict[float | None, dict[Any, frozenset[Any]]] = {}

    def of(self, user: Any, served: Served) -> frozenset[Any]:
        """The held-out likes of a user, by the model's definition of a like."""
        least = served.least
        if least not in self._by_user:
            frame = self._frame
            if "value" in frame.columns:
                frame = frame[_likes.liked(frame["value"].to_numpy(np.float32), least)]
            self._by_user[least] = frame.groupby("user")["item"].agg(frozenset).to_dict()
        return self._by_user[least].get(user, frozenset())

    def interactions(self, served: Served) -> "tuple[Interactions | None, int]":
        """The likes of known users and items, in the model's codes, and the number of rows left out."""
        from kerasrec.data import Interactions

        frame = self._frame
        known = frame["user"].isin(served.recommender.user_ids)
        known &= frame["item"].isin(served.recommender.item_ids)
        kept = frame[known]
        if kept.empty:
            return None, len(frame)
        found = Interactions.from_frame(
            kept,
            value="value" if "value" in frame.columns else None,
            user_ids=served.recommender.user_ids,
            item_ids=served.recommender.item_ids,
            duplicates="last",
        )
        if "value" in frame.columns and served.least is not None:
            found = found.at_least(served.least)
        return (found if len(found) else None), len(frame) - len(kept)


def figures_of(served: Served, held_out: HeldOut | None) -> Figures:
    """All figures of a model."""
    recommender = served.recommender
    users = recommender.user_ids
    if len(users) > _MOST_USERS:
        users = users[np.sort(np.random.default_rng(0).choice(len(users), _MOST_USERS, replace=False))]
    counts = np.zeros(recommender.n_items, np.int64)
    for start in range(0, len(users), _AT_ONCE):
        frame = recommender.recommend(users[start : start + _AT_ONCE], k=K, with_scores=False, short="fewer")
        counts += np.bincount(
            served.indexes["item"].get_indexer(frame["item"]), minlength=recommender.n_items
        )
    popular = np.argsort(-served.popularity, kind="stable")
    never = popular[counts[popular] == 0]
    found = Figures(len(users), counts, _parts(served, counts, popular), never)
    if held_out is not None:
        _measure(found, served, held_out)
    return found


def _parts(served: Served, counts: np.ndarray, popular: np.ndarray) -> list[Part]:
    """Tenths of the items by popularity."""
    had = served.popularity
    parts = []
    blocks = np.array_split(popular, min(_PARTS, len(popular)))
    for number, codes in enumerate(blocks, 1):
        parts.append(
            Part(
                f"{number}. tenth" if len(blocks) == _PARTS else f"part {number}",
                len(codes),
                float((counts[codes] > 0).mean()),
                float(counts[codes].sum() / max(counts.sum(), 1)),
                float(had[codes].sum() / max(had.sum(), 1)),
            )
        )
    return parts


def _measure(found: Figures, served: Served, held_out: HeldOut) -> None:
    from kerasrec.evaluation import evaluate

    test, found.left_out = held_out.interactions(served)
    if test is None:
        return
    chosen = np.unique(test.users)
    if len(chosen) > _MOST_USERS:
        chosen = np.random.default_rng(0).choice(chosen, _MOST_USERS, replace=False)
    report = evaluate(
        served.recommender,
        test,
        served.history,
        k=K,
        metrics=METRICS,
        users=served.recommender.user_ids[np.sort(chosen)],
    )
    found.measured = _rows(report.to_frame().reset_index())
    found.slices = _rows(report.slices().reset_index())
    found.protocol = dict(report.protocol)


def _rows(frame: Any) -> list[dict[str, Any]]:
    return [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]
