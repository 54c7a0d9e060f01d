"""Inverts large symmetric matrices in half the memory, in pieces whose sizes fit into 32 bits."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse

# Rows of a strip. Products of such strips are limited by arithmetic and not by memory.
_STRIP = 1024
# Number of rows of a sparse product that are made dense at once.
_BLOCK = 256


def gram(rows: "scipy.sparse.csr_matrix", ridge: float) -> list[np.ndarray]:
    """The lower triangle of `rows rows^T + ridge I`, in strips of whole rows up to the diagonal.

    Args:
        rows: `[n, m]`.
        ridge: float.

    Returns:
        float64 strips, `[b, end]` for rows `end - b` to `end`; the square at the end of a strip is complete.
    """
    rows = rows.astype(np.float64)
    columns = rows.T.tocsr()
    strips = []
    for start in range(0, rows.shape[0], _STRIP):
        end = min(start + _STRIP, rows.shape[0])
        strip = np.empty((end - start, end))
        for first in range(start, end, _BLOCK):
            last = min(first + _BLOCK, end)
            strip[first - start : last - start] = (rows[first:last] @ columns).toarray()[:, :end]
        strip[np.arange(end - start), np.arange(start, end)] += ridge
        strips.append(strip)
    return strips


def invert(strips: list[np.ndarray]) -> None:
    """Replace the lower triangle of a positive definite matrix by that of minus its inverse.

    The symmetric sweep operator, one strip at a time: n^3 operations, nearly all of them in matrix products.

    Args:
        strips: as `gram` makes them.

    References:
        Goodnight, "A tutorial on the SWEEP operator", 1979.
    """
    n, scratch = strips[-1].shape[1], np.empty((len(strips[0]), strips[-1].shape[1]))
    for k, (own, start, end) in enumerate(_placed(strips)):
        pivot = np.linalg.inv(own[:, start:])
        panel = np.empty((n, len(own)))  # the columns of this strip's rows
        panel[:end] = own.T
        for other, first, last in _placed(strips[k + 1 :], end):
            panel[first:last] = other[:, start:end]
        scaled = panel @ pivot
        for other, first, last in _placed(strips):
            other -= np.matmul(scaled[first:last], panel[:last].T, out=scratch[: len(other), :last])
            if first > start:
                other[:, start:end] = scaled[first:last]
        own[:, :start] = scaled[:start].T
        own[:, start:] = -pivot


def mirrored(strips: list[np.ndarray], dtype: type) -> np.ndarray:
    """The whole symmetric matrix `[n, n]`; strips are freed one by one.

    Args:
        strips: as `gram` makes them; empty afterwards.
        dtype: type of the result.
    """
    n = strips[-1].shape[1]
    whole: np.ndarray = np.empty((n, n), dtype)
    while strips:
        strip = strips.pop()
        end = strip.shape[1]
        start = end - len(strip)
        whole[start:end, :end] = strip
        whole[:start, start:end] = strip[:, :start].T
    return whole


def diagonal(strips: list[np.ndarray]) -> np.ndarray:
    """The diagonal `[n]`."""
    return np.concatenate([own[:, start:].diagonal() for own, start, _ in _placed(strips)])


def _placed(strips: list[np.ndarray], first: int = 0) -> Iterator[tuple[np.ndarray, int, int]]:
    """Each strip with its first row and the row after its last; the first strip begins at row `first`."""
    for strip in strips:
        yield strip, first, first + len(strip)
        first += len(strip)
