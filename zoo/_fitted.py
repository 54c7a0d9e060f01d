"""Shared parts of the models fitted in closed form: the matrix that they are fitted on, and the assembly."""

from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

from kerasrec.layers import Catalogue, DotScore, FeatureEmbedding
from kerasrec.trainers import Model
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._parts import id_inputs

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

Values = Literal["binary", "raw", "log", "bm25"]
VALUES = ("binary", "raw", "log", "bm25")
VALUES_SETTING = Hyperparameter("values", "choice", "binary", choices=VALUES)

# Saturation and length normalisation of BM25, as in Okapi.
_BM25_K1 = 1.2
_BM25_B = 0.75


def positives(interactions: "Interactions", values: str = "binary") -> "scipy.sparse.csr_matrix":
    """The likes, as a users-by-items matrix.

    Args:
        interactions: `Interactions`.
        values: entries of the matrix: `"binary"`, 1; `"raw"`, the value; `"log"`, log(1 + value); `"bm25"`,
            the saturated value, lower for users with many items, times the item's inverse frequency.
            Defaults to `"binary"`.

    Returns:
        float32 `[U, I]`, sorted, without duplicates.
    """
    from kerasrec.data._likes import likes_of

    if values not in VALUES:
        raise ValueError(f"`values` must be one of {', '.join(VALUES)}. Received: values={values!r}.")
    matrix = likes_of(interactions).to_csr()
    if not matrix.nnz:
        raise ValueError(
            "`interactions` must have values above 0. "
            f"Received: {len(interactions)} interactions, none of them above 0."
        )
    if values == "binary":
        matrix.data[:] = 1
    elif values == "log":
        matrix.data = np.log1p(matrix.data)
    elif values == "bm25":
        matrix = bm25(matrix)
    return matrix


def bm25(matrix: "scipy.sparse.csr_matrix") -> "scipy.sparse.csr_matrix":
    """Okapi BM25 weights: rows are documents, columns terms, entries counts."""
    lengths = np.asarray(matrix.sum(axis=1)).ravel()
    mean = lengths[lengths > 0].mean()
    norms = _BM25_K1 * (1 - _BM25_B + _BM25_B * lengths / mean)
    counts, rows = (
        matrix.data.astype(np.float64),
        np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)),
    )
    saturated = counts * (_BM25_K1 + 1) / (counts + norms[rows])
    weighted = matrix.copy()
    weighted.data = (saturated * _inverse_frequency(matrix)[matrix.indices]).astype(np.float32)
    return weighted


def tfidf(matrix: "scipy.sparse.csr_matrix") -> "scipy.sparse.csr_matrix":
    """TF-IDF weights: square roots of counts, times the inverse frequency of their column."""
    weighted = matrix.copy()
    weighted.data = (np.sqrt(matrix.data) * _inverse_frequency(matrix)[matrix.indices]).astype(np.float32)
    return weighted


def _inverse_frequency(matrix: "scipy.sparse.csr_matrix") -> np.ndarray:
    """log(1 + rows / rows with the column), which is positive even for a column that all rows have."""
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.log1p(matrix.shape[0] / np.maximum(counts, 1))


def fitted(card: Card, user: Any, item: Any, output: Any) -> keras.Model:
    """The model, compiled although it has nothing to train, with an empty catalogue after its output."""
    output = Catalogue(name="rating" if card.task == "rating" else "score")(output)
    model = Model({"user": user, "item": item}, output, name=card.name)
    model.compile(optimizer="sgd", loss=card.loss, metrics=list(card.metrics))
    return model


def factorised(
    card: Card,
    users: np.ndarray,
    items: np.ndarray,
    user_bias: np.ndarray | None = None,
    item_bias: np.ndarray | None = None,
) -> keras.Model:
    """The model whose score is the dot product of given vectors `[U, C]` and `[I, C]`, plus biases `[n]`."""
    user, item = id_inputs()
    biases = {}
    if user_bias is not None:
        biases["user_bias"] = looked_up(user, user_bias[:, None], "user_bias")
    if item_bias is not None:
        biases["item_bias"] = looked_up(item, item_bias[:, None], "item_bias")
    vectors = looked_up(user, users, "user_embedding"), looked_up(item, items, "item_embedding")
    return fitted(card, user, item, DotScore(name="dot", dtype="float32")(*vectors, **biases))


def looked_up(ids: Any, rows: np.ndarray, name: str) -> Any:
    """Rows of a given, frozen table by id."""
    n, n_components = rows.shape
    table = FeatureEmbedding(
        n, n_components, embeddings_initializer="zeros", name=name, trainable=False, dtype="float32"
    )
    vectors = table(ids)
    table.embeddings.assign(np.asarray(rows, np.float32))
    return vectors
