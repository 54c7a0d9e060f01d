"""Messages about names that do not exist."""

import difflib
from collections.abc import Iterable

# Least likeness of a name that is suggested.
_ALIKE = 0.5


def unknown_name(argument: str, name: object, known: Iterable[str]) -> str:
    """The message about a name that does not exist, with the nearest one that does."""
    known = list(known)
    hint = did_you_mean(name, known)
    return f"`{argument}` must be one of {', '.join(known)}.{hint} Received: {argument}={name!r}."


def did_you_mean(name: object, known: Iterable[str], alike: float = _ALIKE) -> str:
    """A hint at the nearest name that exists, after a space; empty if none is near.

    Args:
        name: what was given.
        known: names that exist.
        alike: least likeness, from 0 to 1. Defaults to `0.5`.
    """
    found = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=alike)
    return f" Did you mean {found[0]!r}?" if found else ""
