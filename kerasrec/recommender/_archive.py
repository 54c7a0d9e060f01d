"""Checks of a file before anything in it is read: it must be a complete archive of plain arrays."""

import contextlib
import json
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kerasrec._assets import HEADER, check_header
from kerasrec._memory import check_memory

WEIGHTS = "model.weights.h5"
# The folder of the vectors that lists need.
VECTORS = "vectors/"
# Most characters of another library's error in a message.
_LONGEST = 300
# Arrays are stored uncompressed; text ids shrink at most about twentyfold.
_MOST_GROWTH = 100
_FREE_BYTES = 1 << 20
_SUFFIXES = (".json", ".h5", ".npz", ".npy")


def keras_path(path: str | os.PathLike[str]) -> Path:
    """The path of a model file, which ends in `.keras`."""
    if Path(path).suffix != ".keras":
        raise ValueError(f"`path` must end in .keras. Received: {os.fspath(path)!r}.")
    return Path(path)


# Errors of zipfile about a damaged archive, or one of an unknown version or compression.
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, EOFError, struct.error, zlib.error)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """The archive of a model file and its folder of ids, after checking that both are safe to read."""
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be a model file; there is none at {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if "config.json" not in members:
                raise ValueError(
                    f"`path` must be a Keras model file. Received: {path}, another zip file "
                    "or one that was cut off."
                )
            _check_archive(archive, path)
            _check_nested(archive, path)
            _check_arrays(archive, path)
            headers = [name for name in members if name.rsplit("/", 1)[-1] == HEADER]
            if not headers:
                raise ValueError(
                    "`path` must be written by `kerasrec.recommender.save_model`; "
                    "`keras.models.load_model` reads other Keras models. "
                    f"Received: {path}, which holds no ids."
                )
            try:
                header = json.loads(archive.read(headers[0]))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path} must have a header in JSON. Received: {error}.") from error
            check_header(header)
            yield archive, headers[0].removesuffix(HEADER)
    except _DAMAGED as error:
        raise ValueError(
            f"`path` must be a complete model file. Received: {path}, which is not one or was cut off "
            f"({error})."
        ) from error


def _check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse names that point outside a folder, files that can hold code, and zip bombs."""
    for name in archive.namelist():
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
            raise ValueError(f"Names in a model file must not lead outside it. Received: {name!r} in {path}.")
        if not name.endswith("/") and PurePosixPath(name).suffix not in _SUFFIXES:
            raise ValueError(
                f"A model file must hold only {', '.join(_SUFFIXES)} files; others could be code. Received: "
                f"{name!r} in {path}."
            )
    _check_growth(archive, path, path.stat().st_size)


def _check_growth(archive: zipfile.ZipFile, path: Path, n_bytes: int) -> None:
    """Refuse an archive that would unpack to far more bytes than it has."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _MOST_GROWTH * n_bytes + _FREE_BYTES:
        raise ValueError(
            f"A model file must not unpack to more than {_MOST_GROWTH} times its size. "
            f"Received: {unpacked:,} bytes in the {n_bytes:,} of {path}."
        )


def _check_nested(archive: zipfile.ZipFile, path: Path) -> None:
    """Check the archives of arrays inside the file in the same way."""
    for member in archive.infolist():
        if member.filename.endswith(".npz"):
            with archive.open(member) as file, zipfile.ZipFile(file) as nested:
                _check_growth(nested, path, member.file_size)


def _check_arrays(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse arrays whose header declares a size other than that of the data."""
    for member in archive.infolist():
        if member.filename.endswith(".npy"):
            with archive.open(member) as file:
                _check_array(file, member.file_size, member.filename, path)
        elif member.filename.endswith(".npz"):
            with archive.open(member) as file, zipfile.ZipFile(file) as nested:
                _check_arrays(nested, path)


def _check_array(file: Any, n_bytes: int, name: str, path: Path) -> None:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version](file)
    except zipfile.BadZipFile:
        raise
    except Exception as error:  # NumPy parses the header as Python, and lets its errors through
        raise ValueError(f"{path} must hold NumPy arrays. Received: {name}, which is not one.") from error
    if dtype.hasobject:
        raise ValueError(
            f"{path} holds objects in {name}, which cannot be read without executing them. Received: {dtype}."
        )
    declared = file.tell() + math.prod(shape) * dtype.itemsize
    if declared != n_bytes:
        raise ValueError(
            "Arrays in a model file must have the size that their headers declare. Received: "
            f"{name} of shape {shape}, {declared:,} bytes, in {n_bytes:,} of {path}."
        )


def check_room(archive: zipfile.ZipFile, path: Path, without: str) -> None:
    """Refuse arrays that do not fit into memory; the system would kill the process without a message.

    Args:
        archive: of a model file.
        path: the file.
        without: prefix of the names that will not be read.
    """
    n_bytes = sum(x.file_size for x in archive.infolist() if not x.filename.startswith(without))
    check_memory(n_bytes, f"what {path} holds", remedy="free some or load it on a machine with more")


def one_line(text: str) -> str:
    """The beginning of another library's error message, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
