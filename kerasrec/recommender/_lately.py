"""What was asked for lately, each thing made once."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Lately(Generic[_T]):
    """The last few things that were made, by a key; what was used least lately goes first.

    Args:
        n: int, how many are kept.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._known: dict[Hashable, _T] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """What is known by a key, or what `make()` gives."""
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
