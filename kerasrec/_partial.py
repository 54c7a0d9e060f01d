"""The name under which a file is written before it takes its place, and what writing it may end with."""

import contextlib
import errno
import itertools
import os
import platform
import re
import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

# Of a writer elsewhere that is not done by then, nothing more will come.
_ABANDONED_SECONDS = 3600
_counter = itertools.count()


def partial_name(path: Path) -> Path:
    """A hidden name beside `path` that is this call's own, whichever process and thread it comes from.

    What processes of this machine that are no more left there under such names is removed, and what others
    left more than an hour ago.

    Args:
        path: the file to be.
    """
    form = re.compile(rf"\.{re.escape(path.stem)}\.(?:([0-9a-f]+)-)?(\d+)(?:-\d+)?{re.escape(path.suffix)}")
    for other in path.parent.iterdir():
        named = form.fullmatch(other.name)
        if named:
            with contextlib.suppress(OSError):
                gone = named[1] == _machine() and not _runs(int(named[2]))
                if gone or time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                    other.unlink()
    return path.with_name(f".{path.stem}.{_machine()}-{os.getpid()}-{next(_counter)}{path.suffix}")


@contextlib.contextmanager
def writing(path: Path, n_bytes: int = 0) -> Iterator[None]:
    """Say which file found no room, and how to go on.

    Args:
        path: the file to be.
        n_bytes: int, how much there will be at least; looked at before anything is written. Defaults to `0`.

    Raises:
        OSError: if there is no room.
    """
    free = shutil.disk_usage(path.parent).free
    if free < n_bytes:
        raise OSError(
            errno.ENOSPC,
            f"No space left: {n_bytes:,} bytes are needed and {free:,} free; make room or write elsewhere",
            os.fspath(path),
        )
    try:
        yield
    except OSError as error:  # HDF5 gives the reason as text alone
        if error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
            message = f"{os.strerror(errno.ENOSPC)}; make room or write elsewhere"
            raise OSError(errno.ENOSPC, message, os.fspath(path)) from error
        raise


def _machine() -> str:
    """Processes of other machines that share the folder have numbers of their own."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # not known; an hour decides
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
