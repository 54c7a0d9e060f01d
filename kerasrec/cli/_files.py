"""Checks of output files before the work starts."""

import tempfile
from pathlib import Path


def check_writable(path: Path, suffix: str) -> None:
    """Refuse a path that cannot be written, before anything is computed."""
    if path.suffix != suffix:
        raise ValueError(f"The file to write must end in {suffix}. Received: {str(path)!r}.")
    if path.is_dir():
        raise ValueError(f"The file to write must not be a folder. Received: {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write to: create it first.")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise PermissionError(
            f"The folder {str(path.parent)!r} must be writable. Received: {error.strerror}."
        ) from error
