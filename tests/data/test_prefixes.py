"""Prefixes of sessions as tests of their own."""

import numpy as np
import pytest

from kerasrec.data import Interactions, Sequences, splits

SESSIONS = [[3, 1, 3, 2], [4], [], [0, 0], [5, 4, 3, 2, 1, 0]]


def test_every_item_but_the_first_is_a_test():
    history, test = splits.prefixes(Sequences.of_lists(SESSIONS, 6), length=3)
    expected = [(s[max(0, at - 3) : at], s[at]) for s in SESSIONS for at in range(1, len(s))]
    found = [
        (history.items[history.starts[u] : history.starts[u + 1]].tolist(), int(test.items[u]))
        for u in range(history.n_users)
    ]
    assert found == expected
    assert test.users.tolist() == list(range(len(expected))) and test.n_items == 6


def test_items_keep_their_ids():
    x = Interactions([0, 1, 0], [1, 0, 0], times=[1, 2, 3], user_ids=["s", "t"], item_ids=["x", "y"])
    history, test = splits.prefixes(x)
    assert history.items.tolist() == [1] and test.item_ids[test.items].tolist() == ["x"]


def test_bad_input():
    with pytest.raises(ValueError, match="a session of two items, .* Received: 2 items of 2 sessions"):
        splits.prefixes(Sequences.of_lists([[1], [2]], 3))
    with pytest.raises(ValueError, match="`length` must be a positive integer"):
        splits.prefixes(Sequences.of_lists(SESSIONS, 6), length=0)
    with pytest.raises(ValueError, match="`length` must be a positive integer"):
        splits.prefixes(Sequences.of_lists(SESSIONS, 6), length=np.inf)
