"""The files that `prepare` reads: found and checked without anything that takes long to import."""

import glob
import re
from pathlib import Path
from typing import Any

_QUERY = re.compile(r"\s*(select|with|from)\s", re.IGNORECASE)
# Ends of names of CSV files.
TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".csv.zst", ".tsv.zst")
# Folders that mark table formats in which not all files are current, and the DuckDB functions that read them.
_LOGS = {
    "_delta_log": "delta_scan('{}')",
    ".hoodie": "read_parquet([...]) of the current files",
    "metadata": "iceberg_scan('{}')",
}


def is_query(source: Any) -> bool:
    """Whether a source is a query, and not files."""
    return isinstance(source, str) and _QUERY.match(source) is not None


def files_of(source: Any) -> tuple[Path, ...]:
    """The files of a path, a folder, a pattern or several of these, in order."""
    several = [source] if isinstance(source, (str, Path)) else list(source)
    found: list[Path] = []
    for one in several:
        path = Path(one)
        if path.is_dir():
            matches = _inside(path)
        elif path.is_file():
            matches = [path]
        else:
            matches = sorted(Path(x) for x in glob.glob(str(one), recursive=True) if Path(x).is_file())
        if not matches:
            raise FileNotFoundError(
                "`source` must name existing files, a folder of them, or be a query that begins with SELECT, "
                f"WITH or FROM. Received: source={str(one)!r}, which matches nothing."
            )
        found += matches
    texts = {path.name.lower().endswith(TEXT) for path in found}
    if len(texts) > 1:
        text = next(path for path in found if path.name.lower().endswith(TEXT))
        other = next(path for path in found if not path.name.lower().endswith(TEXT))
        raise ValueError(
            "`source` must be of one format, Parquet or CSV; read both in a query, such as "
            f"\"FROM '{other}' UNION ALL BY NAME FROM '{text}'\". Received: {str(found[0])!r} and "
            f"{str(found[-1])!r}, among others."
        )
    return tuple(path.resolve() for path in found)


def _inside(folder: Path) -> list[Path]:
    """The tables in a folder, without names that begin with a dot or `_`, such as unfinished files."""
    for log, reads in _LOGS.items():
        if (folder / log).is_dir():
            raise ValueError(
                "All files in a folder must be part of the table; query the current ones, such as "
                f'"FROM {reads.format(folder)}". Received: source={str(folder)!r}, where {log!r} says which '
                "are current."
            )
    below = sorted(path for path in folder.rglob("*") if path.is_file())
    below = [x for x in below if not any(part[0] in "._" for part in x.relative_to(folder).parts)]
    return [x for x in below if x.name.lower().endswith((".parquet", *TEXT))]
