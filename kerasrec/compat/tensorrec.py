import os
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.compat import _file, _predict
from kerasrec.compat._build import build, instance_of
from kerasrec.compat._model import TensorRecModel
from kerasrec.compat.errors import (
    ModelNotBiasedException,
    ModelNotFitException,
    ModelWithoutAttentionException,
)
from kerasrec.compat.loss_graphs import AbstractLossGraph, RMSELossGraph
from kerasrec.compat.prediction_graphs import AbstractPredictionGraph, DotProductPredictionGraph
from kerasrec.compat.representation_graphs import AbstractRepresentationGraph, LinearRepresentationGraph
from kerasrec.compat.util import calculate_batched_alpha
from kerasrec.trainers import StopOnNaN


class TensorRec:
    """TensorRec's class, built from kerasrec's layers and losses, for code that was written for TensorRec.

    Users and items are rows of features. A representation turns each side into vectors, a prediction
    compares them, and a loss compares predictions with interactions:

        score = prediction(user_repr(x_u), item_repr(x_i)) + x_u . user_bias + x_i . item_bias

    The computation is that of the original: a step is a batch with all interactions of its users, the loss is
    summed, and half the sum of the squared weights times `alpha` is added to each of its entries. For new
    models use `kerasrec.zoo`, whose losses are means; `docs/tensorrec.md` explains how to convert.

    Every matrix can be a SciPy sparse matrix, a `tf.data.Dataset` or the path of a TFRecord file in the
    format of `kerasrec.compat.input_utils`, or a list of one of these. In a fit, the entries of a list are
    batches; in a prediction, their rows are concatenated.

    Args:
        n_components: int, size of a representation. Defaults to `100`.
        n_tastes: int, number of representations per user. Defaults to `1`.
        user_repr_graph: representation graph of the users, or its class. Defaults to `None`:
            `LinearRepresentationGraph()`.
        item_repr_graph: representation graph of the items, or its class. Defaults to `None`:
            `LinearRepresentationGraph()`.
        attention_graph: representation graph of the attention, for several tastes. Defaults to `None`: the
            score is that of the best taste.
        prediction_graph: prediction graph, or its class. Defaults to `None`: `DotProductPredictionGraph()`.
        loss_graph: loss graph, or its class. Defaults to `None`: `RMSELossGraph()`.
        biased: bool, whether every feature has a bias. Defaults to `True`.
        seed: int, for the initial weights and the samples. Defaults to `None`: drawn from Python's global
            generator, which `keras.utils.set_random_seed` seeds.

    Raises:
        ValueError: if a size is not a positive integer, a graph has the wrong type, or there is attention but
            only one taste.

    Example:
        >>> import kerasrec.compat as tensorrec
        >>> interactions, user_features, item_features = tensorrec.util.generate_dummy_data(
        ...     num_users=20, num_items=30, interaction_density=0.2, seed=0
        ... )
        >>> model = tensorrec.TensorRec(n_components=5, seed=0)
        >>> history = model.fit(interactions, user_features, item_features, epochs=5)
        >>> model.predict(user_features, item_features).shape
        (20, 30)
        >>> int(model.predict_rank(user_features, item_features)[0].min())
        1

    References:
        Kirk, "TensorRec: a recommendation engine framework in TensorFlow", 2017.
    """

    def __init__(
        self,
        n_components: int = 100,
        n_tastes: int = 1,
        user_repr_graph: Any = None,
        item_repr_graph: Any = None,
        attention_graph: Any = None,
        prediction_graph: Any = None,
        loss_graph: Any = None,
        biased: bool = True,
        seed: int | None = None,
    ) -> None:
        self.n_components = positive_integer("n_components", n_components)
        self.n_tastes = positive_integer("n_tastes", n_tastes)
        self.biased = bool(biased)
        self.seed = random.randrange(2**32) if seed is None else seed
        linear, representation = LinearRepresentationGraph, AbstractRepresentationGraph
        self.user_repr_graph = instance_of("user_repr_graph", user_repr_graph, representation, linear)
        self.item_repr_graph = instance_of("item_repr_graph", item_repr_graph, representation, linear)
        self.attention_graph = instance_of("attention_graph", attention_graph, representation, None)
        self.prediction_graph = instance_of(
            "prediction_graph", prediction_graph, AbstractPredictionGraph, DotProductPredictionGraph
        )
        self.loss_graph = instance_of("loss_graph", loss_graph, AbstractLossGraph, RMSELossGraph)
        if self.attention_graph is not None and self.n_tastes == 1:
            raise ValueError("`attention_graph` needs at least two tastes to weight. Received: n_tastes=1.")
        self._model: TensorRecModel | None = None
        self._n_fits = 0

    def fit(
        self,
        interactions: Any,
        user_features: Any,
        item_features: Any,
        epochs: int = 100,
        learning_rate: float = 0.1,
        alpha: float = 0.00001,
        verbose: bool = False,
        user_batch_size: int | None = None,
        n_sampled_items: int | None = None,
    ) -> keras.callbacks.History:
        """Train the model; a second call continues from the current weights, also at another learning rate.

        Args:
            interactions: users by items.
            user_features: users by features.
            item_features: items by features.
            epochs: int, passes over the batches. Defaults to `100`.
            learning_rate: float, learning rate of Adam. Defaults to `0.1`.
            alpha: float, weight of half the sum of the squared weights in each entry of the loss. With
                several batches it is divided by e times the logarithm of their number. Defaults to `0.00001`.
            verbose: bool, whether to print one line per epoch. Defaults to `False`.
            user_batch_size: int, users per batch. Defaults to `None`: one batch.
            n_sampled_items: int, items sampled for each user in each step, for losses that take a sample.
                Defaults to `None`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: if the shapes of the matrices do not match each other or the first fit, if they have
                entries that are not finite, or if an argument is invalid.
            FloatingPointError: if the loss becomes NaN or infinite.
        """
        matrices: tuple[Any, ...] = (interactions, user_features, item_features)
        settings: tuple[Any, ...] = (epochs, learning_rate, alpha, verbose, user_batch_size, n_sampled_items)
        return self.fit_partial(*matrices, *settings)

    def fit_partial(
        self,
        interactions: Any,
        user_features: Any,
        item_features: Any,
        epochs: int = 1,
        learning_rate: float = 0.1,
        alpha: float = 0.00001,
        verbose: bool = False,
        user_batch_size: int | None = None,
        n_sampled_items: int | None = None,
    ) -> keras.callbacks.History:
        """`fit` with another default of `epochs`.

        Args:
            interactions: users by items.
            user_features: users by features.
            item_features: items by features.
            epochs: int. Defaults to `1`.
            learning_rate: float. Defaults to `0.1`.
            alpha: float. Defaults to `0.00001`.
            verbose: bool. Defaults to `False`.
            user_batch_size: int. Defaults to `None`.
            n_sampled_items: int. Defaults to `None`.

        Returns:
            `keras.callbacks.History`.
        """
        # Imported here because it imports `kerasrec.data`.
        from kerasrec.compat._steps import Steps, read_batches, sample_size

        if user_batch_size is not None:
            user_batch_size = positive_integer("user_batch_size", user_batch_size)
        batches = read_batches(interactions, user_features, item_features, user_batch_size)
        n_sampled_items = sample_size(self.loss_graph, n_sampled_items, batches)
        _, users, items = batches[0]
        model = self._model or build(self, users.shape[1], items.shape[1])
        for _, users, items in batches:
            _predict.check_columns("user_features", users, model.n_user_features)
            _predict.check_columns("item_features", items, model.n_item_features)
        self._model = model
        model.optimizer.learning_rate = learning_rate
        steps = Steps(
            batches,
            self.loss_graph,
            model.padded,
            calculate_batched_alpha(len(batches), alpha),
            n_sampled_items,
            (self.seed, self._n_fits),
        )
        self._n_fits += 1
        return model.fit(
            steps, epochs=epochs, shuffle=False, verbose=2 if verbose else 0, callbacks=[StopOnNaN()]
        )

    def predict(self, user_features: Any, item_features: Any) -> np.ndarray:
        """Scores of every user for every item.

        Args:
            user_features: users by features.
            item_features: items by features.

        Returns:
            float32 `[U, I]`.

        Raises:
            ModelNotFitException: before the first fit.
        """
        blocks = _predict.scores(self._fit_model("predict"), user_features, item_features)
        return np.concatenate(list(blocks))

    def predict_rank(self, user_features: Any, item_features: Any) -> np.ndarray:
        """Ranks of all items for every user: 1 is the best; ties go to the first item.

        Args:
            user_features: users by features.
            item_features: items by features.

        Returns:
            int32 `[U, I]`.

        Raises:
            ModelNotFitException: before the first fit.
        """
        blocks = _predict.scores(self._fit_model("predict_rank"), user_features, item_features)
        return np.concatenate([_predict.ranks(scores) for scores in blocks])

    def predict_similar_items(
        self, item_features: Any, item_ids: Any, n_similar: int
    ) -> list[list[tuple[int, float]]]:
        """The items most similar to the given ones.

        The similarity is the prediction for two item representations, without biases. The result contains the
        item itself.

        Args:
            item_features: items by features.
            item_ids: rows of `item_features`.
            n_similar: int, number of similar items for each.

        Returns:
            For each of `item_ids` a list of pairs of row and score, best first.

        Raises:
            ModelNotFitException: before the first fit.
            ValueError: if an id is not a row of `item_features`, or `n_similar` is above the number of items.
        """
        model = self._fit_model("predict_similar_items")
        items = _predict.represent(model, "item_features", item_features)["item"]
        ids, n_items = np.atleast_1d(np.asarray(item_ids)), len(items)
        if positive_integer("n_similar", n_similar) > n_items:
            raise ValueError(
                "`n_similar` must be at most the number of items. "
                f"Received: n_similar={n_similar} of {n_items}."
            )
        wrong = ids[~((ids >= 0) & (ids < n_items))]
        if len(wrong):
            raise ValueError(
                f"`item_ids` must be rows of `item_features`, 0..{n_items - 1}. Received: {wrong[0]}."
            )
        return _predict.similar(model, items, ids, n_similar)

    def predict_user_representation(self, user_features: Any) -> np.ndarray:
        """Representations of users.

        Args:
            user_features: users by features.

        Returns:
            float32 `[U, C]`; `[T, U, C]` with several tastes.

        Raises:
            ModelNotFitException: before the first fit.
        """
        model = self._fit_model("predict_user_representation")
        return _predict.tastes_first(_predict.represent(model, "user_features", user_features)["user"])

    def predict_item_representation(self, item_features: Any) -> np.ndarray:
        """Representations of items.

        Args:
            item_features: items by features.

        Returns:
            float32 `[I, C]`.

        Raises:
            ModelNotFitException: before the first fit.
        """
        model = self._fit_model("predict_item_representation")
        return _predict.represent(model, "item_features", item_features)["item"]

    def predict_user_attention_representation(self, user_features: Any) -> np.ndarray:
        """Attention representations of users.

        Args:
            user_features: users by features.

        Returns:
            float32 `[T, U, C]`.

        Raises:
            ModelNotFitException: before the first fit.
            ModelWithoutAttentionException: if the model has no attention.
        """
        model = self._fit_model("predict_user_attention_representation")
        if not model.attentions:
            raise ModelWithoutAttentionException()
        return _predict.tastes_first(_predict.represent(model, "user_features", user_features)["attention"])

    def predict_user_bias(self, user_features: Any) -> np.ndarray:
        """Biases of users.

        Args:
            user_features: users by features.

        Returns:
            float32 `[U]`.

        Raises:
            ModelNotFitException: before the first fit.
            ModelNotBiasedException: if the model has no biases.
        """
        model = self._fit_model("predict_user_bias")
        if not self.biased:
            raise ModelNotBiasedException("user")
        return _predict.represent(model, "user_features", user_features)["user_bias"][:, 0]

    def predict_item_bias(self, item_features: Any) -> np.ndarray:
        """Biases of items.

        Args:
            item_features: items by features.

        Returns:
            float32 `[I]`.

        Raises:
            ModelNotFitException: before the first fit.
            ModelNotBiasedException: if the model has no biases.
        """
        model = self._fit_model("predict_item_bias")
        if not self.biased:
            raise ModelNotBiasedException("item")
        return _predict.represent(model, "item_features", item_features)["item_bias"][:, 0]

    def save_model(self, directory_path: str | os.PathLike[str]) -> None:
        """Write the model, its optimizer and settings to `tensorrec.keras` in a folder, which is created.

        Args:
            directory_path: the folder.

        Raises:
            ModelNotFitException: before the first fit.
        """
        _file.write(self._fit_model("save_model"), Path(directory_path))

    @classmethod
    def load_model(cls, directory_path: str | os.PathLike[str]) -> "TensorRec":
        """Read a model that `save_model` wrote; it can predict and be fitted further.

        Args:
            directory_path: the folder.

        Returns:
            `TensorRec`.

        Raises:
            FileNotFoundError: if the folder has no such model.
            ValueError: if it has a model of the original TensorRec.
        """
        model = _file.read(Path(directory_path))
        loaded = cls(
            model.n_components, len(model.user_reprs), loss_graph=model.loss_graph, biased=model.biased
        )
        loaded._model = model
        return loaded

    @property
    def keras_model(self) -> keras.Model:
        """The trained Keras model.

        Raises:
            ModelNotFitException: before the first fit.
        """
        return self._fit_model("keras_model")

    def _fit_model(self, method: str) -> TensorRecModel:
        if self._model is None:
            raise ModelNotFitException(method)
        return self._model
