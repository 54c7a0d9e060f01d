"""Publishers' tables as frames."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.data import Interactions
    from kerasrec.datasets._source import Files

Columns = Mapping[str, Sequence[str]] | Sequence[str]


def read_numbers(files: "Files", *names: str, columns: Columns, **options: Any) -> "pd.DataFrame":
    """A table of numbers, which may be large and is read as a stream."""
    with files.open(*names) as file:
        # Any bytes are valid Latin-1, and digits are the same in all encodings of these files.
        return _read(file, files, names, columns, {"encoding": "latin-1", **options})


def read_text(files: "Files", *names: str, columns: Columns, **options: Any) -> "pd.DataFrame":
    """A table of text, in UTF-8 or Latin-1; all columns are strings, and empty entries are missing."""
    options = {"dtype": str, "lineterminator": "\n", **options}
    return _read(StringIO(text(files, *names)), files, names, columns, options)


def text(files: "Files", *names: str) -> str:
    """A file as text. Line ends become line feeds; a single carriage return is not a line end."""
    with files.open(*names) as file:
        content = file.read()
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        decoded = content.decode("latin-1")
    return decoded.replace("\r\n", "\n")


def read_double_colons(files: "Files", *names: str, columns: Sequence[str]) -> "pd.DataFrame":
    """A table of text with `::` between the columns, which pandas itself reads slowly."""
    tabs = text(files, *names).replace("::", "\t")
    options = {"dtype": str, "sep": "\t", "quoting": csv.QUOTE_NONE, "lineterminator": "\n"}
    return _read(StringIO(tabs), files, names, columns, options)


def to_interactions(frame: "pd.DataFrame", **options: Any) -> "Interactions":
    """Interactions from a frame with columns `user`, `item`, `value` and perhaps `time`."""
    from kerasrec.data import Interactions

    time = "time" if "time" in frame else None
    return Interactions.from_frame(frame, value="value", time=time, **options)


def _read(
    source: IO[Any], files: "Files", names: Sequence[str], columns: Columns, options: dict[str, Any]
) -> "pd.DataFrame":
    """Read a table and rename its columns.

    `columns` has the names of all columns if the table has no header. If it has one, `columns` has the names
    that each column may have there, in upper or lower case.
    """
    import pandas as pd

    where = f"{Path(str(files.find(*names))).name!r} in {str(files.place)!r}"
    options = {"keep_default_na": False, "na_values": [""], **options}
    if not isinstance(columns, Mapping):
        options |= {"header": None, "names": list(columns)}
    try:
        frame = pd.read_csv(source, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise ValueError(f"{where} must be the publisher's table; pandas says: {error}.") from error
    if not isinstance(columns, Mapping):
        return frame
    given = {str(name).strip().lower(): name for name in frame.columns}
    known = {new: [given[old] for old in olds if old in given] for new, olds in columns.items()}
    missing = [new for new, olds in known.items() if not olds]
    if missing:
        raise ValueError(
            f"{where} must have a column for each of {', '.join(columns)}. "
            f"Received: {', '.join(map(repr, frame.columns))}, none for {', '.join(missing)}."
        )
    return frame[[olds[0] for olds in known.values()]].set_axis(list(known), axis=1)
