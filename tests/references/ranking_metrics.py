"""Ranking metrics in plain Python, one user at a time.

`items` is the list of one user, best first; `relevant` maps its relevant items to their values.
"""

import itertools
import math

import numpy as np


def ranked(scores, tie_order, seen, k):
    """The k best items by score, equal ones in tie order, without seen ones and those at minus infinity."""
    place = {item: position for position, item in enumerate(tie_order)}
    left = [i for i in range(len(scores)) if i not in seen and i in place and scores[i] > -math.inf]
    return sorted(left, key=lambda i: (-scores[i], place[i]))[:k]


def hits(items, relevant, k):
    return [item in relevant for item in items[:k]]


def recall(items, relevant, k):
    return sum(hits(items, relevant, k)) / len(relevant)


def precision(items, relevant, k):
    return sum(hits(items, relevant, k)) / k


def hit_rate(items, relevant, k):
    return float(any(hits(items, relevant, k)))


def f1(items, relevant, k):
    p, r = precision(items, relevant, k), recall(items, relevant, k)
    return 2 * p * r / (p + r) if p + r else 0.0


def dcg(gains):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def ndcg(items, relevant, k):
    """Järvelin and Kekäläinen, 2002, with gains 0 and 1."""
    return dcg(hits(items, relevant, k)) / dcg([1] * min(k, len(relevant)))


def graded_ndcg(items, relevant, k):
    """Burges et al., 2005: gains 2^value - 1."""
    best = sorted(relevant.values(), reverse=True)[:k]
    return dcg([2 ** relevant.get(i, 0) - 1 for i in items[:k]]) / dcg([2**v - 1 for v in best])


def mean_average_precision(items, relevant, k):
    found = hits(items, relevant, k)
    precisions = [sum(found[:rank]) / rank for rank in range(1, len(found) + 1) if found[rank - 1]]
    return sum(precisions) / min(k, len(relevant))


def mrr(items, relevant, k):
    return max((1 / rank for rank, hit in enumerate(hits(items, relevant, k), 1) if hit), default=0.0)


def auc(scores, relevant, candidates):
    """Over all pairs of a relevant and another candidate."""
    own = [scores[i] for i in candidates if i in relevant]
    others = [scores[i] for i in candidates if i not in relevant]
    if not own or not others:
        return math.nan
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in own for b in others]
    return sum(pairs) / len(pairs)


def novelty(items, counts, n_users, k):
    """Zhou et al., 2010: mean self-information; an item that nobody has counts as if one user had it."""
    return float(np.mean([-math.log2(max(counts[i], 1) / n_users) for i in items[:k]]))


def popularity_bias(items, counts, n_users, k):
    return float(np.mean([counts[i] / n_users for i in items[:k]]))


def diversity(items, features, k):
    """Ziegler et al., 2005: mean of 1 - cosine over pairs of items."""

    def cosine(a, b):
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / lengths) if lengths else 0.0

    pairs = list(itertools.combinations(items[:k], 2))
    return float(np.mean([1 - cosine(features[a], features[b]) for a, b in pairs])) if pairs else math.nan


def coverage(lists, n_items, k):
    return len({item for items in lists for item in items[:k]}) / n_items


def gini(lists, n_items, k):
    """Mean absolute difference of all pairs of counts, over twice their mean."""
    counts = np.zeros(n_items)
    for items in lists:
        for item in items[:k]:
            counts[item] += 1
    return float(np.abs(counts[:, None] - counts).mean() / (2 * counts.mean()))
