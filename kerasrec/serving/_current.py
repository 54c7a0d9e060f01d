"""The file that is served, and its replacement by a new one."""

import asyncio
import contextlib
import gc
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from kerasrec.serving._served import Served, load

_LOG = logging.getLogger("kerasrec.serving")
_Signature = tuple[int, ...]


class Current:
    """Holds the current `Served`, and replaces it as a whole.

    Args:
        path: the file.
        title: as `Served` takes it.
        picture: as `Served` takes it.
        swapped: called after a new file has replaced the old one.

    Attributes:
        served: the current `Served`; a request keeps the one that it began with.
        refused: why the current file is not served, or `None`.
        n_swaps: int, number of replacements.
        n_refused: int, number of refused files.
    """

    def __init__(
        self,
        path: Path,
        title: str | None = None,
        picture: str | None = None,
        swapped: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self.title, self.picture, self._swapped = path, title, picture, swapped
        self.refused: str | None = None
        self.n_swaps = self.n_refused = 0
        self._lock = threading.Lock()
        self._seen = _signature(path)
        self.served: Served = load(path, title, picture)
        _freeze_garbage()

    def reload(self) -> Served:
        """Load the current file while the old one is served, and swap them.

        Raises:
            ValueError: if it cannot be served; the old one stays in service.
        """
        with self._lock:
            self._seen = _signature(self.path)
            try:
                served = load(self.path, self.title, self.picture)
            except Exception as error:  # whatever is wrong with a file, the old one stays in service
                self.refused = " ".join(str(error).split()) or type(error).__name__
                self.n_refused += 1
                _LOG.warning(
                    "The new %s is refused, and the old one stays in service: %s",
                    self.path.name,
                    self.refused,
                )
                raise ValueError(self.refused) from error
            self.served, self.refused = served, None
            self.n_swaps += 1
        _freeze_garbage()
        _LOG.info("%s is served in version %s", self.path.name, served.version)
        self._swapped()
        return served

    async def watch(self, seconds: float) -> None:
        """Check the file forever, and load it when it has changed and is complete."""
        before = self._seen
        while True:
            await asyncio.sleep(seconds)
            now = _signature(self.path)
            # Two equal checks in a row: a file that is copied into place is now complete.
            if now is not None and now != self._seen and now == before:
                with contextlib.suppress(ValueError):
                    await asyncio.to_thread(self.reload)
            before = now


def _freeze_garbage() -> None:
    """Exclude long-lived objects (the model, Keras and its backend) from garbage collection.

    Each collection of all of them would stop every request for a fifth of a second.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _signature(path: Path) -> _Signature | None:
    try:
        there = os.stat(path)
    except OSError:
        return None
    try:
        index = os.stat(path.with_suffix(".index"))  # written after the file that it belongs to
    except OSError:
        return there.st_mtime_ns, there.st_size, there.st_ino
    return there.st_mtime_ns, there.st_size, there.st_ino, index.st_mtime_ns, index.st_size, index.st_ino
