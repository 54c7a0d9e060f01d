"""What a model trains best with, by the size of the data."""

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
# Of the first rate, what is left for a training that goes on later.
_LATER = 0.1


@dataclass(frozen=True)
class Size:
    """The size of a data set, which a recipe follows.

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
        """That of these interactions.

        Args:
            interactions: `Interactions`; or `Impressions`, of which the rows are counted alone.
        """
        n_items: int = getattr(interactions, "n_items", 0)
        return cls((interactions.n_users or 0) if n_items else 0, n_items, len(interactions))


@dataclass(frozen=True)
class Recipe:
    """What a model trains best with: its settings, its optimizer, its batches, and when to stop.

    `kerasrec.zoo.recipe` gives that of a model for given data. `Recommender.train`, `kerasrec train`,
    `compare` and `tune` go by it, and whatever is given to them explicitly wins.

    Args:
        settings: arguments of the factory, `loss` and `learning_rate` among them; others have the factory's
            defaults. Defaults to `{}`.
        optimizer: Keras's name of the optimizer. Defaults to `"adam"`; `None` for a model fitted in closed
            form, of which the settings alone count.
        schedule: what the learning rate does from epoch to epoch: `"constant"`, or `"linear"` or `"cosine"`,
            which reach 0 at the end of `epochs`. Defaults to `"constant"`.
        batch_size: int, rows per step: ratings, positives, or users of a loss over the whole catalogue.
            Defaults to `256`.
        n_sampled_items: int, sampled items of a step's lists, for a loss that takes samples. Defaults to
            `50`.
        sampler: as in `kerasrec.data.RankingBatches`. Defaults to `"uniform"`.
        list_size: int, items that the users of a batch share where the whole catalogue is too dear.
            Defaults to `None`: the whole catalogue.
        max_targets: int, as in `kerasrec.data.SequenceBatches`, for a model that learns the item after a
            prefix. Defaults to `None`: all prefixes.
        mask_rate: float, as in `kerasrec.data.SequenceBatches`, for a model that guesses hidden items.
            Defaults to `0.2`.
        row_sparse: as in `kerasrec.Model.compile`. Defaults to `"auto"`.
        epochs: int, most passes over the data. Defaults to `20`.
        patience: int, epochs without a better figure on held-out rows before training stops.
            Defaults to `3`.

    Raises:
        ValueError: if there is no such schedule, or a number is none of those above.

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
            **settings: arguments that win over those of the recipe.
        """
        return dataclasses.replace(self, settings={**self.settings, **settings})

    def replace(self, **fields: Any) -> "Recipe":
        """The same recipe with other fields; those that are `None` stay.

        Args:
            **fields: by name.
        """
        return dataclasses.replace(self, **{name: x for name, x in fields.items() if x is not None})

    def rate_at(self, epoch: int, first: float) -> float:
        """The learning rate of an epoch, that of its middle.

        Args:
            epoch: int, the first is 0.
            first: float, the rate that training begins with.
        """
        share = min(1.0, (epoch + 0.5) / max(1, self.epochs))
        if self.schedule == "linear":
            return first * (1 - share)
        return first * (1 + math.cos(math.pi * share)) / 2 if self.schedule == "cosine" else first

    def facts(self) -> dict[str, Any]:
        """What counts of the recipe, by name; of a model in closed form its settings."""
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

    When training ends, a tenth of the first rate is left, with which `Recommender.update` goes on.

    A model compiled with a learning rate schedule of its own keeps that.

    Args:
        recipe: `Recipe`.
        first: float, the rate that training begins with. Defaults to `None`: that of the model's optimizer.

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
        """Read the rate that training begins with."""
        if self._first is None:
            self._first = float(self.model.optimizer.learning_rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the rate."""
        self._set(self.recipe.rate_at(epoch, self._first or 0.0))

    def on_train_end(self, logs: Any = None) -> None:
        """Leave a rate to go on with."""
        self._set(_LATER * (self._first or 0.0))

    def _set(self, rate: float) -> None:
        own = self.model.optimizer._learning_rate
        if not isinstance(own, keras.optimizers.schedules.LearningRateSchedule):
            self.model.optimizer.learning_rate = rate
