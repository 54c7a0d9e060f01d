import contextlib
import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from kerasrec import zoo
from kerasrec._arguments import positive_integer
from kerasrec._seeds import set_random_seed
from kerasrec.data import Interactions
from kerasrec.tuning._data import Data, check_model
from kerasrec.tuning._fit import fit
from kerasrec.tuning._spaces import Space, group_setting
from kerasrec.zoo import Hyperparameter


class HyperRecommender(keras_tuner.HyperModel):
    """A model of the zoo whose settings a search chooses within ranges.

    By default the search covers the settings on the model's card, the batch size and, for ranking models, the
    number of sampled items. `space` adds settings or changes their ranges, and `fixed` removes settings.
    `build` returns a built and compiled model, and `fit` trains it on the batches that its loss needs, so
    every tuner of keras-tuner can use it.

    In addition to those on the card, these settings can be searched: `optimizer`, `schedule` (`"cosine"`
    takes the learning rate to 0 over the epochs), `epochs`, `row_sparse`, `sampler`; for hybrid models also
    `n_tastes`, `attention`, `score`, `user_repr` and `item_repr`, with `user_depth`, `user_units_1` and so
    on, `user_activation` and `user_dropout` if a representation is deep.

    Args:
        model_name: name of a model of the zoo.
        interactions: `Interactions`, the training data; `Impressions` for a click model.
        user_features: as in `kerasrec.zoo.create`, or groups of `Features` by name; the search chooses which
            groups a trial uses. Defaults to `None`.
        item_features: the same for items. Defaults to `None`.
        fixed: settings that are not searched, by name. Defaults to `None`.
        space: ranges by name, which replace those of the card: `(low, high)`, `(low, high, "log")`, a list of
            values, a `kerasrec.zoo.Hyperparameter`, or `True` for the card's range. With a list of names only
            these settings are searched, with `"all"` all settings. Defaults to `None`.
        epochs: int, number of epochs if it is not searched. Defaults to `None`: that of the recipe.
        seed: int, for weights, order and samples; the same in all trials. Defaults to `0`.
        metrics: names of further Keras metrics for a rating model. Defaults to `()`.

    Raises:
        ValueError: if the model or a setting is unknown, or a range is empty or inverted.
        TypeError: if a click model is not given impressions.

    Example:
        >>> import keras_tuner, kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 200).interactions
        >>> models = kerasrec.tuning.HyperRecommender(
        ...     "recommender_v2", data, fixed={"l2": 1e-5}, space={"n_components": (2, 8)}
        ... )
        >>> model = models.build(keras_tuner.HyperParameters())
        >>> sorted(models.space)
        ['batch_size', 'bias_l2', 'learning_rate', 'n_components']
    """

    def __init__(
        self,
        model_name: str,
        interactions: Data,
        user_features: Any = None,
        item_features: Any = None,
        fixed: Mapping[str, Any] | None = None,
        space: Any = None,
        epochs: int | None = None,
        seed: int = 0,
        metrics: Sequence[str] = (),
    ) -> None:
        self.card = zoo.card(model_name)
        self.interactions = interactions
        self.features = {"user": user_features, "item": item_features}
        check_model(self.card, interactions, {"user_features": user_features, "item_features": item_features})
        groups = {side: x for side, x in self.features.items() if isinstance(x, Mapping)}
        self._size = zoo.Size.of(interactions)
        recipe = self.card.recipe_for(self._size, dict(fixed or {}).get("loss"))
        self._space = Space(self.card, recipe, groups, fixed, space)
        self.epochs = recipe.epochs if epochs is None else positive_integer("epochs", epochs)
        self.seed = seed
        self.metrics = tuple(metrics)
        # From all ratings, so held-out ratings cannot be out of bounds.
        self._bounds = {}
        bounded = "min_rating" in inspect.signature(self.card.factory).parameters
        if bounded and isinstance(interactions, Interactions) and len(interactions):
            values = interactions.values
            self._bounds = {"min_rating": float(values.min()), "max_rating": float(values.max())}
        super().__init__(name=self.card.name)

    @property
    def space(self) -> dict[str, Hyperparameter]:
        """What is searched, by name."""
        return dict(self._space.searched)

    @property
    def fixed(self) -> dict[str, Any]:
        """What is not searched, by name."""
        return dict(self._space.fixed)

    def on(self, interactions: Data) -> "HyperRecommender":
        """The same models for other interactions.

        Args:
            interactions: `Interactions` over the same vocabularies, or `Impressions` of the same columns.
        """
        other = copy.copy(self)
        other.interactions = interactions
        # keras-tuner keeps its wrapper of `build` in the object.
        other.__dict__.update(_build=type(other).build.__get__(other), build=other._build_wrapper)
        return other

    def with_defaults(self) -> "HyperRecommender":
        """The same model with its recipe, with nothing fixed and nothing searched."""
        other = self.on(self.interactions)
        other._space = self._of_the_recipe()
        return other

    def are_defaults(self, settings: Mapping[str, Any]) -> bool:
        """Whether these settings, with those that are fixed, are the recipe's.

        Args:
            settings: values by name.
        """
        known = self._of_the_recipe().known
        whole = self._space.fixed | dict(settings)
        return all(name in known and x == known[name].default for name, x in whole.items())

    def declare_hyperparameters(self, hp: Any) -> None:
        """Declare all hyperparameters without building a model.

        Args:
            hp: `keras_tuner.HyperParameters`.
        """
        for h in self._space.searched.values():
            with contextlib.ExitStack() as scopes:
                for parent, values in self._space.conditions(h):
                    labels = [_label(parent, x) for x in values if _is_choice(parent, x)]
                    scopes.enter_context(hp.conditional_scope(parent.name, labels))
                _declare(hp, h)

    def settings(self, hp: Any) -> dict[str, Any]:
        """The values of the active searched settings, in the form that the model takes.

        Args:
            hp: `keras_tuner.HyperParameters`.
        """
        self.declare_hyperparameters(hp)
        return {
            name: _value(h, hp.values[name]) for name, h in self._space.searched.items() if name in hp.values
        }

    def build(self, hp: Any) -> keras.Model:
        """A built and compiled model; a closed-form model is already fitted.

        Args:
            hp: `keras_tuner.HyperParameters`.
        """
        return self.create(self.settings(hp))

    def epochs_of(self, settings: Mapping[str, Any]) -> int:
        """Number of epochs of a training with these settings.

        Args:
            settings: values by name.
        """
        return int(self._space.split(settings)[1].get("epochs") or self.epochs)

    def create(self, settings: Mapping[str, Any]) -> keras.Model:
        """A model with these settings; the others are the fixed ones or the defaults.

        Args:
            settings: values by name.
        """
        arguments, training = self._space.split(settings)
        if "seed" in self._space.factory:
            arguments = {"seed": self.seed} | arguments
        features = {
            f"{side}_features": self._chosen(side, settings)
            for side, x in self.features.items()
            if x is not None
        }
        set_random_seed(self.seed)
        arguments = self._bounds | arguments
        model = zoo.create(self.card.name, self.interactions, **features, **arguments)
        plain = {"optimizer": self.card.optimizer, "row_sparse": "auto"}
        if training and (self.metrics or any(training[name] != x for name, x in plain.items())):
            metrics = dict.fromkeys((*self.card.metrics, *self.metrics))
            self.card.compile(
                model,
                float(model.optimizer.learning_rate),
                training["optimizer"],
                metrics=list(metrics),
                row_sparse=training["row_sparse"],
            )
        return model

    def fit(
        self,
        hp: Any,
        model: keras.Model,
        interactions: Data,
        validation: Data | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        epochs: int = 1,
        initial_epoch: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Train a model that `build` made; for a closed-form model the callbacks run for one epoch.

        Args:
            hp: `keras_tuner.HyperParameters`, or the settings by name.
            model: `keras.Model`.
            interactions: `Interactions` to train on, or `Impressions`.
            validation: validation data of the same type, for the metrics of rating models. Defaults to
                `None`.
            callbacks: Keras callbacks. Defaults to `()`.
            epochs: int, epoch after which training stops. Defaults to `1`.
            initial_epoch: int, number of epochs that the model has had before. Defaults to `0`.
            **kwargs: further arguments of `model.fit`.

        Returns:
            What `model.fit` returns.
        """
        settings = hp if isinstance(hp, Mapping) else self.settings(hp)
        arguments, training = self._space.split(settings)
        if training:
            training["epochs"] = training["epochs"] or self.epochs
        return fit(
            model,
            interactions,
            validation,
            self._space.recipe.replace(**training),
            self.seed,
            callbacks=callbacks,
            epochs=epochs,
            initial_epoch=initial_epoch,
            first_rate=arguments.get("learning_rate"),
            **kwargs,
        )

    def _of_the_recipe(self) -> Space:
        return Space(self.card, self.card.recipe_for(self._size), {}, None, [])

    def _chosen(self, side: str, settings: Mapping[str, Any]) -> Any:
        """The features of a side: those given, or the groups that the settings choose (all if none)."""
        given = self.features[side]
        if not isinstance(given, Mapping):
            return given
        whole = self._space.fixed | dict(settings)
        taken = [x for name, x in given.items() if whole.get(group_setting(side, name), True)]
        first, *others = taken or list(given.values())
        for other in others:
            first = first + other
        return first


def _declare(hp: Any, h: Hyperparameter) -> None:
    """Declare one setting to keras-tuner."""
    if h.type == "bool":
        hp.Boolean(h.name, default=h.default)
    elif h.type == "choice":
        hp.Choice(h.name, [_label(h, x) for x in h.choices], default=_label(h, h.default))
    else:
        kind = hp.Int if h.type == "int" else hp.Float
        kind(h.name, h.low, h.high, sampling="log" if h.log else "linear", default=h.default)


def _label(h: Hyperparameter, value: Any) -> Any:
    """A choice as keras-tuner takes it: all must be of one type, str, int, float or bool."""
    kinds = {type(x) for x in h.choices}
    return value if len(kinds) == 1 and kinds <= {str, int, float, bool} else str(value)


def _is_choice(h: Hyperparameter, value: Any) -> bool:
    return h.type != "choice" or value in h.choices


def _value(h: Hyperparameter, label: Any) -> Any:
    if h.type != "choice":
        return label
    return next(x for x in h.choices if _label(h, x) == label)
