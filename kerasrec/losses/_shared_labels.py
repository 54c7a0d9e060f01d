"""Labels of rows that share their sampled items: `[1, 1, N + S, 3 + W]`, with scores `[N, 1 + S]`."""

from typing import Any

from keras import ops


def are_shared(y_true: Any) -> bool:
    """Whether labels are those of `N` rows with an own item each, and of `S` items that all share."""
    return len(tuple(getattr(y_true, "shape", ()))) == 4


def spread(y_true: Any, y_pred: Any, remove_hits: bool = True) -> tuple[Any, Any]:
    """Labels and logarithms of probabilities, both `[N, 1 + S]`.

    Args:
        y_true: `[1, 1, N + S, 3 + W]`: label, item code and logarithm of the probability under the sampler,
            of each row's own item and then of each shared one; in the other columns of a row, eight shared
            items each, as `np.packbits` has them, which of them the row leaves out.
        y_pred: scores `[N, 1 + S]`.
        remove_hits: bool, whether a shared item that is a row's own has label -1 there.
    """
    n_shared = y_pred.shape[1] - 1
    labels, codes, log_q = (y_true[0, 0, :, column] for column in range(3))
    n = labels.shape[0] - n_shared
    own = labels[:n, None]
    empty = own <= 0
    if remove_hits:
        empty = empty | ops.equal(codes[:n, None], codes[None, n:])
    if y_true.shape[3] > 3:
        places = ops.arange(7, -1, -1, dtype="int32")
        packed = ops.cast(y_true[0, 0, :n, 3:, None], "int32")
        bits = ops.bitwise_and(ops.right_shift(packed, places), 1)
        empty = empty | ops.equal(ops.reshape(bits, (n, -1))[:, :n_shared], 1)
    shared = ops.where(empty, -1.0, ops.zeros_like(own)) + ops.zeros((1, n_shared), own.dtype)
    spread_log_q = ops.concatenate([log_q[:n, None], ops.zeros_like(own) + log_q[None, n:]], axis=1)
    return ops.concatenate([own, shared], axis=1), spread_log_q
