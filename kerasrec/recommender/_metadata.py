"""A frame of metadata as arrays that `np.savez` writes without pickle, and back."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._columns import shown, valid_text

if TYPE_CHECKING:
    import pandas as pd

# Column names of frames of recommendations.
TAKEN = (
    "user",
    "item",
    "rank",
    "score",
    "fallback",
    "similar",
    "rank_before",
    "moved_by",
    "propensity",
)


def aligned(metadata: Any, ids: np.ndarray) -> "pd.DataFrame":
    """A frame with one row per id, in the order of the codes; ids without metadata have missing entries."""
    import pandas as pd

    if not isinstance(metadata, pd.DataFrame):
        raise TypeError(
            "`item_metadata` must be a pandas DataFrame indexed by raw item id. "
            f"Received: {type(metadata).__name__}."
        )
    names = [str(name) for name in metadata.columns]
    bad = [name for name in names if name in TAKEN or names.count(name) > 1]
    if bad:
        raise ValueError(
            f"Columns of `item_metadata` must occur once and not be called {', '.join(TAKEN)}; rename them. "
            f"Received: {bad[0]!r}."
        )
    if not metadata.index.is_unique:
        again = shown(metadata.index[metadata.index.duplicated()][0])
        raise ValueError(f"`item_metadata` must have one row per item. Received: {again} more than once.")
    if not metadata.index.isin(ids).any():
        first = metadata.index[:1].tolist()
        raise ValueError(
            "`item_metadata` must be indexed by raw item id, e.g. `frame.set_index('item')`. "
            f"Received: index {first}..., of which no item is known; items are {ids[:1].tolist()}..."
        )
    _check_index(metadata, ids)
    found = metadata.reindex(pd.Index(ids, tupleize_cols=False)).reset_index(drop=True)
    found = found.set_axis(names, axis=1)
    to_arrays(found)  # refuses what a file cannot hold, before the training
    return found


def _check_index(metadata: "pd.DataFrame", ids: np.ndarray) -> None:
    """Refuse an index that counts rows from 0 if a column holds the ids."""
    import pandas as pd

    index = metadata.index
    if not isinstance(index, pd.RangeIndex) or index.name is not None:
        return
    wanted = pd.Index(ids, tupleize_cols=False)
    if wanted.isin(index).all():
        return
    for name in metadata.columns:
        column = metadata[name]
        if column.is_unique and wanted.isin(column).all():
            raise ValueError(
                f"`item_metadata` must be indexed by raw item id: `frame.set_index({name!r})`. "
                f"Received: rows counted from {index.start}, while column {name!r} has the ids of all items."
            )


def to_arrays(frame: "pd.DataFrame") -> dict[str, np.ndarray]:
    """The columns by number, and a header with their names and kinds."""
    import pandas as pd

    arrays, columns = {}, []
    for place, name in enumerate(frame.columns):
        column = frame[name]
        about = {"name": name, "kind": "array"}
        if pd.api.types.is_datetime64_dtype(column.dtype):
            unit = np.datetime_data(column.dtype)[0]
            array, about = column.to_numpy().astype(np.int64), about | {"kind": "time", "unit": unit}
        elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            array = column.to_numpy()
        else:
            array, about["kind"] = _text([plain_entry(x, name) for x in column.astype(object)]), "text"
        arrays[f"column_{place}"] = array
        columns.append(about)
    return {"header": _text({"columns": columns, "rows": len(frame)}), **arrays}


def from_arrays(arrays: Mapping[str, np.ndarray], n_items: int) -> "pd.DataFrame":
    """The inverse of `to_arrays`; other arrays are an error."""
    import pandas as pd

    header = json.loads(arrays["header"].tobytes())
    names = [column["name"] for column in header["columns"]]
    bad = [name for name in names if not isinstance(name, str) or name in TAKEN or names.count(name) > 1]
    if bad or header["rows"] != n_items:
        raise ValueError(
            f"metadata must have one row per item and columns of their own names, not {', '.join(TAKEN)}; "
            f"received {header['rows']} rows and the columns {', '.join(map(repr, names))[:200]}"
        )
    columns: dict[str, Any] = {}
    for place, column in enumerate(header["columns"]):
        array = arrays[f"column_{place}"]
        if column["kind"] == "text":
            values = json.loads(array.tobytes())
            plain_text = all(value is None or isinstance(value, str) for value in values)
            columns[column["name"]] = pd.Series(values, dtype=None if plain_text else object)
        elif column["kind"] == "time":
            columns[column["name"]] = array.astype(f"datetime64[{column.get('unit', 'ns')}]")
        else:
            columns[column["name"]] = array
        if np.shape(columns[column["name"]]) != (n_items,):
            raise ValueError(f"metadata must have one entry per item; column {column['name']!r} has others")
    found = pd.DataFrame(columns, index=range(n_items))
    to_arrays(found)  # refuses what `to_arrays` would not have written
    return found


def _text(value: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def plain_entry(value: Any, name: str) -> Any:
    """An entry as JSON holds it; a missing one is `None`."""
    import pandas as pd

    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain_entry(x, name) for x in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if not isinstance(value, (str, int, float)):
        raise TypeError(
            f"Column {name!r} of `item_metadata` must hold text, numbers, truth values, lists of them or "
            f"dates without a zone, which a file can hold; `frame[{name!r}].astype(str)` makes text. "
            f"Received: {value!r} of type {type(value).__name__}."
        )
    if isinstance(value, str):
        valid_text(value)
    return None if value != value else value
