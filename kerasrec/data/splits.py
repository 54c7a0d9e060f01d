"""Splits of interactions into training and test parts, with the vocabularies of the whole.

Every function returns `(train, test)`: disjoint, complete, neither empty, and the same for the same seed.

The splits by time, `time_split` and `leave_last_out`, split events. If a pair of user and item has several
events, the training part has the value of those before the cut, combined by the `kind` of the interactions,
and the test part the value of those after it. A pair can then be in both parts; `kerasrec.evaluation` leaves
such a repeat out of the test, unless `exclude_seen=False`. After `at_least`, each part has the pairs that
reach that value in it. The other splits split pairs.
"""

from typing import Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.data._events import events_of, split_events
from kerasrec.data._split_moments import check_sides, check_times, moment_by_size, moment_of, times_of
from kerasrec.data._split_sizes import SIZE_RULE, check_count, check_size, is_share, is_whole
from kerasrec.data.interactions import Interactions, check_interactions
from kerasrec.data.sequences import Sequences

Split = tuple[Interactions, Interactions]


def random_split(interactions: Interactions, test_size: float = 0.1, seed: int | None = None) -> Split:
    """Split rows at random; the result is that of scikit-learn's `train_test_split`.

    Args:
        interactions: `Interactions`.
        test_size: share of the rows (rounded up), or their number. Defaults to `0.1`.
        seed: int, the `random_state`. Defaults to `None`: a different split each time.

    Returns:
        `(train, test)`.

    Raises:
        ValueError: if there are fewer than two interactions, or one side would be empty.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import Interactions, splits
        >>> x = Interactions([0, 0, 1, 1], [0, 1, 0, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> train, test = splits.random_split(x, test_size=0.25, seed=0)
        >>> len(train), len(test), train.n_users == test.n_users
        (3, 1, True)
    """
    check_interactions("interactions", interactions)
    if interactions._disk is not None:
        check_count(len(interactions), "interactions")
        n_test = check_size(test_size, len(interactions), "interactions")
        return _opened_splits().random_rows(interactions, n_test, seed)
    train, test = _parts(np.arange(len(interactions)), test_size, seed, "interactions")
    return interactions.take(train), interactions.take(test)


def per_user_split(interactions: Interactions, test_size: float = 0.2, seed: int | None = None) -> Split:
    """Split the rows of each user at random; every user keeps at least one in train.

    Args:
        interactions: `Interactions`.
        test_size: share of each user's rows (rounded, halves up), or their number. Defaults to `0.2`.
        seed: int. Defaults to `None`: a different split each time.

    Returns:
        `(train, test)`, rows in their order.

    Raises:
        ValueError: if no user has enough interactions for a test row.
    """
    check_interactions("interactions", interactions)
    counts = interactions._user_counts
    if is_whole(test_size) and test_size > 0:
        n_test = np.full(len(counts), test_size)
    else:
        share = test_size if is_share(test_size) else 0
        n_test = np.floor(counts * share + 0.5)
    n_test = np.minimum(n_test, counts - 1)
    if (n_test <= 0).all():
        raise ValueError(
            f"{SIZE_RULE} Received: test_size={test_size!r}; the most that a user has is "
            f"{counts.max(initial=0)} interactions."
        )
    if interactions._disk is not None:
        opened = _opened_splits()
        rng_of = opened.generator(seed)

        def which(part: Interactions, block: Any) -> np.ndarray:
            own = n_test[block.begin : block.end]
            return _last_of_each_user(part, rng_of(block).random(len(part)), own, np.ones(len(part), bool))

        return opened.by_mask(interactions, which)
    shuffled = np.random.default_rng(seed).random(len(interactions))
    test = _last_of_each_user(interactions, shuffled, n_test, np.ones(len(interactions), bool))
    return interactions.take(~test), interactions.take(test)


def leave_last_out(interactions: Interactions, n: int = 1) -> Split:
    """Hold out the last events of each user by time; if times are equal, the later rows.

    Args:
        interactions: `Interactions` with times.
        n: int, number of test events of each user. Users with no more than `n` events stay in train. Defaults
            to `1`.

    Returns:
        `(train, test)`, rows in their order.

    Raises:
        ValueError: if there are no times, `n` is not positive, or no user has more than `n` events.
    """
    check_times(interactions)
    n = positive_integer("n", n)
    if interactions._disk is not None:
        counts = _opened_splits().counted_of_users(interactions)
    else:
        events, counted = events_of(interactions)
        counts = np.bincount(events.users[counted], minlength=events.n_users)
    if counts.max(initial=0) <= n:
        raise ValueError(
            "`n` must leave an interaction in train for at least one user. "
            f"Received: n={n}, and no user has more than {counts.max(initial=0)} interactions."
        )
    n_test = np.where(counts > n, n, 0)
    if interactions._disk is not None:

        def which(part: Interactions, block: Any) -> np.ndarray:
            own, some = events_of(part)
            return _last_of_each_user(own, times_of(own), n_test[block.begin : block.end], some)

        train, held_out = _opened_splits().by_events(interactions, which)
        return _checked(train, held_out, f"n={n}")
    last = _last_of_each_user(events, times_of(events), n_test, counted)
    return _checked(*split_events(interactions, last), f"n={n}")


def time_split(interactions: Interactions, at: Any = None, test_size: float | None = None) -> Split:
    """Split at one moment: earlier events are for training, all others for the test.

    Args:
        interactions: `Interactions` with times.
        at: the first moment of test: a datetime (in UTC if it has no time zone) or ISO 8601 text if the times
            are dates, or a number in their unit if they are numbers. Defaults to `None`: computed from
            `test_size`.
        test_size: share of the events (rounded up), or their number. Since events with equal times stay
            together, test can be larger. Defaults to `None`; give either this or `at`.

    Returns:
        `(train, test)`, rows in their order.

    Raises:
        ValueError: if there are no times, not exactly one of `at` and `test_size` is given, `at` is a date
            and times are numbers, or one side would be empty.
    """
    check_times(interactions)
    if at is None and test_size is None:
        raise ValueError("`at` or `test_size` must be given. Received: neither.")
    if at is not None and test_size is not None:
        raise ValueError(
            "One of `at` and `test_size` must be given, not both. "
            f"Received: at={at!r}, test_size={test_size!r}."
        )
    events, counted = events_of(interactions)
    times = times_of(events)
    if test_size is not None and interactions._disk is not None:
        check_count(int(counted.sum()), "interactions")
        moment = _opened_splits().moment_of(
            times, counted, lambda n: check_size(test_size, n, "interactions")
        )
        check_count(1 if moment is None else 2, "different times")
    elif test_size is not None:
        moment = moment_by_size(times[counted], test_size)
    else:
        check_count(len(times), "interactions")
        moment = moment_of(at, events)
    check_sides(moment, at, events)
    if interactions._disk is not None:
        train, held_out = _opened_splits().by_events(
            interactions, lambda part, block: times_of(events_of(part)[0]) >= moment
        )
        return _checked(train, held_out, f"at={at!r}, test_size={test_size!r}")
    test = times >= moment
    return _checked(*split_events(interactions, test), f"at={at!r}, test_size={test_size!r}")


def cold_user_split(interactions: Interactions, test_size: float = 0.1, seed: int | None = None) -> Split:
    """Hold out random users with all their interactions.

    Args:
        interactions: `Interactions`.
        test_size: share of the users who have interactions (rounded up), or their number. Defaults to `0.1`.
        seed: int. Defaults to `None`: a different split each time.

    Returns:
        `(train, test)`, rows in their order.

    Raises:
        ValueError: if fewer than two users have interactions, or one side would be empty.
    """
    check_interactions("interactions", interactions)
    return _cold_split(interactions, interactions.users, test_size, seed, "users")


def cold_item_split(interactions: Interactions, test_size: float = 0.1, seed: int | None = None) -> Split:
    """Hold out random items with all their interactions.

    Args:
        interactions: `Interactions`.
        test_size: share of the items that have interactions (rounded up), or their number. Defaults to `0.1`.
        seed: int. Defaults to `None`: a different split each time.

    Returns:
        `(train, test)`, rows in their order.

    Raises:
        ValueError: if fewer than two items have interactions, or one side would be empty.
    """
    check_interactions("interactions", interactions)
    return _cold_split(interactions, interactions.items, test_size, seed, "items")


def held_out_users(
    interactions: Interactions, test_size: float = 0.1, given: float = 0.8, seed: int | None = None
) -> tuple[Interactions, Interactions, Interactions]:
    """Hold random users out of training, with a part of their items given ("strong generalisation").

    A model is trained on `train`, gets the `given` items of the held-out users, and is tested on `test`:
    `kerasrec.evaluation.evaluate(model, test, train, given=given)`.

    Args:
        interactions: `Interactions`.
        test_size: share of the users who have interactions (rounded up), or their number. Defaults to `0.1`.
        given: share of each held-out user's rows that is given (rounded, halves up), drawn at random; at
            least one row is given, and at least one is in `test`. Users with a single row are left out of
            both. Defaults to `0.8`.
        seed: int. Defaults to `None`: a different split each time.

    Returns:
        `(train, given, test)`, rows in their order.

    Raises:
        ValueError: if fewer than two users have interactions, one part would be empty, or `given` is not a
            share between 0 and 1.

    Example:
        >>> from kerasrec.data import Interactions, splits
        >>> x = Interactions([0, 0, 1, 1], [0, 1, 0, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> train, given, test = splits.held_out_users(x, test_size=1, given=0.5, seed=0)
        >>> len(train), len(given), len(test)
        (2, 1, 1)

    References:
        Marlin, "Collaborative filtering: a machine learning perspective", 2004, section 3.3; Liang et al.,
        "Variational autoencoders for collaborative filtering", 2018, section 4.3.
    """
    if not is_share(given):
        raise ValueError(f"`given` must be a share between 0 and 1. Received: given={given!r}.")
    train, others = cold_user_split(interactions, test_size, seed)
    counts = np.bincount(others.users, minlength=others.n_users)
    n_test = np.maximum(np.minimum(counts - np.floor(counts * given + 0.5), counts - 1), 1)
    n_test[counts < 2] = 0
    if not n_test.any():
        raise ValueError(
            "A held-out user must have at least two interactions, one to give and one to test. Received: "
            f"{np.count_nonzero(counts)} users, all with one."
        )
    several = counts[others.users] > 1
    shuffled = np.random.default_rng(seed).random(len(others))
    test = _last_of_each_user(others, shuffled, n_test, np.ones(len(others), bool))
    return train, others.take(several & ~test), others.take(test)


def prefixes(interactions: Interactions | Sequences, length: int = 50) -> tuple[Sequences, Interactions]:
    """Turn every item of a session except the first into a test case, with the earlier items as its history.

    A session of `n` items gives `n - 1` test cases. Each test case is a user of the test, and unrelated to
    the users of training. Use them to evaluate a model of histories. Since sessions may repeat items, include
    seen ones: `evaluate(model, test, history=history, exclude_seen=False)`.

    Args:
        interactions: `Interactions`, whose users are the sessions, or `Sequences`.
        length: int, maximum length of a history; the latest items are kept. Defaults to `50`.

    Returns:
        `(history, test)`: `Sequences`, and `Interactions` of users `0..n-1`, with one item each.

    Raises:
        ValueError: if no session has two items, or `length` is not a positive integer.

    Example:
        >>> from kerasrec.data import Interactions, splits
        >>> x = Interactions([0, 0, 0], [2, 0, 2], times=[1, 2, 3], user_ids=["s"], item_ids=["x", "y", "z"])
        >>> history, test = splits.prefixes(x.take([0, 1]))
        >>> history.latest([0], 2).tolist(), test.items.tolist()
        ([[-1, 2]], [0])

    References:
        Li et al., "Neural attentive session-based recommendation", 2017, section 4.1.
    """
    length = positive_integer("length", length)
    sequences = interactions if isinstance(interactions, Sequences) else Sequences(interactions)
    begins = np.repeat(sequences.starts[:-1], sequences.counts)
    targets = np.flatnonzero(np.arange(len(sequences)) > begins)
    if not len(targets):
        raise ValueError(
            "`interactions` must have a session of two items, of which one comes after the other. "
            f"Received: {len(sequences)} items of {sequences.n_users} sessions."
        )
    n_before = np.minimum(targets - begins[targets], length)
    starts = np.concatenate([[0], np.cumsum(n_before)])
    places = np.arange(starts[-1]) + np.repeat(targets - n_before - starts[:-1], n_before)
    history = Sequences.of_arrays(sequences.items[places], starts, None, sequences.n_items)
    item_ids = (
        interactions.item_ids if isinstance(interactions, Interactions) else np.arange(sequences.n_items)
    )
    users = np.arange(len(targets))
    return history, Interactions(users, sequences.items[targets], user_ids=users, item_ids=item_ids)


def _opened_splits() -> Any:
    from kerasrec.data import _opened_splits

    return _opened_splits


def _parts(
    things: np.ndarray, test_size: float, seed: int | None, what: str
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    check_count(len(things), what)
    n_test = check_size(test_size, len(things), what)
    train, test = train_test_split(things, test_size=n_test, random_state=seed)
    return train, test


def _cold_split(
    interactions: Interactions, codes: np.ndarray, test_size: float, seed: int | None, what: str
) -> Split:
    counts = interactions._user_counts if what == "users" else interactions._item_counts
    _, cold = _parts(np.flatnonzero(counts), test_size, seed, what)
    is_cold = np.zeros(len(counts), bool)
    is_cold[cold] = True
    if interactions._disk is not None:
        if what == "users":
            return _opened_splits().by_mask(
                interactions, lambda part, block: is_cold[part.users + np.int32(block.begin)]
            )
        return _opened_splits().by_mask(interactions, lambda part, block: is_cold[part.items])
    test = is_cold[codes]
    return interactions.take(~test), interactions.take(test)


def _last_of_each_user(
    rows: Interactions, by: np.ndarray, n_test: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """Which rows are among the last `n_test[user]` of each user in the order of `by`; ties go to later rows.

    Only `counted` rows are counted; other rows are included if they come after the first included one.
    """
    users = rows.users
    order = np.lexsort((by, users))
    there = counted[order].astype(np.int64)
    ends = np.cumsum(np.bincount(users[counted], minlength=rows.n_users))
    from_here = ends[users[order]] - np.cumsum(there) + there  # counted rows of the user from this one on
    test = np.zeros(len(users), bool)
    test[order] = from_here + (1 - there) <= n_test[users[order]]
    return test


def _checked(train: Interactions, test: Interactions, received: str) -> Split:
    """Both parts, which `at_least` may have emptied."""
    if not len(train) or not len(test):
        side = "train" if len(test) else "test"
        raise ValueError(
            f"A split must leave likes on both sides; of what came {'before' if len(test) else 'after'} the "
            f"cut, nothing in {side} reaches the value of `at_least`. Received: {received}."
        )
    return train, test
