"""Features with their encoders as arrays that `np.savez` writes without pickle, and back."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _encoders
from kerasrec.data._encoder import listed

if TYPE_CHECKING:
    from kerasrec.data.features import Features

FORMAT = 1


def to_arrays(features: "Features") -> dict[str, np.ndarray]:
    """Arrays by name."""
    header = {
        "format": FORMAT,
        "encoders": [encoder.state() for encoder in features._encoders],
        "ids": None if features.ids is None else listed(features.ids),
        "n_features": features.n_features,
    }
    return {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "indptr": features.matrix.indptr,
        "indices": features.matrix.indices,
        "weights": features.matrix.data,
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[Any, list[Any], Any]:
    """The parts of `Features`: matrix, encoders and ids."""
    import scipy.sparse

    if scipy.sparse.issparse(arrays) or isinstance(arrays, np.ndarray):
        raise TypeError(
            "`arrays` must come from `to_arrays`; use `Features.from_csr` for a matrix. Received: "
            f"{type(arrays).__name__}."
        )
    header = json.loads(np.asarray(arrays["header"], np.uint8).tobytes())
    if header["format"] > FORMAT:
        raise ValueError(
            f"Features must be in format {FORMAT} or older; a newer kerasrec reads them. "
            f"Received: format {header['format']}."
        )
    encoders = [_encoders.from_state(state) for state in header["encoders"]]
    indptr, n_features = arrays["indptr"], header["n_features"]
    names = [name for encoder in encoders for name in encoder.names]
    if len(names) != n_features:
        raise ValueError(
            f"Features must have one name per column. Received: {len(names)} names for {n_features} columns."
        )
    indices = arrays["indices"]
    rows_end = len(indptr) and indptr[0] == 0 and (np.diff(indptr) >= 0).all() and indptr[-1] == len(indices)
    inside = not len(indices) or 0 <= indices.min() <= indices.max() < n_features
    if not rows_end or not inside or len(arrays["weights"]) != len(indices):
        raise ValueError(
            f"Rows of features must hold valid column numbers. Received: {len(indices)} that do not fit "
            f"{len(indptr) - 1} rows of {n_features} columns."
        )
    matrix = scipy.sparse.csr_matrix((arrays["weights"], indices, indptr), (len(indptr) - 1, n_features))
    return matrix, encoders, header["ids"]
