import os
from pathlib import Path
from typing import Any

from kerasrec._partial import replacing
from kerasrec.serving._extra import require
from kerasrec.serving.settings import Settings


def write_page(settings: Settings, path: Any) -> Path:
    """Write a report of a model as one self-contained HTML file.

    Pictures are left out unless the metadata contain them inline (`data:image/...`).

    Args:
        settings: `Settings`; only the model, the second model, the held-out table, the title and the picture
            are used.
        path: file to write, ending in `.html`.

    Returns:
        The path.

    Raises:
        ValueError: if `path` has another ending, or the model cannot be read.
        FileNotFoundError: if the folder or the model does not exist.
    """
    require(("jinja2",))
    from kerasrec.serving.page._report import rendered

    path = Path(path)
    if path.suffix != ".html":
        raise ValueError(f"`path` must end in .html. Received: {os.fspath(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; make {path.parent} first.")
    text = rendered(settings)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
