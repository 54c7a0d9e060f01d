"""The state that a recommender holds, which threads read while one of them puts another in its place."""

import threading
from collections.abc import Callable
from typing import TypeVar

from kerasrec.recommender._state import State

_T = TypeVar("_T")


class Held:
    """One state at a time.

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
        """The current state, whose vectors are those of the weights as they are."""
        state = self.state
        now = state.of_now()
        if now is not state:
            with self._replacing:
                if self.state is not state:  # by another thread
                    return self.state
                self.state = now
        return now

    def refresh(self) -> None:
        """Forget what was computed from the weights."""
        with self._replacing:
            self.state = self.state.recomputed()

    def change(self, make: Callable[[State], State]) -> None:
        """Go on with what is made of the state; changes wait for each other.

        Args:
            make: gives the new state; where it raises, the old one stays.
        """
        self.change_and_tell(lambda state: (make(state), None))

    def change_and_tell(self, make: Callable[[State], tuple[State, _T]]) -> _T:
        """The same, and what `make` gives beside the new state.

        Args:
            make: gives the new state and what to return.
        """
        with self._changing:
            state, told = make(self.now())
            with self._replacing:
                self.state = state
        return told
