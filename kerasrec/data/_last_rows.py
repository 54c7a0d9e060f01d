"""Holds out the last row of each user, in the order of the rows, if there are no times."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kerasrec.data.interactions import Interactions


def leave_last_row_out(interactions: "Interactions") -> tuple["Interactions", "Interactions"]:
    """Hold out the last row of each user who has several, as `splits.leave_last_out` does by time.

    Args:
        interactions: `Interactions`.

    Returns:
        `(train, test)`, rows in their order.

    Raises:
        ValueError: if no user has two rows.
    """
    if interactions._disk is not None:
        last = interactions._disk.starts[1:] - 1
    else:
        last = np.zeros(interactions.n_users, np.int64)
        last[interactions.users] = np.arange(len(interactions))  # of a user's rows, the last one stays
    test = np.zeros(len(interactions), bool)
    test[last[interactions._user_counts > 1]] = True
    if not test.any():
        raise ValueError(
            "Leaving the last row of each user out needs a user with two rows. "
            f"Received: {len(test):,} rows of as many users."
        )
    return interactions.take(~test), interactions.take(test)
