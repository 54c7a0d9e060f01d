"""The settings that a search can vary: those on a model's card, of its parts and of its training."""

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from kerasrec._names import did_you_mean
from kerasrec.losses._names import takes_catalogue
from kerasrec.zoo import Card, Hyperparameter, Recipe, _hybrid, _sequences
from kerasrec.zoo._recipe import SCHEDULES

_OPTIMIZERS = ("adam", "adamw", "adagrad", "rmsprop", "lion")
_REPRESENTATIONS = ("linear", "normalized_linear", "relu", "deep")
_MOST_LAYERS = 3
# If it is not set, a training takes the epochs of the search.
_EPOCHS = "epochs"
# Arguments that `create` takes from the data.
_FROM_DATA = ("user_features", "item_features", "interactions", "columns", "n_users", "n_items")
# Training settings that a search varies by default, by task.
_VARIED = {"rating": ("batch_size",), "ranking": ("batch_size", "n_sampled_items"), "click": ("batch_size",)}
# Batch sizes to choose from; rows of clicks are cheap.
_BATCHES = {"click": (256, 512, 1024, 2048, 4096)}


class Space:
    """The settings of a model that can be searched, and those that are.

    Args:
        card: card of the model.
        recipe: recipe of the model: the starting point of the search, and the values of what is not searched.
        groups: names of the groups of features, by side.
        fixed: values of settings that are not searched.
        space: ranges by name, a list of names, `"all"`, or `None`.

    Attributes:
        searched: dict of `Hyperparameter` by name, parents before the settings that depend on them.
        fixed: dict.
        defaults: dict of the defaults of every known and searched setting.
    """

    def __init__(
        self,
        card: Card,
        recipe: Recipe,
        groups: Mapping[str, Iterable[str]],
        fixed: Mapping[str, Any] | None,
        space: Any,
    ) -> None:
        self.card, self.recipe = card, recipe
        begun = {h.name: _beginning(h, recipe.settings) for h in (*card.hyperparameters, *_parts(card))}
        own = {h.name: begun[h.name] for h in card.hyperparameters}
        parts = {name: h for name, h in begun.items() if name not in own}
        self.training = _training(card, recipe, own)
        chosen = {h.name: h for side, names in groups.items() for h in map(_group(side), names)}
        self.known = own | parts | self.training | chosen
        self.factory = set(inspect.signature(card.factory).parameters) - set(_FROM_DATA)
        self.fixed = dict(fixed or {})
        for name in self.fixed:
            self._check("fixed", name, {*self.known, *self.factory})
        varied = (*own, *(_VARIED[card.task] if card.optimizer else ()), *chosen)
        searched = {name: self.known[name] for name in varied if name in self.known}
        if isinstance(space, str):
            if space != "all":
                raise ValueError(
                    f"`space` must be 'all', names of settings, or ranges by name. Received: space={space!r}."
                )
            searched = {name: h for name, h in self.known.items() if name != _EPOCHS}
        elif isinstance(space, Mapping):
            for name, given in space.items():
                searched[name] = self._hyperparameter(name, given)
        elif space is not None:
            searched = {name: self._hyperparameter(name, True) for name in space}
        both = [name for name in self.fixed if isinstance(space, Mapping) and name in space]
        if both:
            raise ValueError(f"A setting must be in `fixed` or in `space`. Received: {both[0]} in both.")
        kept = {name: h for name, h in searched.items() if name not in self.fixed}
        self.searched = _ordered({name: h for name, h in kept.items() if self._counts(h, kept)})
        self.defaults = {name: h.default for name, h in (self.known | self.searched).items()}

    def split(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arguments of the factory and settings of the training, from the values of searched settings."""
        whole = self.fixed | dict(values)
        training = {name: whole.get(name, h.default) for name, h in self.training.items()}
        if training:
            training[_EPOCHS] = whole.get(_EPOCHS)
        arguments = {
            name: x for name, x in (dict(self.recipe.settings) | whole).items() if name in self.factory
        }
        for side in ("user", "item"):
            if arguments.get(f"{side}_repr") == "deep" and f"{side}_depth" in whole:
                arguments[f"{side}_repr"] = _network(side, whole, arguments, self)
        return arguments, training

    def conditions(self, hyperparameter: Hyperparameter) -> list[tuple[Hyperparameter, tuple[Any, ...]]]:
        """The searched settings that a setting depends on, outermost first, each with the values it needs."""
        if hyperparameter.when is None or hyperparameter.when[0] not in self.searched:
            return []
        parent = self.searched[hyperparameter.when[0]]
        return [*self.conditions(parent), (parent, hyperparameter.when[1])]

    def _check(self, argument: str, name: str, known: Iterable[str]) -> None:
        known = list(known)
        if name not in known:
            raise ValueError(
                f"`{argument}` must name settings of {self.card.name}: {', '.join(sorted(known))}."
                f"{did_you_mean(name, known)} Received: {name!r}."
            )

    def _counts(self, hyperparameter: Hyperparameter, searched: Mapping[str, Hyperparameter]) -> bool:
        """Whether the setting it depends on is searched, or is fixed to one of the values it needs."""
        if hyperparameter.when is None:
            return True
        name, values = hyperparameter.when
        if name in searched:
            parent = searched[name]
            possible = parent.type != "choice" or any(x in values for x in parent.choices)
            return possible and self._counts(parent, searched)
        return self.fixed.get(name, self.known[name].default) in values

    def _hyperparameter(self, name: str, given: Any) -> Hyperparameter:
        """The setting with the range that was given."""
        if isinstance(given, Hyperparameter):
            self._check("space", name, {*self.known, *self.factory})
            return given
        self._check("space", name, self.known)
        known = self.known[name]
        if given is True:
            return known
        if isinstance(given, Mapping):
            return self._numbers(known, given.get("low"), given.get("high"), given.get("log", known.log))
        if isinstance(given, tuple) and known.type in ("int", "float"):
            low, high, *scale = given if len(given) >= 2 else (None, None)
            if scale not in ([], ["log"], ["linear"]):
                raise ValueError(
                    f"The range of {name!r} must be (low, high), (low, high, 'log') or (low, high, "
                    f"'linear'). Received: {given!r}."
                )
            return self._numbers(known, low, high, scale == ["log"] if scale else known.log)
        if not isinstance(given, (list, tuple)):
            raise ValueError(
                f"The range of {name!r} must be (low, high), a list of values, or True for the card's range. "
                f"Received: {given!r}."
            )
        choices = tuple(tuple(x) if isinstance(x, list) else x for x in given)
        if not choices:
            raise ValueError(f"The range of {name!r} must not be empty. Received: {given!r}.")
        if name == "loss":
            loss_of = (_sequences if self.card.sequential else _hybrid).loss_of
            for x in choices:
                if x not in known.choices:
                    loss_of(x, n_items=1)  # refuses a name that does not exist
        return Hyperparameter(
            name, "choice", _closest(known.default, choices), choices=choices, when=known.when
        )

    @staticmethod
    def _numbers(known: Hyperparameter, low: Any, high: Any, log: bool) -> Hyperparameter:
        numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (low, high))
        if not numbers or not low < high:
            raise ValueError(
                f"The range of {known.name!r} must have a low end below its high end. "
                f"Received: low={low!r}, high={high!r}."
            )
        default = min(max(known.default, low), high)
        whole = isinstance(default, int) and known.type != "float"
        kind: Literal["int", "float"] = "int" if whole else "float"
        return Hyperparameter(known.name, kind, default, low=low, high=high, log=log, when=known.when)


def _closest(value: Any, choices: tuple[Any, ...]) -> Any:
    """The value if it is one of the choices, otherwise the closest number, or the first choice."""
    if value in choices:
        return value
    if all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (value, *choices)):
        return min(choices, key=lambda x: abs(x - value))
    return choices[0]


def _beginning(h: Hyperparameter, values: Mapping[str, Any]) -> Hyperparameter:
    """A setting whose default is the recipe's value and whose range contains it."""
    if h.name not in values:
        return h
    value = values[h.name]
    if h.type == "choice":
        choices = h.choices if value in h.choices else (value, *h.choices)
        return dataclasses.replace(h, default=value, choices=choices)
    if h.type == "bool":
        return dataclasses.replace(h, default=value)
    low, high = min(h.low or 0, value), max(h.high or 0, value)
    return dataclasses.replace(h, default=value, low=low, high=high)


def _training(card: Card, recipe: Recipe, own: Mapping[str, Hyperparameter]) -> dict[str, Hyperparameter]:
    if card.optimizer is None:
        return {}
    settings = [
        Hyperparameter(
            "batch_size", "choice", 256, choices=_BATCHES.get(card.task, (64, 128, 256, 512, 1024))
        ),
        Hyperparameter("optimizer", "choice", "adam", choices=_OPTIMIZERS),
        Hyperparameter("schedule", "choice", "constant", choices=SCHEDULES),
        Hyperparameter("row_sparse", "choice", "auto", choices=("auto", False)),
        Hyperparameter(_EPOCHS, "int", 20, low=1, high=100),
    ]
    if card.task == "ranking":
        losses = own["loss"].choices if "loss" in own else ()
        sampled = None
        # Whether other losses take samples is not known here.
        if losses and all(isinstance(x, str) for x in losses):
            sampled = ("loss", tuple(x for x in losses if not takes_catalogue(x)))
        settings += [
            Hyperparameter("n_sampled_items", "int", 50, low=5, high=500, log=True, when=sampled),
            Hyperparameter("sampler", "choice", "uniform", choices=("uniform", "popularity"), when=sampled),
        ]
    values = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    return {h.name: _beginning(h, values) for h in settings}


def _parts(card: Card) -> list[Hyperparameter]:
    """Settings of a hybrid's parts that are not on its card: tastes, representations, layers."""
    accepted = inspect.signature(card.factory).parameters
    named = {h.name for h in card.hyperparameters}
    settings = []
    if "n_tastes" in accepted:
        several = ("n_tastes", (2, 3, 4))
        settings += [
            Hyperparameter("n_tastes", "choice", 1, choices=(1, 2, 3, 4)),
            Hyperparameter("attention", "choice", None, choices=(None, "linear"), when=several),
        ]
    if "score" in accepted:
        settings.append(Hyperparameter("score", "choice", "dot", choices=("dot", "cosine", "euclidean")))
    for side in ("user", "item"):
        if isinstance(accepted[f"{side}_repr"].default if f"{side}_repr" in accepted else None, str):
            default = accepted[f"{side}_repr"].default
            settings.append(Hyperparameter(f"{side}_repr", "choice", default, choices=_REPRESENTATIONS))
            settings += _layers(side)
    return [h for h in settings if h.name not in named]


def _layers(side: str) -> list[Hyperparameter]:
    deep = (f"{side}_repr", ("deep",))
    settings = [
        Hyperparameter(f"{side}_depth", "choice", 1, choices=tuple(range(1, _MOST_LAYERS + 1)), when=deep)
    ]
    for layer in range(1, _MOST_LAYERS + 1):
        when = (f"{side}_depth", tuple(range(layer, _MOST_LAYERS + 1)))
        settings.append(
            Hyperparameter(f"{side}_units_{layer}", "int", 64, low=8, high=512, log=True, when=when)
        )
    return [
        *settings,
        Hyperparameter(f"{side}_activation", "choice", "relu", choices=("relu", "tanh", "gelu"), when=deep),
        Hyperparameter(f"{side}_dropout", "float", 0.0, low=0.0, high=0.5, when=deep),
    ]


def _network(side: str, values: Mapping[str, Any], arguments: Mapping[str, Any], space: Space) -> Any:
    """The representation that these settings describe."""
    import keras

    from kerasrec.layers import DeepRepr

    def of(name: str) -> Any:
        return values.get(f"{side}_{name}", space.defaults[f"{side}_{name}"])

    default = inspect.signature(space.card.factory).parameters["n_components"].default
    l2 = arguments.get("l2", 0.0)
    return DeepRepr(
        arguments.get("n_components", default),
        hidden=[of(f"units_{layer}") for layer in range(1, of("depth") + 1)],
        activation=of("activation"),
        dropout=of("dropout"),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name=f"{side}_repr",
    )


def group_setting(side: str, name: str) -> str:
    """The setting that says whether a group of features is used."""
    return f"{side}_features_{name}"


def _group(side: str) -> Any:
    return lambda name: Hyperparameter(group_setting(side, name), "bool", True)


def _ordered(searched: Mapping[str, Hyperparameter]) -> dict[str, Hyperparameter]:
    """The settings, parents before those that depend on them."""
    ordered: dict[str, Hyperparameter] = {}

    def add(h: Hyperparameter) -> None:
        if h.when is not None and h.when[0] in searched:
            add(searched[h.when[0]])
        ordered.setdefault(h.name, h)

    for h in searched.values():
        add(h)
    return ordered
