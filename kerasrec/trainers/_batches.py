"""The batches of an epoch, made as blocks."""

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from kerasrec._lazy_rows import LazyRows, LazyStack
from kerasrec.trainers._keras import tree

# A run is batches of one shape, each leaf [steps, batch, ...]; a block is the input of one call. A block is a
# list because a batch is a tuple: `train_on_batch` sends batches through the same functions.
Run = dict[str, Any]
Block = list[Run]

_gathering = ThreadPoolExecutor(1, thread_name_prefix="kerasrec-data")
# The lowest priority: the thread that makes batches computes while the step waits for another process.
_NICENESS = 19


class Batches:
    """The batches of an epoch."""

    def take(self, steps: int) -> Block:
        """The next batches, at most `steps`; an empty list at the end."""
        raise NotImplementedError

    def begin(self, steps: int) -> None:
        """Start making the next block ahead, if possible; it will probably have `steps` batches."""

    def done(self) -> bool:
        """Whether no batch is left."""
        raise NotImplementedError

    def peek(self) -> Any:
        """The next batch, without taking it."""
        raise NotImplementedError


class ArrayBatches(Batches):
    """Batches gathered from arrays where these are, in an order that is drawn when needed.

    For NumPy arrays, the next block is gathered and prepared while the device works on this one.
    """

    def __init__(
        self,
        arrays: Any,
        n_samples: int,
        draw: Callable[[], np.ndarray],
        batch_size: int,
        least: int,
        ahead: Callable[[Run], Run],
    ) -> None:
        self._arrays = arrays
        self._n_samples = n_samples
        self._draw = draw
        self._and_ahead = ahead
        self._least = least
        self._batch_size = batch_size
        self._position = 0
        self._on_host = all(isinstance(leaf, np.ndarray) for leaf in tree.flatten(arrays))
        self._ahead: tuple[int, Future[tuple[Block, int]]] | None = None

    @functools.cached_property
    def _order(self) -> np.ndarray:
        order = self._draw()
        return order.astype("int32") if self._n_samples < 2**31 else order

    def take(self, steps: int) -> Block:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == steps:
            block, self._position = ahead[1].result()
        else:
            block, self._position = self._block(self._position, steps)
        if not self.done():
            self.begin(steps)
        return block

    def begin(self, steps: int) -> None:
        if self._on_host:
            self._ahead = steps, _gathering.submit(self._block, self._position, steps)

    def _block(self, position: int, steps: int) -> tuple[Block, int]:
        """At most `steps` batches from a position on, and the position after them."""
        left = self._n_samples - position
        full = min(steps, left // self._batch_size)
        block = [self._run(position, full, self._batch_size)] if full else []
        position += full * self._batch_size
        rest = left - full * self._batch_size
        if full < steps and 0 < rest < self._batch_size:
            block.append(self._run(position, 1, rest))
            position += rest
        return block, position

    def _run(self, position: int, steps: int, batch_size: int) -> Run:
        ids = np.zeros(max(steps, self._least) * batch_size, self._order.dtype)
        ids[: steps * batch_size] = self._order[position : position + steps * batch_size]
        run = {"stack": self._gather(ids.reshape(-1, batch_size)), "steps": steps}
        return self._and_ahead(run) if self._on_host else run

    def _gather(self, ids: np.ndarray) -> Any:
        def gather(array: Any) -> Any:
            return array[ids] if isinstance(array, np.ndarray) else keras.ops.take(array, ids, axis=0)

        return tree.map_structure(gather, self._arrays)

    def done(self) -> bool:
        return self._position >= self._n_samples

    def peek(self) -> Any:
        return self._gather(self._order[self._position : self._position + self._batch_size])


class StreamBatches(Batches):
    """Batches stacked in order; a batch of another shape begins another run.

    Args:
        batches: the batches.
        check: function that refuses bad data.
        least: int, minimum number of entries of a stack.
        and_ahead: function that prepares a run; the next block is then made while the device works on this
            one. `None` to make batches in the caller's thread when they are taken.
    """

    def __init__(
        self,
        batches: Iterator[Any],
        check: Callable[[Any], None],
        least: int,
        and_ahead: Callable[[Run], Run] | None = None,
    ) -> None:
        self._batches = batches
        self._check = check
        self._least = least
        self._and_ahead = and_ahead
        self._next: Future[Block] | None = None
        self._ahead: list[Any] = []

    def take(self, steps: int) -> Block:
        block = self._block(steps) if self._next is None else self._next.result()
        self._next = _gathering.submit(self._block, steps) if block and self._and_ahead else None
        return block

    def _block(self, steps: int) -> Block:
        runs: list[list[Any]] = []
        for _ in range(steps):
            if not self._look():
                break
            batch = self._ahead.pop()
            if not runs or _shapes(batch) != _shapes(runs[-1][0]):
                runs.append([])
            runs[-1].append(batch)
        block = []
        for run in runs:
            padded = run + run[:1] * (self._least - len(run))
            block.append({"stack": tree.map_structure(_stacked, *padded), "steps": len(run)})
            self._check(block[-1]["stack"])
        return [self._and_ahead(run) for run in block] if self._and_ahead else block

    def _look(self) -> bool:
        if not self._ahead and (batch := next(self._batches, None)) is not None:
            self._ahead = [tree.map_structure(_array, batch)]
        return bool(self._ahead)

    def done(self) -> bool:
        return not self._look()

    def peek(self) -> Any:
        if not self._look():
            raise ValueError("The data must have at least one batch. Received: data without a batch.")
        return tree.map_structure(np.asarray, self._ahead[0])


def give_way() -> None:
    """Let the threads that train go before the one that makes batches if they share a core.

    Otherwise the other processes of the training would wait as well. Only Linux has priorities of threads.
    """
    if sys.platform == "linux":
        _gathering.submit(lambda: os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS))


def _array(leaf: Any) -> Any:
    return leaf if isinstance(leaf, LazyRows) else np.asarray(leaf)


def _stacked(*leaves: Any) -> Any:
    return LazyStack(leaves) if isinstance(leaves[0], LazyRows) else np.stack(leaves)


def _shapes(batch: Any) -> list[Any]:
    return [leaf.shape for leaf in tree.flatten(batch)]
