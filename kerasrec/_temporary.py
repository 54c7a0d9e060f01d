"""Temporary folders that say whose they are: what a killed process left, the next one removes."""

import contextlib
import contextvars
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasrec._partial import machine, remove_abandoned

_FORM = re.compile(r"kerasrec-([0-9a-f]+)-(\d+)-.*")
_folder: contextvars.ContextVar[Path | None] = contextvars.ContextVar("folder", default=None)


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    """A folder of this process, where Keras unpacks what it reads and saves meanwhile."""
    remove_abandoned(Path(tempfile.gettempdir()), _FORM)
    _let_keras_follow()
    with tempfile.TemporaryDirectory(prefix=f"kerasrec-{machine()}-{os.getpid()}-") as name:
        token = _folder.set(Path(name))
        try:
            yield Path(name)
        finally:
            _folder.reset(token)


def _let_keras_follow() -> None:
    """Keras unpacks into folders without a sign of their owner, which a kill leaves for ever.

    Versions of Keras that take their folders from elsewhere go on doing so.
    """
    library: Any = sys.modules.get("keras.src.saving.saving_lib")
    original = getattr(library, "get_temp_dir", None)
    if original is None or hasattr(original, "of_kerasrec"):
        return

    def get_temp_dir() -> str:
        folder = _folder.get()
        return str(original()) if folder is None else tempfile.mkdtemp(dir=folder)

    get_temp_dir.of_kerasrec = True  # type: ignore[attr-defined]
    library.get_temp_dir = get_temp_dir
