"""TensorRec's prediction graphs; each is another name for a score layer."""

from typing import Any

from kerasrec.layers import CosineScore, DotScore, EuclideanScore


class AbstractPredictionGraph:
    """The base class of prediction graphs, which compare the representations of users and items.

    Your own graph derives from this class and defines `create_score`.
    """

    def create_score(self) -> Any:
        """A new score layer.

        Returns:
            A score layer like those of `kerasrec.layers`, which scores pairs, lists and all pairs.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `create_score()`, which returns a score layer such as "
            "`kerasrec.layers.DotScore`; `connect_dense_prediction_graph` and "
            "`connect_serial_prediction_graph` are not used."
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
    """The negative distance: `kerasrec.layers.EuclideanScore`."""

    def create_score(self) -> EuclideanScore:
        """The layer."""
        return EuclideanScore()
