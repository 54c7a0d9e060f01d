from typing import Any

from keras import ops

from kerasrec.losses._pair_sums import counted, pair_sums
from kerasrec.losses._ranking_loss import RankingLoss


class _LeadLoss(RankingLoss):
    """A loss of pairs that depends only on the lead of the worse entry's score over the better one's.

    A subclass defines `value(lead)` and its derivative `slope(lead)`, both elementwise.
    """

    def value(self, lead: Any) -> Any:
        """The loss of a pair."""
        raise NotImplementedError(f"{type(self).__name__} must define `value`.")

    def slope(self, lead: Any) -> Any:
        """The derivative of `value`."""
        raise NotImplementedError(f"{type(self).__name__} must define `slope`.")


class PairwiseLoss(_LeadLoss):
    """The sum over a list's positives of the label times the mean pair loss over the negatives."""

    def loss_of(self, gains: Any, positives: Any, labels: Any, scores: Any) -> Any:
        """The loss of each list, `[B]`."""
        sums = pair_sums(self.value, self.slope)(gains, positives, labels, scores)
        n_negatives = counted(ops.equal(labels, 0), scores.dtype)
        return ops.sum(gains * sums, axis=-1) / n_negatives


class OrderedPairsLoss(_LeadLoss):
    """The sum over a list's positives of the mean pair loss over the entries with a smaller label."""

    def loss_of(self, gains: Any, positives: Any, labels: Any, scores: Any) -> Any:
        """The loss of each list, `[B]`."""
        sums = pair_sums(self.value, self.slope, _is_smaller)(gains, positives, labels, scores)
        n_smaller = counted(_is_smaller(gains[:, :, None], labels[:, None, :]), scores.dtype)
        return ops.sum(sums / n_smaller, axis=-1)


def _is_smaller(gains: Any, labels: Any) -> Any:
    return (labels < gains) & (labels >= 0)
