import difflib
from collections.abc import Iterable


def unknown_name(argument: str, name: object, known: Iterable[str]) -> str:
    """The message about a name that does not exist, with the nearest one that does."""
    known = list(known)
    nearest = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"`{argument}` must be one of {', '.join(known)}.{hint} Received: {argument}={name!r}."
