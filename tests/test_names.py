from kerasrec._names import did_you_mean, unknown_name


def test_the_nearest_name_is_suggested():
    assert did_you_mean("ndgc", ["recall", "ndcg"]) == " Did you mean 'ndcg'?"
    assert did_you_mean("NDCG", ["recall", "ndcg"]) == " Did you mean 'ndcg'?"
    assert did_you_mean("xyz", ["recall", "ndcg"]) == ""


def test_the_likeness_that_is_needed():
    """`aacd` and `aabb` share 2 of 4 letters on each side: a likeness of 0.5."""
    assert did_you_mean("aacd", ["aabb"], alike=0.5) == " Did you mean 'aabb'?"
    assert did_you_mean("aacd", ["aabb"], alike=0.51) == ""


def test_the_message():
    message = "`metric` must be one of recall, ndcg. Did you mean 'ndcg'? Received: metric='ndgc'."
    assert unknown_name("metric", "ndgc", ["recall", "ndcg"]) == message
