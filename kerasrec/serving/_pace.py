"""Decides whether a computation may run on the event loop, where all requests wait for it."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

_T = TypeVar("_T")
# Seconds that all requests may wait for one computation. A thread costs a tenth of a millisecond.
_SHORT = 0.005
# Weight of the last computation in the mean.
_LAST = 0.2


class Pace:
    """The mean time of one kind of computation with one model file; unknown again for a new file."""

    def __init__(self) -> None:
        self._of: tuple[str, float] | None = None

    def is_short(self, version: str) -> bool:
        """Whether the computation is known to be short with a model file.

        Args:
            version: version of the file.
        """
        return self._of is not None and self._of[0] == version and self._of[1] <= _SHORT

    def record(self, version: str, seconds: float) -> None:
        """Record the time of one computation.

        Args:
            version: version of the file.
            seconds: float.
        """
        known = self._of
        before = seconds if known is None or known[0] != version else known[1]
        self._of = version, before + _LAST * (seconds - before)

    def measured(self, version: str, work: Callable[[], _T]) -> Callable[[], _T]:
        """The same computation, with its time recorded."""

        def measured() -> _T:
            began = time.perf_counter()
            try:
                return work()
            finally:
                self.record(version, time.perf_counter() - began)

        return measured

    async def run(self, version: str, function: Callable[..., _T], *args: Any) -> _T:
        """Run a function on the event loop if that is short, otherwise in a thread.

        Args:
            version: version of the file.
            function: the computation.
            *args: arguments of the function.
        """
        work = self.measured(version, lambda: function(*args))
        return work() if self.is_short(version) else await run_in_threadpool(work)
