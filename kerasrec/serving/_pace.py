"""Whether a computation may run on the event loop, where everybody waits for it."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

_T = TypeVar("_T")
# Seconds that everybody may wait for one computation. A thread costs a tenth of a millisecond.
_SHORT = 0.005
# Weight of the last computation in the mean.
_LAST = 0.2


class Pace:
    """The mean time of one sort of computation; of another model file it is not known yet."""

    def __init__(self) -> None:
        self._of: tuple[str, float] | None = None

    def is_short(self, version: str) -> bool:
        """Whether those of a model file are known to be short.

        Args:
            version: of the file.
        """
        return self._of is not None and self._of[0] == version and self._of[1] <= _SHORT

    def took(self, version: str, seconds: float) -> None:
        """Take in the time of one.

        Args:
            version: of the file.
            seconds: float.
        """
        known = self._of
        before = seconds if known is None or known[0] != version else known[1]
        self._of = version, before + _LAST * (seconds - before)

    def measured(self, version: str, work: Callable[[], _T]) -> Callable[[], _T]:
        """The same computation, whose time is taken in."""

        def measured() -> _T:
            began = time.perf_counter()
            try:
                return work()
            finally:
                self.took(version, time.perf_counter() - began)

        return measured

    async def run(self, version: str, function: Callable[..., _T], *args: Any) -> _T:
        """What a function gives: on the event loop if that is short, else in a thread.

        Args:
            version: of the file.
            function: what is computed.
            *args: of the function.
        """
        work = self.measured(version, lambda: function(*args))
        return work() if self.is_short(version) else await run_in_threadpool(work)
