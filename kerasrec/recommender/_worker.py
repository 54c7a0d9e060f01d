"""Lists of items on a worker of a cluster engine, with NumPy and pyarrow alone.

`save_lists_for_workers` copies this file into its folder, from where a pickled `Lists` loads it, so that a
worker imports no Keras. It must import nothing from kerasrec.
"""

import json
import operator
import runpy
import warnings
from pathlib import Path
from typing import Any

import numpy as np

FORM = 1
UNKNOWN = ("error", "skip")
# Bytes of a block of scores.
_BLOCK_BYTES = 64 << 20


class Lists:
    """A callable that turns a batch of raw user ids into lists; each process loads the arrays once.

    Args:
        folder: folder written by `Recommender.save_lists_for_workers`, at a path that every worker sees.
        user: name of the column of user ids in a batch. Defaults to `"user"`.
        unknown: `"error"`, or `"skip"` to leave out users whom the recommender does not know, with a warning.
            Defaults to `"error"`.

    Example:
        `dataset.map_batches(lists, batch_format="pyarrow")` of Ray Data; of Spark
        `frame.mapInPandas(lambda batches: (lists(x).to_pandas() for x in batches), schema)`.
    """

    def __init__(self, folder: Any, user: str = "user", unknown: str = "error") -> None:
        self.folder, self.user, self.unknown = str(folder), user, unknown
        if unknown not in UNKNOWN:
            raise ValueError(f"`unknown` must be one of {', '.join(UNKNOWN)}. Received: unknown={unknown!r}.")
        self._held: dict[str, Any] = {}

    def __reduce__(self) -> Any:
        # Loads the copy of this file in the folder, so that the receiver needs no kerasrec.
        return operator.call, (_Class(self.folder), self.folder, self.user, self.unknown)

    def __call__(self, batch: Any) -> Any:
        """The lists of a batch.

        Args:
            batch: a pandas frame, an Arrow table or record batch, a mapping of arrays, or an array of ids.

        Returns:
            Arrow table with columns `user`, `rank`, `item` and `score`.

        Raises:
            ValueError: if the column is missing, or users are unknown and `unknown="error"`.
        """
        import pyarrow as pa

        held = self._load()
        ids = _ids_of(batch, self.user)
        codes = _find(ids, held["user_keys"], held["user_codes"])
        missing = np.flatnonzero(codes < 0)
        if len(missing):
            said = f"{len(missing)} of {len(ids)} users, first {ids[missing[0]]!r}"
            if self.unknown == "error":
                raise ValueError(
                    "Users must be known to the recommender; `unknown='skip'` leaves others out. "
                    f"Received: {said} unknown."
                )
            warnings.warn(f"{said}, are unknown to the recommender and have no list.", stacklevel=2)
        known = codes >= 0
        kept = [entry for entry, there in zip(ids, known, strict=True) if there]
        items, scores = _ranked(held, codes[known])
        there = items >= 0
        rows = np.nonzero(there)[0]
        names = pa.array(kept, pa.string() if held["about"]["text"] else pa.int64())
        return pa.table(
            {
                "user": names.take(pa.array(rows)),
                "rank": pa.array(np.nonzero(there)[1] + 1),
                "item": held["items"].take(pa.array(items[there])),
                "score": pa.array(scores[there]),
            }
        )

    def _load(self) -> dict[str, Any]:
        if not self._held:
            import pyarrow.parquet as pq

            folder = Path(self.folder)
            if not (folder / "lists.json").is_file():
                raise FileNotFoundError(
                    "`folder` must be written by `save_lists_for_workers`, at a path that every worker sees. "
                    f"Received: {self.folder!r}."
                )
            about = json.loads((folder / "lists.json").read_text())
            if about["form"] > FORM:
                raise ValueError(
                    "`folder` must be of this version of kerasrec or an older one; write it again. "
                    f"Received: {self.folder!r}, of version {about['form']}."
                )
            held = {path.stem: np.load(path, mmap_mode="r").view(np.ndarray) for path in folder.glob("*.npy")}
            items = pq.read_table(folder / "items.parquet").column("item").combine_chunks()
            vectors, bias = held["item"], held.get("item_bias", np.zeros(1, np.float32))
            held["longest"] = np.sqrt(np.einsum("ic,ic->i", vectors, vectors)).max()
            held["largest_bias"], held["empty"] = np.abs(bias).max(), np.flatnonzero(held["columns"] < 0)
            self._held = {**held, "about": about, "items": items}
        return self._held


class _Class:
    """Pickles as the class `Lists` of the copy of this file in a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return operator.getitem, (_Module(self.folder), "Lists")


class _Module:
    """Pickles as the namespace of the copy of this file in a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return runpy.run_path, (str(Path(self.folder) / "worker.py"),)


def keys_of(ids: list[Any]) -> np.ndarray:
    """Ids as an array that can be sorted and searched: int64, or UTF-8."""
    if all(isinstance(entry, str) for entry in ids):
        return np.array([entry.encode() for entry in ids], "S")
    return np.array(ids, np.int64)


def _ids_of(batch: Any, name: str) -> list[Any]:
    """Raw ids as Python objects, from any kind of batch."""
    if hasattr(batch, "column_names") or hasattr(batch, "columns") or isinstance(batch, dict):
        names = list(getattr(batch, "column_names", getattr(batch, "columns", batch)))
        if hasattr(batch, "schema"):
            names = batch.schema.names
        if name not in names:
            raise ValueError(
                f"`user` must name a column of the batch. Received: user={name!r}; its columns are "
                f"{', '.join(map(repr, names))}."
            )
        batch = batch[name] if not hasattr(batch, "schema") else batch.column(name)
    if hasattr(batch, "to_pylist"):
        return list(batch.to_pylist())
    found = batch.tolist() if hasattr(batch, "tolist") else list(batch)
    # Arrays may hold Arrow scalars, which equal no Python object.
    return [entry.as_py() if hasattr(entry, "as_py") else entry for entry in found]


def _find(ids: list[Any], keys: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Codes of ids; -1 for unknown ones."""
    found = np.full(len(ids), -1, np.int64)
    text = keys.dtype.kind == "S"
    fits = [j for j, entry in enumerate(ids) if isinstance(entry, str) == text and entry is not None]
    if not fits:
        return found
    wanted = keys_of([ids[j] for j in fits])
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found[fits] = np.where(keys[place] == wanted, codes[place], -1)
    return found


def _ranked(held: dict[str, Any], codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Items `[B, k]`, -1 after the last, and their scores."""
    columns, about = held["columns"], held["about"]
    k = min(about["k"], int(np.count_nonzero(columns >= 0)))
    items = np.full((len(codes), k), -1, np.int64)
    best = np.full((len(codes), k), np.nan, np.float32)
    step = max(1, _BLOCK_BYTES // (4 * len(columns)))
    # One buffer for all blocks: clearing the pages of a new one takes longer than the product.
    buffer = np.empty(len(columns) * min(step, len(codes)), np.float32)
    for begin in range(0, len(codes) if k else 0, step):
        users = codes[begin : begin + step]
        order, found = _Block(held, users, buffer).top(k)
        there = np.isfinite(found)
        part = slice(begin, begin + len(users))
        items[part] = np.where(there, columns[order], -1)
        best[part] = found + held["user_bias"][users][:, None] if "user_bias" in held else found
    for low, high in about["scales"]:
        with np.errstate(over="ignore"):
            best = low + (high - low) / (1 + np.exp(-best))
    return items, best.astype(np.float32)


class _Block:
    """Scores of all items for some users; the best are computed exactly as by the recommender itself.

    Items are in groups: item `r` of group `g` is in column `r * n_groups + g`. The largest score of each
    group is therefore a maximum over whole vectors, and both groups and their items are in the tie order.

    Args:
        held: contents of the folder.
        users: codes `[B]`.
        buffer: float32, at least `W * B`, memory for the scores.
    """

    def __init__(self, held: dict[str, Any], users: np.ndarray, buffer: np.ndarray) -> None:
        self.vectors, self.items = held["user"][users], held["item"]
        self.bias = held.get("item_bias")
        with np.errstate(over="ignore", invalid="ignore"):
            out = buffer[: len(self.items) * len(users)].reshape(-1, len(users))
            self.scores = np.matmul(self.items, self.vectors.T, out=out)  # [W, B]
            if self.bias is not None:
                self.scores += self.bias[:, None]
        self.scores[held["empty"]] = -np.inf
        if "seen_starts" in held:
            starts = held["seen_starts"][users]
            counts = held["seen_starts"][users + 1] - starts
            rows = np.repeat(np.arange(len(users)), counts)
            shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
            column = held["column_of"][held["seen_items"][np.arange(len(rows)) + shift]]
            self.scores[column[column >= 0], rows[column >= 0]] = -np.inf
        self.n_groups = held["about"]["n_groups"]
        # A bound on the rounding error of a product in float32.
        unit = (self.items.shape[1] + 3) * np.float32(2.0**-23)
        lengths = np.sqrt(np.einsum("bc,bc->b", self.vectors, self.vectors))
        self.error = unit * (lengths * held["longest"] + held["largest_bias"])

    def top(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns `[B, k]` of the best items, and their scores; minus infinity after the last."""
        groups = self.scores.reshape(-1, self.n_groups, len(self.vectors))
        best = np.ascontiguousarray(groups.max(axis=0).T)
        if not (best < np.inf).all():  # NaN as well
            raise ValueError(
                "Scores must be finite; train the model again and write the folder again. Received: NaN or "
                "infinity."
            )
        least = np.full(len(best), np.finfo(np.float32).min)
        if k <= self.n_groups:  # each of the k best scores is at least the k-th largest group maximum
            kth = np.partition(best, self.n_groups - k, axis=1)[:, self.n_groups - k]
            least = np.fmax(kth - 2 * self.error, least)
        users, found = np.nonzero(best >= least[:, None])
        which, ranks = np.nonzero(groups[:, found, users].T >= least[users, None])
        users, columns = users[which], found[which] + self.n_groups * ranks
        ends = np.cumsum(np.bincount(users, minlength=len(best)))
        order = np.zeros((len(best), k), np.int64)
        scores = np.full((len(best), k), -np.inf, np.float32)
        for user, end in enumerate(ends):
            own = columns[ends[user - 1] if user else 0 : end]
            exact = self._exact(user, own)
            first = np.argsort(-exact, kind="stable")[:k]
            order[user, : len(first)], scores[user, : len(first)] = own[first], exact[first]
        return order, scores

    def _exact(self, user: int, columns: np.ndarray) -> np.ndarray:
        """Scores in double precision, rounded; a float32 product can give equal items unequal scores."""
        exact = self.items[columns].astype(np.float64) @ self.vectors[user].astype(np.float64)
        if self.bias is not None:
            exact += self.bias[columns]
        return exact.astype(np.float32)
