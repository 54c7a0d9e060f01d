"""Features in all forms: dense tensors, the backend's sparse tensors, padded bags."""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from kerasrec._custom_gradient import custom_gradient
from kerasrec.layers._lookup import lookup
from kerasrec.layers._sparse_product import products, rows_of, transposes_fast


def as_bag(inputs: Any) -> tuple[Any, Any] | None:
    """Indices and weights `[..., W]` of a padded bag; `None` if the features are a single tensor."""
    if isinstance(inputs, dict):
        if set(inputs) != {"indices", "weights"}:
            raise ValueError(
                f"A bag of features must have the keys indices and weights. Received: keys={sorted(inputs)}."
            )
        return inputs["indices"], inputs["weights"]
    if isinstance(inputs, tuple | list):
        if len(inputs) != 2:
            raise ValueError(
                f"A bag of features must be a pair (indices, weights). Received: {len(inputs)} tensors."
            )
        return inputs[0], inputs[1]
    return None


@dataclass(frozen=True)
class Whole:
    """The feature matrix that bags come from, whose entries can be read once each.

    Args:
        codes: `[...]`, the entities of the bags.
        n: int, number of rows of the matrix.
        entries: function that returns the matrix by rows: start of each row `[n + 1]`, columns and values
            `[E]`.
    """

    codes: Any
    n: int
    entries: Callable[[], tuple[Any, Any, Any]]
    _matrices: dict[Any, Any] = field(default_factory=dict, compare=False)

    def times(self, table: keras.Variable, dtype: str) -> Any:
        """The rows of the bags in the product of the matrix with a table `[F, C]`: `[..., C]`."""
        starts, columns, values = self.entries()
        n_features = table.shape[0]
        # A sharded table cannot be multiplied as a whole, and a table with far more rows is better read by
        # rows. So are biases, unless the matrix is transposed at little cost: sorting the columns for their
        # gradient would cost more than all else.
        by_rows = hasattr(table, "take_rows") or n_features > columns.shape[0]
        if by_rows or (table.shape[1] == 1 and not transposes_fast()) or dtype == "float64":
            parts = ops.cast(lookup(table, columns), dtype) * ops.cast(values, dtype)[:, None]
            product = ops.segment_sum(parts, rows_of(starts, columns.shape[0]), self.n)
        else:
            whole = ops.cast(ops.convert_to_tensor(table), "float32")
            product = _product(starts, columns, values, n_features, self._matrices)(whole)
            product = ops.cast(product, dtype)
        return ops.take(product, self.codes, axis=0)


# On TensorFlow, the weights of a bag have the note as an attribute: its tensors keep their graph and so the
# weights, which a dict would never release. Elsewhere notes are found by the identity of the weights, while
# these exist: tensors that JAX traces accept no attributes.
_NOTE = "_kerasrec_whole"
_wholes: dict[int, tuple[Any, Whole]] = {}
# Assumed number of codes on an axis of unknown length.
_UNKNOWN = 4096


def note_whole(weights: Any, whole: Whole, n_entries: int) -> bool:
    """Note the matrix that a bag comes from, if reading all entries once is cheaper than the padded bags.

    A bag with changed weights (`FeatureDropout`) has another weights tensor, so it has no note.

    Returns:
        Whether the matrix was noted.
    """
    n_codes = math.prod(_UNKNOWN if size is None else size for size in whole.codes.shape)
    if 2 * (n_entries + n_codes) > n_codes * weights.shape[-1]:
        return False
    if keras.backend.backend() == "tensorflow":
        setattr(weights, _NOTE, whole)
    else:
        key = id(weights)
        _wholes[key] = weakref.ref(weights, lambda _: _wholes.pop(key, None)), whole
    return True


def _whole_of(weights: Any) -> Whole | None:
    if keras.backend.backend() == "tensorflow":
        return getattr(weights, _NOTE, None)
    reference, whole = _wholes.get(id(weights), (None, None))
    return whole if reference is not None and reference() is weights else None


def leading_and_last(input_shape: Any) -> tuple[tuple[int | None, ...], int | None]:
    """The batch and list axes of features in any form, and `F`, which is `None` for bags."""
    if isinstance(input_shape, dict):
        input_shape = tuple(input_shape.values())
    if len(input_shape) == 2 and isinstance(input_shape[0], tuple | list):
        return tuple(input_shape[0][:-1]), None
    return tuple(input_shape[:-1]), input_shape[-1]


def linear(inputs: Any, table: keras.Variable, dtype: str) -> Any:
    """Features times a table `[F, C]`: `[..., C]`. A bag reads only its own rows of the table.

    If there are many wide bags, as for a whole catalogue in which some items have a hundred tags, it is
    cheaper to multiply the whole feature matrix and take their rows.
    """
    bag = as_bag(inputs)
    if bag is None:
        return ops.matmul(inputs, ops.cast(table, dtype))
    indices, weights = bag
    if (whole := _whole_of(weights)) is not None:
        return whole.times(table, dtype)
    rows = ops.cast(lookup(table, as_ids(indices)), dtype)  # [..., W, C]
    weights = ops.cast(weights, dtype)
    if indices.shape[-1] == 1:
        return ops.squeeze(rows, axis=-2) * weights
    return ops.squeeze(ops.matmul(weights[..., None, :], rows), axis=-2)


def _product(
    starts: Any, columns: Any, values: Any, n_columns: int, matrices: dict[Any, Any]
) -> Callable[[Any], Any]:
    """A function that multiplies a sparse matrix `[n, F]` by a dense one; its gradient uses the transpose."""
    times, times_transposed = products(starts, columns, values, n_columns, matrices)

    @custom_gradient
    def product(dense: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            return times_transposed(args[0] if upstream is None else upstream)

        return times(dense), gradient

    return product


def densify(inputs: Any, n_features: Any, dtype: str) -> Any:
    """Features as one dense tensor `[..., F]`; repeated columns of a bag are summed."""
    bag = as_bag(inputs)
    if bag is None:
        return ops.cast(ops.convert_to_tensor(inputs, sparse=False), dtype)
    indices, weights = as_ids(bag[0]), ops.cast(bag[1], dtype)
    shape = ops.shape(indices)
    width = indices.shape[-1]
    rows = ops.reshape(indices, (-1, width))
    n = ops.shape(rows)[0]
    places = ops.arange(n, dtype="int32")[:, None] * n_features + ops.cast(rows, "int32")
    places, weights = ops.reshape(places, (-1,)), ops.reshape(weights, (-1,))
    flat = ops.segment_sum(weights, places, num_segments=n * n_features)
    return ops.reshape(flat, (*shape[:-1], n_features))


def as_ids(indices: Any) -> Any:
    """Indices in an integer type that every backend can gather by."""
    # TensorFlow gathers only by these two types.
    if keras.backend.standardize_dtype(indices.dtype) in ("int32", "int64"):
        return indices
    return ops.cast(indices, "int32")
