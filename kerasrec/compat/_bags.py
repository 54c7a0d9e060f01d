"""Feature matrices as padded bags, grouped so that one long row does not pad all others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Bags have rows of up to 1, 4, 16, ... features, so padding is at most four times the features.
_GROWTH = 4
# A matrix that fits into a single bag with this many entries gets one.
_SMALL = 2**16


class Bags:
    """One layout for several feature matrices, so a program that is compiled for one works for all.

    Rows with similar numbers of features share a bag. The width and number of rows of a bag are the maxima
    over the matrices.

    Args:
        matrices: SciPy CSR matrices `[n, F]`.
    """

    def __init__(self, matrices: Sequence[Any]) -> None:
        widest = max(int(np.diff(matrix.indptr).max()) for matrix in matrices)
        self._one = max(matrix.shape[0] for matrix in matrices) * widest <= _SMALL
        kinds = [self._kinds(np.diff(matrix.indptr)) for matrix in matrices]
        self._bags = []
        for kind in np.unique(np.concatenate(kinds)):
            rows = [np.flatnonzero(of == kind) for of in kinds]
            width = max(
                (int(np.diff(m.indptr)[r].max()) for m, r in zip(matrices, rows, strict=True) if len(r)),
                default=1,
            )
            self._bags.append((int(kind), max(1, width), max(map(len, rows))))

    def __call__(self, matrix: Any) -> dict[str, Any]:
        """Lay out one of the matrices.

        Args:
            matrix: SciPy CSR matrix `[n, F]`.

        Returns:
            `{"bags": pairs of indices and weights [m, W], "order": [n]}`; `order` has the position of each
            row in the concatenated bags.
        """
        counts = np.diff(matrix.indptr)
        kinds = self._kinds(counts)
        order = np.zeros(len(counts), np.int32)
        bags, first = [], 0
        for kind, width, n in self._bags:
            rows = np.flatnonzero(kinds == kind)
            there = np.arange(width) < counts[rows, None]  # [m, W]
            places = (matrix.indptr[rows, None] + np.arange(width))[there]
            indices, weights = np.zeros((n, width), np.int32), np.zeros((n, width), np.float32)
            indices[: len(rows)][there] = matrix.indices[places]
            weights[: len(rows)][there] = matrix.data[places]
            order[rows] = first + np.arange(len(rows))
            bags.append((indices, weights))
            first += n
        return {"bags": tuple(bags), "order": order}

    def _kinds(self, counts: np.ndarray) -> np.ndarray:
        """The bag of each row: the exponent of the smallest power of `_GROWTH` that is not exceeded."""
        if self._one:
            return np.zeros(len(counts), int)
        return np.searchsorted(_GROWTH ** np.arange(16), counts)
