"""A cache of recently used values."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class RecentCache(Generic[_T]):
    """A least-recently-used cache.

    Args:
        n: number of values to keep.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._known: dict[Hashable, _T] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """The value of a key, computed by `make()` if it is not cached."""
        with self._lock:
            if key in self._known:
                found = self._known[key] = self._known.pop(key)
                return found
        found = make()
        with self._lock:
            self._known.pop(key, None)
            while len(self._known) >= self.n:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return found
