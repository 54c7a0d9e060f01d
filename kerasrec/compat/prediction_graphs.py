"""TensorRec's prediction graphs, each a name for a score layer."""

from typing import Any

from kerasrec.layers import CosineScore, DotScore, EuclideanScore


class AbstractPredictionGraph:
    """What compares a user's and an item's representation.

    A graph of one's own derives from this and gives `create_score`.
    """

    def create_score(self) -> Any:
        """A new score layer.

        Returns:
            A score layer as those of `kerasrec.layers`, which compares pairs, lists and all pairs.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `create_score()`, which returns a score layer such as "
            "`kerasrec.layers.DotScore`; `connect_dense_prediction_graph` and "
            "`connect_serial_prediction_graph` are not run."
        )


class DotProductPredictionGraph(AbstractPredictionGraph):
    """The dot product: `kerasrec.layers.DotScore`."""

    def create_score(self) -> DotScore:
        """The layer."""
        return DotScore()


class CosineSimilarityPredictionGraph(AbstractPredictionGraph):
    """The cosine: `kerasrec.layers.CosineScore`."""

    def create_score(self) -> CosineScore:
        """The layer."""
        return CosineScore()


class EuclideanSimilarityPredictionGraph(AbstractPredictionGraph):
    """Minus the distance: `kerasrec.layers.EuclideanScore`."""

    def create_score(self) -> EuclideanScore:
        """The layer."""
        return EuclideanScore()
