import random
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._lazy_rows import LazyRows
from kerasrec.data import _draws, samplers
from kerasrec.data._by_user import ByUser
from kerasrec.data._likes import likes_of
from kerasrec.data._membership import DiskHolders, DiskMembership, Holders, Membership
from kerasrec.data._windows import WINDOW, Windows, window_of
from kerasrec.data.interactions import Interactions, check_interactions
from kerasrec.data.model_inputs import ModelInputs


class RankingBatches(keras.utils.PyDataset):
    """Lists of positives and sampled negatives, for `model.fit` with a ranking loss.

    A positive is a like: an interaction that `interactions.at_least(...)` kept, or if that was not used, a
    value above 0. Any other interaction is a given negative, and is used next to the sampled ones. Users
    without positives are left out. Every epoch has a new order and new samples. The same seed gives the same
    batches.

    A row is `[positives, given negatives, sampled negatives]`, with the same length `L` in every batch.
    Labels are the value of a positive (`interactions.gains`), 0 for a negative, and -1 for an entry that does
    not count: padding, or a sampled item that is a positive of the user and was not replaced in eight more
    draws. Such an entry repeats the first item of its row.

    A sampler with `shared=True` draws one sample for all rows of a batch, which is faster. `item` then has
    only the row's own positives and given negatives, `shared_item` `[1, S]` has the sample, and labels cover
    both, own items first. A `kerasrec.Model` represents a shared item once per batch, and scores all rows
    with all shared items by one matrix product. Shared items that are positives of the row's user are
    labelled -1. Thousands of rows with a few hundred shared items train as well as rows with as many items of
    their own.

    Args:
        interactions: `Interactions`.
        batch_size: int, rows per batch.
        n_sampled_items: int, sampled negatives per row.
        sampler: `"uniform"`, `"popularity"`, `"in_batch"`, or a `Sampler` of `kerasrec.data.samplers`.
            Defaults to `"uniform"`.
        by: what a row has: `"interaction"`, one positive, or `"user"`, all positives of one user. Defaults to
            `"interaction"`.
        seed: int. Defaults to `None`: a different one each time.
        balanced: bool, whether the label of a positive is its value divided by the sum of the positive values
            of its item, as `BalancedWMRB` takes it. Defaults to `False`.
        exclude_positives: bool, whether a sampled item that is a positive of the user is drawn again or
            masked. Defaults to `True`.
        max_positives: int or `None`, maximum number of positives in a row by `"user"`; if a user has more,
            they are sampled each time. Defaults to `None`: the maximum over the users, to which all rows are
            padded.
        max_negatives: int, maximum number of given negatives in a row; if a user has more, they are sampled
            each time. Defaults to `10`.
        log_q: bool, whether labels are `[B, L, 3]`: label, item code and the logarithm of the item's
            probability under the sampler, as `SampledSoftmax` takes them. If rows have one item of their own
            and share the others, they are `[1, 1, B + S, 3 + W]`: the same for own and for shared items, and
            `W` columns with one bit per shared item that a row leaves out. Defaults to `False`.
        context: names of context columns to add to the inputs, `[B, 1]`, by `"interaction"`. Defaults to
            `()`.
        model: a `keras.Model` whose inputs `ModelInputs` supplies. With an input `history`, which ends before
            the positive, rows must be by `"interaction"`. Defaults to `None`: `user` and `item`.
        drop_remainder: bool, whether every batch has `batch_size` rows. The rows that remain at the end of an
            epoch, different ones each time, are then left out, which saves the compilation of another
            program. If there are fewer rows than `batch_size`, there is one batch. Defaults to `False`.
        window: int, approximate number of positives that are read and shuffled together; they come from 64
            places of the table. Defaults to `None`: a million for opened interactions, otherwise all.
        **kwargs: arguments of `keras.utils.PyDataset`, such as `workers`.

    Raises:
        ValueError: if there are no positives, if there are fewer items than must be drawn without replacement
            or shared, or if an argument is invalid.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import Interactions, RankingBatches
        >>> x = Interactions([0, 0, 1], [0, 1, 2], user_ids=["ann", "bob"], item_ids=list("abcdef"))
        >>> batches = RankingBatches(x, batch_size=3, n_sampled_items=4, seed=0)
        >>> inputs, labels = batches[0]
        >>> inputs["user"].shape, inputs["item"].shape, labels.shape
        ((3, 1), (3, 5), (3, 5))
        >>> labels[0].tolist()
        [1.0, 0.0, 0.0, 0.0, 0.0]
        >>> shared = kerasrec.data.samplers.UniformSampler(shared=True)
        >>> inputs, labels = RankingBatches(x, batch_size=3, n_sampled_items=4, sampler=shared, seed=0)[0]
        >>> inputs["item"].shape, inputs["shared_item"].shape, labels.shape
        ((3, 1), (1, 4), (3, 5))

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
        n_sampled_items: int,
        sampler: Any = "uniform",
        by: str = "interaction",
        seed: int | None = None,
        balanced: bool = False,
        exclude_positives: bool = True,
        max_positives: int | None = None,
        max_negatives: int = 10,
        log_q: bool = False,
        context: Sequence[str] = (),
        model: Any = None,
        drop_remainder: bool = False,
        window: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_interactions("interactions", interactions)
        self.batch_size = positive_integer("batch_size", batch_size)
        self.n_sampled_items = positive_integer("n_sampled_items", n_sampled_items)
        self.sampler = samplers.get(sampler)
        self.by = by
        self.seed = random.randrange(2**32) if seed is None else seed
        if by not in ("interaction", "user"):
            raise ValueError(f"`by` must be 'interaction' or 'user'. Received: by={by!r}.")
        if context and by == "user":
            raise ValueError(
                f"`context` needs by='interaction'. Received: by='user', context={list(context)}."
            )
        self._inputs = ModelInputs(("user",) if model is None else model)
        if self._inputs.needs_history and by == "user":
            raise ValueError(
                "A model with an input `history` needs by='interaction', or `CatalogueBatches` where its "
                "positives are the history. Received: by='user'."
            )

        positives, negatives = likes_of(interactions), interactions.take(~interactions.liked)
        if not len(positives):
            raise ValueError(
                "`interactions` must have positives, which are values above 0. "
                f"Received: {len(negatives)} interactions without one."
            )
        counts = positives._item_counts
        self._pool = self._make_pool(counts)
        self._labels = positives.values
        if balanced:
            sums = np.bincount(positives.items, positives.values, minlength=positives.n_items)
            self._labels = (positives.values / sums[positives.items]).astype(np.float32)
        # One byte per label if that is enough: labels are most of the data sent to the device.
        self._small = self.sampler.shared and not log_q and bool((self._labels == 1).all())
        self._has: Any = None
        if exclude_positives:
            self.leave_out(positives)
        self._log_q = _log_q(self.sampler.probabilities(counts), len(counts)) if log_q else None
        self._positives = positives
        self._context = {name: positives.context[name] for name in context}

        rng = self._generator()
        max_negatives = positive_integer("max_negatives", max_negatives)
        self._negatives_of = ByUser(negatives, negatives.values, rng)
        self._n_negatives = min(max_negatives, self._negatives_of.largest)
        self.drop_remainder = drop_remainder
        self._n_rows = len(positives)
        if by == "user":
            self._positives_of = ByUser(positives, self._labels, rng)
            self._users = np.flatnonzero(self._positives_of.counts).astype(np.int32)
            self._n_rows = len(self._users)
            self._n_positives = self._positives_of.largest
            if max_positives is not None:
                self._n_positives = min(positive_integer("max_positives", max_positives), self._n_positives)
        if window is not None:
            window = positive_integer("window", window)
        on_disk = positives._disk is not None
        if on_disk and by == "user":  # users who have so many together
            window = max(1, int((window or WINDOW) * self._n_rows / len(positives)))
        self._window = window_of(window, on_disk, self._n_rows)
        self._read: Sequence[np.ndarray] = ()
        if on_disk and by == "interaction":
            self._read = (positives.users, positives.items, *self._context.values())
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        if self.drop_remainder:
            return max(1, self._n_rows // self.batch_size)
        return -(-self._n_rows // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw a new order and new samples."""
        self._epoch += 1
        rng = self._generator(self._epoch)
        self._order: np.ndarray | Windows = (
            rng.permutation(self._n_rows)
            if self._window is None
            else Windows(self._n_rows, self._window, rng, self._read)
        )

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        inputs, labels = self.lazy_batch(index)
        return inputs, np.asarray(labels)

    def lazy_batch(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray | LazyRows]:
        """A batch whose labels are computed on demand, for some rows or all.

        Args:
            index: int, number of the batch.

        Returns:
            The inputs, and the labels: an array or, with `shared=True`, an object with `shape` and `dtype`
            that NumPy can convert and of which `labels[rows]` is an array.
        """
        rng = self._generator(self._epoch, index)
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        users, items, labels = self._positive_columns(chosen, rng)
        given, _, there = self._negatives_of.rows(users, self._n_negatives, rng)
        positives = items[labels > 0]
        own = np.concatenate([items, given], axis=1)
        own_labels = np.concatenate([labels, _negative_labels(there)], axis=1, dtype=np.float32)
        own = np.where(own_labels < 0, own[:, :1], own)  # a row that the step reads anyway
        made: np.ndarray | LazyRows
        if self.sampler.shared:
            sampled, good = self._shared_items(positives, rng)
            inputs = {"item": own, "shared_item": sampled}
            made = LazyRows(
                (len(own), own.shape[1] + self.n_sampled_items),
                np.int8 if self._small else np.float32,
                lambda rows: self._labels_of_shared(users[rows], own_labels[rows], sampled, good),
            )
            if self._log_q is not None and own.shape[1] == 1:
                made = _shared_labels(np.asarray(made), own[:, 0], sampled[0], self._log_q)
            elif self._log_q is not None:
                listed = [own, np.broadcast_to(sampled, (len(own), self.n_sampled_items))]
                made = _with_log_q(np.asarray(made), np.concatenate(listed, axis=1), self._log_q)
        else:
            sampled, good = self._sample(users, positives, rng)
            sampled = np.where(good, sampled, own[:, :1])
            inputs = {"item": np.concatenate([own, sampled], axis=1)}
            made = np.concatenate([own_labels, _negative_labels(good)], axis=1, dtype=np.float32)
            if self._log_q is not None:
                made = _with_log_q(made, inputs["item"], self._log_q)
        context = {name: column[chosen][:, None] for name, column in self._context.items()}
        if self.by == "user":
            known = self._inputs.users(users)
        else:
            known = self._inputs.pairs(self._positives, chosen)
        return {**known, **inputs, **context}, made

    def leave_out(self, positives: Interactions) -> None:
        """Exclude these positives from the users' sampled negatives, e.g. positives of an earlier time.

        Args:
            positives: `Interactions` with the same vocabularies; they replace those of the batches.
        """
        if positives._disk is not None:
            self._has = (DiskHolders if self.sampler.shared else DiskMembership)(positives)
            return
        columns = positives.users, positives.items
        self._has = (
            Holders(*columns, positives.n_users, positives.n_items)
            if self.sampler.shared
            else Membership(*columns, positives.n_items)
        )

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _make_pool(self, counts: np.ndarray) -> _draws.Pool | None:
        """The catalogue to draw from; `None` if negatives are drawn from the batch."""
        if isinstance(self.sampler, samplers.InBatchSampler):
            possible, which = self.batch_size - 1, "the other rows of a batch"
            pool = None
        else:
            pool = _draws.Pool(len(counts), self.sampler.probabilities(counts))
            possible, which = pool.n_possible, "items that the sampler draws"
        if self.n_sampled_items > possible and (
            not self.sampler.replace or (self.sampler.shared and pool is not None)
        ):
            where = "the batch shares them" if self.sampler.replace else "items are not replaced"
            raise ValueError(
                f"`n_sampled_items` must be at most the number of {which} if {where}. Received: "
                f"n_sampled_items={self.n_sampled_items} of {possible}."
            )
        return pool

    def _positive_columns(
        self, chosen: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Users `[B]`, and the items and labels of their positives `[B, P]`."""
        if self.by == "interaction":
            return (
                self._positives.users[chosen],
                self._positives.items[chosen][:, None],
                self._labels[chosen][:, None],
            )
        users = self._users[chosen]
        items, labels, there = self._positives_of.rows(users, self._n_positives, rng)
        return users, items, np.where(there, labels, np.float32(-1))

    def _sample(
        self, users: np.ndarray, positives: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sampled items and whether they count, `[B, S]`."""
        pool, items_of = self._pool_of(positives)

        def unwanted(rows: np.ndarray, drawn: np.ndarray) -> np.ndarray:
            if self._has is None:
                return np.zeros(drawn.shape, bool)
            return self._has(users[rows], items_of(drawn))

        draw = _draws.with_replacement if self.sampler.replace else _draws.without_replacement
        drawn, good = draw(rng, pool, len(users), self.n_sampled_items, unwanted)
        return items_of(drawn), good

    def _shared_items(self, positives: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Items for all users, and whether they count for any, `[1, S]`."""
        pool, items_of = self._pool_of(positives)
        draw = _draws.with_replacement if self.sampler.replace else _draws.without_replacement
        drawn, good = draw(rng, pool, 1, self.n_sampled_items, lambda _, drawn: np.zeros(drawn.shape, bool))
        return items_of(drawn), good

    def _labels_of_shared(
        self, users: np.ndarray, own: np.ndarray, shared: np.ndarray, good: np.ndarray
    ) -> np.ndarray:
        """Labels `[B, P + S]` of users `[B]`, whose own items have the labels `[B, P]`."""
        n_own = own.shape[1]
        labels = np.zeros((len(own), n_own + shared.shape[1]), np.int8 if self._small else np.float32)
        labels[:, :n_own] = own
        if not good.all():
            labels[:, n_own:] = _negative_labels(good)
        if self._has is not None:
            self._has.mark(labels, users, shared[0])
        return labels

    def _pool_of(self, positives: np.ndarray) -> tuple[_draws.Pool, Callable[[np.ndarray], np.ndarray]]:
        """The pool (the catalogue or the batch's positives), and a function from draws to items."""
        if self._pool is not None:
            return self._pool, lambda drawn: drawn
        return _draws.Pool(len(positives)), lambda drawn: positives[drawn]


def _with_log_q(labels: np.ndarray, items: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Labels `[B, L, 3]` of labels and items `[B, L]`."""
    return np.stack(np.broadcast_arrays(labels, items.astype(np.float32), log_q[items]), axis=-1)


def _shared_labels(labels: np.ndarray, own: np.ndarray, shared: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Labels `[1, 1, B + S, 3 + W]`, which take a tenth of the memory of labels for each row.

    Args:
        labels: labels of the rows' own items and of the shared items, `[B, 1 + S]`.
        own: the rows' own items, `[B]`.
        shared: `[S]`.
        log_q: `[I]`.
    """
    left_out = np.packbits(labels[:, 1:] < 0, axis=1)
    columns = np.zeros((len(own) + len(shared), 3 + left_out.shape[1]), np.float32)
    columns[: len(own), 0] = labels[:, 0]
    columns[: len(own), 3:] = left_out
    items = np.concatenate([own, shared])
    columns[:, 1], columns[:, 2] = items, log_q[items]
    return columns[None, None]


def _negative_labels(there: np.ndarray) -> np.ndarray:
    """0 for a negative, -1 for padding."""
    return there.view(np.int8) - np.int8(1)


def _log_q(probabilities: np.ndarray | None, n_items: int) -> np.ndarray:
    """Logarithms `[I]`; an item that is never drawn gets the lowest probability of the others."""
    if probabilities is None:
        return np.full(n_items, -np.log(n_items), np.float32)
    lowest = probabilities[probabilities > 0].min()
    return np.log(np.maximum(probabilities, lowest)).astype(np.float32)
