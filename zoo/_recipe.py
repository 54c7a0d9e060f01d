"""How a model trains best, depending on the size of the data."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import keras

from kerasrec._arguments import positive_integer, whole_number

if TYPE_CHECKING:
    from kerasrec.data import Impressions, Interactions

Schedule = Literal["constant", "linear", "cosine"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "linear", "cosine")
# Share of the initial rate that remains for later training.
_LATER = 0.1


@dataclass(frozen=True)
class Size:
    """The size of a data set, on which a recipe depends.

    Args:
        n_users: int.
        n_items: int.
        n_interactions: int.

    Example:
        >>> import kerasrec
        >>> kerasrec.zoo.Size.of(kerasrec.datasets.synthetic(20, 30, 100).interactions)
        Size(n_users=20, n_items=30, n_interactions=100)
    """

    n_users: int
    n_items: int
    n_interactions: int

    @classmethod
    def of(cls, interactions: "Interactions | Impressions") -> "Size":
        """The size of some interactions.

        Args:
            interactions: `Interactions`; or `Impressions`, of which only the rows are counted.
        """
        n_items: int = getattr(interactions, "n_items", 0)
        return cls((interactions.n_users or 0) if n_items else 0, n_items, len(interactions))


@dataclass(frozen=True)
class Recipe:
    """How a model trains best: its settings, its optimizer, its batches, and when to stop.

    `kerasrec.zoo.recipe` returns the recipe of a model for given data. `Recommender.train`, `kerasrec train`,
    `compare` and `tune` use it; anything that you pass to them explicitly takes precedence.

    Args:
        settings: arguments of the factory, including `loss` and `learning_rate`; others keep the factory's
            defaults. Defaults to `{}`.
        optimizer: Keras's name of the optimizer. Defaults to `"adam"`; `None` for a closed-form model, for
            which only the settings matter.
        schedule: learning rate schedule by epoch: `"constant"`, or `"linear"` or `"cosine"`, which reach 0 at
            the end of `epochs`. Defaults to `"constant"`.
        batch_size: int, rows per step: ratings, positives, or, for a loss over the whole catalogue, users.
            Defaults to `256`.
        n_sampled_items: int, sampled items per list, for a loss that takes samples. Defaults to `50`.
        sampler: as in `kerasrec.data.RankingBatches`. Defaults to `"uniform"`.
        list_size: int, items shared by the users of a batch if the whole catalogue is too expensive. Defaults
            to `None`: the whole catalogue.
        max_targets: int, as in `kerasrec.data.SequenceBatches`, for a model that predicts the item after a
            prefix. Defaults to `None`: all prefixes.
        mask_rate: float, as in `kerasrec.data.SequenceBatches`, for a model that predicts masked items.
            Defaults to `0.2`.
        row_sparse: as in `kerasrec.Model.compile`. Defaults to `"auto"`.
        epochs: int, maximum number of epochs. Defaults to `20`.
        patience: int, epochs without an improvement on held-out rows before training stops. Defaults to `3`.

    Raises:
        ValueError: if `schedule` is unknown or a number is out of range.

    Example:
        >>> import kerasrec
        >>> recipe = kerasrec.zoo.Recipe({"n_components": 16}, epochs=5)
        >>> recipe.with_settings(n_components=8).settings
        {'n_components': 8}
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str | None = "adam"
    schedule: Schedule = "constant"
    batch_size: int = 256
    n_sampled_items: int = 50
    sampler: Any = "uniform"
    list_size: int | None = None
    max_targets: int | None = None
    mask_rate: float = 0.2
    row_sparse: Any = "auto"
    epochs: int = 20
    patience: int = 3

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"`schedule` must be one of {', '.join(SCHEDULES)}. Received: schedule={self.schedule!r}."
            )
        for name in ("batch_size", "n_sampled_items", "list_size", "max_targets"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, positive_integer(name, value))
        for name in ("epochs", "patience"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))

    def with_settings(self, **settings: Any) -> "Recipe":
        """The same recipe with other arguments of the factory.

        Args:
            **settings: arguments that replace those of the recipe.
        """
        return dataclasses.replace(self, settings={**self.settings, **settings})

    def replace(self, **fields: Any) -> "Recipe":
        """The same recipe with other fields; fields that are `None` stay as they are.

        Args:
            **fields: new values by name.
        """
        return dataclasses.replace(self, **{name: x for name, x in fields.items() if x is not None})

    def rate_at(self, epoch: int, first: float) -> float:
        """The learning rate of an epoch, taken at its middle.

        Args:
            epoch: int, the first is 0.
            first: float, the initial learning rate.
        """
        share = min(1.0, (epoch + 0.5) / max(1, self.epochs))
        if self.schedule == "linear":
            return first * (1 - share)
        return first * (1 + math.cos(math.pi * share)) / 2 if self.schedule == "cosine" else first

    def facts(self) -> dict[str, Any]:
        """The recipe as a dictionary; for a closed-form model, only its settings."""
        settings = {name: getattr(x, "name", x) for name, x in self.settings.items()}
        if self.optimizer is None:
            return settings
        training = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "settings" and getattr(self, field.name) is not None
        }
        return settings | training

    def __str__(self) -> str:
        return "\n".join(f"{name} = {x}" for name, x in self.facts().items())


class FallingRate(keras.callbacks.Callback):
    """Sets the learning rate of each epoch as a recipe says.

    When training ends, the rate is set to a tenth of the initial one, with which `Recommender.update`
    continues.

    A model that was compiled with a learning rate schedule keeps it.

    Args:
        recipe: `Recipe`.
        first: float, the initial learning rate. Defaults to `None`: that of the model's optimizer.

    Example:
        >>> import kerasrec
        >>> recipe = kerasrec.zoo.Recipe(schedule="linear", epochs=2)
        >>> [recipe.rate_at(epoch, 0.4) for epoch in range(2)]
        [0.30000000000000004, 0.1]
    """

    def __init__(self, recipe: Recipe, first: float | None = None) -> None:
        super().__init__()
        self.recipe = recipe
        self._first = first

    def on_train_begin(self, logs: Any = None) -> None:
        """Read the initial learning rate."""
        if self._first is None:
            self._first = float(self.model.optimizer.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the rate."""
        self._set(self.recipe.rate_at(epoch, self._first or 0.0))

    def on_train_end(self, logs: Any = None) -> None:
        """Set the rate with which later training continues."""
        self._set(_LATER * (self._first or 0.0))

    def _set(self, rate: float) -> None:
        own = self.model.optimizer._learning_rate
        if not isinstance(own, keras.optimizers.schedules.LearningRateSchedule):
            self.model.optimizer.learning_rate = rate
