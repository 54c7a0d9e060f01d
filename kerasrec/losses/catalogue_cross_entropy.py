from typing import Any

import keras
from keras import ops

from kerasrec._arguments import positive_number
from kerasrec._custom_gradient import custom_gradient
from kerasrec._precision import at_least_float32

# Number of scores that are held at once (64 MB).
_SCORES = 1 << 24


@keras.saving.register_keras_serializable("kerasrec")
class CatalogueCrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy over the whole catalogue, at every position of a sequence.

    With `p_n` the vector of position `n`, `v_i` that of item `i`, `y_n` the position's target and `t` the
    temperature, the loss is the mean over positions that have a target of

        log(sum_i exp(p_n . v_i / t)) - p_n . v_{y_n} / t

    The scores `[N, I]` are never stored as a whole. They and their gradients are computed for some positions
    at a time, so memory depends neither on the length of the sequences nor on the size of the catalogue.
    `y_pred` contains vectors instead of scores: those of the positions, followed by those of the items. A
    `kerasrec.Model` with a user tower of `history` returns them if it is called without items;
    `kerasrec.data.SequenceBatches` makes such batches. For a sample of the catalogue see `SampledSoftmax`.

    Args:
        temperature: float, divides the scores. Defaults to `1.0`.
        reduction: `"sum_over_batch_size"` (the mean over positions that have a target) or `"sum"`. Defaults
            to `"sum_over_batch_size"`.
        name: str or `None`. Defaults to `None`.
        dtype: as in `keras.losses.Loss`; half precision is raised to float32. Defaults to `None`.

    Call arguments:
        y_true: item codes `[B, H]` or `[N]`; -1 where a position has no target.
        y_pred: vectors `[N + I, C]`, of the positions in their order and of the items in that of their codes.
        sample_weight: one weight per position, in the shape of `y_true`, or `None`.

    Returns:
        The reduced loss.

    Raises:
        ValueError: if `temperature` is not a finite number above 0, `reduction` is another, or the shapes are
            wrong.

    Example:
        >>> import numpy as np, kerasrec
        >>> loss = kerasrec.losses.CatalogueCrossEntropy()
        >>> positions, items = np.zeros((3, 2)), np.ones((5, 2))
        >>> y_true = np.array([[0, 4, -1]])
        >>> round(float(loss(y_true, np.concatenate([positions, items]))), 4)  # log(5)
        1.6094

    References:
        Klenitskiy and Vasilev, "Turning dross into gold loss: is BERT4Rec really better than SASRec?", 2023,
        section 3.2.
    """

    takes_catalogue = True  # `losses._names` reads it

    def __init__(
        self,
        temperature: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if reduction not in ("sum_over_batch_size", "sum"):
            raise ValueError(
                "`reduction` of CatalogueCrossEntropy must be 'sum_over_batch_size' or 'sum'. "
                f"Received: reduction={reduction!r}."
            )
        self.temperature = positive_number("temperature", temperature)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss."""
        y_true, vectors = ops.convert_to_tensor(y_true), at_least_float32(ops.convert_to_tensor(y_pred))
        targets = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        n, n_vectors = targets.shape[0], vectors.shape[0]
        known = n is not None and n_vectors is not None  # TensorFlow may trace with batches of any size
        if len(vectors.shape) != 2 or (known and n_vectors <= n):
            raise ValueError(
                "CatalogueCrossEntropy takes targets [batch, history] and vectors [positions + items, "
                "n_components]; `kerasrec.data.SequenceBatches` makes such batches for a `kerasrec.Model`. "
                f"Received: y_true {tuple(y_true.shape)}, y_pred {tuple(vectors.shape)}."
            )
        if not known:
            n = ops.shape(targets)[0]
        weights = ops.cast(targets >= 0, vectors.dtype)
        if sample_weight is not None:
            given = ops.reshape(ops.convert_to_tensor(sample_weight, vectors.dtype), (-1,))
            weights = weights * given
        if self.reduction == "sum_over_batch_size":
            weights = weights / ops.maximum(ops.sum(ops.cast(targets >= 0, vectors.dtype)), 1.0)
        if self.temperature != 1:
            vectors = ops.concatenate([vectors[:n] / self.temperature, vectors[n:]], axis=0)
        # Indices as floats, because some backends request gradients of all inputs.
        codes = ops.stop_gradient(ops.cast(ops.maximum(targets, 0), vectors.dtype))
        return _cross_entropy(vectors[:n], vectors[n:], codes, ops.stop_gradient(weights))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The same without weights."""
        return self(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "temperature": self.temperature}


@custom_gradient
def _cross_entropy(positions: Any, items: Any, codes: Any, weights: Any) -> tuple[Any, Any]:
    """The weighted sum of the losses of all positions, and its gradient, some positions at a time.

    `positions` `[N, C]`, `items` `[I, C]`, `codes` `[N]` of the targets, `weights` `[N]`. The gradient is
    computed in the same pass, and later only multiplied by a number, so the scores are computed once.
    """
    targets = ops.cast(codes, "int32")
    n, n_items = positions.shape[0], items.shape[0]
    if n is None or n_items is None:
        n, n_items = ops.shape(positions)[0], ops.shape(items)[0]
        size = ops.maximum(1, ops.minimum(n, _SCORES // n_items))
    else:
        size = max(1, min(n, _SCORES // n_items))
    n_chunks = -(-n // size)

    def chunk(some: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
        scores = ops.matmul(some, ops.transpose(items))  # [size, I]
        largest = ops.max(scores, axis=-1, keepdims=True)
        powers = ops.exp(scores - largest)
        total = ops.sum(powers, axis=-1, keepdims=True)
        own = ops.take(items, target, axis=0)
        logits = ops.sum(some * own, axis=-1)
        loss = ops.sum(weight * (ops.log(total[:, 0]) + largest[:, 0] - logits))
        shares = powers * (weight[:, None] / total)
        back = ops.matmul(shares, items) - weight[:, None] * own
        of_items = ops.matmul(ops.transpose(shares), some)
        return loss, back, of_items

    if isinstance(n_chunks, int) and n_chunks == 1:
        loss, of_positions, of_items = chunk(positions, targets, weights)
    else:
        zero = (ops.zeros((), items.dtype), ops.zeros_like(positions), ops.zeros_like(items))
        n_components = positions.shape[1]

        def step(i: Any, sums: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            # The last chunk is moved back to end at the last position; positions counted before are ignored.
            start = ops.minimum(i * size, n - size)
            some = ops.slice(positions, (start, 0), (size, n_components))
            target, weight = (ops.slice(x, (start,), (size,)) for x in (targets, weights))
            is_new = ops.cast(start + ops.arange(size) >= i * size, weight.dtype)
            loss, back, of_items = chunk(some, target, weight * is_new)
            before = ops.slice(sums[1], (start, 0), (size, n_components))
            return (
                sums[0] + loss,
                ops.slice_update(sums[1], (start, 0), before + back),
                sums[2] + of_items,
            )

        loss, of_positions, of_items = ops.fori_loop(0, n_chunks, step, zero)
    # The part of the gradient from the targets themselves.
    pulled = ops.segment_sum(weights[:, None] * positions, targets, n_items)
    of_items = of_items - pulled

    def gradient(*args: Any, upstream: Any = None) -> tuple[Any, Any, Any, Any]:
        if upstream is None:
            (upstream,) = args
        return (
            of_positions * upstream,
            of_items * upstream,
            ops.zeros_like(codes),
            ops.zeros_like(weights),
        )

    return loss, gradient
