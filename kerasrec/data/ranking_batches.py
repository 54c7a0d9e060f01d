import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data import _draws, samplers
from kerasrec.data._by_user import ByUser
from kerasrec.data._membership import Membership
from kerasrec.data.interactions import Interactions, check_interactions


class RankingBatches(keras.utils.PyDataset):
    """Lists of positives and sampled negatives, for `model.fit` with a ranking loss.

    A positive is an interaction with a value above 0; `interactions.at_least(...)` keeps only what counts as
    one. An interaction with a value of 0 or less is a negative that the user gave, and stands beside the
    sampled ones. A user without positives is left out. Every epoch has a new order and a new sample; the
    same seed gives the same ones.

    A row is `[positives, given negatives, sampled negatives]`, of the same length `L` in every batch. Labels
    are the positive's value, 0 for a negative, and -1 for what is not there: padding, or a sampled item that
    the user has as a positive and that eight more draws did not replace. There the item repeats the first of
    its row.

    Args:
        interactions: `Interactions`.
        batch_size: int, rows a batch.
        n_sampled_items: int, sampled negatives a row.
        sampler: `"uniform"`, `"popularity"`, `"in_batch"`, or a `Sampler` of `kerasrec.data.samplers` with
            settings of its own. Defaults to `"uniform"`.
        by: what a row is: `"interaction"`, one positive, or `"user"`, all positives of one user. Defaults to
            `"interaction"`.
        seed: int. Defaults to `None`: another one every time.
        balanced: bool, labels are a positive's value divided by the sum of the positive values of its item,
            as `BalancedWMRB` takes them. Defaults to `False`.
        exclude_positives: bool, whether a sampled item that the user has as a positive is drawn again or
            masked. Defaults to `True`.
        max_positives: int or `None`, the most positives of a row by `"user"`; of more, some are taken each
            time. Defaults to `None`: what the user with most positives has, and all rows are as long.
        max_negatives: int, the most given negatives of a row; of more, some are taken each time. Defaults to
            `10`.
        log_q: bool, labels are `[B, L, 3]`: label, item code and the logarithm of the item's probability
            under the sampler, as `SampledSoftmax` takes them. Defaults to `False`.
        one_list: bool, the rows of a batch share one list `[1, L]`, the positives and given negatives of each
            and the items sampled for all; a row's labels are -1 where an item belongs to another row. A model
            then represents each item once a batch and not once a row. Needs a shared sampler and
            `by="interaction"`. Defaults to `False`.
        context: names of context columns to add to the inputs, `[B, 1]`, by `"interaction"`. Defaults to
            `()`.
        **kwargs: arguments of `keras.utils.PyDataset`, such as `workers`.

    Raises:
        ValueError: if there are no positives, more items are to be drawn without replacement than there are,
            or an argument is not one of those above.

    Example:
        >>> from kerasrec.data import Interactions, RankingBatches
        >>> x = Interactions([0, 0, 1], [0, 1, 2], user_ids=["ann", "bob"], item_ids=list("abcdef"))
        >>> batches = RankingBatches(x, batch_size=3, n_sampled_items=4, seed=0)
        >>> inputs, labels = batches[0]
        >>> inputs["user"].shape, inputs["item"].shape, labels.shape
        ((3, 1), (3, 5), (3, 5))
        >>> labels[0].tolist()
        [1.0, 0.0, 0.0, 0.0, 0.0]
    """

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
        one_list: bool = False,
        context: Sequence[str] = (),
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

        if one_list and not (self.sampler.shared and by == "interaction"):
            raise ValueError(
                "`one_list` needs by='interaction' and a shared sampler, e.g. "
                f"samplers.UniformSampler(shared=True). Received: by={by!r}, sampler={self.sampler}."
            )
        self._one_list = bool(one_list)

        is_positive = interactions.values > 0
        positives, negatives = interactions.take(is_positive), interactions.take(~is_positive)
        if not len(positives):
            raise ValueError(
                "`interactions` must have positives, which are values above 0. "
                f"Received: {len(negatives)} interactions without one."
            )
        counts = np.bincount(positives.items, minlength=positives.n_items)
        self._pool = self._make_pool(counts)
        self._labels = positives.values
        if balanced:
            sums = np.bincount(positives.items, positives.values, minlength=positives.n_items)
            self._labels = (positives.values / sums[positives.items]).astype(np.float32)
        self._has = (
            Membership(positives.users, positives.items, positives.n_items) if exclude_positives else None
        )
        self._log_q = _log_q(self.sampler.probabilities(counts), len(counts)) if log_q else None
        self._positives = positives
        self._context = {name: positives.context[name] for name in context}

        rng = self._generator()
        max_negatives = positive_integer("max_negatives", max_negatives)
        self._negatives_of = ByUser(negatives, negatives.values, rng)
        self._n_negatives = min(max_negatives, self._negatives_of.largest)
        self._n_rows = len(positives)
        if by == "user":
            self._positives_of = ByUser(positives, self._labels, rng)
            self._users = np.flatnonzero(self._positives_of.counts).astype(np.int32)
            self._n_rows = len(self._users)
            self._n_positives = self._positives_of.largest
            if max_positives is not None:
                self._n_positives = min(positive_integer("max_positives", max_positives), self._n_positives)
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-self._n_rows // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw another order and another sample."""
        self._epoch += 1
        self._order = self._generator(self._epoch).permutation(self._n_rows)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        rng = self._generator(self._epoch, index)
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        users, items, labels = self._positive_columns(chosen, rng)
        given, _, there = self._negatives_of.rows(users, self._n_negatives, rng)
        sampled, good = self._sample(users, items[labels > 0], rng)
        items = np.concatenate([items, given, sampled], axis=1)
        negative_labels = np.where(np.concatenate([there, good], axis=1), np.float32(0), np.float32(-1))
        labels = np.concatenate([labels, negative_labels], axis=1)
        if self._one_list:
            items, labels = _one_list(items, labels, self.n_sampled_items)
        else:
            # A row that the step reads anyway.
            items = np.where(labels < 0, items[:, :1], items)
        if self._log_q is not None:
            columns = np.broadcast_arrays(labels, items.astype(np.float32), self._log_q[items])
            labels = np.stack(columns, axis=-1)
        context = {name: column[chosen][:, None] for name, column in self._context.items()}
        return {"user": users[:, None], "item": items, **context}, labels

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _make_pool(self, counts: np.ndarray) -> _draws.Pool | None:
        """The catalogue to draw from; `None` where each batch is its own."""
        if isinstance(self.sampler, samplers.InBatchSampler):
            possible, which = self.batch_size - 1, "the other rows of a batch"
            pool = None
        else:
            pool = _draws.Pool(len(counts), self.sampler.probabilities(counts))
            possible, which = pool.n_possible, "items that the sampler draws"
        if not self.sampler.replace and self.n_sampled_items > possible:
            raise ValueError(
                f"`n_sampled_items` must be at most the number of {which} where an item is not replaced. "
                f"Received: n_sampled_items={self.n_sampled_items} of {possible}."
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
        pool = _draws.Pool(len(positives)) if self._pool is None else self._pool

        def items_of(drawn: np.ndarray) -> np.ndarray:
            return positives[drawn] if self._pool is None else drawn

        def unwanted(rows: np.ndarray, drawn: np.ndarray) -> np.ndarray:
            if self._has is None:
                return np.zeros(drawn.shape, bool)
            return self._has(users[rows], items_of(drawn))

        draw = _draws.with_replacement if self.sampler.replace else _draws.without_replacement
        shape = (len(users), self.n_sampled_items)
        if self.sampler.shared:
            drawn, good = draw(
                rng, pool, 1, self.n_sampled_items, lambda rows, drawn: np.zeros(drawn.shape, bool)
            )
            drawn = np.broadcast_to(drawn, shape)
            good = good & ~unwanted(np.arange(len(users))[:, None], drawn)
        else:
            drawn, good = draw(rng, pool, *shape, unwanted)
        return items_of(drawn), good


def _one_list(items: np.ndarray, labels: np.ndarray, n_shared: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[B, N + S]` whose last `S` items are the same, as one list `[1, B * N + S]` and its labels."""
    n_rows, n_own = len(items), items.shape[1] - n_shared
    own = np.where(labels < 0, items[:, :1], items)[:, :n_own]
    spread = np.full((n_rows, n_rows, n_own), np.float32(-1))
    rows = np.arange(n_rows)
    spread[rows, rows] = labels[:, :n_own]
    items = np.concatenate([own.ravel(), items[0, n_own:]])[None]
    return items, np.concatenate([spread.reshape(n_rows, -1), labels[:, n_own:]], axis=1)


def _log_q(probabilities: np.ndarray | None, n_items: int) -> np.ndarray:
    """Logarithms `[I]`; an item that is never drawn counts as the rarest that is."""
    if probabilities is None:
        return np.full(n_items, -np.log(n_items), np.float32)
    lowest = probabilities[probabilities > 0].min()
    return np.log(np.maximum(probabilities, lowest)).astype(np.float32)
