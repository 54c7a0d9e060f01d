import random
from typing import Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._likes import likes_of
from kerasrec.data._opened import rows_of
from kerasrec.data._windows import WINDOW, Windows, window_of
from kerasrec.data.interactions import Interactions, check_interactions
from kerasrec.data.model_inputs import ModelInputs

# A step holds a few arrays of a batch's scores.
_MOST_BYTES = 2e9


class CatalogueBatches(keras.utils.PyDataset):
    """One row per user with all its positives at once, and one list of items for all rows of a batch.

    A positive is a like: what `interactions.at_least(...)` kept, else a value above 0. Its label is its value
    (`interactions.gains`). Whatever else stands in the list is a negative. A user without positives is left
    out. As all rows share their items, the items' representations are computed once a batch and the scores
    are one matrix product; a step costs `B * L` whatever the number of positives. Every epoch has a new
    order; the same seed gives the same ones.

    The list is the whole catalogue, as `FullSoftmax` takes it, or, of a large catalogue, `list_size` items:
    the positives of the batch's users (at most `list_size / 2` of them, taken at random each time), filled
    up with others drawn uniformly without replacement. Popular items then stand in a list more often than
    others; `log_q` tells `SampledSoftmax(remove_accidental_hits=False)` how often, about.

    Labels are given by the places of the positives, `[1, N, 3]`: of each its row in the batch, its place in
    the list, and its value. `N` is the same for all batches, unless one has uncommonly many positives; the
    entries that are left are zeros, which count for nothing. `FullSoftmax`, `DenseRMSE` and
    `DenseSeparation` take these; other losses take `dense` ones.

    Args:
        interactions: `Interactions`.
        batch_size: int, users a batch.
        list_size: int, items a batch. Defaults to `None`: the whole catalogue.
        seed: int. Defaults to `None`: another one every time.
        log_q: bool, labels are `[B, L, 3]`: label, item code and the logarithm of the item's probability to
            stand in a list, as `SampledSoftmax` takes them; they are dense then. Defaults to `False`.
        dense: bool, labels are `[B, L]`: the value of a positive, 0 for whatever else. Defaults to `False`.
        model: a `keras.Model` whose inputs are to be supplied, as `ModelInputs` does. A `history` holds all
            positives of the user: it is the input of an autoencoder, and leaks to anything else. Defaults to
            `None`: `user` and `item`.
        window: int, about how many users stand together in an epoch's order, from 64 places of the table.
            Defaults to `None`: of opened interactions those who have a million positives, and all others.
        **kwargs: arguments of `keras.utils.PyDataset`, such as `workers`.

    Raises:
        ValueError: if there are no positives, `list_size` is above the number of items, the scores of a batch
            take more than 2 GB, or an argument is not one of those above.

    Example:
        >>> from kerasrec.data import CatalogueBatches, Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 2], user_ids=["ann", "bob"], item_ids=list("abcdef"))
        >>> inputs, labels = CatalogueBatches(x, batch_size=2, seed=0)[0]
        >>> inputs["user"].shape, inputs["item"].shape
        ((2, 1), (1, 6))
        >>> labels[0, :3].tolist()  # row, place, label
        [[0.0, 2.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
        >>> CatalogueBatches(x, batch_size=2, seed=0, dense=True)[0][1].tolist()
        [[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]]

    References:
        Liang et al., "Variational autoencoders for collaborative filtering", 2018, section 2 (the whole
        catalogue); Yi et al., "Sampling-bias-corrected neural modeling for large corpus item
        recommendations", 2019 (the correction).

    Attributes:
        batches_in_thread: bool, `kerasrec.Model.fit` lets another thread make the next batches.
    """

    batches_in_thread = True

    def __init__(
        self,
        interactions: Interactions,
        batch_size: int,
        list_size: int | None = None,
        seed: int | None = None,
        log_q: bool = False,
        dense: bool = False,
        model: Any = None,
        window: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_interactions("interactions", interactions)
        self.batch_size = positive_integer("batch_size", batch_size)
        self.n_items = interactions.n_items
        self.list_size = self.n_items if list_size is None else positive_integer("list_size", list_size)
        if self.list_size > self.n_items:
            raise ValueError(
                "`list_size` must be at most the number of items. "
                f"Received: list_size={list_size} of {self.n_items}."
            )
        self.seed = random.randrange(2**32) if seed is None else seed
        n_bytes = 4 * min(self.batch_size, interactions.n_users) * self.list_size
        if n_bytes > _MOST_BYTES:
            raise ValueError(
                "The scores of a batch, `batch_size` times `list_size`, must take at most "
                f"{_MOST_BYTES:,.0f} bytes; take a smaller `batch_size`, or a `list_size` with "
                f"SampledSoftmax. Received: {self.batch_size:,} users with {self.list_size:,} items, which "
                f"take {n_bytes:,} bytes."
            )
        self.log_q = log_q
        self.dense = dense or log_q
        positives = likes_of(interactions)
        if not len(positives):
            raise ValueError(
                "`interactions` must have positives, which are values above 0. "
                f"Received: {len(interactions)} interactions without one."
            )
        self._inputs = ModelInputs(("user",) if model is None else model, positives)
        self._opened = None if positives._disk is None else positives
        self._rows: Any = positives.to_csr() if self._opened is None else None
        lengths = positives._user_counts
        self._users = np.flatnonzero(lengths).astype(np.int32)
        self._n_entries = _room(lengths[self._users], self.batch_size)
        # One shape for all batches: what is padded costs less than another program.
        self._longest = int(self._inputs.sequences.counts.max()) if self._inputs.needs_history else 1
        counts = positives._item_counts
        share = min(1.0, self.batch_size / len(self._users))
        self._is_wanted = 1 - (1 - share) ** counts  # that one of the item's users is in a batch
        if window is not None:
            window = positive_integer("window", window)
        elif self._opened is not None:
            window = max(1, WINDOW * len(self._users) // len(positives))
        self._window = window_of(window, False, len(self._users))
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._users) // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw another order."""
        self._epoch += 1
        rng, n = self._generator(self._epoch), len(self._users)
        self._order: np.ndarray | Windows = (
            rng.permutation(n) if self._window is None else Windows(n, self._window, rng)
        )

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        users = self._users[self._order[index * self.batch_size : (index + 1) * self.batch_size]]
        rows = self._rows[users] if self._opened is None else rows_of(self._opened, users)
        if self.list_size == self.n_items:
            items, log_q = np.arange(self.n_items, dtype=np.int32), np.zeros(self.n_items, np.float32)
        else:
            items, log_q = self._draw(rows, self._generator(self._epoch, index))
            rows = rows[:, items]
        if not self.dense:
            return {**self._inputs.users(users, self._longest), "item": items[None]}, self._by_places(rows)
        labels = rows.toarray()
        if self.log_q:
            columns = (labels, *np.broadcast_arrays(items.astype(np.float32), log_q, labels)[:2])
            labels = np.stack(columns, axis=-1)
        return {**self._inputs.users(users, self._longest), "item": items[None]}, labels

    def _by_places(self, rows: Any) -> np.ndarray:
        """Rows, places and values of a batch's positives, `[1, N, 3]`."""
        n_entries = self._n_entries
        while n_entries < rows.nnz:
            n_entries *= 2
        labels = np.zeros((1, n_entries, 3), np.float32)
        found = labels[0, : rows.nnz]
        found[:, 0] = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        found[:, 1], found[:, 2] = rows.indices, rows.data
        return labels

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _draw(self, rows: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Items `[L]` in order of their codes and the logarithms of their probabilities to be drawn."""
        is_there = np.zeros(self.n_items, bool)
        is_there[rows.indices] = True
        wanted = np.flatnonzero(is_there)
        kept = rng.permutation(wanted)[: max(1, self.list_size // 2)]
        is_there[:] = False
        is_there[kept] = True
        others = np.flatnonzero(~is_there)
        n_filled = self.list_size - len(kept)
        filled = rng.choice(others, n_filled, replace=False, shuffle=False)
        items = np.sort(np.concatenate([kept, filled])).astype(np.int32)
        by_a_user = self._is_wanted[items] * len(kept) / len(wanted)
        probability = by_a_user + (1 - by_a_user) * n_filled / len(others)
        return items, np.log(probability).astype(np.float32)


def _room(lengths: np.ndarray, batch_size: int) -> int:
    """How many positives a batch of users with so many has, but for one in a million, and at most."""
    batch_size = min(batch_size, len(lengths))
    most = np.partition(lengths, len(lengths) - batch_size)[len(lengths) - batch_size :].sum()
    likely = batch_size * lengths.mean() + 6 * batch_size**0.5 * lengths.std()
    return int(min(most, np.ceil(likely)))
