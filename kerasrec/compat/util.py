"""The public functions of TensorRec's `util`: the scale of `alpha`, the sampler, and random data."""

import math
from typing import Any

import numpy as np


def calculate_batched_alpha(num_batches: int, alpha: float) -> float:
    """The `alpha` of each batch: `alpha / (e * log(num_batches))`, or `alpha` for a single batch.

    Args:
        num_batches: int, number of batches.
        alpha: float, weight of the regularisation.

    Returns:
        The weight in a batch.

    Raises:
        ValueError: if `num_batches` is below 1.

    Example:
        >>> import kerasrec
        >>> round(kerasrec.compat.util.calculate_batched_alpha(10, alpha=1.0), 4)
        0.1598
    """
    if num_batches < 1:
        raise ValueError(f"`num_batches` must be at least 1. Received: num_batches={num_batches}.")
    return alpha if num_batches == 1 else alpha / (math.e * math.log(num_batches))


def sample_items(n_items: int, n_users: int, n_sampled_items: int, replace: bool) -> np.ndarray:
    """Items for every user, drawn from NumPy's global generator as in the original.

    `TensorRec` itself draws for all users at once, from a seeded generator.

    Args:
        n_items: int, number of items.
        n_users: int, number of users.
        n_sampled_items: int, items per user.
        replace: bool, whether a user may get an item twice.

    Returns:
        Pairs of user and item, int64 `[n_users * n_sampled_items, 2]`.
    """
    items = [np.random.choice(n_items, n_sampled_items, replace) for _ in range(n_users)]
    return np.stack([np.repeat(np.arange(n_users), n_sampled_items), np.ravel(items)], axis=1).astype(
        np.int64
    )


def generate_dummy_data(
    num_users: int = 15000,
    num_items: int = 30000,
    interaction_density: float = 0.00045,
    num_user_features: int = 200,
    num_item_features: int = 200,
    n_features_per_user: int = 20,
    n_features_per_item: int = 20,
    pos_int_ratio: float = 0.5,
    return_datasets: bool = False,
    seed: int | None = None,
) -> tuple[Any, Any, Any]:
    """Random interactions and features without structure; `kerasrec.datasets.synthetic` has data with one.

    Args:
        num_users: int. Defaults to `15000`.
        num_items: int. Defaults to `30000`.
        interaction_density: float, share of pairs with an interaction. Defaults to `0.00045`.
        num_user_features: int. Defaults to `200`.
        num_item_features: int. Defaults to `200`.
        n_features_per_user: int. Defaults to `20`.
        n_features_per_item: int. Defaults to `20`.
        pos_int_ratio: float, share of positive interactions; the others are negative. Defaults to `0.5`.
        return_datasets: bool, whether to return data sets instead of matrices. Defaults to `False`.
        seed: int. Defaults to `None`: a different seed each time.

    Returns:
        Interactions, user features, item features.

    Raises:
        ValueError: if `pos_int_ratio` is not above 0.
    """
    import scipy.sparse

    if not pos_int_ratio > 0:
        raise ValueError(f"`pos_int_ratio` must be above 0. Received: pos_int_ratio={pos_int_ratio}.")
    rng = np.random.default_rng(seed)

    def random(n: int, m: int, density: float) -> Any:
        places = rng.choice(n * m, round(n * m * density), replace=False, shuffle=False)
        values = rng.random(len(places), np.float32)
        return scipy.sparse.csr_matrix((values, np.divmod(places, m)), shape=(n, m))

    interactions = random(num_users, num_items, interaction_density * pos_int_ratio)
    if pos_int_ratio < 1:
        interactions = interactions - random(num_users, num_items, interaction_density * (1 - pos_int_ratio))
    data = (
        interactions,
        random(num_users, num_user_features, n_features_per_user / num_user_features),
        random(num_items, num_item_features, n_features_per_item / num_item_features),
    )
    if not return_datasets:
        return data
    from kerasrec.compat.input_utils import create_tensorrec_dataset_from_sparse_matrix as as_dataset

    return as_dataset(data[0]), as_dataset(data[1]), as_dataset(data[2])
