"""A loop over stacked batches in one program."""

from collections.abc import Callable
from typing import Any

import jax


def each_step(steps: Any, body: Callable[[Any, Any, Any], Any], carry: Any, stacks: Any) -> Any:
    """Run `body(i, carry, batch)` for each of the first steps of stacked batches.

    The batch of a step is part of the loop's state. If it were read from the stack by the counter, XLA would
    not vectorise the elementwise loops that use it, which would take ten times as long.
    """

    def batch(i: Any) -> Any:
        return jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, i, keepdims=False), stacks)

    def step(i: Any, both: Any) -> Any:
        carry, now = both
        return body(i, carry, now), batch(i + 1)

    return jax.lax.fori_loop(0, steps, step, (carry, batch(0)))[0]
