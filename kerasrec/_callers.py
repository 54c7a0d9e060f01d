"""The line of the user's code that a warning points at."""

import sys


def callers_level() -> int:
    """The `stacklevel` with which the calling function warns about the first line outside of kerasrec."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("kerasrec."):
        level, frame = level + 1, frame.f_back
    return level
