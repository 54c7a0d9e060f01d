"""Folders of parts of opened interactions, next to the prepared folder for as long as they are needed."""

import contextlib
import itertools
import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

from kerasrec._partial import machine, remove_abandoned

_counter = itertools.count()


class Owner:
    """Removes files when nothing refers to it any more, at the latest when the process ends.

    Args:
        folder: folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._finalizer = weakref.finalize(self, shutil.rmtree, folder, True)


def own_folder(place: Path) -> Path:
    """A new folder next to the prepared one, or for temporary files if that place is not writable.

    Args:
        place: prepared folder.
    """
    remove_stale(place)
    for parent in _parents(place):
        folder = parent / f".{place.name}.part-{machine()}-{os.getpid()}-{next(_counter)}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            return folder
    raise OSError(
        f"There must be a folder to write to: neither {place.parent} nor the temporary folder is writable."
    )


def remove_stale(place: Path) -> None:
    """Remove what killed processes of this machine left; folders of running processes stay.

    Args:
        place: prepared folder.
    """
    form = re.compile(rf"\.{re.escape(place.name)}\.part-([0-9a-f]+)-(\d+)-\d+")
    for parent in _parents(place):
        with contextlib.suppress(OSError):
            remove_abandoned(parent, form, of_others=False)


def _parents(place: Path) -> tuple[Path, Path]:
    return place.parent, Path(tempfile.gettempdir())
