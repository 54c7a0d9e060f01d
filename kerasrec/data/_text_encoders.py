"""Encoders of texts by their words: present or not, weighted by rarity, or hashed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._encoder import Encoder, VocabularyEncoder, required, without_categories

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

WORD = r"(?u)\b\w+\b"


def texts(entries: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column as text, empty where an entry is missing."""
    found = without_categories(entries).astype(object)
    return found.where(entries.notna(), "").astype(str)


def _rows_by_word(entries: "pd.Series[Any]") -> dict[str, int]:
    """The number of rows that have each word."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer, given = CountVectorizer(token_pattern=WORD, binary=True), texts(entries)
    try:
        counts = vectorizer.fit_transform(given).sum(axis=0)
    except ValueError:  # no words at all
        return {}
    return dict(zip(vectorizer.get_feature_names_out().tolist(), np.asarray(counts)[0].tolist(), strict=True))


class Text(VocabularyEncoder):
    """The words of a text in lower case, by scikit-learn's `CountVectorizer`."""

    kind = "text"

    @classmethod
    def fit_blocks(cls, blocks: "Iterable[pd.Series[Any]]", min_count: int = 1, **settings: Any) -> "Text":
        """The encoder of a column in blocks; only words and their counts are held in memory."""
        counts: Counter[str] = Counter()
        n_rows, column = 0, None
        for entries in blocks:
            column, n_rows = entries.name, n_rows + len(entries)
            counts.update(_rows_by_word(entries))
        words = sorted(word for word, count in counts.items() if count >= min_count)
        if not words:
            raise ValueError(
                f"Column {column!r} must have a word that is in at least `min_count` rows. "
                f"Received: min_count={min_count}, {n_rows} rows."
            )
        return cls._of_counts(column, words, np.array([counts[word] for word in words]), n_rows)

    @classmethod
    def _of_counts(cls, column: Any, words: list[str], counts: np.ndarray, n_rows: int) -> "Text":
        """The encoder of some words.

        Args:
            column: the column's name.
            words: the words, sorted.
            counts: the number of rows that have each word.
            n_rows: the number of rows.
        """
        return cls(column, np.array(words, object))

    def encode(self, frame: "pd.DataFrame") -> "scipy.sparse.csr_matrix":
        from sklearn.feature_extraction.text import CountVectorizer

        vectorizer = CountVectorizer(
            vocabulary=self.vocabulary.tolist(), token_pattern=WORD, binary=True, dtype=np.float32
        )
        return vectorizer.transform(texts(self.entries(frame)))


@dataclass(frozen=True, eq=False)
class WeightedText(Text):
    """Words weighted by scikit-learn's TF-IDF; rows have length 1."""

    kind = "weighted_text"
    idf: list[float]

    @classmethod
    def _of_counts(cls, column: Any, words: list[str], counts: np.ndarray, n_rows: int) -> "WeightedText":
        idf = np.log((1 + n_rows) / (1 + counts)) + 1  # as scikit-learn's `smooth_idf`
        return cls(column, np.array(words, object), idf=idf.tolist())

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
    """Words hashed into columns by scikit-learn's `HashingVectorizer`; rows have length 1."""

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


def text_encoder(
    column: Any,
    blocks: "Iterable[pd.Series[Any]]",
    min_count: int = 2,
    weights: str = "one",
    buckets: int | None = None,
) -> Encoder:
    """The encoder of a column of texts.

    Args:
        column: the column's name.
        blocks: the column, in blocks of rows.
        min_count: as in `Features.text`.
        weights: as in `Features.text`.
        buckets: as in `Features.text`.

    Raises:
        ValueError: if no word is left, or a setting is out of range.
    """
    min_count = positive_integer("min_count", min_count)
    if weights not in ("one", "tfidf"):
        raise ValueError(f"`weights` must be one of one, tfidf. Received: weights={weights!r}.")
    if buckets is not None:
        if weights != "one":
            raise ValueError(
                "`weights` cannot be combined with `buckets`: hashing fits nothing. Received: "
                f"weights={weights!r}."
            )
        return HashedText(column, positive_integer("buckets", buckets))
    return (WeightedText if weights == "tfidf" else Text).fit_blocks(blocks, min_count=min_count)
