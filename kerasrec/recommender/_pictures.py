"""Pictures as files that appear when they are complete."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kerasrec._partial import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_picture(path: str | os.PathLike[str] | None) -> None:
    """Refuse a path that cannot be written, before the picture is drawn."""
    if path is not None and not Path(path).parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; make {Path(path).parent} first.")


def write_picture(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the file's ending; without one as `.png`, like matplotlib."""
    path = Path(path)
    with replacing(path if path.suffix else path.with_suffix(".png")) as partial:
        figure.savefig(partial, dpi=150)
