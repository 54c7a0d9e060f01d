"""The contents of a trained file, read without Keras if possible, and its lists as rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec.cli._library import load_library

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from kerasrec.cli._report import Report
    from kerasrec.recommender._state import State


def read_state(model: Path, report: "Report", newcomers: bool = False) -> "State":
    """The state in a recommender's file; its model is loaded only if the vectors are not enough.

    Args:
        model: the file.
        report: report that shows progress.
        newcomers: bool, whether lists for histories are needed. Defaults to `False`.
    """
    from kerasrec.recommender._vector_file import read_vectors

    state = read_vectors(model, newcomers)
    if state is None:
        load_library(report)
        from kerasrec.recommender import _saved

        with report.waiting(f"Reading {model.name}"):
            state = _saved.load(model)
    return state


def as_known(texts: list[str], known: "np.ndarray") -> list[Any]:
    """Ids in the type of the model's ids: numbers if these are numbers."""
    from kerasrec.data._ids import integer

    ids = set(known.tolist())
    if all(isinstance(entry, str) for entry in ids):
        return texts
    numbers = ((x, integer(x.strip())) for x in texts)
    return [x if number is None or x in ids else number for x, number in numbers]


def records(frame: "pd.DataFrame") -> tuple[list[dict[Any, Any]], list[dict[Any, Any]]]:
    """The rows of a frame as plain values; missing entries are `None`."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return rows, [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
