"""The name under which a file is written before it takes its place."""

import contextlib
import os
import re
import time
from pathlib import Path

# Of a writer that is not done by then, nothing more will come.
_ABANDONED_SECONDS = 3600


def partial_name(path: Path) -> Path:
    """A hidden name beside `path` that is this process's own.

    What a killed process left there under such a name more than an hour ago is removed.

    Args:
        path: the file to be.
    """
    form = re.compile(rf"\.{re.escape(path.stem)}\.\d+{re.escape(path.suffix)}")
    for other in path.parent.iterdir():
        if form.fullmatch(other.name):
            with contextlib.suppress(OSError):
                if time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                    other.unlink()
    return path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
