"""Models by name."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import keras

from kerasrec._names import did_you_mean
from kerasrec.layers import find_catalogue
from kerasrec.zoo._card import Card
from kerasrec.zoo._clicks import set_initial_mean
from kerasrec.zoo._needs import needs_of
from kerasrec.zoo._recipe import Recipe, Size

if TYPE_CHECKING:
    from kerasrec.data import Interactions

# Modules with a `CARD`.
_MODULES = (
    "autoint",
    "bert4rec",
    "click_factorization_machine",
    "content_recommender",
    "dcn",
    "deep_repr_recommender",
    "deepfm",
    "dlrm",
    "dnn",
    "ease",
    "factorization_machine",
    "gf_cf",
    "global_bias",
    "gru4rec",
    "hybrid_recommender",
    "implicit_als",
    "item_knn",
    "lightgcn",
    "logistic_regression",
    "matrix_factorization",
    "mixture_of_tastes",
    "mult_vae",
    "neumf",
    "popularity",
    "pure_svd",
    "random",
    "recommender_net",
    "recommender_v1",
    "recommender_v2",
    "sasrec",
    "two_tower",
    "user_knn",
    "wide_and_deep",
    "youtube_candidates",
    "youtube_ranker",
)
_CARDS: dict[str, Card] = {
    card.name: card for card in (import_module(f"kerasrec.zoo.{module}").CARD for module in _MODULES)
}

# Closed-form models, the cheapest first; trained models come after them.
_CHEAP = (
    "random",
    "popularity",
    "global_bias",
    "item_knn",
    "user_knn",
    "pure_svd",
    "gf_cf",
    "ease",
    "implicit_als",
)

_FROM_DATA = ("user_features", "item_features", "interactions", "columns")
_FROM_INTERACTIONS: dict[str, Callable[["Interactions"], Any]] = {
    "interactions": lambda data: data,
    "n_users": lambda data: data.n_users,
    "n_items": lambda data: data.n_items,
    "min_rating": lambda data: float(data.values.min()),
    "max_rating": lambda data: float(data.values.max()),
}


def names() -> list[str]:
    """Names of all models, in alphabetical order.

    Example:
        >>> import kerasrec
        >>> "recommender_v2" in kerasrec.zoo.names()
        True
    """
    return sorted(_CARDS)


def card(name: str) -> Card:
    """The card of a model.

    Args:
        name: name of the model, or of its factory (`"RecommenderV2"`).

    Returns:
        `Card`.

    Raises:
        ValueError: if there is no such model.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.card("RecommenderV2").name
        'recommender_v2'
    """
    for found in _CARDS.values():
        if name in (found.name, found.factory.__name__):
            return found
    raise ValueError(
        f"`name` must be one of {', '.join(names())}.{did_you_mean(name, _CARDS)} Received: name={name!r}."
    )


def create(
    name: str,
    interactions: Any,
    *,
    user_features: Any = None,
    item_features: Any = None,
    **hyperparameters: Any,
) -> keras.Model:
    """Create a model for given data; the sizes and the range of ratings are taken from the data.

    A model whose weights and optimizer do not fit into the available memory is refused before it is created.

    The model also contains the raw ids of the data, so the file that `model.save` writes is complete.

    Args:
        name: name of the model, or of its factory.
        interactions: `Interactions`, the training data; or `Impressions`, for a click model.
        user_features: `Features` of the users, or a matrix `[U, F]` in the order of the codes, for models
            that take them. Features with ids are reordered to match. Defaults to `None`: the identity, for
            models that need features.
        item_features: the same for the items. Defaults to `None`.
        **hyperparameters: arguments of the factory; they take precedence over what is taken from the data.

    Returns:
        A compiled `keras.Model`; a closed-form model is already fitted.

    Raises:
        ValueError: if the model or a hyperparameter is unknown, the model takes no features, the rows of the
            features do not match the data, the data have no range of ratings, or there is not enough memory.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "item": ["x", "y"], "stars": [1.0, 5.0]})
        >>> data = kerasrec.data.Interactions.from_frame(frame, value="stars")
        >>> kerasrec.zoo.create("recommender_v2", data, n_components=8).count_params()
        36
    """
    found = card(name)
    if found.task == "click":
        features = [("user_features", user_features), ("item_features", item_features)]
        if named := [name for name, x in features if x is not None]:
            raise ValueError(
                f"{found.name} takes no features: pass what is known of users and items as columns of the "
                f"impressions (`Impressions.from_frame`). Received: {named[0]}."
            )
        return _of_columns(found, interactions, hyperparameters)
    given = {"user_features": user_features, "item_features": item_features, **hyperparameters}
    make = maker(found, interactions, given)
    needs_of(found, interactions, hyperparameters, make).check()
    model = make()
    catalogue = find_catalogue(model)
    if catalogue is not None:
        catalogue.fill(interactions)
    return model


def _of_columns(found: Card, impressions: Any, hyperparameters: Mapping[str, Any]) -> keras.Model:
    """A click model for the columns of impressions."""
    from kerasrec.data import Impressions

    if not isinstance(impressions, Impressions):
        raise TypeError(
            f"{found.name} must be made for `kerasrec.data.Impressions`, which are columns and clicks; make "
            f"them with `Impressions.from_frame`. Received: {type(impressions).__name__}."
        )
    impressions.check_classes()
    _accepted(found, hyperparameters)
    model = found.factory(impressions.columns, **hyperparameters)
    set_initial_mean(model, impressions)
    return model


def maker(found: Card, interactions: "Interactions", given: Mapping[str, Any]) -> Callable[[], keras.Model]:
    """A function that creates a model for given data, after its arguments have been checked.

    Args:
        found: `Card` of the model.
        interactions: `Interactions`.
        given: features and hyperparameters, as in `create`.
    """
    hyperparameters = dict(given)
    features = {name: hyperparameters.pop(name, None) for name in ("user_features", "item_features")}
    accepted = _accepted(found, hyperparameters)
    for key, x in features.items():
        if x is not None and key not in accepted:
            raise ValueError(f"`{key}` must be left out: {found.name} takes none.")
    _check(interactions)
    read = {key: read(interactions) for key, read in _FROM_INTERACTIONS.items() if key in accepted}
    rows = {
        key: _rows(key, x, interactions)
        for key, x in features.items()
        if x is not None or (key in accepted and accepted[key].default is inspect.Parameter.empty)
    }
    arguments = {**read, **rows, **hyperparameters}
    if "min_rating" in arguments and not arguments["min_rating"] < arguments["max_rating"]:
        raise ValueError(
            f"{found.name} must know the lowest and the highest rating; give `min_rating` and `max_rating`, "
            "or use a ranking model for data without ratings. Received: "
            f"min_rating={arguments['min_rating']}, max_rating={arguments['max_rating']}."
        )
    return lambda: found.factory(**arguments)


def recipe(name: str, interactions: Any, **hyperparameters: Any) -> Recipe:
    """The settings with which a model trains best on given data.

    `Recommender.train` and the commands use them. `create` and the factories use the published defaults
    instead.

    Args:
        name: name of the model, or of its factory.
        interactions: `Interactions`, the training data, of which only the size matters; or `Impressions`.
        **hyperparameters: arguments of the factory, which take precedence over those of the recipe. A `loss`
            selects the recipe for that loss.

    Returns:
        `Recipe`.

    Raises:
        ValueError: if the model or a hyperparameter is unknown.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> kerasrec.zoo.recipe("hybrid", data, n_components=8).settings["n_components"]
        8
    """
    found = card(name)
    _accepted(found, hyperparameters)
    if found.task != "click":
        _check(interactions)
    chosen = found.recipe_for(Size.of(interactions), hyperparameters.get("loss"))
    given = dict(hyperparameters)
    if callable(found.recipe):
        given.pop("loss", None)  # the recipe has it, with settings that suit it
    return chosen.with_settings(**given)


def by_cost(models: Iterable[str]) -> list[str]:
    """Names of models, the fastest to train first.

    Args:
        models: names.

    Returns:
        The same names: first the closed-form models, then those that are trained.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.by_cost(["hybrid", "ease", "popularity"])
        ['popularity', 'ease', 'hybrid']
    """
    order = [*_CHEAP, *(name for name in names() if name not in _CHEAP)]
    return sorted(models, key=lambda name: order.index(card(name).name))


def _accepted(found: Card, hyperparameters: Mapping[str, Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a model's factory; other hyperparameters are an error."""
    accepted = inspect.signature(found.factory).parameters
    settings = [key for key in accepted if key not in _FROM_DATA]
    for key in hyperparameters:
        if key not in settings:
            value = hyperparameters[key]
            # A table in the message would fill the screen.
            came = repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
            raise ValueError(
                f"Hyperparameters of {found.name} must be among {', '.join(settings)}."
                f"{did_you_mean(key, settings)} Received: {key}={came}."
            )
    return accepted


def _check(interactions: "Interactions") -> None:
    from kerasrec.data.interactions import check_interactions

    check_interactions("interactions", interactions)
    if not len(interactions):
        raise ValueError("`interactions` must not be empty. Received: 0 interactions.")


def _rows(argument: str, features: Any, interactions: "Interactions") -> Any:
    """Features in the order of the codes, or the number of entities if there are none."""
    side = argument.removesuffix("_features")
    ids = interactions.user_ids if side == "user" else interactions.item_ids
    if features is None:
        return len(ids)
    if hasattr(features, "columns"):
        raise TypeError(
            f"`{argument}` must be `kerasrec.data.Features` or a matrix; create them with e.g. "
            f"`Features.categorical(frame['a'])`. Received: {type(features).__name__}."
        )
    if hasattr(features, "align"):
        return features.align(ids, side)
    shape = getattr(features, "shape", (len(ids),))
    if shape[0] != len(ids):
        transposed = " It looks transposed." if shape[1:] == (len(ids),) else ""
        raise ValueError(
            f"`{argument}` must have one row per {side}, of which there are {len(ids)}.{transposed} "
            f"Received: shape={tuple(shape)}."
        )
    return features
