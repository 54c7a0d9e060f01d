"""The header of a folder of files: its version, and the sizes and checksums of its files."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasrec._memory import in_words
from kerasrec.data._column_files import checksum

HEADER = "header.json"
# The checksums of folders up to this size are always compared, which takes a second.
_CHECKED_BYTES = 1 << 30


@dataclass(frozen=True)
class Form:
    """The format of a kind of folder.

    Args:
        name: name of the format in the header.
        version: newest version that can be read.
        writer: function that writes such folders, for messages.
        remedy: what to do about a damaged folder, for messages.
    """

    name: str
    version: int
    writer: str
    remedy: str

    def write(self, folder: Path, entries: Mapping[str, Any]) -> None:
        """Write the header, after all other files.

        Args:
            folder: the folder.
            entries: contents, with their `version`.
        """
        plain = json.loads(json.dumps({"form": self.name, **entries}))
        (folder / HEADER).write_text(json.dumps({**plain, "check": _check_of(plain)}, indent=1))

    def read(self, folder: Path) -> dict[str, Any]:
        """The entries that `write` was given.

        Args:
            folder: the folder.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if it is of another format or a newer version, or its header was changed.
        """
        if not folder.is_dir():
            raise FileNotFoundError(
                f"`path` must be a folder that `{self.writer}` wrote. Received: path={str(folder)!r}, which "
                "does not exist."
            )
        try:
            entries: dict[str, Any] = json.loads((folder / HEADER).read_text())
            check = entries.pop("check", None)
            whole = check == _check_of(entries)
            if entries.pop("form") != self.name:
                raise ValueError("another format")
            version = int(entries["version"])
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"`path` must be a folder that `{self.writer}` wrote; {self.remedy}. "
                f"Received: path={str(folder)!r}, whose header cannot be read ({error})."
            ) from error
        if version > self.version:
            raise ValueError(
                "`path` must be a folder of this version of kerasrec or an older one; update kerasrec, or "
                f"{self.remedy}. Received: path={str(folder)!r}, of version {version}; the newest known one "
                f"is {self.version}."
            )
        if not whole:
            raise self.damaged(folder, f"a {HEADER} whose checksum does not match")
        return entries

    def check_files(self, folder: Path, files: Mapping[str, tuple[int, int]], verify: bool | None) -> None:
        """Refuse files that have changed since they were written.

        Args:
            folder: the folder.
            files: sizes and checksums by name.
            verify: whether to compare checksums; `None` compares those of small folders.
        """
        total = 0
        for name, (size, _) in files.items():
            path = folder / name
            there = path.stat().st_size if path.is_file() else None
            if there != size:
                what = "no file" if there is None else in_words(there)
                raise self.damaged(folder, f"{what} for {name}, which had {in_words(size)}")
            total += size
        if not (total <= _CHECKED_BYTES if verify is None else verify):
            return
        for name, (size, check) in files.items():
            if size and checksum(folder / name) != check:
                raise self.damaged(folder, f"{name}, whose checksum does not match")

    def damaged(self, folder: Path, what: str) -> ValueError:
        """The error for a folder that has changed since it was written."""
        return ValueError(
            f"`path` must be as `{self.writer}` wrote it; {self.remedy}. "
            f"Received: path={os.fspath(folder)!r} with {what}."
        )


def _check_of(entries: Any) -> int:
    """The checksum of a header, without the entry of the checksum itself."""
    return zlib.crc32(json.dumps(entries, sort_keys=True).encode())
