from typing import Any

from keras import ops


def inner_product(user: Any, item: Any) -> Any:
    """The sum over components of the products of a user's and an item's vectors.

    Lists use one matrix product per row; a sum over the last of several axes takes two to ten times as long.

    Args:
        user: `[..., C]`.
        item: `[..., C]`; leading axes broadcast.

    Returns:
        `[...]`.
    """
    if len(user.shape) == len(item.shape) == 3 and user.shape[1] == 1:
        return ops.squeeze(ops.matmul(item, ops.transpose(user, (0, 2, 1))), -1)  # [B, L, C] x [B, C, 1]
    if len(user.shape) == len(item.shape) == 4 and user.shape[1] == item.shape[2] == 1:  # tastes
        return ops.matmul(ops.squeeze(item, 2), ops.transpose(ops.squeeze(user, 1), (0, 2, 1)))
    return ops.sum(user * item, axis=-1)
