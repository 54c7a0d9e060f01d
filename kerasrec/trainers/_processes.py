"""Training in several processes: the same work in all of them, and errors where they would hang."""

import contextlib
import contextvars
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec._partial import replacing
from kerasrec._temporary import temporary
from kerasrec._version import __version__
from kerasrec.trainers._keras import ArrayDataAdapter, PyDatasetAdapter, tree

# Parts of JAX's errors if another process does not answer.
_LOST = re.compile("Gloo|[Cc]onnection (reset|closed|refused)|[Cc]oordination|heartbeat")
# Whether each process writes its own file.
_each_writes = contextvars.ContextVar("each_writes", default=False)


def several_processes() -> bool:
    """Whether this process is one of several that train together."""
    return n_processes() > 1


def n_processes() -> int:
    """The number of processes that train together."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return int(jax.process_count())


def check_same(model: Any, adapter: Any) -> None:
    """Refuse a training whose processes have different versions, models or data; they would hang or diverge.

    Args:
        model: the model.
        adapter: Keras's adapter of the data.

    Raises:
        ValueError: in every process, naming what differs.
    """
    if not several_processes():
        return
    import jax
    from jax.experimental import multihost_utils

    shapes = [(v.path, tuple(v.shape), str(v.dtype)) for v in model.variables]
    here = {
        "versions of kerasrec, Keras and JAX": repr((__version__, keras.__version__, jax.__version__)),
        "model": repr(shapes),
        "data": str(_checksum(adapter)),
    }
    sums = np.array([zlib.crc32(text.encode()) for text in here.values()], "uint32")
    gathered = np.asarray(multihost_utils.process_allgather(sums)).reshape(-1, len(sums))
    for what, column in zip(here, gathered.T, strict=True):
        if (column != column[0]).any():
            other = int(np.flatnonzero(column != column[0])[0])
            raise ValueError(
                f"All processes of a training must have the same {what}; give each the same files, and "
                f"random batches a `seed`. Received: different ones in process 0 and process {other}."
            )


@contextlib.contextmanager
def written_by_the_first(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """A path for a file that all processes write together; only that of the first process is kept.

    Inside, functions that use this too write to the path they are given. All processes leave the context
    when the file is complete.

    Args:
        path: the file.

    Raises:
        ConnectionError: if another process is gone.
    """
    if _each_writes.get() or not several_processes():
        yield path
        return
    import jax
    from jax.experimental import multihost_utils

    with lost_processes_named():
        with temporary() as folder, written_by_each():
            yield path if jax.process_index() == 0 else folder / Path(path).name
        multihost_utils.sync_global_devices("kerasrec: a file is written")


@contextlib.contextmanager
def whole_or_not_at_all(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """A path for a file that must be complete even if another process is killed meanwhile."""
    if not several_processes() or "://" in os.fspath(path):
        yield path
        return
    with replacing(path) as partial:
        yield partial


@contextlib.contextmanager
def written_by_each() -> Iterator[None]:
    """A context in which each process writes its own file, gathering the sharded tables together."""
    token = _each_writes.set(True)
    try:
        yield
    finally:
        _each_writes.reset(token)


@contextlib.contextmanager
def lost_processes_named() -> Iterator[None]:
    """Raise one clear error if another process is gone, whichever operation notices it."""
    try:
        yield
    except (ValueError, RuntimeError) as error:  # JAX raises both
        if not several_processes() or not _LOST.search(str(error)):
            raise
        raise ConnectionError(
            "Another process of this training has ended or cannot be reached; start all of them again, and "
            f"resume from the last saved file. Received: {str(error).splitlines()[0][:200]}"
        ) from error


def _checksum(adapter: Any) -> int:
    if isinstance(adapter, ArrayDataAdapter):
        parts = [adapter._inputs]
    elif isinstance(adapter, PyDatasetAdapter) and adapter.num_batches:
        data, n = adapter.py_dataset, adapter.num_batches
        parts = [data[i] for i in sorted({0, n // 2, n - 1})]
    else:
        return 0
    total = 0
    for leaf in tree.flatten(parts):
        array = np.ascontiguousarray(leaf)
        total = zlib.crc32(array.data, zlib.crc32(repr((array.shape, str(array.dtype))).encode(), total))
    return total
