"""Texts as words: there or not, weighted by how rare they are, or hashed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data._encoder import Encoder, VocabularyEncoder, required, without_categories

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

WORD = r"(?u)\b\w+\b"


def texts(entries: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column as text, empty where an entry is missing."""
    found = without_categories(entries).astype(object)
    return found.where(entries.notna(), "").astype(str)


class Text(VocabularyEncoder):
    """The words of a text in lower case, by scikit-learn's `CountVectorizer`."""

    kind = "text"

    @classmethod
    def fit(cls, entries: "pd.Series[Any]", min_count: int = 1, **settings: Any) -> "Text":
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(min_df=min_count, token_pattern=WORD)
        given = texts(entries)
        try:
            vectorizer.fit(given)
        except ValueError:  # nothing left
            raise ValueError(
                f"Column {entries.name!r} must have a word that is in at least `min_count` rows. "
                f"Received: min_count={min_count}, {len(entries)} rows."
            ) from None
        return cls(entries.name, np.array(vectorizer.get_feature_names_out(), object))

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(
            vocabulary=self.vocabulary.tolist(), token_pattern=WORD, binary=True, dtype=np.float32
        )
        return vectorizer.transform(texts(self.entries(frame)))


@dataclass(frozen=True, eq=False)
class WeightedText(Text):
    """The same, words weighted by scikit-learn's TF-IDF, rows of length 1."""

    kind = "weighted_text"
    idf: list[float]

    @classmethod
    def fit(cls, entries: "pd.Series[Any]", min_count: int = 1, **settings: Any) -> "WeightedText":
        from sklearn.feature_extraction.text import TfidfVectorizer

        words = Text.fit(entries, min_count)
        vectorizer = TfidfVectorizer(token_pattern=WORD, vocabulary=words.vocabulary.tolist())
        weights = vectorizer.fit(texts(entries)).idf_
        return cls(words.column, words.vocabulary, idf=weights.tolist())

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            token_pattern=WORD, vocabulary=self.vocabulary.tolist(), dtype=np.float32
        )
        vectorizer.idf_ = np.asarray(self.idf)
        return vectorizer.transform(texts(self.entries(frame)))

    def state(self) -> dict[str, Any]:
        return {**super().state(), "idf": self.idf}


@dataclass(frozen=True, eq=False)
class HashedText(Encoder):
    """Words hashed into columns by scikit-learn's `HashingVectorizer`, rows of length 1."""

    kind = "hashed_text"
    column: Any
    buckets: int

    @property
    def names(self) -> list[str]:
        return [f"{self.column}#{bucket}" for bucket in range(self.buckets)]

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        from sklearn.feature_extraction.text import HashingVectorizer

        vectorizer = HashingVectorizer(
            n_features=self.buckets, alternate_sign=False, token_pattern=WORD, dtype=np.float32
        )
        return vectorizer.transform(texts(required(frame, self.column)))

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "column": self.column, "buckets": self.buckets}
