"""Vectors that the processes of a server share: one copy in files that each process memory-maps."""

import hashlib
import logging
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasrec.evaluation._scorers import FactorRows
from kerasrec.recommender import _vectors
from kerasrec.recommender._state import State

_LOG = logging.getLogger("kerasrec.serving")
# Environment variable with the folder of the files, for the processes of a server.
FOLDER = "KERASREC_SHARED_VECTORS"
_TABLES = ("user", "item", "user_bias", "item_bias")


def share(state: State, path: Path, version: str) -> None:
    """Memory-map the vectors of a model that factorises if a server has several processes.

    Args:
        state: `State` of the recommender that was just loaded.
        path: its file.
        version: version of the file.
    """
    held = _vectors.factors(state) if FOLDER in os.environ else None
    if held is None:
        return
    versions = Path(os.environ[FOLDER], hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12])
    folder = versions / version
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables = {name: getattr(held, name) for name in _TABLES}
        mapped: Any = {name: _mapped(folder, name, x) for name, x in tables.items() if x is not None}
        state.computed.put("factors", replace(held, **mapped))
        rows = _vectors.ranker(state).rows
        if isinstance(rows, FactorRows):
            rows.items = _mapped(folder, "arranged", rows.items)
    except OSError as error:
        _LOG.warning("The processes do not share vectors: %s", error)
        return
    for other in versions.iterdir():  # a process that has mapped the files keeps them
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _mapped(folder: Path, name: str, array: np.ndarray) -> np.ndarray:
    """The same array, memory-mapped from a file that the first process writes."""
    path = folder / f"{name}.npy"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            np.save(file, array)
        os.replace(file.name, path)
    return np.asarray(np.load(path, mmap_mode="r"))
