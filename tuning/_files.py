"""Files that are written completely or not at all, even if the process is killed."""

import contextlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec._partial import replacing


def write(path: Path, fill: Callable[[Any], Any]) -> None:
    """Write a file under another name and move it into place."""
    with replacing(path) as partial, open(partial, "wb") as file:
        fill(file)


def write_json(path: Path, content: Any) -> None:
    """Write JSON."""
    text = json.dumps(content, default=_plain)
    write(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a file written by `write_json`; `None` if there is none."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(_damaged(path)) from error
    if not isinstance(found, dict):
        raise ValueError(_damaged(path))
    return found


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name."""
    write(path, lambda file: np.savez(file, **dict[str, Any](arrays)))


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Read a file written by `write_arrays`; `None` if there is none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(_damaged(path)) from error


def _damaged(path: Path) -> str:
    return (
        "A search needs its files as it wrote them; restore this file, or use another `directory`. "
        f"Received: {str(path)!r}, which is damaged."
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file in the error if its content is not what a search writes."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(_damaged(path)) from error


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
