"""Ranking losses in plain NumPy, one list at a time, from their papers.

Every function takes the labels and the scores of one list (1-D) and gives its loss. Labels: > 0 relevant,
0 not, -1 padding.
"""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def log_one_plus_exp(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def split(labels, scores):
    positives = [(y, s) for y, s in zip(labels, scores, strict=True) if y > 0]
    negatives = [s for y, s in zip(labels, scores, strict=True) if y == 0]
    return positives, negatives


def wmrb(labels, scores, n_items, balanced=False):
    """Liu and Natarajan, 2017, eq. 4 and 6, with a hinge of margin 1."""
    positives, negatives = split(labels, scores)
    loss = 0.0
    for y, s in positives:
        rank = sum(max(0.0, 1 - s + n) for n in negatives) * n_items / len(negatives) if negatives else 0.0
        loss += math.log(1 + (y * rank if balanced else rank))
    return loss


def warp_of_one(score, negatives, n_items, max_sampled):
    """Weston, Bengio and Usunier, 2011, algorithm 1, with LightFM's limit and weight."""
    for tries, negative in enumerate(negatives[:max_sampled], start=1):
        if negative > score - 1:
            return math.log(max(1, (n_items - 1) // tries)) * (1 - score + negative)
    return 0.0


def warp(labels, scores, n_items, max_sampled=10):
    positives, negatives = split(labels, scores)
    return sum(y * warp_of_one(s, negatives, n_items, max_sampled) for y, s in positives)


def koswarp(labels, scores, n_items, k=5, max_sampled=10):
    """Weston, Yee and Weiss, 2013, section 3."""
    positives, negatives = split(labels, scores)
    if not positives:
        return 0.0
    ordered = sorted(positives, key=lambda pair: -pair[1])
    y, s = ordered[min(k, len(ordered)) - 1]
    return y * warp_of_one(s, negatives, n_items, max_sampled)


def _mean_over_negatives(labels, scores, pair_loss):
    positives, negatives = split(labels, scores)
    if not negatives:
        return 0.0
    return sum(y * sum(pair_loss(s, n) for n in negatives) / len(negatives) for y, s in positives)


def bpr(labels, scores):
    """Rendle et al., 2009, section 4.1, without the regularizer."""
    return _mean_over_negatives(labels, scores, lambda s, n: log_one_plus_exp(n - s))


def top1(labels, scores):
    """Hidasi et al., 2016, section 3.3."""
    return _mean_over_negatives(labels, scores, lambda s, n: sigmoid(n - s) + sigmoid(n * n))


def bpr_max(labels, scores, regularization=1.0):
    """Hidasi and Karatzoglou, 2018, eq. 7 and section 3.3."""
    positives, negatives = split(labels, scores)
    if not negatives:
        return 0.0
    best = max(negatives)
    weights = [math.exp(n - best) for n in negatives]
    weights = [w / sum(weights) for w in weights]
    penalty = sum(w * n * n for w, n in zip(weights, negatives, strict=True))
    loss = 0.0
    for y, s in positives:
        # log(sum w sigmoid) around its largest term, so that extreme scores have a value here too.
        terms = [
            math.log(w) - log_one_plus_exp(n - s) for w, n in zip(weights, negatives, strict=True) if w > 0
        ]
        top = max(terms)
        loss += y * (-top - math.log(sum(math.exp(t - top) for t in terms)) + regularization * penalty)
    return loss


def _ordered_pairs(labels, scores, margin_loss):
    loss = 0.0
    for y_i, s_i in zip(labels, scores, strict=True):
        smaller = [s_j for y_j, s_j in zip(labels, scores, strict=True) if 0 <= y_j < y_i]
        if y_i > 0 and smaller:
            loss += sum(margin_loss(s_i - s_j) for s_j in smaller) / len(smaller)
    return loss


def pairwise_hinge(labels, scores, margin=1.0):
    """Herbrich, Graepel and Obermayer, 2000."""
    return _ordered_pairs(labels, scores, lambda lead: max(0.0, margin - lead))


def pairwise_logistic(labels, scores):
    """Burges et al., 2005, eq. 3."""
    return _ordered_pairs(labels, scores, lambda lead: log_one_plus_exp(-lead))


def sampled_softmax(labels, scores, temperature=1.0, item_ids=None, log_q=None):
    """Yi et al., 2019, eq. 5, a positive at a time against the list's negatives."""
    scores = np.asarray(scores, "float64") / temperature
    if log_q is not None:
        scores = scores - np.asarray(log_q, "float64")
    labels = list(labels)
    if item_ids is not None:
        hits = {item for item, y in zip(item_ids, labels, strict=True) if y > 0}
        labels = [-1 if y == 0 and item in hits else y for item, y in zip(item_ids, labels, strict=True)]
    positives, negatives = split(labels, scores)
    loss = 0.0
    for y, s in positives:
        top = max([s, *negatives])
        loss += y * (top + math.log(math.exp(s - top) + sum(math.exp(n - top) for n in negatives)) - s)
    return loss


def full_softmax(labels, scores, temperature=1.0):
    """Liang et al., 2018, eq. 2."""
    scores = [s / temperature for s in scores]
    there = [s for y, s in zip(labels, scores, strict=True) if y >= 0]
    if 0 not in labels:
        return 0.0
    top = max(there)
    normaliser = top + math.log(sum(math.exp(s - top) for s in there))
    return sum(y * (normaliser - s) for y, s in zip(labels, scores, strict=True) if y > 0)


def binary_cross_entropy(labels, scores):
    """He et al., 2017, eq. 7, weighted by labels: -log(sigma(s)) and -log(1 - sigma(s))."""
    positives, negatives = split(labels, scores)
    return sum(y * log_one_plus_exp(-s) for y, s in positives) + sum(log_one_plus_exp(s) for s in negatives)


def gbce(labels, scores, n_items, calibration):
    """Petrov and Macdonald, 2023, eq. 8 to 11, by the detour of their code: the logit of sigma^beta."""
    positives, negatives = split(labels, scores)
    alpha = max(len(negatives), 1e-9) / (n_items - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    loss = sum(log_one_plus_exp(s) for s in negatives)
    for y, s in positives:
        odds = sigmoid(s) ** -beta - 1  # as 1 + odds is sigma^-beta; 0 where sigma rounds to 1
        loss += y * (log_one_plus_exp(math.log(odds)) if odds else beta * math.exp(-s))
    return loss
