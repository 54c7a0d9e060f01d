from typing import Any

from keras import ops

from kerasrec.losses._ranking_loss import RankingLoss


class PairwiseLoss(RankingLoss):
    """The sum over a list's positives of the label times the mean over its negatives of a pair's loss.

    A subclass gives `pair_loss(positive, negative)`.
    """

    def pair_loss(self, positive: Any, negative: Any) -> Any:
        """Scores `[B, P, 1]` of positives with scores `[B, 1, L]` to `[B, P, L]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `pair_loss`.")

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, L]` with `[B, L]` to `[B]`."""
        gains, positives = self.positives(labels, scores)
        pairs = self.pair_loss(positives[:, :, None], scores[:, None, :])
        loss = _mean(pairs, ops.equal(labels, 0)[:, None, :])
        return ops.sum(gains * loss, axis=-1)


class OrderedPairsLoss(RankingLoss):
    """The sum over a list's positives of the mean over its entries with a smaller label of a pair's loss.

    A subclass gives `margin_loss(margin)`, the loss of the score by which the better entry leads.
    """

    def margin_loss(self, margin: Any) -> Any:
        """`[B, P, L]` to `[B, P, L]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `margin_loss`.")

    def list_loss(self, labels: Any, scores: Any) -> Any:
        """`[B, L]` with `[B, L]` to `[B]`."""
        gains, positives = self.positives(labels, scores)
        smaller = (labels[:, None, :] < gains[:, :, None]) & (labels >= 0)[:, None, :]
        return ops.sum(_mean(self.margin_loss(positives[:, :, None] - scores[:, None, :]), smaller), axis=-1)


def _mean(pairs: Any, taken: Any) -> Any:
    """The mean over the last axis of the entries that are taken; 0 where there are none."""
    taken = ops.cast(taken, pairs.dtype)
    return ops.sum(pairs * taken, axis=-1) / ops.maximum(ops.sum(taken, axis=-1), 1.0)
