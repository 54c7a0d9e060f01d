"""Lists under rules, one user and one item at a time, in plain Python."""

import math

import numpy as np


def ruled_list(
    scores,
    order,
    hidden,
    k,
    caps=(),
    quotas=(),
    boost=None,
    pool=100,
    diversity=0.0,
    vectors=None,
    calibrate=0.0,
    shares=None,
    taste=None,
):
    """Item codes of one user's list.

    `order` breaks ties; `caps` are pairs of `n` and a set of values an item, `quotas` pairs of `n` and a
    truth value an item.
    """
    before = {item: place for place, item in enumerate(order)}

    def sort(values):
        left = [item for item in range(len(scores)) if item not in hidden]
        return sorted(left, key=lambda item: (-values[item], before[item]))

    ranked = sort(scores)
    values = list(scores)
    if boost is not None and ranked:
        unit = float(scores[ranked[0]]) - float(scores[ranked[min(max(k, pool), len(ranked)) - 1]])
        values = [
            np.float32(score) + np.float32(unit * more) for score, more in zip(scores, boost, strict=True)
        ]
        ranked = sort(values)
    width = max(k, pool)
    while True:
        found, whole = _greedy(
            ranked[:width], values, k, caps, quotas, diversity, vectors, calibrate, shares, taste
        )
        if whole or width >= len(ranked):
            return found
        width *= 4


def _greedy(pool, values, k, caps, quotas, diversity, vectors, calibrate, shares, taste):
    needs = [n for n, _ in quotas]
    found, whole = [], True
    if not pool:
        return found, False
    low, high = float(values[pool[-1]]), float(values[pool[0]])

    def objective(item):
        value = (1 - diversity - calibrate) * (float(values[item]) - low) / ((high - low) or 1.0)
        if diversity and found:
            value -= diversity * max(float(vectors[item] @ vectors[other]) for other in found)
        if calibrate:
            value -= calibrate * _divergence(taste, [shares[other] for other in [*found, item]])
        return value

    def capped(item):
        return any(sum(value in of[other] for other in found) >= n for n, of in caps for value in of[item])

    def fits(item):
        after = sum(
            need - (need > 0 and bool(true[item])) for need, (_, true) in zip(needs, quotas, strict=True)
        )
        return after <= k - len(found) - 1

    while len(found) < k:
        free = [item for item in pool if item not in found and not capped(item)]
        allowed = [item for item in free if fits(item)]
        if not allowed and any(needs):
            needs, whole, allowed = [0] * len(needs), False, free
        if not allowed:
            return found, False
        best = max(allowed, key=objective)  # the first of equals
        needs = [n - (n > 0 and bool(true[best])) for n, (_, true) in zip(needs, quotas, strict=True)]
        found.append(best)
    return found, whole


def _divergence(taste, rows):
    mixed = [
        0.99 * sum(column) / len(rows) + 0.01 * p for column, p in zip(np.transpose(rows), taste, strict=True)
    ]
    return sum(p * math.log(p / q) for p, q in zip(taste, mixed, strict=True) if p > 0)
