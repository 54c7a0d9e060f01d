"""Hyperparameters on the command line."""

import ast
from typing import Any

# NumPy and Keras do not accept larger seeds.
MOST_SEED = 2**32 - 1


def setting(text: str) -> tuple[str, Any]:
    """`n_components=20` as a name and a Python value; anything else stays text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"`--set` must be NAME=VALUE. Received: {text!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
