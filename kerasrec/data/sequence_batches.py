import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._inputs import MASKED, PADDING, history_length, sequence_targets
from kerasrec.data import _draws, samplers
from kerasrec.data._opened import counts_of
from kerasrec.data._windows import WINDOW, Windows
from kerasrec.data.interactions import Interactions
from kerasrec.data.model_inputs import ModelInputs
from kerasrec.data.sequences import Sequences, say_that_rows_decide

_BUCKETS = (4, 8, 16, 32, 64, 128, 256, 512)
_CROPS = ("latest", "random", "all")
# Number of positions in consecutive batches of one shape, and maximum number of such batches.
_PLACES_IN_A_ROW, _BATCHES_IN_A_ROW = 1 << 17, 32
# Share of rows in which the last item is also hidden, as in prediction.
_LAST_HIDDEN = 0.5
_TARGETS = ("next", "masked", "last")
_AGE = "example_age"


class SequenceBatches(keras.utils.PyDataset):
    """Batches of user sequences for `model.fit`, in which every position can have a target.

    The target of a position depends on `targets`:

    - `"next"`: the next item. All positions of a row are trained at once, for models in which a position sees
      only earlier items (causal attention, GRU).
    - `"masked"`: the hidden item at the position itself, for models that see both sides. A share `mask_rate`
      of the items of a row is replaced by -2, and in half of the rows the last item, too. These are the
      targets.
    - `"last"`: rows are prefixes with the next item as target, for models that turn a history into one
      vector.

    Rows are sorted into buckets by length and padded on the left with -1. A batch has rows of one bucket, so
    there are few shapes and little padding; with `max_targets`, rows that do not fill a batch go to the next
    bucket, so that every epoch has the same number of batches. Several batches of one shape follow each
    other, so one compiled call can take them if `fit` has `shuffle=False`; by default, Keras mixes the
    batches once more, by Python's global random state. Every epoch has a new order, new crops, masks and
    samples. The same seed gives the same batches.

    Without samples, `x` has `history` `[B, H]` and `y` has the targets `[B, H]`, -1 for none, as
    `CatalogueCrossEntropy` takes them. With `n_sampled_items`, `x` also has `target` `[B, H]` and
    `shared_item` `[1, S]`, one sample for all positions of the batch. `y` then has the labels
    `[1, 1, N + S, 3]` of `SampledSoftmax`, `GBCE` and other ranking losses, with `N = B * H`, and weights
    `[N, 1]`, which are 0 without a target, make the loss a mean over targets. With `"masked"` only a few
    positions have a target: `x` also has `place` `[B, P]`, the positions with a target among the `H`, and the
    targets are `[B, P]`.

    Args:
        interactions: `Interactions`, or `Sequences`.
        batch_size: int, rows per batch.
        length: int, maximum length of a history. Defaults to `None`: that of `model`, or 50.
        targets: `"next"`, `"masked"` or `"last"`. Defaults to `None`: those of `model`, or `"next"`.
        n_sampled_items: int, sampled negatives shared by a batch. Defaults to `None`: the whole catalogue.
        sampler: `"uniform"`, `"popularity"`, or a `Sampler` of `kerasrec.data.samplers`, such as
            `PopularitySampler(exponent=0.5)`, which gives the probability of each item. A batch always shares
            one sample without repeated items, so `shared` and `replace` of the sampler have no effect.
            `"in_batch"` is refused. Defaults to `"uniform"`.
        crops: for sequences that are longer than `length`: `"all"` splits the sequence into rows, so every
            item but the first is a target, `"latest"` takes the latest items, and `"random"` a different part
            in each epoch. Defaults to `"all"`.
        mask_rate: float, for `"masked"`. Defaults to `0.2`.
        max_targets: int, for `"last"`: number of random prefixes of each user per epoch. Defaults to `None`:
            all.
        repeats: bool, whether repeated items are at each of their events. Defaults to `True`.
        buckets: lengths of the buckets. Defaults to `None`: powers of two from 4, and `length`.
        model: the `keras.Model` to train, whose further inputs `ModelInputs` supplies. An input `example_age`
            of a model with targets `"last"` is the time from a target to the end of the data, as a share of
            their time span. Defaults to `None`.
        columns: as in `ModelInputs`. Defaults to `None`.
        seed: int. Defaults to `None`: a different one each time.
        window: int, approximate number of rows that are shuffled together; they come from 64 places of the
            table. Defaults to `None`: rows with a million items for opened interactions, otherwise all rows.
        **kwargs: arguments of `keras.utils.PyDataset`, such as `workers`.

    Raises:
        ValueError: if no user has two items, if an argument is invalid, or if the model has an input
            `example_age` but there are no times.

    Example:
        >>> from kerasrec.data import Interactions, SequenceBatches
        >>> ids = {"user_ids": ["ann", "bob"], "item_ids": ["x", "y", "z"]}
        >>> x = Interactions([0, 0, 0, 1], [2, 0, 1, 1], times=[1, 2, 3, 4], **ids)
        >>> batches = SequenceBatches(x, batch_size=1, length=4, seed=0)
        >>> inputs, targets = batches[0]
        >>> inputs["history"].tolist(), targets.tolist()
        ([[-1, -1, 2, 0]], [[-1, -1, 0, 1]])

    References:
        Kang and McAuley, "Self-attentive sequential recommendation", 2018, section 3.1; Sun et al.,
        "BERT4Rec", 2019, section 3.6; Covington, Adams and Sargin, "Deep neural networks for YouTube
        recommendations", 2016, section 3.3.

    Attributes:
        batches_in_thread: bool, whether `kerasrec.Model.fit` makes the next batches in another thread.
    """

    batches_in_thread = True

    def __init__(
        self,
        interactions: Interactions | Sequences,
        batch_size: int,
        length: int | None = None,
        targets: str | None = None,
        n_sampled_items: int | None = None,
        sampler: Any = "uniform",
        crops: str = "all",
        mask_rate: float = 0.2,
        max_targets: int | None = None,
        repeats: bool = True,
        buckets: Sequence[int] | None = None,
        model: Any = None,
        columns: Any = None,
        seed: int | None = None,
        window: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sequences = (
            interactions if isinstance(interactions, Sequences) else Sequences(interactions, repeats)
        )
        self.batch_size = positive_integer("batch_size", batch_size)
        known = None if model is None else history_length(model)
        self.length = positive_integer("length", (known or 50) if length is None else length)
        if targets is None:
            targets = "next" if model is None else sequence_targets(model)
        for name, value, choices in (("targets", targets, _TARGETS), ("crops", crops, _CROPS)):
            if value not in choices:
                raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}.")
        if not 0 < mask_rate < 1:
            raise ValueError(f"`mask_rate` must be between 0 and 1. Received: mask_rate={mask_rate}.")
        self.targets, self.crops, self.mask_rate = targets, crops, mask_rate
        self.max_targets = None if max_targets is None else positive_integer("max_targets", max_targets)
        self.seed = random.randrange(2**32) if seed is None else seed
        if self.sequences.by_rows and len(self.sequences):
            say_that_rows_decide()
        if self.sequences.counts.max(initial=0) < 2:
            raise ValueError(
                "`interactions` must have a user with two items, of which one comes after the other. "
                f"Received: {len(self.sequences)} items of {self.sequences.n_users} users, one each at most."
            )
        self._buckets = np.unique([*(b for b in buckets or _BUCKETS if b < self.length), self.length])
        self._inputs = ModelInputs(("history",) if model is None else model, self.sequences, columns)
        self._ages = self._made_ages() if _AGE in self._inputs.names and _AGE not in (columns or {}) else None
        self._make_pool(n_sampled_items, sampler)
        places = self.batch_size * self.length
        self.steps_in_a_row = min(max(_PLACES_IN_A_ROW // places, 1), _BATCHES_IN_A_ROW)
        self._window = None if window is None else positive_integer("window", window)
        if window is None and self.sequences._on_disk:
            self._window = max(1, WINDOW * self.sequences.n_users // max(1, len(self.sequences)))
        self._epoch = -1
        self.on_epoch_end()

    def _make_pool(self, n_sampled_items: int | None, sampler: Any) -> None:
        n_items = self.sequences.n_items
        self.n_sampled_items = n_sampled_items
        sampler = samplers.get(sampler)
        if isinstance(sampler, samplers.InBatchSampler):
            raise ValueError(
                "`sampler` of SequenceBatches must draw from the catalogue: 'uniform', 'popularity' or a "
                "Sampler. `PopularitySampler(exponent=1)` draws items as often as batches hold them. "
                f"Received: sampler={sampler!r}."
            )
        if n_sampled_items is None:
            return
        self.n_sampled_items = positive_integer("n_sampled_items", n_sampled_items)
        counts = counts_of(self.sequences.items, n_items)
        probabilities = sampler.probabilities(counts)
        self._pool = _draws.Pool(n_items, probabilities)
        if self.n_sampled_items > self._pool.n_possible:
            raise ValueError(
                "`n_sampled_items` must be at most the number of items that the sampler draws. "
                f"Received: n_sampled_items={n_sampled_items} of {self._pool.n_possible}."
            )
        if probabilities is None:
            self._log_q = np.full(n_items, -np.log(n_items), np.float32)
        else:
            least = probabilities[probabilities > 0].min()
            self._log_q = np.log(np.maximum(probabilities, least)).astype(np.float32)

    def __len__(self) -> int:
        return len(self._batches)

    def on_epoch_end(self) -> None:
        """Draw a new order, new crops, masks and samples."""
        self._epoch += 1
        rng = self._generator(self._epoch)
        self._ends, self._starts, self._users = self._rows(rng)
        lengths = np.minimum(self._ends - self._starts, self.length)
        of = np.searchsorted(self._buckets, lengths)
        runs, rest = [], np.empty(0, np.int64)
        for bucket in range(len(self._buckets)):
            rows = self._shuffled(rng, np.flatnonzero(of == bucket))
            if self.targets == "last" and self.max_targets is not None:
                # How many rows a bucket has depends on what was drawn, but Keras needs the same number of
                # batches in every epoch. Rows that do not fill a batch are padded to the next length.
                rows = np.concatenate([rest, rows])
                if bucket < len(self._buckets) - 1:
                    rows, rest = np.split(rows, [len(rows) - len(rows) % self.batch_size])
            parts = np.split(rows, np.arange(self.batch_size, len(rows), self.batch_size))
            batches = [(int(self._buckets[bucket]), part) for part in parts if len(part)]
            runs += [
                batches[i : i + self.steps_in_a_row] for i in range(0, len(batches), self.steps_in_a_row)
            ]
        self._batches = [batch for i in rng.permutation(len(runs)) for batch in runs[i]]

    def _shuffled(self, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        if self._window is None or self._window >= len(rows):
            return rng.permutation(rows)
        return rows[Windows(len(rows), self._window, rng)[:]]

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        length, rows = self._batches[index]
        rng = self._generator(self._epoch, index)
        ends, starts = self._ends[rows], self._starts[rows]
        history = self.sequences.windows(ends, starts, length)
        if self.targets == "masked":
            history, targets = self._masked(history, rng)
        elif self.targets == "next":
            targets = self.sequences.windows(ends + 1, starts + 1, length)
        else:
            targets = self.sequences.items[ends][:, None]
        empty = self.batch_size - len(rows)
        if empty:  # one shape for all batches of a bucket
            history, targets = (
                np.pad(x, ((0, empty), (0, 0)), constant_values=PADDING) for x in (history, targets)
            )
        inputs = {"history": history}
        if self.targets == "masked":
            inputs["place"], targets = self._places(targets, rng)
        if len(self._inputs.names) > 1:
            users = np.concatenate([self._users[rows], np.zeros(empty, np.int32)])
            inputs = self._inputs.users(users) | inputs
            if self._ages is not None:
                inputs[_AGE] = np.pad(self._ages[ends], (0, empty))[:, None]
        if self.n_sampled_items is None:
            return inputs, targets
        return self._with_samples(inputs, targets, rng)

    def _made_ages(self) -> np.ndarray:
        """The time from each item to the end of the data, as a share of their time span."""
        if self.targets != "last":
            raise ValueError(
                "An input `example_age` has the age of one target per row, so `targets` must be 'last'. "
                f"Received: targets={self.targets!r}."
            )
        times = self.sequences.times
        if times is None:
            raise ValueError(
                "A model with an input `example_age` needs times: load the interactions with `time=`, or "
                "create the model without it. Received: interactions without times."
            )
        ages = (times.max() - times).astype(np.float64)
        return np.asarray(ages / max(ages.max(), 1), np.float32)

    def _rows(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each row of an epoch: the position after its history, the history's start, and the user."""
        sequences = self.sequences
        # A masked item is its own target; otherwise the last item of a row needs an item after it.
        after = 0 if self.targets == "masked" else 1
        starts = sequences.starts[:-1]
        ends = starts + sequences.counts - after
        if self.targets == "last":
            return self._prefixes(rng)
        users = np.flatnonzero(sequences.counts > 1).astype(np.int32)
        starts, ends = starts[users], ends[users]
        longer = np.maximum(ends - starts - self.length, 0)
        if self.crops == "random":
            ends = ends - rng.integers(0, longer + 1)
        elif self.crops == "all":
            n_rows = -(-(ends - starts) // self.length)
            place = np.arange(n_rows.sum()) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
            users, starts = np.repeat(users, n_rows), np.repeat(starts, n_rows)
            ends = np.repeat(ends, n_rows) - place * self.length
        return ends, np.maximum(starts, ends - self.length), users

    def _prefixes(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Targets are all items with an earlier item, or `max_targets` of each user."""
        sequences = self.sequences
        users = sequences.users
        starts = sequences.starts[:-1][users]
        places = np.arange(len(sequences))
        chosen = places > starts
        if self.max_targets is not None:
            order = np.lexsort((rng.random(len(places)), ~chosen, users))
            rank = np.empty(len(places), np.int64)
            rank[order] = np.arange(len(places)) - starts[order]
            chosen &= rank < self.max_targets
        return places[chosen], np.maximum(starts, places - self.length)[chosen], users[chosen]

    def _masked(self, history: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Histories with some items hidden, at least one per row, and the hidden items."""
        there = history != PADDING
        hidden = there & (rng.random(history.shape, np.float32) < self.mask_rate)
        last = rng.random(len(history)) < _LAST_HIDDEN
        hidden[:, -1] |= (last | ~hidden.any(axis=1)) & there[:, -1]
        return np.where(hidden, MASKED, history).astype(np.int32), np.where(hidden, history, PADDING)

    def _places(self, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The positions with a target in each row, and the targets; their number is fixed for a bucket."""
        length = targets.shape[1]
        expected = length * self.mask_rate + _LAST_HIDDEN
        n = min(length, int(expected + 3 * expected**0.5) + 1)
        # A row with more hidden items does not use all of them as targets.
        order = np.argsort(rng.random(targets.shape, np.float32) + 2 * (targets == PADDING), axis=1)
        places = np.sort(order[:, :n], axis=1).astype(np.int32)
        return places, np.take_along_axis(targets, places, axis=1)

    def _with_samples(
        self, inputs: dict[str, np.ndarray], targets: np.ndarray, rng: np.random.Generator
    ) -> tuple[Any, ...]:
        n_sampled = self.n_sampled_items or 1
        drawn, _ = _draws.without_replacement(
            rng, self._pool, 1, n_sampled, lambda _, drawn: np.zeros(drawn.shape, bool)
        )
        codes, there = targets.ravel(), targets.ravel() >= 0
        own = np.maximum(codes, 0)
        n = len(own)
        labels = np.zeros((1, 1, n + n_sampled, 3), np.float32)
        columns = labels[0, 0]
        columns[:n, 0] = np.where(there, 1, -1)
        columns[:n, 1], columns[n:, 1] = own, drawn[0]
        columns[:n, 2], columns[n:, 2] = self._log_q[own], self._log_q[drawn[0]]
        weights = there[:, None].astype(np.float32) * (n / max(1, int(there.sum())))
        shared = drawn.astype(np.int32)
        return {**inputs, "target": np.maximum(targets, 0), "shared_item": shared}, labels, weights

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
