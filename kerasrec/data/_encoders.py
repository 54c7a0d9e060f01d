"""Fitted encoders: columns of a frame to sparse columns, and the encoders themselves to plain JSON."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kerasrec.data._columns import id_index, order_of, plain, shown
from kerasrec.data._encoder import Encoder, required, without_categories
from kerasrec.data._numeric_encoder import Numeric

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

WORD = r"(?u)\b\w+\b"


@dataclass(frozen=True, eq=False)
class VocabularyEncoder(Encoder):
    """One column of ones a token."""

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
        import pandas as pd

        encoder = cls(entries.name, np.empty(0, object), **settings)
        _, uniques = pd.factorize(encoder.tokens(entries))
        tokens = plain(uniques)
        if not len(tokens):
            raise ValueError(
                f"Column {entries.name!r} must have entries. Received: {len(entries)} rows, all missing."
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
        matrix.data[:] = 1  # a token that a row has twice
        return matrix

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "column": self.column, "vocabulary": listed(self.vocabulary)}


class Indicator(VocabularyEncoder):
    """The entity's own identity; a new entity has none, which is no reason for a warning."""

    kind = "indicator"
    warns = False

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        return entries.reset_index(drop=True)

    def entries(self, frame: "pd.DataFrame") -> "pd.Series[Any]":
        return frame.index.to_series(name=self.column)


class Categorical(VocabularyEncoder):
    """One category a row, without spaces around it; missing and empty ones are no category."""

    kind = "categorical"

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        import pandas as pd

        found = without_categories(entries.reset_index(drop=True)).dropna()
        if pd.api.types.is_string_dtype(found.dtype) and found.dtype != object:
            found = found.str.strip()
        elif getattr(found.dtype, "kind", "O") not in "biuf":
            found = pd.Series(
                [_category(entry, entries.name) for entry in found], found.index, object, found.name
            )
            if len({(type(entry), entry) for entry in found}) > found.nunique():
                both = found[[isinstance(entry, bool) for entry in found]].iloc[0]
                raise ValueError(
                    f"Column {entries.name!r} must not hold both truth values and the numbers that equal "
                    f"them; `series.astype(str)` tells them apart. Received: {both!r} and {int(both)}."
                )
        return found[found != ""]


@dataclass(frozen=True, eq=False)
class Multilabel(VocabularyEncoder):
    """Several labels a row, as one text."""

    kind = "multilabel"
    sep: str

    def tokens(self, entries: "pd.Series[Any]") -> "pd.Series[Any]":
        import pandas as pd

        found = without_categories(entries.reset_index(drop=True)).dropna()
        if len(found) and pd.api.types.infer_dtype(found) != "string":
            raise ValueError(
                f"Column {entries.name!r} must hold text with labels between {self.sep!r}; of lists, "
                f"`series.str.join({self.sep!r})` makes it. Received: {found.iloc[0]!r}."
            )
        labels = found.astype(str).str.split(self.sep, regex=False).explode().str.strip()
        return labels[labels != ""]

    def state(self) -> dict[str, Any]:
        return {**super().state(), "sep": self.sep}


class Text(VocabularyEncoder):
    """The words of a text in lower case, by scikit-learn's `CountVectorizer`."""

    kind = "text"

    @classmethod
    def fit(cls, entries: "pd.Series[Any]", min_count: int = 1, **settings: Any) -> "Text":
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(min_df=min_count, token_pattern=WORD)
        texts = cls.texts(entries)
        try:
            vectorizer.fit(texts)
        except ValueError:  # nothing left
            raise ValueError(
                f"Column {entries.name!r} must have a word that is in at least `min_count` rows. "
                f"Received: min_count={min_count}, {len(entries)} rows."
            ) from None
        return cls(entries.name, np.array(vectorizer.get_feature_names_out(), object))

    @staticmethod
    def texts(entries: "pd.Series[Any]") -> "pd.Series[Any]":
        """A column as text, empty where an entry is missing."""
        found = without_categories(entries).astype(object)
        return found.where(entries.notna(), "").astype(str)

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(
            vocabulary=self.vocabulary.tolist(), token_pattern=WORD, binary=True, dtype=np.float32
        )
        return vectorizer.transform(self.texts(self.entries(frame)))


@dataclass(frozen=True, eq=False)
class Given(Encoder):
    """Columns given as a matrix."""

    kind = "given"
    given: list[str]

    @property
    def names(self) -> list[str]:
        return self.given

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        raise ValueError(
            "Features given as a matrix cannot encode new entities; build theirs with `Features.from_csr`. "
            f"Received: {len(self.given)} such columns, first {self.given[0]!r}."
        )

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "given": self.given}


@dataclass(frozen=True, eq=False)
class Transformer(Encoder):
    """A fitted transformer of scikit-learn; it reads the columns that it was given."""

    kind = "transformer"
    transformer: Any
    columns: Any

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.transformer.get_feature_names_out()]

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        import scipy.sparse

        several = isinstance(self.columns, list)
        for name in self.columns if several else [self.columns]:
            required(frame, name)
        return scipy.sparse.csr_matrix(self.transformer.transform(frame[self.columns]), dtype=np.float32)

    def state(self) -> dict[str, Any]:
        raise ValueError(
            "Features from a transformer of scikit-learn cannot be written to a file, which holds no code; "
            "`Features.from_csr(features.matrix, features.names, features.ids)` can be, without its encoder. "
            f"Received: {type(self.transformer).__name__}."
        )


KINDS = {cls.kind: cls for cls in (Indicator, Categorical, Multilabel, Text, Numeric, Given)}


def _category(entry: Any, column: Any) -> Any:
    """A category as plain Python: text without spaces around it, and one form of a whole number."""
    if isinstance(entry, str):
        return entry.strip()
    if isinstance(entry, np.generic) and entry.dtype.kind in "biuf":
        entry = entry.item()
    if isinstance(entry, float) and entry.is_integer():
        return int(entry)
    if not isinstance(entry, (int, float)):
        raise TypeError(
            f"Categories of column {column!r} must be text, numbers or truth values; `series.astype(str)` "
            f"makes text of them. Received: {entry!r} of type {type(entry).__name__}."
        )
    return entry


def listed(ids: np.ndarray) -> list[Any]:
    """Ids or categories as JSON can hold them."""
    plain_ids = [i.item() if isinstance(i, np.generic) else i for i in ids.tolist()]
    bad = next((i for i in plain_ids if not isinstance(i, (str, int, float))), None)
    if bad is not None:
        raise TypeError(
            "Ids and categories of features must be text, numbers or truth values to be written to a file. "
            f"Received: {bad!r} of type {type(bad).__name__}."
        )
    return plain_ids


def from_state(state: dict[str, Any]) -> Encoder:
    """The encoder that `state` described."""
    state = dict(state)
    cls = KINDS[state.pop("kind")]
    bad = next((name for name, value in state.items() if not _FORMS.get(name, _anything)(value)), None)
    if bad is not None:
        raise ValueError(
            f"An encoder must have settings of the form that was written. Received: {bad}={state[bad]!r:.80}."
        )
    if "vocabulary" in state:
        state["vocabulary"] = plain(id_index(state["vocabulary"]))
        if len(set(state["vocabulary"].tolist())) < len(state["vocabulary"]):
            raise ValueError("An encoder must have every category once. Received: repeated ones.")
    return cls(**state)


def _anything(value: Any) -> bool:
    return True


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < float("inf")


_FORMS: dict[str, Callable[[Any], bool]] = {
    "column": lambda x: isinstance(x, (str, int, float)),
    "vocabulary": lambda x: isinstance(x, list) and all(isinstance(t, (str, int, float)) for t in x),
    "sep": lambda x: isinstance(x, str) and x != "",
    "mean": _finite,
    "deviation": lambda x: _finite(x) and x > 0,
    "holds": lambda x: x in ("numbers", "dates", "durations"),
    "given": lambda x: isinstance(x, list) and all(isinstance(name, str) for name in x),
}
