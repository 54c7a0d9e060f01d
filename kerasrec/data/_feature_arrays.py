"""Features with their encoders as arrays that `np.savez` writes without pickle, and back."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _encoders

if TYPE_CHECKING:
    from kerasrec.data.features import Features

FORMAT = 1


def to_arrays(features: "Features") -> dict[str, np.ndarray]:
    """Arrays by name."""
    header = {
        "format": FORMAT,
        "encoders": [encoder.state() for encoder in features._encoders],
        "ids": None if features.ids is None else _encoders.listed(features.ids),
        "n_features": features.n_features,
    }
    return {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "indptr": features.matrix.indptr,
        "indices": features.matrix.indices,
        "weights": features.matrix.data,
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[Any, list[Any], Any]:
    """What `Features` takes: matrix, encoders and ids."""
    import scipy.sparse

    if scipy.sparse.issparse(arrays) or isinstance(arrays, np.ndarray):
        raise TypeError(
            "`arrays` must be what `to_arrays` gave; a matrix becomes features by `Features.from_csr`. "
            f"Received: {type(arrays).__name__}."
        )
    header = json.loads(np.asarray(arrays["header"], np.uint8).tobytes())
    if header["format"] > FORMAT:
        raise ValueError(
            f"Features must be in format {FORMAT} or older; a newer kerasrec reads them. "
            f"Received: format {header['format']}."
        )
    indptr = arrays["indptr"]
    matrix = scipy.sparse.csr_matrix(
        (arrays["weights"], arrays["indices"], indptr), (len(indptr) - 1, header["n_features"])
    )
    return matrix, [_encoders.from_state(state) for state in header["encoders"]], header["ids"]
