"""Columns of a table, checked and turned into arrays."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _ids, _missing_times

if TYPE_CHECKING:
    import pandas as pd


_TOO_FAR = "times that do not fit into 64 bits (datetimes go from 1677 to 2262)"

_FLOATS = ("float16", "float32")
_NO_WHOLE_TIMES = (
    "times that are not whole numbers",
    "Convert the column, e.g. with `pandas.to_datetime(column, unit='s')`.",
)


def parse(
    frame: "pd.DataFrame",
    names: Mapping[str, Any],
    vocabularies: Mapping[str, Any],
    context: Sequence[Any],
    grow: bool = False,
) -> dict[str, Any]:
    """A table of raw events as the arguments of `Interactions`.

    Args:
        frame: table.
        names: its columns of `user`, `item`, `value` and `time`; the last two may be `None`.
        vocabularies: raw ids by code of `user`, `item` and columns of context, if they are given.
        context: its further columns to keep.
        grow: bool, add unknown ids after the given ones instead of refusing them. Defaults to `False`.
    """
    clash = set(names) & set(context)
    if clash:
        raise ValueError(f"`context` must not use the names {', '.join(names)}. Received: {sorted(clash)}.")
    columns = {
        argument: column(frame, name, argument) for argument, name in names.items() if name is not None
    }
    further = {name: column(frame, name, "context") for name in context}
    if frame.empty:
        raise ValueError("The table must have at least one row. Received: an empty table.")

    parsed: dict[str, Any] = {"values": None, "times": None, "context": {}, "context_ids": {}}
    parsed["dates"] = False
    for side in ("user", "item"):
        encoded = encode(columns[side], names[side], vocabularies.get(side), grow)
        parsed[f"{side}s"], parsed[f"{side}_ids"] = encoded
    if "value" in columns:
        parsed["values"] = numbers(columns["value"], names["value"])
    if "time" in columns:
        parsed["times"], parsed["dates"] = times(columns["time"], names["time"], parsed["users"])
    for name, entries in further.items():
        parsed["context"][name], ids = context_column(entries, name, vocabularies.get(name))
        if ids is not None:
            parsed["context_ids"][name] = ids
    return parsed


def column(frame: "pd.DataFrame", name: Any, argument: str) -> "pd.Series[Any]":
    """One column of a frame by name."""
    if name not in frame.columns:
        listed = ", ".join(map(repr, frame.columns)) or "none"
        remedy = " `frame.reset_index()` makes a column of the index." if name in frame.index.names else ""
        only = str(frame.columns[0]) if len(frame.columns) == 1 else ""
        separator = next((found for found in ";\t|" if found in only), None)
        if separator is not None:
            remedy = f" They seem to be separated by {separator!r}: read the table with `sep={separator!r}`."
        if str(next(iter(frame.columns), "")).startswith("sep="):
            remedy = " The first line is Excel's: leave it out with `skiprows=1`, and give its `sep`."
        raise ValueError(
            f"`{argument}` must name a column of the table. Received: {argument}={name!r}; "
            f"its columns are {listed}.{remedy}"
        )
    found = frame[name]
    if found.ndim != 1:
        raise ValueError(f"Column {name!r} must occur once in the table. Received: {found.shape[1]} columns.")
    return found


def refuse(bad: Any, column: Any, name: Any, fault: str, remedy: str) -> None:
    """Raise an error if any row is bad; it names the column, the count and the first bad row (from 0)."""
    count = int(np.count_nonzero(bad))
    if count:
        row = int(np.argmax(bad))
        rows = "1 row" if count == 1 else f"{count} rows"
        raise ValueError(
            f"Column {name!r} must not have {fault}. Received: {rows} of them, first "
            f"{shown(column.iloc[row])} in row {row}. {remedy}"
        )


def shown(entry: Any) -> str:
    """An id or value for a message: `3`, not `np.int64(3)`."""
    return repr(entry.item() if isinstance(entry, np.generic) else entry)


def encode(
    column: "pd.Series[Any]", name: Any, ids: Any = None, grow: bool = False, context: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of raw ids, by the rule of `_ids`.

    Args:
        column: raw ids.
        name: name of the column, for messages.
        ids: raw ids by code. Defaults to `None`: those of the column, sorted.
        grow: bool, add unknown ids after `ids` instead of refusing them. Defaults to `False`.
        context: bool, they are categories of a context, of any type. Defaults to `False`.

    Returns:
        The codes, int32, and the raw ids by code.
    """
    import pandas as pd

    try:
        codes, uniques = pd.factorize(column)
    except TypeError:  # not hashable
        odd = [isinstance(entry, (list, dict, set, np.ndarray)) for entry in column]
        refuse(odd, column, name, "lists or similar objects as ids", "Convert them to text or numbers.")
        raise
    refuse(codes < 0, column, name, "missing ids", "Drop those rows or fill them.")
    raw = plain(uniques)
    if not context:
        codes, raw = _settled(codes, raw, column, name)
    empty = np.fromiter((isinstance(i, str) and not i.strip() for i in raw), bool, len(raw))
    if empty.any():
        refuse(empty[codes], column, name, "empty ids", "Drop those rows or fill them.")
    if ids is None:
        order = order_of(raw)
        code_of = np.empty(len(raw), np.int32)
        code_of[order] = np.arange(len(raw), dtype=np.int32)
        return code_of[codes], raw[order]

    ids = vocabulary(ids, name)
    code_of = id_index(ids).get_indexer(id_index(raw)).astype(np.int32)
    unknown = code_of < 0
    if unknown.any() and not grow:
        remedy = "Drop those rows, or load without a given vocabulary."
        refuse(unknown[codes], column, name, "ids that the given vocabulary lacks", remedy)
    if unknown.any():
        new = raw[unknown]
        kinds = {isinstance(entry, str) for entry in ids}
        if kinds.isdisjoint({isinstance(entry, str) for entry in new}):
            of_both = f"The known ones are {'text' if True in kinds else 'numbers'}, such as {shown(ids[0])}."
            refuse(unknown[codes], column, name, "new ids of another type than the known ones", of_both)
        order = order_of(new)
        rank = np.empty(len(new), np.int32)
        rank[order] = np.arange(len(ids), len(ids) + len(new), dtype=np.int32)
        code_of[unknown] = rank
        ids = _join(ids, new[order])
    return code_of[codes], ids


def _settled(
    codes: np.ndarray, raw: np.ndarray, column: "pd.Series[Any]", name: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Codes and raw ids by the rule of `_ids`, or an error that names the rows."""
    if _ids.all_plain(raw):
        return codes, raw
    if column.dtype == object:  # pandas takes `True` for an equal number
        refuse(_ids.not_ids(column.to_numpy()), column, name, *_ids.NOT_IDS)
    else:
        refuse(_ids.not_ids(raw)[codes], column, name, *_ids.NOT_IDS)
    refuse(_ids.broken(raw)[codes], column, name, *_ids.BROKEN)
    raw, refused = _ids.normalized(raw, column.dtype if column.dtype in _FLOATS else None)
    refuse(refused[codes], column, name, *_ids.NOT_WHOLE)
    pair = _ids.alike(raw)
    if pair is not None:
        raise ValueError(
            f"Column {name!r} must not have ids that look the same. Received: {shown(pair[0])} and "
            f"{shown(pair[1])}. Write each id in one way first; `.str.strip()` removes spaces around them."
        )
    return codes, raw


def vocabulary(ids: Any, name: Any) -> np.ndarray:
    """Given raw ids as an array; repeated and missing ids are refused."""
    if isinstance(ids, (str, bytes)) or not hasattr(ids, "__iter__"):
        raise TypeError(f"The ids given for {name!r} must be a list of ids. Received: {ids!r}.")
    index = id_index(ids)
    if index.hasnans:
        raise ValueError(
            f"The ids given for {name!r} must not be missing. Received: {index.isna().sum()} missing ids."
        )
    if not index.is_unique:
        again = index[index.duplicated()]
        raise ValueError(
            f"The ids given for {name!r} must be unique. Received: {len(again)} repeated ids, "
            f"first {shown(again[0])}."
        )
    given, refused = _ids.normalized(plain(index))
    if refused.any():
        raise ValueError(
            f"The ids given for {name!r} must not be fractions, or floats beyond 2^53. "
            f"Received: {shown(given[int(np.argmax(refused))])}."
        )
    return given


def several(ids: Any) -> Any:
    """One id as a list of one; several as a sequence, in their order."""
    if isinstance(ids, (Set, Iterator)):
        return list(ids)
    if hasattr(ids, "columns") or isinstance(ids, Mapping):
        raise TypeError(
            "Ids must be given as one id or a list, array or series of them, e.g. `frame['user']`. "
            f"Received: {type(ids).__name__}."
        )
    one = isinstance(ids, (str, bytes)) or not hasattr(ids, "__iter__") or getattr(ids, "ndim", 1) == 0
    return [ids] if one else ids


def id_index(ids: Any) -> "pd.Index[Any]":
    """Raw ids as a pandas index; lists of mixed types and of tuples stay unchanged."""
    import pandas as pd

    if isinstance(ids, np.ndarray) and ids.dtype.kind == "U":
        ids = ids.astype(object)
    try:
        index = pd.Index(ids, tupleize_cols=False)
    except UnicodeEncodeError as error:
        valid_text(error.object)
        raise
    if pd.api.types.is_float_dtype(index.dtype):  # other floats must not be rounded to integers
        return pd.Index(_ids.normalized(index.to_numpy(float))[0], tupleize_cols=False)
    return index


def valid_text(text: str) -> None:
    """Refuse text with half a character (a lone surrogate), which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "Text must be valid Unicode; read the table with the encoding that it was written in. "
            f"Received: {text!r}."
        ) from error


def id_array(ids: Any) -> np.ndarray:
    """Raw ids as an array: int64 for integers, objects for strings and mixed types."""
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iO":
        return ids
    return plain(id_index(ids))


def numbers(column: "pd.Series[Any]", name: Any) -> np.ndarray:
    """A column of finite numbers as float32."""
    import pandas as pd

    # Datetimes would become nanoseconds, and complex numbers would lose their imaginary part.
    dates = getattr(column.dtype, "kind", "O") in "mMc"
    parsed = pd.to_numeric(column.astype(str) if dates else column, errors="coerce")
    refuse(
        (parsed.isna() & column.notna()).to_numpy(),
        column,
        name,
        "entries that are not numbers",
        "Correct those rows.",
    )
    refuse(parsed.isna().to_numpy(), column, name, "missing values", "Drop those rows or fill them.")
    with np.errstate(over="ignore"):
        values = parsed.to_numpy(np.float32)
    refuse(~np.isfinite(values), column, name, "values that are infinite in float32", "Correct those rows.")
    return values


def times(column: "pd.Series[Any]", name: Any, users: np.ndarray) -> tuple[np.ndarray, bool]:
    """Times as `nanoseconds` gives them, and whether they were dates; missing times are filled in.

    Args:
        column: times.
        name: name of the column, for messages.
        users: user codes `[n]`.
    """
    missing = column.isna().to_numpy()
    some = missing.any() and len(users) == len(column)
    if some and missing.all():
        raise _missing_times.no_times(name, len(column))
    if some:
        column = column.where(~missing, column[~missing].iloc[0])
    found = nanoseconds(column, name)
    if some:
        _missing_times.say(name, int(missing.sum()), len(column))
        found = _missing_times.placed(found, missing, users)
    return found, are_dates(column)


def nanoseconds(column: "pd.Series[Any]", name: Any) -> np.ndarray:
    """Times as int64: datetimes as nanoseconds since 1970 in UTC, whole numbers as they are."""
    import pandas as pd

    refuse(column.isna().to_numpy(), column, name, "missing times", "Drop those rows.")
    column = column.infer_objects()
    if _decimal(column):  # NUMERIC of a database
        exact = [int(time) if time == time.to_integral_value() else None for time in column]
        refuse([time is None for time in exact], column, name, *_NO_WHOLE_TIMES)
        refuse([abs(time or 0) >= 2**63 for time in exact], column, name, _TOO_FAR, "Correct those rows.")
        return np.asarray(exact, np.int64)
    if pd.api.types.is_bool_dtype(column.dtype):
        refuse(np.ones(len(column), bool), column, name, "booleans as times", "Name the column of times.")
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype(object) if column.dtype.kind == "m" else column
        parsed = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
        remedy = "Parse the column with `pandas.to_datetime` first (on the command line `--date-format`)."
        bad = parsed.isna().to_numpy()
        if pd.api.types.is_string_dtype(column):  # `now` and `today` would be the time of reading
            bad = bad | ~column.str.contains(r"\d").to_numpy(bool)
        refuse(bad, column, name, "times that are neither numbers nor ISO 8601", remedy)
        far = (parsed < pd.Timestamp.min.tz_localize("UTC")) | (parsed > pd.Timestamp.max.tz_localize("UTC"))
        refuse(far.to_numpy(), column, name, _TOO_FAR, "Correct or drop those rows.")
        _check_zones(column, name)
        return parsed.dt.as_unit("ns").to_numpy("datetime64[ns]").astype(np.int64)
    raw = column.to_numpy()
    if raw.dtype.kind == "f":
        refuse(~(raw == np.floor(raw)), column, name, *_NO_WHOLE_TIMES)
    if raw.dtype.kind in "fu":
        refuse(np.abs(raw) >= 2**63, column, name, _TOO_FAR, "Correct or drop those rows.")
    return raw.astype(np.int64)


def _check_zones(column: "pd.Series[Any]", name: Any) -> None:
    """Refuse texts if only some have a time zone: the others would be taken for UTC."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(column) or not len(column):
        return
    zoned = column.str.contains(r"[T ]\d\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$").to_numpy(bool)
    if zoned.any():
        remedy = "Give all of them, or none, the zone, as `Z` or `+01:00`."
        refuse(~zoned, column, name, "times without a zone mixed with times with one", remedy)


def are_dates(column: "pd.Series[Any]") -> bool:
    """Whether times are datetimes or text, which `nanoseconds` converts, and not numbers."""
    import pandas as pd

    return not pd.api.types.is_numeric_dtype(column.infer_objects().dtype)


def context_column(
    column: "pd.Series[Any]", name: Any, ids: Any = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """A further column: numbers as they are, anything else as codes and the categories by code."""
    import pandas as pd

    refuse(column.isna().to_numpy(), column, name, "missing entries", "Drop those rows or fill them.")
    if ids is None and pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(bool), None
    if ids is None and pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(), None
    if ids is None and _decimal(column):
        return column.to_numpy(float), None
    return encode(column, name, ids, grow=ids is not None, context=True)


def _decimal(column: "pd.Series[Any]") -> bool:
    import pandas as pd

    return column.dtype == object and pd.api.types.infer_dtype(column) == "decimal"


def plain(index: "pd.Index[Any]") -> np.ndarray:
    """An index as a NumPy array: int64 for integers, objects for strings."""
    import pandas as pd

    if isinstance(index.dtype, pd.CategoricalDtype):
        index = index.astype(index.dtype.categories.dtype)
    if index.dtype == object and index.inferred_type == "integer":
        with contextlib.suppress(OverflowError):
            return index.to_numpy().astype(np.int64)
    if pd.api.types.is_unsigned_integer_dtype(index.dtype) and len(index) and index.max() >= 2**63:
        index = index.astype(object)
    if pd.api.types.is_integer_dtype(index.dtype):
        return index.to_numpy(np.int64)
    return index.to_numpy()


def order_of(ids: np.ndarray) -> Sequence[int] | np.ndarray:
    """The sorting order of ids: by type and then text if they cannot be compared."""
    try:
        return np.argsort(ids, kind="stable")
    except TypeError:
        return sorted(range(len(ids)), key=lambda i: (type(ids[i]).__name__, str(ids[i])))


def _join(ids: np.ndarray, new: np.ndarray) -> np.ndarray:
    if ids.dtype != new.dtype:
        ids, new = ids.astype(object), new.astype(object)
    return np.concatenate([ids, new])
