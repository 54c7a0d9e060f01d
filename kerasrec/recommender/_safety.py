"""What a file is checked for before anything in it is built: nothing is executed to read it."""

import json
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import keras

# Characters of another library's error that a message repeats.
_LONGEST = 300
# Honest files hold arrays as they are; text ids shrink at most about twentyfold.
_MOST_GROWTH = 100
_FREE_BYTES = 1 << 20
_SUFFIXES = (".json", ".h5", ".npz", ".npy")
# What Keras keeps in a config beside the classes of Keras and those registered with it.
_PLAIN = ("__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__typespec__")
_KERAS = ("keras", "keras_rs", "builtins")


def check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse names that lead out of a folder, files of a kind that holds code, and zip bombs."""
    for name in archive.namelist():
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
            raise ValueError(f"A model file must hold names inside it alone. Received: {name!r} in {path}.")
        if not name.endswith("/") and PurePosixPath(name).suffix not in _SUFFIXES:
            raise ValueError(
                f"A model file must hold {', '.join(_SUFFIXES)} files alone; others could be code. "
                f"Received: {name!r} in {path}."
            )
    check_growth(archive, path, path.stat().st_size)


def check_growth(archive: zipfile.ZipFile, path: Path, n_bytes: int) -> None:
    """Refuse an archive that would unpack to far more than it is."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _MOST_GROWTH * n_bytes + _FREE_BYTES:
        raise ValueError(
            f"A model file must not unpack to more than {_MOST_GROWTH} times its size. "
            f"Received: {unpacked:,} bytes in the {n_bytes:,} of {path}."
        )


def check_nested(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse the same of the archives of arrays inside."""
    for member in archive.infolist():
        if member.filename.endswith(".npz"):
            with archive.open(member) as file, zipfile.ZipFile(file) as nested:
                check_growth(nested, path, member.file_size)


def check_config(text: bytes, path: Path) -> None:
    """Refuse a config that names code (Lambda layers) or a class that is neither Keras's nor registered."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must hold a config in JSON. Received: {error}.") from error
    todo: list[Any] = [config]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo.extend(part)
        elif isinstance(part, dict):
            todo.extend(part.values())
            if isinstance(part.get("class_name"), str):
                _check_class(part, path)


def _check_class(part: dict[str, Any], path: Path) -> None:
    name = part["class_name"]
    if name in ("__lambda__", "Lambda"):
        raise ValueError(
            f"A model file must hold no code; write a Lambda layer as a class of its own. Received: {path}, "
            "with a Lambda."
        )
    module, registered = part.get("module"), part.get("registered_name")
    package = str(module or "keras").split(".")[0]
    known = name in _PLAIN or package in _KERAS
    for key in (registered, part.get("config") if name == "function" else None):
        known = known or (isinstance(key, str) and keras.saving.get_registered_object(key) is not None)
    if not known:
        raise ValueError(
            "A model file must name classes of Keras, kerasrec or registered ones alone; import what defines "
            "the class and registers it (`@keras.saving.register_keras_serializable()`) first. "
            f"Received: {registered or name!r} of {module!r} in {path}."
        )


def one_line(text: str) -> str:
    """The beginning of what an error of another library says, as one line."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
