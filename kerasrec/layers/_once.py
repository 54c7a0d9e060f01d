"""What a model computes once a call, however many of its layers ask for it."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

_made: ContextVar[dict[int, Any] | None] = ContextVar("made", default=None)


@contextlib.contextmanager
def one_call() -> Iterator[None]:
    """Keep what `once` makes while the context is open: that of one call of a model."""
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def once(owner: Any, make: Callable[[], Any]) -> Any:
    """What `make` gives, made once a call of the model.

    Outside of `one_call` it is made each time, which gives the same.

    Args:
        owner: what it belongs to, such as the layer.
        make: a function without arguments.
    """
    made = _made.get()
    if made is None:
        return make()
    if id(owner) not in made:
        made[id(owner)] = make()
    return made[id(owner)]
