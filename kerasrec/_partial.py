"""Files and folders that are there whole or not at all, and what writing them may end with."""

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
    """Where to write what is to stand at `path`: it goes there at once, when all is written.

    That is in a hidden folder beside `path` that is this call's own, whichever process and thread it comes
    from, so that whatever a writer makes beside its file stays there. What processes of this machine that are
    no more left in such folders is removed, and what others left more than an hour ago.

    Args:
        path: the file or the folder to be; a folder that is there already must be empty.
        n_bytes: int, how much there will be at least; looked at before anything is written. Defaults to `0`.

    Raises:
        OSError: if there is no room, or the folder cannot be written to; it names `path` and the remedy.
    """
    path = Path(path)
    with _own_folder(path, n_bytes) as folder:
        yield folder / path.name
        if (folder / path.name).is_dir() and path.is_dir():
            path.rmdir()  # Windows replaces no folder
        os.replace(folder / path.name, path)


@contextlib.contextmanager
def replacing_within(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where to write files of the folder `path`: they go there, beside others, when all are written.

    Args:
        path: the folder, which may be there.

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
    """Say which file found no room or no right to be written, and how to go on.

    Args:
        path: the file to be.
        n_bytes: int, how much there will be at least; looked at before anything is written. Defaults to `0`.

    Raises:
        OSError: if there is no room, or the folder cannot be written to.
    """
    check_room(path, n_bytes)
    try:
        yield
    except Exception as error:
        # HDF5 and TensorFlow give the reason as text alone.
        own = error.errno if isinstance(error, OSError) else None
        reason = own if own in _REMEDIES else _reason_in(str(error))
        if reason is None:
            raise
        message = f"{os.strerror(reason)}; {_REMEDIES[reason]}"
        raise OSError(reason, message, os.fspath(path)) from error


def check_room(path: Path, n_bytes: int) -> None:
    """Refuse to begin what would not fit the disk.

    Args:
        path: the file to be.
        n_bytes: int, how much there will be at least.

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
    """Remove what earlier writers of `path` left that are no more."""
    remove_abandoned(path.parent, re.compile(rf"{re.escape(_beginning(path))}([0-9a-f]+)-(\d+)-\d+"))


def remove_abandoned(place: Path, form: re.Pattern[str], of_others: bool = True) -> None:
    """Remove folders of processes that are no more, and of other machines' from more than an hour ago.

    Args:
        place: the folder that they are in.
        form: of their names; its groups are the machine and the process.
        of_others: bool, other machines' too. Defaults to `True`.
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
    """A name for what gives processes their numbers: a machine, or a container on it."""
    numbers = ""
    with contextlib.suppress(OSError):  # Linux alone
        numbers = os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32((platform.node() + numbers).encode()):08x}"


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
