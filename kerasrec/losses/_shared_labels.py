"""Labels of rows that share their sampled items: `[1, 1, N + S, 3 + W]`, with scores `[N, 1 + S]`."""

from typing import Any, NamedTuple

from keras import ops


class SharedLabels(NamedTuple):
    """The parts of labels with shared items.

    Attributes:
        own: label of each row's own item, `[N, 1]`.
        left_out: whether a shared item is ignored for a row, `[N, S]`.
        own_log_q: logarithm of the probability of each row's own item under the sampler, `[N, 1]`.
        shared_log_q: the same of each shared item, `[1, S]`.
    """

    own: Any
    left_out: Any
    own_log_q: Any
    shared_log_q: Any


def are_shared(y_true: Any) -> bool:
    """Whether labels are those of `N` rows with one own item each, and `S` shared items."""
    return len(tuple(getattr(y_true, "shape", ()))) == 4


def parts(y_true: Any, y_pred: Any, remove_hits: bool = True) -> SharedLabels:
    """Split labels into their parts.

    Args:
        y_true: `[1, 1, N + S, 3 + W]`: label, item code and logarithm of the probability under the sampler,
            of each row's own item and then of each shared item. The other columns of a row say which shared
            items it leaves out, eight per column, packed as by `np.packbits`.
        y_pred: scores `[N, 1 + S]`.
        remove_hits: bool, whether to ignore a shared item for a row whose own item it is.
    """
    n_shared = y_pred.shape[1] - 1
    labels, codes, log_q = (y_true[0, 0, :, column] for column in range(3))
    n = labels.shape[0] - n_shared
    own = labels[:n, None]
    left_out = ops.broadcast_to(own <= 0, (n, n_shared))
    if remove_hits:
        left_out = left_out | ops.equal(codes[:n, None], codes[None, n:])
    if y_true.shape[3] > 3:
        places = ops.arange(7, -1, -1, dtype="int32")
        packed = ops.cast(y_true[0, 0, :n, 3:, None], "int32")
        bits = ops.bitwise_and(ops.right_shift(packed, places), 1)
        left_out = left_out | ops.equal(ops.reshape(bits, (n, -1))[:, :n_shared], 1)
    return SharedLabels(own, left_out, log_q[:n, None], log_q[None, n:])


def spread(y_true: Any, y_pred: Any) -> Any:
    """Labels as lists, `[N, 1 + S]`; the arguments are those of `parts`."""
    found = parts(y_true, y_pred)
    shared = ops.where(found.left_out, -1.0, ops.zeros_like(found.shared_log_q))
    return ops.concatenate([found.own, shared], axis=1)
