"""Values that a model computes once per call, even if several layers need them."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

_made: ContextVar[dict[int, Any] | None] = ContextVar("made", default=None)


@contextlib.contextmanager
def one_call() -> Iterator[None]:
    """Cache the results of `once` while the context is open, for one call of a model."""
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def once(owner: Any, make: Callable[[], Any]) -> Any:
    """The result of `make`, computed once per call of the model.

    Outside `one_call`, it is computed each time, with the same result.

    Args:
        owner: object that the result belongs to, such as the layer.
        make: a function without arguments.
    """
    made = _made.get()
    if made is None:
        return make()
    if id(owner) not in made:
        made[id(owner)] = make()
    return made[id(owner)]
