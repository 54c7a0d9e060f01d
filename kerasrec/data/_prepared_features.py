"""Features of very many entities: encoded in blocks of rows, and read over memory maps.

A folder holds `header.json` (version, encoders, sizes and checksums), `ids.parquet`, and the rows as
`indptr.npy`, `indices.npy` and `weights.npy`, which are those of a `scipy.sparse.csr_matrix`.
"""

import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._partial import check_new_folder, replacing
from kerasrec._source_files import files_of
from kerasrec.data import _column_files, _encoders, _folder
from kerasrec.data._columns import id_index, shown, vocabulary
from kerasrec.data._encoder import Encoder
from kerasrec.data._header import Form
from kerasrec.data._numeric_encoder import Numeric, Vectors
from kerasrec.data._raw_ids import RawIds
from kerasrec.data._sources import check_parquet
from kerasrec.data._text_encoders import text_encoder

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

# Called with the stage, the number of rows done, and the total number of rows if it is known.
Progress = Callable[[str, int, int | None], None]

VERSION = 1
BLOCK_ROWS = 1 << 17
# With more entries, SciPy would copy all indices.
MOST_ENTRIES = 2**31 - 1
_FORM = Form("kerasrec features", VERSION, "Features.prepare", "write it again")
# The matrix as `scipy.sparse` has it.
_DTYPES: dict[str, np.dtype[Any]] = {
    "indptr": np.dtype(np.int32),
    "indices": np.dtype(np.int32),
    "weights": np.dtype(np.float32),
}


@dataclass(frozen=True)
class Request:
    """The arguments of `Features.prepare`.

    Attributes:
        source: Parquet: a file, a folder, a pattern, or several.
        id: name of the column of raw ids.
        indicator: whether each entity has a column of its own.
        columns: names of columns by the argument that named them.
        ids: raw ids of the rows to write, by code, or `None` for those of the table.
        sep: separator of labels.
        words: settings of `Features.text`.
        scale: whether numbers are scaled.
    """

    source: Any
    id: str
    indicator: bool
    columns: dict[str, Sequence[str]]
    ids: Any
    sep: str
    words: dict[str, Any]
    scale: bool


def prepare(request: Request, path: Path, progress: Progress) -> None:
    """Write the folder `path`.

    Args:
        request: `Request`.
        path: folder to write.
        progress: called at each stage.
    """
    check_new_folder(path)
    with replacing(path) as place:
        place.mkdir()
        table = _Table(request)
        try:
            _write(table, request, place, progress)
        except ValueError as error:
            if not table.begin:
                raise
            raise ValueError(f"{error} Rows are counted from row {table.begin:,} of the table.") from error


def opened(path: Path, verify: bool | None) -> tuple["scipy.sparse.csr_matrix", list[Encoder], np.ndarray]:
    """The matrix over memory maps, the encoders, and the raw ids of a folder.

    Args:
        path: folder that `prepare` wrote.
        verify: whether to compare all checksums; `None` compares those of small folders.
    """
    header = _FORM.read(path)
    _FORM.check_files(path, header["files"], verify)
    n_rows, n_features, n_entries = (int(header[name]) for name in ("n_rows", "n_features", "n_entries"))
    ids = RawIds(path / "ids.parquet", n_rows).array
    encoders = [
        _encoders.Indicator("id", ids) if state["kind"] == "indicator" else _encoders.from_state(state)
        for state in header["encoders"]
    ]
    return _mapped(path, (n_rows, n_features), n_entries), encoders, ids


class _Table:
    """A table of Parquet files, read in blocks of rows.

    Attributes:
        begin: first row of the block that was read last.
    """

    def __init__(self, request: Request) -> None:
        self.files, self.begin = files_of(request.source), 0
        named = [(argument, name) for argument, names in request.columns.items() for name in names]
        self.n_rows = check_parquet(self.files, [("id", request.id), *named])
        if not self.n_rows:
            raise ValueError("The table must have at least one row. Received: an empty table.")
        self._stamp = self._stamped()

    def blocks(self, *names: str) -> Iterator["pd.DataFrame"]:
        """Some columns, block by block."""
        import pyarrow.parquet as pq

        self.begin = 0
        for path in self.files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(BLOCK_ROWS, columns=list(names)):
                    yield batch.to_pandas()
                    self.begin += len(batch)
        self.begin = 0
        if self._stamped() != self._stamp:
            raise ValueError(
                "`source` must not change while it is read; run `Features.prepare` again. Received: files "
                "with another size or time."
            )

    def column(self, name: str) -> Iterator["pd.Series[Any]"]:
        """One column, block by block."""
        return (frame[name] for frame in self.blocks(name))

    def _stamped(self) -> list[tuple[int, int]]:
        return [(path.stat().st_size, path.stat().st_mtime_ns) for path in self.files]


def rows_of(own: np.ndarray, wanted: Any, side: str) -> np.ndarray:
    """The row of each id; -1 if it has none, with a warning.

    Args:
        own: raw ids of the rows.
        wanted: raw ids to find.
        side: name of the ids, for messages.
    """
    wanted = id_index(wanted)
    rows: np.ndarray = id_index(own).get_indexer(wanted)
    missing = np.flatnonzero(rows < 0)
    if len(missing) == len(wanted):
        raise ValueError(
            f"Features must have rows of the {side} ids given. Received: {len(own)} rows, first of "
            f"{shown(own[0])}, and ids, first {shown(next(iter(wanted), None))}."
        )
    if len(missing):
        warnings.warn(
            f"{len(missing)} of {len(wanted)} {side} ids have no row of features and get empty ones, "
            f"first {shown(wanted[missing[0]])}.",
            stacklevel=3,
        )
    return rows


def _write(table: _Table, request: Request, place: Path, progress: Progress) -> None:
    import pandas as pd

    own = vocabulary(pd.concat([*table.column(request.id)], ignore_index=True), request.id)
    ids = own if request.ids is None else vocabulary(request.ids, "id")
    names = _names(request)
    encoders = _fitted(table, request, progress)
    size = sum(len(encoder.names) for encoder in encoders)

    def encoded() -> Iterator["scipy.sparse.csr_matrix"]:
        import scipy.sparse

        for frame in table.blocks(*names) if names else ():
            yield scipy.sparse.hstack([encoder.encode(frame) for encoder in encoders], "csr")
            progress("encoding rows", table.begin + len(frame), table.n_rows)

    blocks = encoded() if names else _nothing(len(ids))
    if names and request.ids is not None:
        rows, apart = rows_of(own, ids, "entity"), place / "apart"
        apart.mkdir()
        n_entries = _store(blocks, apart)[1]
        blocks = _ordered(_mapped(apart, (len(own), size), n_entries), rows)
    if request.indicator:
        blocks = _with_identity(blocks, len(ids))
    files, n_entries = _store(blocks, place)
    shutil.rmtree(place / "apart", ignore_errors=True)
    files["ids.parquet"] = _write_ids(ids, place / "ids.parquet")
    states = [{"kind": "indicator"}] * request.indicator + [encoder.state() for encoder in encoders]
    header = {
        "version": VERSION,
        "encoders": states,
        "n_rows": len(ids),
        "n_features": size + len(ids) * request.indicator,
        "n_entries": n_entries,
        "files": files,
    }
    _FORM.write(place, header)


def _names(request: Request) -> list[str]:
    """Names of the columns that are encoded."""
    names = [name for some in request.columns.values() for name in some]
    vocabularies = [name for of in ("categorical", "multilabel", "text") for name in request.columns[of]]
    if request.indicator and "id" in vocabularies:
        names.append("id")
    if not names and not request.indicator:
        raise ValueError("`Features.prepare` must be given columns, or `indicator=True`. Received: neither.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            "`Features.prepare` must be given each column once, and no column called 'id' with "
            f"`indicator=True`. Received: {twice[0]!r} twice."
        )
    return names


def _fitted(table: _Table, request: Request, progress: Progress) -> list[Encoder]:
    encoders: list[Encoder] = []
    for argument in ("categorical", "multilabel", "text", "numeric"):
        for name in request.columns[argument]:
            blocks = partial(table.column, name)
            if argument == "categorical":
                encoders.append(_encoders.Categorical.fit_blocks(blocks()))
            elif argument == "multilabel":
                encoders.append(_encoders.Multilabel.fit_blocks(blocks(), sep=request.sep))
            elif argument == "text":
                encoders.append(text_encoder(name, blocks(), **request.words))
            else:
                encoders.append(Numeric.fit_blocks(blocks, request.scale))
            progress(f"reading {name!r}", table.n_rows, table.n_rows)
    if request.columns["vectors"]:
        encoders.append(Vectors(list(request.columns["vectors"])))
    return encoders


def _nothing(n: int) -> Iterator["scipy.sparse.csr_matrix"]:
    import scipy.sparse

    for rows in _folder.blocks(n, BLOCK_ROWS):
        yield scipy.sparse.csr_matrix((rows.stop - rows.start, 0), dtype=np.float32)


def _ordered(matrix: "scipy.sparse.csr_matrix", rows: np.ndarray) -> Iterator["scipy.sparse.csr_matrix"]:
    """The rows of a matrix in another order, with an empty row for -1."""
    import scipy.sparse

    for block in _folder.blocks(len(rows), BLOCK_ROWS):
        part = matrix[rows[block]]
        there = scipy.sparse.diags_array((rows[block] >= 0).astype(np.float32))
        yield scipy.sparse.csr_matrix(there @ part)


def _with_identity(
    blocks: Iterator["scipy.sparse.csr_matrix"], n: int
) -> Iterator["scipy.sparse.csr_matrix"]:
    """The same blocks with an indicator column for each row before all others."""
    import scipy.sparse

    begin = 0
    for block in blocks:
        size = block.shape[0]
        entries = np.ones(size, np.float32), np.arange(begin, begin + size), np.arange(size + 1)
        yield scipy.sparse.hstack([scipy.sparse.csr_matrix(entries, (size, n)), block], "csr")
        begin += size


def _store(
    blocks: Iterator["scipy.sparse.csr_matrix"], folder: Path
) -> tuple[dict[str, tuple[int, int]], int]:
    """Write rows; return sizes and checksums of the files, and the number of entries."""
    columns = {
        name: _column_files.ColumnWriter(folder / f"{name}.npy", dtype) for name, dtype in _DTYPES.items()
    }
    n_entries = 0
    try:
        columns["indptr"].write(np.zeros(1))
        for block in blocks:
            block.sum_duplicates()
            block.eliminate_zeros()
            if n_entries + block.nnz > MOST_ENTRIES:
                raise ValueError(
                    f"Features must have at most {MOST_ENTRIES:,} entries that are not 0; give fewer columns "
                    f"or entities. Received: more, in the first {columns['indptr'].n + block.shape[0] - 1:,} "
                    "rows."
                )
            columns["indptr"].write(n_entries + block.indptr[1:])
            columns["indices"].write(block.indices)
            columns["weights"].write(block.data)
            n_entries += block.nnz
        return {f"{name}.npy": column.close() for name, column in columns.items()}, n_entries
    except BaseException:
        for column in columns.values():
            column.abandon()
        raise


def _mapped(folder: Path, shape: tuple[int, int], n_entries: int) -> "scipy.sparse.csr_matrix":
    import scipy.sparse

    lengths = {"weights": n_entries, "indices": n_entries, "indptr": shape[0] + 1}
    parts = [
        _column_files.mapped(folder, name, _DTYPES[name], n, _FORM.damaged) for name, n in lengths.items()
    ]
    matrix = scipy.sparse.csr_matrix(tuple(parts), shape)
    matrix.has_canonical_format = True
    return matrix


def _write_ids(ids: np.ndarray, path: Path) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len({isinstance(entry, str) for entry in ids.tolist()}) > 1:
        raise ValueError("`ids` must be of one type, text or numbers. Received: both.")
    pq.write_table(pa.table({"id": ids.tolist()}), path)
    return path.stat().st_size, _column_files.checksum(path)
