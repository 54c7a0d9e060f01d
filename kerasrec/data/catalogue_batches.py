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

# A step has a few arrays of this size.
_MOST_BYTES = 2e9


class CatalogueBatches(keras.utils.PyDataset):
    """One row per user with all positives of the user, and one list of items for all rows of a batch.

    A positive is a like: an interaction that `interactions.at_least(...)` kept, or if that was not used, a
    value above 0. Its label is its value (`interactions.gains`). All other items in the list are negatives.
    Users without positives are left out. Since all rows share their items, the representations of items are
    computed once per batch, and the scores are one matrix product. A step costs `B * L`, whatever the number
    of positives. Every epoch has a new order. The same seed gives the same batches.

    The list is the whole catalogue, as `FullSoftmax` takes it, or for a large catalogue `list_size` items:
    the positives of the batch's users (a random sample of at most `list_size / 2`), filled up with other
    items drawn uniformly without replacement. Popular items are then in a list more often than others; with
    `log_q` the labels have the approximate probability, for `SampledSoftmax(remove_accidental_hits=False)`.

    Labels are given by the places of the positives, `[1, N, 3]`: the row in the batch, the place in the list,
    and the value of each positive. `N` is the same for all batches, unless a batch has unusually many
    positives; unused entries are zeros and have no effect. `FullSoftmax`, `DenseRMSE` and `DenseSeparation`
    take such labels; other losses need `dense` ones.

    Args:
        interactions: `Interactions`.
        batch_size: int, users per batch.
        list_size: int, items per batch. Defaults to `None`: the whole catalogue.
        seed: int. Defaults to `None`: a different one each time.
        log_q: bool, whether labels are `[B, L, 3]`: label, item code and the logarithm of the item's
            probability of being in a list, as `SampledSoftmax` takes them. Such labels are dense. Defaults to
            `False`.
        dense: bool, whether labels are `[B, L]`: the value of a positive, 0 for any other item. Defaults to
            `False`.
        model: a `keras.Model` whose inputs `ModelInputs` supplies. A `history` has all positives of the user:
            it suits autoencoders, but leaks the targets to any other model. Defaults to `None`: `user` and
            `item`.
        window: int, approximate number of users that are shuffled together; they come from 64 places of the
            table. Defaults to `None`: users with a million positives for opened interactions, otherwise all
            users.
        **kwargs: arguments of `keras.utils.PyDataset`, such as `workers`.

    Raises:
        ValueError: if there are no positives, `list_size` is above the number of items, the scores of a batch
            take more than 2 GB, or an argument is invalid.

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
        batches_in_thread: bool, whether `kerasrec.Model.fit` makes the next batches in another thread.
        shuffles_itself: bool, whether each epoch has a new order, so that `kerasrec.Model.fit` draws none.
    """

    batches_in_thread = True
    shuffles_itself = True

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
                f"{_MOST_BYTES:,.0f} bytes; use a smaller `batch_size`, or a `list_size` with "
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
        # One shape for all batches: padding costs less than another program.
        self._longest = int(self._inputs.sequences.counts.max()) if self._inputs.needs_history else 1
        counts = positives._item_counts
        share = min(1.0, self.batch_size / len(self._users))
        self._is_wanted = 1 - (1 - share) ** counts  # probability that a batch has a user of the item
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
        """Draw a new order."""
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
        """Items `[L]` in the order of their codes, and their log probabilities of being drawn."""
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
    """The number of positives that a batch rarely exceeds (six standard deviations), at most the maximum."""
    batch_size = min(batch_size, len(lengths))
    most = np.partition(lengths, len(lengths) - batch_size)[len(lengths) - batch_size :].sum()
    likely = batch_size * lengths.mean() + 6 * batch_size**0.5 * lengths.std()
    return int(min(most, np.ceil(likely)))
