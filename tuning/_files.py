"""Files that are there whole or not at all, whenever the process is killed."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, fill: Callable[[Any], Any]) -> None:
    """Write a file under another name and move it into place."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            fill(file)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON."""
    text = json.dumps(content, default=_plain)
    write(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> Any:
    """What `write_json` wrote; `None` where there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name."""
    write(path, lambda file: np.savez(file, **dict[str, Any](arrays)))


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What `write_arrays` wrote; `None` where there is no such file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return None


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
