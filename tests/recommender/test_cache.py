"""What was made lately is kept, and no more than that."""

import pytest

from kerasrec.recommender._cache import RecentCache


def test_the_least_lately_used_goes_first():
    made = []

    def get(key):
        return lately.get(key, lambda: made.append(key) or f"of {key}")

    lately = RecentCache(2)
    assert [get(key) for key in "aabacb"] == ["of a", "of a", "of b", "of a", "of c", "of b"]
    assert made == ["a", "b", "c", "b"]


def test_what_failed_is_tried_again():
    lately = RecentCache(2)
    with pytest.raises(ZeroDivisionError):
        lately.get("a", lambda: 1 // 0)
    assert lately.get("a", lambda: 3) == 3
