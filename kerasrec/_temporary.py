"""Temporary folders named after their process, so that the next process removes those of killed ones."""

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
    """A folder of this process, in which Keras also puts its temporary files while the context is open."""
    remove_abandoned(Path(tempfile.gettempdir()), _FORM)
    _let_keras_follow()
    with tempfile.TemporaryDirectory(prefix=f"kerasrec-{machine()}-{os.getpid()}-") as name:
        token = _folder.set(Path(name))
        try:
            yield Path(name)
        finally:
            _folder.reset(token)


def _let_keras_follow() -> None:
    """Let Keras use this folder; its own folders do not name their process, and a kill leaves them forever.

    Versions of Keras that get their folders in another way are not affected.
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
