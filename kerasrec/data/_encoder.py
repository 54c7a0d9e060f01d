"""The base classes of fitted encoders."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec.data._columns import id_index, order_of, plain, shown, valid_text

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse


def required(frame: "pd.DataFrame", name: Any) -> "pd.Series[Any]":
    """A column that an encoder was fitted on."""
    if name not in frame.columns:
        raise ValueError(
            f"`new_frame` must have the column {name!r}. "
            f"Received: a frame of {', '.join(map(repr, frame.columns)) or 'no columns'}."
        )
    return frame[name]


@dataclass(frozen=True, eq=False)
class Encoder:
    """A fitted encoder, which makes some of the columns of features."""

    kind: ClassVar[str]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        raise NotImplementedError

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        """The features of the rows of a frame."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """The encoder as plain JSON, for `from_state`."""
        raise NotImplementedError


def without_categories(entries: "pd.Series[Any]") -> "pd.Series[Any]":
    """A pandas column of categories as plain entries."""
    import pandas as pd

    found = entries.astype(object) if isinstance(entries.dtype, pd.CategoricalDtype) else entries
    if found.dtype == object:
        for entry in found:
            if isinstance(entry, str):
                valid_text(entry)
    return found


@dataclass(frozen=True, eq=False)
class VocabularyEncoder(Encoder):
    """One column of ones per token."""

    column: Any
    vocabulary: np.ndarray

    warns: ClassVar[bool] = True

    @property
    def names(self) -> list[str]:
        listed = [str(token) for token in self.vocabulary]
        if len(set(listed)) < len(listed):  # 1 and '1'
            listed = [repr(token) for token in self.vocabulary.tolist()]
        return [f"{self.column}={token}" for token in listed]

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        """Tokens indexed by the number of their row."""
        raise NotImplementedError

    @classmethod
    def fit(cls, entries: "pd.Series[Any]", **settings: Any) -> "VocabularyEncoder":
        """The encoder of all tokens of a column, sorted."""
        return cls.fit_blocks([entries], **settings)

    @classmethod
    def fit_blocks(cls, blocks: "Iterable[pd.Series[Any]]", **settings: Any) -> "VocabularyEncoder":
        """The encoder of a column in blocks; only its tokens are held in memory."""
        import pandas as pd

        n_rows = 0
        seen: list[pd.Series[Any]] = []
        for entries in blocks:
            encoder = cls(entries.name, np.empty(0, object), **settings)
            n_rows += len(entries)
            seen = [pd.concat([*seen, encoder.tokens(entries)]).drop_duplicates()]
        _, uniques = pd.factorize(seen[0])
        tokens = plain(id_index(uniques))  # as in a loaded file: 7.0 is 7
        if not len(tokens):
            raise ValueError(
                f"Column {encoder.column!r} must have entries. Received: {n_rows} rows, all missing."
            )
        return replace(encoder, vocabulary=tokens[order_of(tokens)])

    def entries(self, frame: "pd.DataFrame") -> "pd.Series[Any]":
        """The column of a frame that is encoded."""
        return required(frame, self.column)

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        import scipy.sparse

        tokens = self.tokens(self.entries(frame))
        codes = id_index(self.vocabulary).get_indexer(id_index(tokens))
        known = codes >= 0
        if self.warns and not known.all():
            count, first = np.count_nonzero(~known), shown(tokens.iloc[int(np.argmin(known))])
            warnings.warn(
                f"{count} of {len(known)} entries of column {self.column!r} are unknown to the encoder and "
                f"become zeros, first {first}.",
                stacklevel=4,
            )
        rows, codes = tokens.index.to_numpy()[known], codes[known]
        shape = (len(frame), len(self.vocabulary))
        matrix = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, codes)), shape)
        matrix.data[:] = 1  # a row may have a token twice
        return matrix

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "column": self.column, "vocabulary": listed(self.vocabulary)}


def listed(ids: np.ndarray) -> list[Any]:
    """Ids or categories as JSON."""
    plain_ids = [i.item() if isinstance(i, np.generic) else i for i in ids.tolist()]
    bad = next((i for i in plain_ids if not isinstance(i, (str, int, float))), None)
    if bad is not None:
        raise TypeError(
            "Ids and categories of features must be text, numbers or truth values to be written to a file. "
            f"Received: {bad!r} of type {type(bad).__name__}."
        )
    return plain_ids
