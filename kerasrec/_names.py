"""Messages about unknown names."""

import difflib
from collections.abc import Iterable

# Minimum similarity of a suggested name.
_ALIKE = 0.5


def unknown_name(argument: str, name: object, known: Iterable[str]) -> str:
    """The message about an unknown name, with the most similar known one."""
    known = list(known)
    hint = did_you_mean(name, known)
    return f"`{argument}` must be one of {', '.join(known)}.{hint} Received: {argument}={name!r}."


def did_you_mean(name: object, known: Iterable[str], alike: float = _ALIKE) -> str:
    """A hint at the most similar known name, after a space; empty if none is similar.

    Args:
        name: the given name.
        known: the known names.
        alike: minimum similarity, from 0 to 1. Defaults to `0.5`.
    """
    found = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=alike)
    return f" Did you mean {found[0]!r}?" if found else ""
