"""Finds the files of a data set: in a folder, in a zip file, or at the publisher."""

import contextlib
import os
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import keras

FOLDER_VARIABLE = "KERASREC_DATA"


@dataclass(frozen=True)
class Archive:
    """A zip file of a publisher.

    Args:
        name: name of the data set in kerasrec.
        url: address of the zip file.
        md5: checksum of the zip file, if the publisher gives one.
    """

    name: str
    url: str
    md5: str | None = None

    @property
    def file(self) -> str:
        """The name of the zip file."""
        return self.url.rsplit("/", 1)[1]


class Files:
    """The files of a data set in a folder (or a folder in it), or in a zip file, which is never unpacked."""

    def __init__(self, place: Path) -> None:
        self.place = place
        if place.is_dir():
            found = sorted([*place.glob("*"), *place.glob("*/*")])
            self._files = [str(path) for path in found if path.is_file()]
            return
        try:
            with zipfile.ZipFile(place) as archive:
                members = [member.filename for member in archive.infolist() if not member.is_dir()]
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"`path` must be a folder or a zip file. Received: path={str(place)!r}, which is not a zip "
                "file or is incomplete; if so, delete it and fetch it again."
            ) from error
        # macOS adds a second file with the same name there.
        self._files = [member for member in members if not member.startswith("__MACOSX/")]

    def find(self, *names: str) -> str | None:
        """The file with the first of these names that exists, ignoring case; `None` if there is none."""
        for name in names:
            for file in self._files:
                if Path(file).name.lower() == name.lower():
                    return file
        return None

    @contextlib.contextmanager
    def open(self, *names: str) -> Iterator[IO[bytes]]:
        """Open the file with one of these names."""
        found = self.find(*names)
        if found is None:
            there = ", ".join(sorted(Path(file).name for file in self._files)[:8]) or "nothing"
            raise FileNotFoundError(
                f"{' or '.join(map(repr, names))} must be in {str(self.place)!r}. Received: {there}."
            )
        if self.place.is_dir():
            with Path(found).open("rb") as file:
                yield file
        else:
            with zipfile.ZipFile(self.place) as archive, archive.open(found) as member:
                yield member


def files(archive: Archive, path: Any = None) -> Files:
    """The files of a data set: from `path`, otherwise from the folder KERASREC_DATA, otherwise a download."""
    if path is not None:
        path = Path(path).expanduser()
        if not path.exists():
            raise FileNotFoundError(
                f"`path` must be an existing folder or zip file. Received: path={str(path)!r}."
            )
        return Files(_within(path, archive) or path)
    folder = os.environ.get(FOLDER_VARIABLE)
    place = _within(Path(folder).expanduser(), archive) if folder else None
    return Files(place or _download(archive))


def _within(folder: Path, archive: Archive) -> Path | None:
    """The folder or zip file of the data set in a folder of data sets; `None` if there is none."""
    if not folder.is_dir():
        return None
    names = [archive.name, Path(archive.file).stem]
    dated = sorted(folder.glob(f"{archive.name}-[0-9][0-9][0-9][0-9]"), reverse=True)
    places = [*(folder / name for name in names), *dated, folder / archive.file]
    return next((place for place in places if place.exists()), None)


def _download(archive: Archive) -> Path:
    try:
        # Standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            return Path(
                keras.utils.get_file(
                    archive.file,
                    archive.url,
                    file_hash=archive.md5,
                    hash_algorithm="md5",
                    cache_subdir="datasets/kerasrec",
                )
            )
    except Exception as error:  # Keras raises no specific exception
        folder = os.environ.get(FOLDER_VARIABLE)
        where = f"now {folder!r}" if folder else "not set now"
        raise FileNotFoundError(
            f"{archive.file!r} could not be downloaded ({error}). Fetch {archive.url} elsewhere and "
            f"put it, unchanged, into the folder that {FOLDER_VARIABLE} names ({where}), "
            "or pass its location as `path`."
        ) from error
