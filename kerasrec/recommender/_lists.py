"""Lists of items for users: whole catalogues ranked by the code that evaluation uses."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._columns import several, shown
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._models import pair_scores
from kerasrec.evaluation._names import unknown_name
from kerasrec.evaluation._ragged import Ragged
from kerasrec.evaluation._ranker import Ranker
from kerasrec.recommender._held import SEED, Held, codes_of, hint
from kerasrec.recommender._written import ParquetLists

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = ("error", "skip", "popular")
SHORT = ("error", "fewer")
_USERS_AT_ONCE = 4096


class Request(NamedTuple):
    """Whom to recommend what.

    Attributes:
        ids: raw user ids.
        codes: their codes; -1 where one is unknown.
        k: int.
        candidates: item codes, or `None`: all.
        seen: items to leave out, or `None`.
        unknown: what is done with unknown users.
        with_scores: bool.
    """

    ids: np.ndarray
    codes: np.ndarray
    k: int
    candidates: np.ndarray | None
    seen: Ragged | None
    unknown: str
    with_scores: bool


class Lists(Held):
    """Recommendations for known users."""

    def recommend(
        self,
        users: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
        unknown: str = "error",
        short: str = "error",
    ) -> "pd.DataFrame":
        """The best items for some users.

        Equal scores stand in the pseudo-random order that `kerasrec.evaluation.evaluate` uses.

        Args:
            users: raw user id, or several. Defaults to `None`: all users.
            k: int, length of a list. Defaults to `10`.
            exclude_seen: bool, leave out what a user had in training. Defaults to `True`.
            only: raw ids of the items that may be recommended; unknown ones are ignored and counted in a
                warning. Defaults to `None`: all.
            exclude: raw ids of items that may not. Defaults to `None`: none.
            with_scores: bool, whether the frame has scores. Defaults to `True`.
            unknown: what happens to a user who was not in training: `"error"`; `"skip"`, no rows; or
                `"popular"`, the items that most users have. Defaults to `"error"`.
            short: what happens to a user for whom fewer than `k` items are left: `"error"`; or `"fewer"`, a
                list of those. Defaults to `"error"`.

        Returns:
            Frame with a row an item: `user`, `rank` (from 1), `item`, `score`, and the columns of the
            metadata; with `unknown="popular"` also `fallback`, true where the list is that of popular items,
            whose score is missing.

        Raises:
            ValueError: if a user or an item is unknown, or fewer than `k` items are left for a user.
        """
        import pandas as pd

        request = self._request(users, k, exclude_seen, only, exclude, with_scores, unknown, short)
        parts = list(self._answers(request))
        return pd.concat(parts, ignore_index=True) if len(parts) != 1 else parts[0]

    def recommend_to_parquet(
        self,
        path: str | os.PathLike[str],
        users: Any = None,
        k: int = 10,
        exclude_seen: bool = True,
        only: Any = None,
        exclude: Any = None,
        with_scores: bool = True,
        unknown: str = "error",
        short: str = "fewer",
        verbose: bool = True,
    ) -> Path:
        """Write the best items for many users to a Parquet file, some users at a time, with a progress bar.

        The file takes its place when it is complete; memory does not grow with the number of users.

        Args:
            path: the file, ending in `.parquet`.
            users: as in `recommend`. Defaults to `None`: all users.
            k: as in `recommend`. Defaults to `10`.
            exclude_seen: as in `recommend`. Defaults to `True`.
            only: as in `recommend`. Defaults to `None`.
            exclude: as in `recommend`. Defaults to `None`.
            with_scores: as in `recommend`. Defaults to `True`.
            unknown: as in `recommend`. Defaults to `"error"`.
            short: as in `recommend`. Defaults to `"fewer"`: one user who has nearly everything does not
                stop the lists of the others.
            verbose: bool, show a progress bar on standard error. Defaults to `True`.

        Returns:
            The path.

        Raises:
            ValueError: as `recommend`, or if `path` does not end in `.parquet`.
            FileNotFoundError: if the folder does not exist.
        """
        request = self._request(users, k, exclude_seen, only, exclude, with_scores, unknown, short)
        with ParquetLists(path, len(request.ids), verbose) as lists:
            for first, part in enumerate(self._answers(request)):
                lists.write(part, min((first + 1) * _USERS_AT_ONCE, len(request.ids)))
        return lists.path

    def rank(self, user: Any, items: Any) -> "pd.DataFrame":
        """Some items in the order in which they suit a user, those that the user has included.

        Args:
            user: raw user id.
            items: raw item ids.

        Returns:
            Frame as `recommend` gives it.

        Raises:
            ValueError: if the user or an item is unknown.
        """
        codes = np.unique(self._item_codes(items))
        return self.recommend(user, len(codes), exclude_seen=False, only=self.item_ids[codes])

    def score(self, pairs: Any) -> np.ndarray:
        """What the model gives for pairs of user and item.

        Args:
            pairs: frame with the columns `user` and `item`, or pairs `(user, item)` of raw ids.

        Returns:
            float32, one a pair.

        Raises:
            ValueError: if a user or an item is unknown, or there are no pairs.
        """
        users, items = _columns(pairs)
        return pair_scores(self.model, self._user_codes(users)[0], self._item_codes(items))

    def _request(
        self,
        users: Any,
        k: int,
        exclude_seen: bool,
        only: Any,
        exclude: Any,
        with_scores: bool,
        unknown: str,
        short: str,
    ) -> Request:
        k = positive_integer("k", k)
        if unknown not in UNKNOWN:
            raise ValueError(unknown_name("unknown", unknown, UNKNOWN))
        if short not in SHORT:
            raise ValueError(unknown_name("short", short, SHORT))
        if users is None:
            codes, ids = np.arange(self.n_users, dtype=np.int32), self.user_ids
        else:
            users = several(users)
            if not len(users):
                raise ValueError("`users` must name at least one user. Received: none.")
            codes, ids = self._user_codes(users, unknown != "error")
        if unknown == "skip":
            ids, codes = ids[codes >= 0], codes[codes >= 0]
        candidates = self._candidates(only, exclude)
        seen = self._history if exclude_seen else None
        if short == "error":
            self._check_left(ids, codes, k, candidates, seen)
        if candidates is not None and not len(candidates):
            ids, codes, candidates = ids[:0], codes[:0], None  # nothing for anybody
        k = min(k, self.n_items if candidates is None else len(candidates))
        return Request(ids, codes, k, candidates, seen, unknown, with_scores)

    def _candidates(self, only: Any, exclude: Any) -> np.ndarray | None:
        if only is None and exclude is None:
            return None
        allowed = np.full(self.n_items, only is None)
        if only is not None:
            allowed[self._known_codes("only", only)] = True
        if exclude is not None:
            allowed[self._known_codes("exclude", exclude)] = False
        return np.flatnonzero(allowed).astype(np.int32)

    def _known_codes(self, argument: str, ids: Any) -> np.ndarray:
        """Codes of the items that are known; a shop's lists always name others."""
        ids = several(ids)
        if not len(ids):
            return np.empty(0, np.int32)
        codes, given = codes_of(self._item_index, ids, "item", unknown=True)
        unknown = np.flatnonzero(codes < 0)
        if len(unknown) == len(codes) and argument == "only":
            self._item_codes(ids)  # raises
        if len(unknown):
            first = given[unknown[0]]
            warnings.warn(
                f"{len(unknown)} of {len(codes)} items of `{argument}` are unknown to the recommender and "
                f"ignored, first {shown(first)}.{hint(self._item_index, first)}",
                stacklevel=5,
            )
        return codes[codes >= 0]

    def _check_left(
        self,
        ids: np.ndarray,
        codes: np.ndarray,
        k: int,
        candidates: np.ndarray | None,
        seen: Ragged | None,
    ) -> None:
        left = np.full(len(ids), self.n_items if candidates is None else len(candidates))
        if seen is not None:
            known = codes >= 0
            if candidates is None:
                left[known] -= seen.counts(codes[known])
            else:
                rows, index = seen.index(codes[known])
                hidden = np.isin(seen.items[index], candidates)
                left[known] -= np.bincount(rows[hidden], minlength=int(known.sum()))
        short = np.flatnonzero(left < k)
        if len(short):
            first = short[np.argmin(left[short])]
            raise ValueError(
                "`k` must be at most the number of items left for a user; a smaller `k`, more of `only` or "
                "`exclude_seen=False` leaves enough, and short='fewer' gives what is left. "
                f"Received: k={k}, and {left[first]} items left for user {shown(ids[first])}."
            )

    def _answers(self, request: Request) -> Iterator["pd.DataFrame"]:
        """Frames of some users at a time; one empty frame where there are none."""
        ranker = self._ranker(request.candidates)
        for start in range(0, max(1, len(request.ids)), _USERS_AT_ONCE):
            part = slice(start, start + _USERS_AT_ONCE)
            ids, codes = request.ids[part], request.codes[part]
            known = codes >= 0
            items = np.full((len(ids), request.k), -1, np.int32)
            scores = np.full((len(ids), request.k), np.nan, np.float32)
            if known.any():
                items[known], scores[known] = self._ranked(ranker, codes[known], request)
            if not known.all():
                items[~known] = self._popular(request.k, request.candidates)
            frame = self._frame(ids, items, scores if request.with_scores else None)
            if request.unknown == "popular":
                frame["fallback"] = np.repeat(~known, request.k)[(items >= 0).ravel()]
            yield frame

    def _ranked(self, ranker: Ranker, codes: np.ndarray, request: Request) -> tuple[np.ndarray, np.ndarray]:
        blocks = list(ranker.rank(codes, request.k, request.seen))
        items = np.concatenate([block.items for block in blocks])
        scores = np.concatenate([block.scores for block in blocks])
        if request.with_scores:
            scores = self._scorer().finish(codes, scores)
        return items, scores

    def _popular(self, k: int, candidates: np.ndarray | None) -> np.ndarray:
        """The items that most users have, in the tie order."""
        counts = np.bincount(self._history.items[self._history.liked], minlength=self.n_items)
        order = tie_order(self.n_items, SEED)
        if candidates is not None:
            order = order[np.isin(order, candidates)]
        return order[np.argsort(-counts[order], kind="stable")[:k]]

    def _frame(
        self, users: np.ndarray | None, items: np.ndarray, scores: np.ndarray | None, column: str = "user"
    ) -> "pd.DataFrame":
        """Rows of lists `[B, k]`; -1 is no item."""
        import pandas as pd

        there = (items >= 0).ravel()
        codes = items.ravel()[there]
        k = items.shape[1]
        columns: dict[str, Any] = {}
        if users is not None:
            columns[column] = np.repeat(users, k)[there]
        columns["rank"] = np.tile(np.arange(1, k + 1), len(items))[there]
        columns["item"] = self.item_ids[codes]
        if scores is not None:
            columns["score"] = scores.ravel()[there]
        if self.item_metadata is not None:
            for name in self.item_metadata.columns:
                columns[name] = self.item_metadata[name].to_numpy()[codes]
        return pd.DataFrame(columns)


def _columns(pairs: Any) -> tuple[Any, Any]:
    if hasattr(pairs, "columns"):
        for name in ("user", "item"):
            if name not in pairs.columns:
                raise ValueError(
                    "`pairs` must have the columns 'user' and 'item'. "
                    f"Received: {', '.join(map(repr, pairs.columns))}."
                )
        users, items = pairs["user"].tolist(), pairs["item"].tolist()
    else:
        listed = list(pairs)
        if any(isinstance(pair, (str, bytes)) or np.size(pair) != 2 for pair in listed):
            raise ValueError("`pairs` must be pairs (user, item) of raw ids. Received: others.")
        users, items = [pair[0] for pair in listed], [pair[1] for pair in listed]
    if not len(users):
        raise ValueError("`pairs` must not be empty. Received: no pair.")
    return users, items
