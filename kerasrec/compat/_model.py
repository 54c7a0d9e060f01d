import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasrec.compat._all_pairs import AllPairs
from kerasrec.compat.loss_graphs import AbstractLossGraph, SparseInteractions
from kerasrec.layers import FeatureBias, TasteMixture
from kerasrec.trainers import Model


@keras.saving.register_keras_serializable("kerasrec", name="TensorRecModel")
class TensorRecModel(Model):
    """The Keras model inside a `TensorRec`: a batch has some users, all items, and their interactions.

    Args:
        user_reprs: one representation layer per taste.
        attentions: one attention layer per taste, or none.
        item_repr: the representation layer of the items.
        score: the score layer.
        loss_graph: the loss.
        biased: bool, whether every feature has a bias.
        n_user_features: int.
        n_item_features: int.
        n_components: int, size of a representation.
        **kwargs: arguments of `keras.Model`.
    """

    def __init__(
        self,
        user_reprs: Sequence[keras.layers.Layer],
        attentions: Sequence[keras.layers.Layer],
        item_repr: keras.layers.Layer,
        score: Any,
        loss_graph: AbstractLossGraph,
        biased: bool,
        n_user_features: int,
        n_item_features: int,
        n_components: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.user_reprs = list(user_reprs)
        self.attentions = list(attentions)
        self.item_repr = item_repr
        self.score = score
        self.mixture = TasteMixture(score) if len(self.user_reprs) > 1 else score
        self.loss_graph = loss_graph
        self.biased = biased
        self.n_user_features = n_user_features
        self.n_item_features = n_item_features
        self.n_components = n_components
        self.user_bias = FeatureBias(n_user_features) if biased else None
        self.item_bias = FeatureBias(n_item_features) if biased else None
        self._reported = [keras.metrics.Mean(name=name) for name in ("basic_loss", "weight_reg_loss")]
        for layer in (*self.user_reprs, *self.attentions, self.user_bias):
            if layer is not None and not layer.built:
                layer.build((None, n_user_features))
        for layer in (self.item_repr, self.item_bias):
            if layer is not None and not layer.built:
                layer.build((None, n_item_features))
        self.built = True

    def represent_users(self, features: dict[str, Any]) -> dict[str, Any]:
        """User arguments of the score, by name: `[B, C]`, `[B, T, C]` with tastes; biases `[B, 1]`."""
        out = {"user": self._tastes(self.user_reprs, features)}
        if self.attentions:
            out["attention"] = self._tastes(self.attentions, features)
        if self.user_bias is not None:
            out["user_bias"] = _rows(self.user_bias, features)
        return out

    def represent_items(self, features: dict[str, Any]) -> dict[str, Any]:
        """Item arguments of the score, by name: `[I, C]`; biases `[I, 1]`."""
        out = {"item": _rows(self.item_repr, features)}
        if self.item_bias is not None:
            out["item_bias"] = _rows(self.item_bias, features)
        return out

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Represent users and items, and score the interactions and the sample."""
        user, item = self.represent_users(inputs["user"]), self.represent_items(inputs["item"])
        out = {
            "user": user,
            "item": item,
            "pairs": self.mixture(**_take(user, inputs["x_user"]), **_take(item, inputs["x_item"])),
        }
        if "sample" in inputs:
            out["sample"] = self.mixture(**user, **_take(item, inputs["sample"]))
        return out

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The sum of the entries of the loss, each with the sum of the squared weights added."""
        weights = x["weights"]
        loss = ops.convert_to_tensor(self.loss_graph.connect_loss_graph(**self._tensors(x, y, y_pred)))
        if len(loss.shape):
            # One entry per interaction, without padding; or a vector with another meaning.
            counts = weights if self.padded else ops.ones_like(loss)
            n_entries, basic_loss = ops.sum(counts), ops.sum(loss * counts)
        else:
            n_entries, basic_loss = ops.ones_like(loss), loss
        squares = [ops.sum(ops.square(variable)) for variable in self.trainable_variables]
        weight_reg_loss = sum(squares, ops.zeros_like(basic_loss)) / 2.0
        basic, regularization = self._reported
        basic.update_state(basic_loss / ops.maximum(n_entries, 1.0))
        regularization.update_state(weight_reg_loss)
        return basic_loss + n_entries * ops.squeeze(x["alpha"]) * weight_reg_loss

    @property
    def padded(self) -> bool:
        """Whether the loss can handle padded interactions."""
        return "tf_weights" in self._loss_parameters

    @property
    def _loss_parameters(self) -> Any:
        return inspect.signature(self.loss_graph.connect_loss_graph).parameters

    def _tensors(self, x: Any, y: Any, y_pred: Any) -> dict[str, Any]:
        """The arguments of the loss graph."""
        n_users, n_items = ops.shape(x["user"]["order"])[0], ops.shape(x["item"]["order"])[0]
        indices = ops.stack([x["x_user"], x["x_item"]], axis=1)
        tensors = {
            "tf_prediction_serial": y_pred["pairs"],
            "tf_interactions_serial": y,
            "tf_interactions": SparseInteractions(indices, y, (n_users, n_items)),
            "tf_n_users": n_users,
            "tf_n_items": n_items,
        }
        if "tf_weights" in self._loss_parameters:
            tensors["tf_weights"] = x["weights"]
        if self.loss_graph.is_dense:
            all_pairs = AllPairs(self.mixture, y_pred["user"], y_pred["item"])
            if "tf_all_pairs" in self._loss_parameters:
                tensors["tf_all_pairs"] = all_pairs
            else:
                tensors["tf_prediction"] = all_pairs.array()
                tensors["tf_rankings"] = _ranks(tensors["tf_prediction"])
        if self.loss_graph.is_sample_based:
            tensors["tf_sample_predictions"] = y_pred["sample"]
            tensors["tf_n_sampled_items"] = ops.shape(y_pred["sample"])[1]
        return tensors

    def _tastes(self, layers: Sequence[keras.layers.Layer], features: dict[str, Any]) -> Any:
        tastes = [_rows(layer, features) for layer in layers]
        return tastes[0] if len(tastes) == 1 else ops.stack(tastes, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        serialize = keras.saving.serialize_keras_object
        return {
            "user_reprs": [serialize(layer) for layer in self.user_reprs],
            "attentions": [serialize(layer) for layer in self.attentions],
            "item_repr": serialize(self.item_repr),
            "score": serialize(self.score),
            "loss_graph": serialize(self.loss_graph),
            "biased": self.biased,
            "n_user_features": self.n_user_features,
            "n_item_features": self.n_item_features,
            "n_components": self.n_components,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "TensorRecModel":
        """A model from its settings."""
        read = keras.saving.deserialize_keras_object
        parts = ("user_reprs", "attentions", "item_repr", "score", "loss_graph")
        return cls(**{name: read(x) if name in parts else x for name, x in config.items()})


def _rows(layer: keras.layers.Layer, features: dict[str, Any]) -> Any:
    """The output of a layer for features in several bags, in the order of the entities."""
    parts = [layer({"indices": indices, "weights": weights}) for indices, weights in features["bags"]]
    rows = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=0)
    return ops.take(rows, features["order"], axis=0)


def _take(arguments: dict[str, Any], rows: Any) -> dict[str, Any]:
    return {name: ops.take(x, rows, axis=0) for name, x in arguments.items()}


def _ranks(scores: Any) -> Any:
    """Ranks by row, 1 for the best item; ties go to the first item."""
    return ops.argsort(ops.argsort(-scores, axis=-1), axis=-1) + 1
