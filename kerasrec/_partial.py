"""Writes files and folders atomically, and explains errors of writing."""

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

# A writer on another machine is considered dead after this time.
_ABANDONED_SECONDS = 3600
_NO_ROOM = "make room or write elsewhere"
_NO_RIGHT = "write elsewhere, or make the folder writable"
_REMEDIES = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.EROFS: _NO_RIGHT,
    errno.EACCES: _NO_RIGHT,
}
_counter = itertools.count()


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], n_bytes: int = 0) -> Iterator[Path]:
    """A path to write to; the result is moved to `path` in one step when it is complete.

    The path is in a hidden folder next to `path` that belongs to this call alone, so additional files of a
    writer stay there. Such folders of dead processes on this machine are removed, and those of other machines
    after an hour.

    Args:
        path: the file or folder to write; an existing folder must be empty.
        n_bytes: int, minimum size, for which the disk must have room. Defaults to `0`.

    Raises:
        OSError: if there is no room, or the folder cannot be written to; it names `path` and the remedy.
    """
    path = Path(path)
    with _own_folder(path, n_bytes) as folder:
        yield folder / path.name
        if (folder / path.name).is_dir() and path.is_dir():
            path.rmdir()  # Windows does not replace folders
        os.replace(folder / path.name, path)


@contextlib.contextmanager
def replacing_within(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to write files to; they are moved into the folder `path` when all are complete.

    Args:
        path: the folder, which may exist and contain other files.

    Raises:
        OSError: if there is no room, or the folder cannot be written to; it names `path` and the remedy.
    """
    path = Path(path)
    with _own_folder(path) as folder:
        yield folder
        path.mkdir(exist_ok=True)
        for written in sorted(folder.iterdir()):
            os.replace(written, path / written.name)


@contextlib.contextmanager
def _own_folder(path: Path, n_bytes: int = 0) -> Iterator[Path]:
    with writing(path, n_bytes):
        _clear(path)
        folder = path.with_name(f"{_beginning(path)}{machine()}-{os.getpid()}-{next(_counter)}")
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def writing(path: Path, n_bytes: int = 0) -> Iterator[None]:
    """Add the file and the remedy to errors about a full disk or missing permissions.

    Args:
        path: the file to write.
        n_bytes: int, minimum size, for which the disk must have room. Defaults to `0`.

    Raises:
        OSError: if there is no room, or the folder cannot be written to.
    """
    check_room(path, n_bytes)
    try:
        yield
    except Exception as error:
        # HDF5 and TensorFlow give the reason only as text.
        own = error.errno if isinstance(error, OSError) else None
        reason = own if own in _REMEDIES else _reason_in(str(error))
        if reason is None:
            raise
        message = f"{os.strerror(reason)}; {_REMEDIES[reason]}"
        raise OSError(reason, message, os.fspath(path)) from error


def check_new_folder(path: Path, name: str = "`path`") -> None:
    """Refuse a folder to write that has files, or that has no folder to be in.

    Args:
        path: the folder to be.
        name: what the caller calls it. Defaults to "`path`".
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(
            f"{name} must be a new or empty folder; remove it or write elsewhere. Received: {str(path)!r}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write to: make it first.")


def check_room(path: Path, n_bytes: int) -> None:
    """Refuse to write a file that does not fit on the disk.

    Args:
        path: the file to write.
        n_bytes: int, its minimum size.

    Raises:
        OSError: if there is less room.
    """
    free = shutil.disk_usage(path.parent).free
    if free < n_bytes:
        raise OSError(
            errno.ENOSPC,
            f"No space left: {n_bytes:,} bytes are needed and {free:,} free; {_NO_ROOM}",
            os.fspath(path),
        )


def _reason_in(text: str) -> int | None:
    return next((number for number in _REMEDIES if os.strerror(number) in text), None)


def _beginning(path: Path) -> str:
    return f".{path.name}."


def _clear(path: Path) -> None:
    """Remove the folders of dead writers of `path`."""
    remove_abandoned(path.parent, re.compile(rf"{re.escape(_beginning(path))}([0-9a-f]+)-(\d+)-\d+"))


def remove_abandoned(place: Path, form: re.Pattern[str], of_others: bool = True) -> None:
    """Remove folders of dead processes, and those of other machines that are older than an hour.

    Args:
        place: the folder that contains them.
        form: pattern of their names, whose groups are the machine and the process.
        of_others: bool, whether to remove folders of other machines, too. Defaults to `True`.
    """
    for other in place.iterdir():
        named = form.fullmatch(other.name)
        if named:
            with contextlib.suppress(OSError):
                gone = named[1] == machine() and not _runs(int(named[2]))
                old = of_others and time.time() - other.stat().st_mtime > _ABANDONED_SECONDS
                if gone or old:
                    shutil.rmtree(other, ignore_errors=True)


def machine() -> str:
    """A name for the machine, or the container, in which process numbers are unique."""
    numbers = ""
    with contextlib.suppress(OSError):  # only on Linux
        numbers = os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32((platform.node() + numbers).encode()):08x}"


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # unknown; it is removed after an hour
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
