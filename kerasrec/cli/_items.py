"""Tables with one row per item, whose columns are shown next to the ids."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec.cli import _table
from kerasrec.cli._report import Report

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")


def metadata_of(path: Path, item_column: str | None, ids: "np.ndarray", report: Report) -> "pd.DataFrame":
    """The rows of the table at `path` for a model's raw `ids`, indexed by these.

    The column of ids is `item_column` if the table has it, and guessed otherwise.
    """
    from kerasrec.recommender._metadata import aligned

    frame, by = _table.read_items(path, item_column, must_have=False)
    frame = frame.set_index(by)
    again = int((frame.index.notna() & frame.index.duplicated()).sum())
    frame = frame[frame.index.notna() & ~frame.index.duplicated()]
    frame = frame.apply(_with_decimal_commas)
    found = known_rows(frame, ids, "; `--item-column` names their column in both tables")
    aligned(found, ids)  # refuses what lists cannot show, before training
    report.line(
        f"Items: {len(found):,} of {len(ids):,} have a row in {path.name}; the model's file keeps "
        f"{', '.join(map(repr, found.columns))}"
        + (f"; repeated rows are dropped: {again:,}" if again else "")
    )
    report.result["item_columns"] = list(found.columns)
    return found


def _with_decimal_commas(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Numbers if all entries have a decimal comma; `1,200` may also mean twelve hundred, and stays text."""
    texts = column.dropna()
    if not len(texts) or not all(isinstance(x, str) and _COMMA.fullmatch(x) for x in texts):
        return column
    if all(len(x.partition(",")[2]) == 3 for x in texts):
        return column
    return column.map(lambda x: float(x.replace(".", "").replace(",", ".")), na_action="ignore").astype(float)


def known_rows(frame: "pd.DataFrame", ids: "np.ndarray", remedy: str) -> "pd.DataFrame":
    """The rows of a frame for the raw `ids`, indexed by these, whatever the type of the index.

    Raises:
        ValueError: if there is none; `remedy` is part of the message.
    """
    import pandas as pd

    from kerasrec.data._columns import id_index

    raw, given = pd.Index(ids.astype(str)), id_index(frame.index).astype(str)
    place = raw.get_indexer(given)
    known = frame[place >= 0].set_axis(ids[place[place >= 0]], axis=0)
    if known.empty:
        if raw.str.lstrip("0").isin(given.str.lstrip("0")).any():
            remedy += "; leading zeros of ids are lost in one of the tables"
        raise ValueError(
            f"`--items` must have the items of the model{remedy}. Received: {frame.index[:1].tolist()}..., "
            f"and the model has {ids[:1].astype(str).tolist()}..."
        )
    return known
