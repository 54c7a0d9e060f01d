"""Two stages one user at a time, in plain Python."""


def two_stages(first, second, order, hidden, n_candidates, k):
    """Item codes of one user's list.

    `first` and `second` are scores of all items, `order` breaks ties of the first ones, and `hidden` may not
    be recommended.
    """
    before = {item: place for place, item in enumerate(order)}
    left = [item for item in range(len(first)) if item not in hidden]
    found = sorted(left, key=lambda item: (-first[item], before[item]))[: max(k, n_candidates)]
    return sorted(found, key=lambda item: -second[item])[:k]  # stable: of equals the first found
