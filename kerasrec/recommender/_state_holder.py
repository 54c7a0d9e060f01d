"""The state of a recommender, which threads read while another thread replaces it."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from kerasrec.recommender._state import State

_T = TypeVar("_T")


def current_state(recommender: Any) -> State:
    """The current state of a recommender, for other modules and packages.

    Args:
        recommender: `Recommender`.
    """
    state: State = recommender._now()
    return state


class StateHolder:
    """Holds the current state.

    Args:
        state: the first one.

    Attributes:
        state: the current one.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._replacing = threading.Lock()
        self._changing = threading.Lock()

    def now(self) -> State:
        """The current state, computed from the current weights."""
        state = self.state
        now = state.of_now()
        if now is not state:
            with self._replacing:
                if self.state is not state:  # by another thread
                    return self.state
                self.state = now
        return now

    def refresh(self) -> None:
        """Drop everything computed from the weights."""
        with self._replacing:
            self.state = self.state.recomputed()

    def change(self, make: Callable[[State], State]) -> None:
        """Replace the state; changes wait for each other.

        Args:
            make: makes the new state; if it raises an error, the old state stays.
        """
        self.change_with_result(lambda state: (make(state), None))

    def change_with_result(self, make: Callable[[State], tuple[State, _T]]) -> _T:
        """Replace the state, and return the second result of `make`.

        Args:
            make: makes the new state and the result.
        """
        with self._changing:
            state, told = make(self.now())
            with self._replacing:
                self.state = state
        return told
