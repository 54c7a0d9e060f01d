"""What a command writes: checked before the work, whole or not at all after it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kerasrec._partial import partial_name


def check_writable(path: Path, suffix: str) -> None:
    """Refuse a place where a file cannot be written, before anything is computed for it."""
    if path.suffix != suffix:
        raise ValueError(f"The file to write must end in {suffix}. Received: {str(path)!r}.")
    if path.is_dir():
        raise ValueError(f"The file to write must not be a folder. Received: {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write to: make it first.")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise PermissionError(
            f"The folder {str(path.parent)!r} must be writable. Received: {error.strerror}."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name to write to; its file takes the place of `path` once all is written."""
    partial = partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
