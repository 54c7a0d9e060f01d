import dataclasses
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras

from kerasrec._arguments import positive_number
from kerasrec.zoo._recipe import Recipe, Size


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of a model, with the range that a search covers.

    Args:
        name: argument of the factory.
        type: `"int"`, `"float"`, `"bool"` or `"choice"`.
        default: the factory's default.
        low: lowest value of a number. Defaults to `None`.
        high: highest value of a number. Defaults to `None`.
        choices: the values of a choice. Defaults to `()`.
        log: bool, whether the range is searched on a logarithmic scale. Defaults to `False`.
        when: name of another setting and those of its values for which this setting is used. Defaults to
            `None`: always.

    Raises:
        ValueError: if the default is outside the range, the range is missing, or `low` is not above 0 on a
            logarithmic scale.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.Hyperparameter("l2", "float", 1e-6, low=1e-7, high=1e-3, log=True).high
        0.001
    """

    name: str
    type: Literal["int", "float", "bool", "choice"]
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    log: bool = False
    when: tuple[str, tuple[Any, ...]] | None = None

    def __post_init__(self) -> None:
        if self.type in ("int", "float"):
            if self.low is None or self.high is None or not self.low <= self.default <= self.high:
                raise ValueError(
                    f"`default` of {self.name!r} must lie between `low` and `high`. "
                    f"Received: default={self.default}, low={self.low}, high={self.high}."
                )
            if self.log and self.low <= 0:
                raise ValueError(
                    f"`low` of {self.name!r} must be above 0 on a logarithmic scale. "
                    f"Received: low={self.low}."
                )
        elif self.type == "choice" and self.default not in self.choices:
            raise ValueError(
                f"`default` of {self.name!r} must be one of `choices`. "
                f"Received: default={self.default}, choices={self.choices}."
            )

    @property
    def range(self) -> str:
        """The range in words."""
        if self.type == "bool":
            return "True or False"
        if self.type == "choice":
            return " | ".join(map(str, self.choices))
        return f"{self.low} to {self.high}" + (", log scale" if self.log else "")


@dataclass(frozen=True)
class Card:
    """A model card: what a model computes, how it is trained, and its results.

    Args:
        name: the name in the registry.
        factory: function that creates the model; its arguments are the model's settings. `create` fills
            `n_users`, `n_items`, `min_rating`, `max_rating`, `interactions`, `user_features` and
            `item_features` from the data. A factory that takes `interactions` may return a fitted model.
        task: `"rating"` (the output is a rating), `"ranking"` (only the order matters) or `"click"` (the
            output is the probability of a click, and the inputs are columns of a table).
        summary: what it computes, in a sentence or two.
        reference: the paper or post that it comes from.
        hyperparameters: the settings worth searching. Defaults to `()`.
        optimizer: Keras's name of the optimizer. Defaults to `"adam"`; `None` for a closed-form model.
        loss: name of the loss, or the loss itself. Defaults to `"mean_squared_error"`; `None` for a
            closed-form model that does not predict ratings.
        metrics: names of metrics. Defaults to `()`.
        results: a table of results, which `tests/reproductions` reproduces. Defaults to `""`.
        recipe: how the model trains best: a `Recipe`, a function of the `Size` of the data and the loss, or
            `None`. Defaults to `None`: the factory's defaults.
        sequential: bool, whether the model predicts the next item of a history. Defaults to `False`.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.card("recommender_v2").task
        'rating'
    """

    name: str
    factory: Callable[..., keras.Model]
    task: Literal["rating", "ranking", "click"]
    summary: str
    reference: str
    hyperparameters: tuple[Hyperparameter, ...] = ()
    optimizer: str | None = "adam"
    loss: Any = "mean_squared_error"
    metrics: tuple[str, ...] = ()
    results: str = ""
    recipe: Recipe | Callable[[Size, Any], Recipe] | None = None
    sequential: bool = False

    def recipe_for(self, size: Size, loss: Any = None) -> Recipe:
        """The recipe for data of this size.

        Args:
            size: `Size`.
            loss: name of a loss, or a loss. Defaults to `None`: the best one.
        """
        if self.optimizer is None:
            found = self.recipe if isinstance(self.recipe, Recipe) else Recipe()
            return dataclasses.replace(found, optimizer=None)
        if isinstance(self.recipe, Recipe):
            return self.recipe
        return Recipe(optimizer=self.optimizer) if self.recipe is None else self.recipe(size, loss)

    def compile(
        self, model: keras.Model, learning_rate: Any, optimizer: str | None = None, **kwargs: Any
    ) -> None:
        """Compile a model as the card says.

        Args:
            model: `keras.Model`. A model of this card keeps its own loss, which may depend on the data.
            learning_rate: float or `keras.optimizers.schedules.LearningRateSchedule`.
            optimizer: Keras's name of another optimizer. Defaults to `None`: the card's.
            **kwargs: further arguments of `model.compile`, e.g. `row_sparse`.

        Raises:
            ValueError: if `learning_rate` is a number, but not a finite one above 0.
        """
        if isinstance(learning_rate, numbers.Real):
            positive_number("learning_rate", learning_rate)
        made = type(keras.optimizers.get(optimizer or self.optimizer))(learning_rate)
        own = model.compiled and model.name == self.name
        arguments = {"loss": model.loss if own else self.loss, "metrics": list(self.metrics)}
        model.compile(optimizer=made, **arguments | kwargs)

    def recipes(self) -> dict[str, Recipe]:
        """The recipes for data of several sizes by title; a single one if they are all the same."""
        if self.recipe is None:
            return {}
        found = [self.recipe_for(size) for size in _SIZES]
        if all(recipe == found[0] for recipe in found):
            return {"Recipe": found[0]}
        return {f"Recipe for {_in_words(size)}": recipe for size, recipe in zip(_SIZES, found, strict=True)}

    def __str__(self) -> str:
        training = "closed form"
        if self.optimizer is not None:
            loss = self.loss if isinstance(self.loss, str) else self.loss.name
            training = f"{self.optimizer}, {loss}"
        settings = [f"    {h.name} = {h.default} ({h.range})" for h in self.hyperparameters]
        recipes = [line for title, recipe in self.recipes().items() for line in _indented(title, recipe)]
        lines = [
            f"{self.name} ({self.task})",
            self.summary,
            f"Reference: {self.reference}",
            f"Training: {training}",
            *(["Settings:", *settings] if settings else []),
            *recipes,
            *(["Results:", self.results] if self.results else []),
        ]
        return "\n".join(lines)


# Sizes of a small, a sparse and a large data set.
_SIZES = (
    Size(1_000, 10_000, 100_000),
    Size(30_000, 20_000, 200_000),
    Size(1_000_000, 500_000, 20_000_000),
)


def _in_words(size: Size) -> str:
    return f"{size.n_interactions:,} interactions of {size.n_users:,} users with {size.n_items:,} items"


def _indented(title: str, recipe: Recipe) -> list[str]:
    return [f"{title}:", *(f"    {line}" for line in str(recipe).splitlines())]
