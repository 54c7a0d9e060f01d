"""Blocks of batches, each the input of one compiled call of several steps."""

import copy
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasrec.trainers._batches import ArrayBatches, Batches, StreamBatches, give_way
from kerasrec.trainers._batches import Block as Block
from kerasrec.trainers._batches import Run as Run
from kerasrec.trainers._keras import (
    ArrayDataAdapter,
    DataAdapter,
    GeneratorDataAdapter,
    PyDatasetAdapter,
    TFDatasetAdapter,
    distribution,
    tree,
)
from kerasrec.trainers._orders import orders
from kerasrec.trainers._processes import n_processes, several_processes
from kerasrec.trainers.row_sharded import RowSharded

_SAMPLES_A_CALL = 65_536
# The overhead of a TensorFlow call equals some thousand samples. Calls can be larger for arrays, because the
# first block of an epoch is made while the previous epoch ends.
_SAMPLES_A_CALL_OF_TENSORFLOW = 262_144
# A block is in memory several times: as batches, stacked, and on the device.
_BYTES_A_CALL = 16_000_000
_MOST_PARTS = 4


def automatic_steps(adapter: Any, num_batches: int | None) -> int:
    """How many steps to run in one call: enough to hide its overhead, few enough to see progress.

    Args:
        adapter: the Keras data adapter of the batches.
        num_batches: int, number of batches in an epoch; `None` if it is unknown.

    Returns:
        int.
    """
    arrays = isinstance(adapter, ArrayDataAdapter) and keras.backend.backend() == "tensorflow"
    samples = _SAMPLES_A_CALL_OF_TENSORFLOW if arrays else _SAMPLES_A_CALL
    steps = min(max(samples // (adapter.batch_size or 256), 8), 256)
    if n_bytes := batch_bytes(adapter):  # batches of long lists are large
        # Each of several processes holds its part of a batch.
        most = _BYTES_A_CALL * min(n_processes(), _MOST_PARTS)
        steps = min(steps, max(most // n_bytes, 1))
    if not num_batches:
        return steps
    n_calls = -(-num_batches // steps)
    return -(-num_batches // n_calls)  # calls of equal size, so that the progress bar reaches its end


def runs_of(item: Any, check: Callable[[Any], None]) -> Block:
    """A block unchanged; a single batch is checked and becomes a block of one step."""
    if isinstance(item, list):
        return item
    stack = tree.map_structure(
        lambda a: np.asarray(a)[None], tuple(part for part in item if part is not None)
    )
    check(stack)
    return [{"stack": stack, "steps": 1}]


def all_dense(adapter: Any) -> bool:
    """Whether an adapter's batches can be stacked: they have no sparse or ragged leaves."""
    if isinstance(adapter, ArrayDataAdapter):
        leaves = tree.flatten(adapter._inputs)
    elif isinstance(adapter, TFDatasetAdapter):
        leaves = tree.flatten(adapter.get_tf_dataset().element_spec)
    elif isinstance(adapter, PyDatasetAdapter):
        leaves = tree.flatten(adapter.py_dataset[0]) if adapter.num_batches != 0 else []
    elif isinstance(adapter, GeneratorDataAdapter):
        leaves = tree.flatten(adapter._first_batches)
    else:
        return False
    return not any(
        hasattr(leaf, "tocsr")
        or "Sparse" in type(leaf).__name__
        or "Ragged" in type(leaf).__name__
        or leaf is None
        for leaf in leaves
    )


def batch_bytes(adapter: Any) -> int:
    """The size of an adapter's batch in bytes; 0 if it is unknown."""
    if isinstance(adapter, ArrayDataAdapter):
        whole = sum(getattr(leaf, "nbytes", 0) for leaf in tree.flatten(adapter._inputs))
        return int(whole * adapter.batch_size // max(adapter._num_samples, 1))
    return sum(getattr(leaf, "nbytes", 0) for leaf in tree.flatten(_known_batch(adapter)))


def batch_work(adapter: Any) -> tuple[int, int]:
    """The number of rows of an adapter's batch, and the approximate number of scores computed for it.

    A list with one row is shared by all rows of the batch. Both numbers are 0 if they are unknown.
    """
    if isinstance(adapter, ArrayDataAdapter):
        leaves, n_rows = tree.flatten(adapter._inputs), adapter.batch_size
    else:
        leaves = [leaf for leaf in tree.flatten(_known_batch(adapter)) if hasattr(leaf, "shape")]
        n_rows = max((leaf.shape[0] for leaf in leaves if leaf.shape), default=0)
    # Labels given by positions, for instance, have more axes.
    widths = [leaf.shape[1] for leaf in leaves if len(leaf.shape) == 2]
    return n_rows, n_rows * max(widths, default=1)


def _known_batch(adapter: Any) -> Any:
    """A batch of a stream that allows it to be inspected, or an empty tuple."""
    if isinstance(adapter, PyDatasetAdapter) and adapter.num_batches != 0:
        return adapter.py_dataset[0]
    return adapter._first_batches[0] if isinstance(adapter, GeneratorDataAdapter) else ()


class BlockAdapter(DataAdapter):
    """A Keras data adapter whose iterators yield blocks.

    Args:
        inner: the adapter that Keras would have used.
        steps: int, maximum number of batches in a block.
        check: function that refuses bad data; it sees each NumPy array once.
        steps_per_epoch: int or `None`, number of batches of an epoch.
        goes_on: bool, whether the next epoch begins where this one ended.
        shuffle: as in `fit`; only for arrays.
        padded: bool, whether all stacks are padded to `steps` entries, so that shapes do not change.
        count_blocks: bool, whether `num_batches` counts blocks.
        handed: queue for the blocks, in place of which the iterator then yields `()`, because under a
            distribution Keras would split them. `None` to yield the blocks themselves.

    Attributes:
        ahead: function that prepares a run while the device works on another one.
    """

    def __init__(
        self,
        inner: Any,
        steps: int,
        check: Callable[[Any], None],
        steps_per_epoch: int | None = None,
        goes_on: bool = False,
        shuffle: Any = False,
        padded: bool = False,
        count_blocks: bool = False,
        handed: deque[Block] | None = None,
    ) -> None:
        self._handed = handed
        self.inner = inner
        self.steps = steps
        self._check = check
        self._steps_per_epoch = steps_per_epoch
        self._goes_on = goes_on
        self._padded = padded
        self._count_blocks = count_blocks
        self.ahead: Callable[[Run], Run] = lambda run: run
        self._left: Batches | None = None
        self._only_seen = False  # whether nothing was taken from the remaining batches
        self._orders: Callable[[], np.ndarray] | None = None
        self._begins_ahead = False
        if inner.num_batches == 0:
            raise ValueError("The data must have at least one batch. Received: data without a batch.")
        if isinstance(inner, ArrayDataAdapter):
            arrays = _arrays(inner)
            check(arrays)
            # If the device is the host, NumPy gathers the batches: it can do so while the last block trains,
            # and needs no program to be compiled for every shape.
            if on_host():
                self._arrays = arrays
            else:
                self._arrays = tree.map_structure(keras.ops.convert_to_tensor, arrays)
            self._orders = orders(inner._num_samples, inner.batch_size, shuffle)
            # On other backends, Keras draws the orders, the next one only when an epoch begins.
            drawn_here = keras.backend.backend() == "tensorflow" and shuffle != "batch"
            self._begins_ahead = goes_on and (drawn_here or not shuffle)

    @property
    def num_batches(self) -> int | None:
        """Batches per epoch; `None` if unknown."""
        batches = self._steps_per_epoch or self.inner.num_batches
        return -(-batches // self.steps) if batches and self._count_blocks else batches

    @property
    def batch_size(self) -> int | None:
        """Samples per batch; `None` if unknown."""
        return self.inner.batch_size

    def on_epoch_begin(self) -> None:
        """Notify the data that an epoch begins."""
        self.inner.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Notify the data that an epoch ended; their order may change now."""
        self.inner.on_epoch_end()
        if self._only_seen and isinstance(self.inner, PyDatasetAdapter):
            self._left = None

    def get_tf_dataset(self) -> "BlockAdapter":
        """The adapter itself, because Keras's TensorFlow trainer only iterates over it."""
        return self

    def get_jax_iterator(self) -> Iterator[Block]:
        """Blocks of one epoch."""
        return iter(self) if self._handed is None else self._handed_over(self._handed)

    def first_batch(self) -> Any:
        """The first batch, which the next epoch still contains."""
        if self._left is None:
            self._left, self._only_seen = self._new_batches(), True
        return self._left.peek()

    def redraw(self) -> None:
        """Let the next epoch draw a new order despite `first_batch`; streams continue."""
        if self._orders is not None:
            self._left = None

    def __iter__(self) -> Iterator[Block]:
        """Blocks of one epoch, which ends early if the data end."""
        batches, self._left, self._only_seen = self._left or self._new_batches(), None, False
        left = self._steps_per_epoch
        while left is None or left > 0:
            block = batches.take(self.steps if left is None else min(self.steps, left))
            if not block:
                return
            if left is not None:
                # Keras makes as many calls as the epoch should have blocks, and warns if a call gets none.
                last = left <= self.steps
                left -= sum(run["steps"] for run in block)
                if last and left > 0:
                    warnings.warn(
                        "Your input ran out of data; interrupting training. Make sure that your dataset "
                        "or generator can generate at least `steps_per_epoch * epochs` batches. You may "
                        "need to use the `.repeat()` function when building your dataset.",
                        stacklevel=2,
                    )
                if left <= 0 and self._goes_on and not batches.done():
                    self._left = batches
            elif self._begins_ahead and batches.done():
                self._left = self._new_batches()
                self._left.begin(self.steps)
            yield block

    def _handed_over(self, handed: deque[Block]) -> Iterator[Any]:
        for block in self:
            handed.append(block)
            yield ()

    def shapes(self) -> list[Any]:
        """Shapes and types of the stacks known beforehand: for arrays, those of full and short batches."""
        if self._orders is None:
            return []
        n, size = self.inner._num_samples, self.inner.batch_size
        return [
            tree.map_structure(
                lambda a, size=size: keras.KerasTensor((self.steps, size, *a.shape[1:]), _dtype(a)),
                self._arrays,
            )
            for size in ([size] if n >= size else []) + ([n % size] if n % size else [])
        ]

    def _new_batches(self) -> Batches:
        if self._orders is not None:
            return ArrayBatches(
                self._arrays,
                self.inner._num_samples,
                self._orders,
                self.inner.batch_size,
                self.steps if self._padded else 1,
                lambda run: self.ahead(run),
            )
        # Batches that allow it are made in another thread, within an epoch.
        data = self.inner.py_dataset if isinstance(self.inner, PyDatasetAdapter) else None
        in_thread = getattr(data, "batches_in_thread", False) and on_host() and self._steps_per_epoch is None
        if in_thread and several_processes():
            give_way()
        return StreamBatches(
            self._with_lazy_labels(data) if in_thread else iter(self.inner.get_numpy_iterator()),
            self._check,
            self.steps if self._padded else 1,
            (lambda run: self.ahead(run)) if in_thread else None,
        )

    def _with_lazy_labels(self, data: Any) -> Iterator[Any]:
        """Batches of a `PyDataset`; one of several processes makes only the labels of its own rows."""
        inner = self.inner
        as_given = inner.enqueuer is None and not inner.shuffle and inner.class_weight is None
        if several_processes() and hasattr(data, "lazy_batch") and as_given:
            return map(data.lazy_batch, range(inner.num_batches))
        return iter(inner.get_numpy_iterator())


def on_host() -> bool:
    """Whether the backend computes on the CPU, in the same memory as NumPy."""
    if keras.backend.backend() == "jax":
        import jax

        # For many devices, NumPy makes each batch, and also finds which device's rows it reads.
        return bool(jax.default_backend() == "cpu" or isinstance(distribution(), RowSharded))
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")


def _dtype(array: Any) -> str:
    return keras.backend.standardize_dtype(array.dtype)


def _arrays(adapter: Any) -> Any:
    """The adapter's whole arrays, converted as Keras does."""
    whole = copy.copy(adapter)
    whole._batch_size, whole._size, whole._shuffle = adapter._num_samples, 1, False
    (batch,) = whole.get_numpy_iterator()
    return batch
