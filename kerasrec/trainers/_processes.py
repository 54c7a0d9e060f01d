"""Trainings over several processes: the same work in all of them, and messages where they would hang."""

import contextlib
import contextvars
import os
import re
import warnings
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

# What JAX says where another process does not answer.
_LOST = re.compile("Gloo|[Cc]onnection (reset|closed|refused)|[Cc]oordination|heartbeat")
# Whether each process writes where it is told to.
_each_writes = contextvars.ContextVar("each_writes", default=False)


def several_processes() -> bool:
    """Whether this process is one of several that train together."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return bool(jax.process_count() > 1)


def check_same(model: Any, adapter: Any) -> None:
    """Refuse a training whose processes have different code, models or data: they would hang, or diverge.

    Args:
        model: the model.
        adapter: Keras's adapter of the data.

    Raises:
        ValueError: saying what differs, in every process.
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
                f"random batches a `seed`. Received: another one in process {other} than in process 0."
            )


def one_order(x: Any, shuffle: Any) -> Any:
    """The setting `shuffle` as processes that train together can have it.

    Args:
        x: the data of `fit`.
        shuffle: as `fit` got it.
    """
    if not shuffle or not several_processes():
        return shuffle
    if not getattr(x, "batches_in_thread", False):  # those of kerasrec draw one order in all processes
        warnings.warn(
            "Processes that train together read the data in the given order, since each would shuffle it "
            "differently; shuffle it beforehand, in the same way in all processes, or use "
            f"`kerasrec.data.RankingBatches` with a seed. Received: shuffle={shuffle!r}.",
            stacklevel=4,
        )
    return False


@contextlib.contextmanager
def written_by_the_first(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """Where to write a file for which all processes gather what is spread: the first one's alone stays.

    What is written within, by functions that use this too, goes where they are told. All processes leave
    when the file is there.

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
    """Where to write a file that another process, if it is killed meanwhile, must not leave cut off."""
    if not several_processes() or "://" in os.fspath(path):
        yield path
        return
    with replacing(path) as partial:
        yield partial


@contextlib.contextmanager
def written_by_each() -> Iterator[None]:
    """Let each process write a file of its own, for which all of them gather what is spread."""
    token = _each_writes.set(True)
    try:
        yield
    finally:
        _each_writes.reset(token)


@contextlib.contextmanager
def lost_processes_named() -> Iterator[None]:
    """Say in a sentence that another process is gone, whichever operation notices it."""
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
