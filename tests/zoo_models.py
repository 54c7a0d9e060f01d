"""What the tests of the baselines share."""

import keras
import numpy as np

from kerasrec.data import Interactions


def of_counts(counts, **columns):
    users, items = np.nonzero(counts)
    ids = {"user_ids": np.arange(len(counts)), "item_ids": np.arange(counts.shape[1])}
    return Interactions(users, items, counts[users, items], **columns, **ids)


def scores(model, n_users, n_items):
    """What the graph gives for every pair."""
    items = np.tile(np.arange(n_items, dtype="int32"), (n_users, 1))
    return keras.ops.convert_to_numpy(
        model({"user": np.arange(n_users, dtype="int32")[:, None], "item": items})
    )
