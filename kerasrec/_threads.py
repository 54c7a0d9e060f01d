"""Runs blocks of work on all cores, one matrix product per core."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def n_threads() -> int:
    """Number of threads that NumPy uses for a matrix product."""
    counts = [pool["num_threads"] for pool in _controller().info() if pool["user_api"] == "blas"]
    return max(counts, default=1)


def map_blocks(work: Callable[[Any], Any], blocks: Iterable[Any], n_workers: int) -> Iterator[Any]:
    """`work(block)` for each block in order, with `n_workers` workers that share the cores.

    At most two blocks per worker are in progress at a time.
    """
    if n_workers == 1:
        yield from map(work, blocks)
        return
    share = max(1, n_threads() // n_workers)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_controller().limit(limits=share, user_api="blas"))
        pool = stack.enter_context(ThreadPoolExecutor(n_workers))
        waiting: deque[Future[Any]] = deque()
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) >= 2 * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
