"""A model of the zoo, trained as its recipe says."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec import losses
from kerasrec._forks import check_fork
from kerasrec._inputs import input_names
from kerasrec._memory import in_words
from kerasrec._partial import check_room
from kerasrec._seeds import check_seed, set_random_seed
from kerasrec.data import Interactions, pairs, splits
from kerasrec.data._access import is_opened, meaning_of
from kerasrec.data._kinds import have_long_tail
from kerasrec.data._last_rows import leave_last_row_out
from kerasrec.evaluation import RankingMetrics
from kerasrec.recommender._batches import batches_for
from kerasrec.recommender._forecast import Forecast
from kerasrec.recommender._rating_batches import RatingBatches
from kerasrec.zoo import Card, FallingRate, Recipe, Size
from kerasrec.zoo._needs import needs_of
from kerasrec.zoo.registry import maker

VALIDATION = 0.1
_RANKING, _RATING = "val_ndcg@10", "val_root_mean_squared_error"
# Most scores of one evaluation on held-out rows, and range of the number of users.
_SCORES, _USERS = 500_000_000, (200, 5000)
_PREDICT_BATCH = 8192
# Models of at least this size are reported.
_LARGE = 100_000_000
# Minimum number of held-out rows for choosing the number of epochs.
_FEWEST = 5


@dataclass(frozen=True)
class Training:
    """A trained model, and how it was trained.

    Args:
        model: `keras.Model`.
        epochs: number of epochs on all interactions; `None` in closed form.
        history: metrics of each epoch, from the training that chose their number if there was one.
        chosen: whether the number of epochs was chosen on held-out rows.
        judged: name of the metric on held-out rows, its best value, and the value to beat; `None` without
            held-out rows.
    """

    model: keras.Model
    epochs: int | None = None
    history: dict[str, list[float]] | None = None
    chosen: bool = False
    judged: tuple[str, float, float] | None = None

    @property
    def worse(self) -> str:
        """A sentence, if the model was worse on held-out rows than the value to beat."""
        return "" if self.judged is None else worse(self.model.name, *self.judged)


def worse(name: str, metric: str, reached: float, simple: float) -> str:
    """A sentence, if a model is worse than the mean of the ratings, or than popularity.

    Args:
        name: of the model.
        metric: name of the metric; errors are better if lower, all others if higher.
        reached: value of the model.
        simple: value of the mean, or of popularity.
    """
    is_error = "@" not in metric
    if (reached <= simple) if is_error else (reached >= simple):
        return ""
    other, remedy = (
        ("the mean of all ratings", "look at the values, or train a model that ranks")
        if is_error
        else ("popularity", "use more data, other settings or another model")
    )
    return (
        f"{name} is worse than {other} on the held-out rows ({metric} {reached:.4g} against {simple:.4g}): "
        f"{remedy}."
    )


def trained(
    interactions: Interactions,
    name: str,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    features: dict[str, Any] | None = None,
    hyperparameters: dict[str, Any] | None = None,
    validation: float | None = None,
    patience: int | None = None,
    seed: int = 0,
    verbose: Any = 0,
    callbacks: Callable[[str], Sequence[keras.callbacks.Callback]] = lambda phase: (),
    tell: Callable[[str], None] | None = None,
    watched: Interactions | None = None,
    place: Path | None = None,
) -> Training:
    """A model of the zoo, fitted or trained by its recipe; arguments override the recipe.

    Args:
        interactions: `Interactions`.
        name: of the model.
        epochs: number of passes over all interactions. Defaults to `None`: the best on held-out rows.
        batch_size: int. Defaults to `None`: the recipe's.
        features: `user_features` and `item_features`. Defaults to `None`.
        hyperparameters: arguments of the factory. Defaults to `None`.
        validation: share held out to choose the number of epochs, of which `epochs` is then the maximum.
            Defaults to `None`: a tenth, or nothing if `epochs` is given.
        patience: int, epochs without improvement before training stops. Defaults to `None`: the recipe's.
        seed: int, of the split, the weights and the batches. Defaults to `0`.
        verbose: as in `keras.Model.fit`. Defaults to `0`.
        callbacks: function that gives the Keras callbacks for `"choosing"` the number of epochs and for
            `"training"`. Defaults to none.
        tell: function that prints a line, such as the expected duration. Defaults to `None`.
        watched: `Interactions` to evaluate a model of ratings on after each epoch if none are held out.
            Defaults to `None`.
        place: future file of the model; the disk must have room for it. Defaults to `None`.
    """
    from kerasrec import zoo

    if not isinstance(interactions, Interactions):
        raise TypeError(
            "`interactions` must be `kerasrec.data.Interactions`; make them with `Interactions.from_frame` "
            f"or `from_csv`. Received: {type(interactions).__name__}."
        )
    if validation is not None and not 0 <= validation < 1:
        raise ValueError(
            "`validation` must be a share of the interactions, from 0 to below 1. "
            f"Received: validation={validation}."
        )
    seed = check_seed(seed)
    card = zoo.card(name)
    recipe = zoo.recipe(name, interactions, **hyperparameters or {})
    recipe = recipe.replace(epochs=epochs, batch_size=batch_size, patience=patience)
    makes = _Maker(card, recipe, interactions, features or {}, seed)
    makes.check(interactions, place, tell)
    if card.optimizer is None:
        return Training(makes.make(interactions))
    share = (VALIDATION if epochs is None else 0.0) if validation is None else validation
    parts = None
    if share and recipe.epochs and (validation is not None or _can_hold_out(card, interactions, share)):
        if card.sequential:  # it predicts the item after a history
            has_times = interactions.times is not None
            parts = (splits.leave_last_out if has_times else leave_last_row_out)(interactions)
        else:
            parts = splits.random_split(interactions, share, seed)
    forecast = Forecast(interactions, parts is not None, tell)
    n_epochs, history, judged = recipe.epochs, None, None
    if parts is not None:
        fitted, held_out = parts
        judge = _Judge(card, fitted, held_out)
        model = makes.make(fitted)
        stop = keras.callbacks.EarlyStopping(judge.metric, patience=max(1, recipe.patience), mode=judge.mode)
        own = [*judge.callbacks, stop, forecast, *callbacks("choosing")]
        done = fit(model, fitted, recipe, seed, verbose, own, validation=judge.pairs)
        history, n_epochs = dict(done.history), int(stop.best_epoch) + 1
        judged = (judge.name, float(history[stop.monitor][stop.best_epoch]), judge.simple())
    model = makes.make(interactions)
    own = [forecast, *callbacks("training")]
    rows = _columns(watched) if watched is not None and card.task == "rating" and parts is None else None
    done = fit(model, interactions, recipe, seed, verbose, own, epochs=n_epochs, validation=rows)
    return Training(model, n_epochs, history or dict(done.history), parts is not None, judged)


def say_what_values_are(interactions: Interactions, name: str, tell: Callable[[str], None] | None) -> None:
    """Say how a model uses counts; warn of values that look like counts but were not declared.

    Args:
        interactions: `Interactions`.
        name: of the model.
        tell: function that prints a line, or `None`.
    """
    from kerasrec import zoo

    card, values = zoo.card(name), interactions.values
    if interactions.kind == "ratings" and not meaning_of(interactions).stated and have_long_tail(values):
        effect = "is predicted as it is" if card.task == "rating" else "weighs a like as it is"
        warnings.warn(
            f"Values that look like counts are treated as ratings, each of which {effect}; create the "
            "interactions with kind='counts', which weights likes on a log scale, or with kind='ratings'. "
            f"Received: whole numbers from {values.min():,.0f} to {values.max():,.0f}, half of them at most "
            f"{np.median(values):,.0f}.",
            stacklevel=4,
        )
    if tell is not None and interactions.kind == "counts" and card.task == "ranking" and card.optimizer:
        tell("Every count above 0 is a like, weighted by the count on a log scale.")


def recipe_of(model: keras.Model, interactions: Interactions) -> Recipe:
    """The recipe to continue training: the batches of the model's recipe, at the current learning rate.

    Args:
        model: `keras.Model`, of the zoo or not.
        interactions: all `Interactions` that it knows.
    """
    from kerasrec import zoo

    if model.name not in zoo.names():
        return Recipe()
    return zoo.card(model.name).recipe_for(Size.of(interactions), model.loss).replace(schedule="constant")


def _can_hold_out(card: Card, interactions: Interactions, share: float) -> bool:
    """Whether a share has enough rows for a meaningful metric."""
    rows = len(interactions) if card.task == "rating" else np.count_nonzero(interactions.liked)
    return bool(rows * share >= _FEWEST and interactions.n_items > 1)


def fit(
    model: keras.Model,
    interactions: Interactions,
    recipe: Recipe,
    seed: int,
    verbose: Any,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    epochs: int | None = None,
    validation: Any = None,
    known: Interactions | None = None,
) -> Any:
    """Train on interactions, in the batches that the model's loss takes.

    Args:
        model: `keras.Model`, compiled.
        interactions: `Interactions`.
        recipe: `Recipe`, how.
        seed: int, of the batches.
        verbose: as in `keras.Model.fit`.
        callbacks: Keras callbacks. Defaults to `()`.
        epochs: int, after which to stop. Defaults to `None`: the recipe's.
        validation: validation data of a model of ratings. Defaults to `None`.
        known: all `Interactions` so far, which are not negatives either. Defaults to `None`.
    """
    check_fork()
    falling = [] if recipe.schedule == "constant" else [FallingRate(recipe)]
    how = {
        "epochs": recipe.epochs if epochs is None else epochs,
        "verbose": verbose,
        "callbacks": [*falling, *callbacks],
    }
    batches = batches_for(model, interactions, recipe, seed, known=known)
    if batches is None and is_opened(interactions) and "history" not in input_names(model):
        signs = isinstance(model.loss, losses.Separation)
        batches = RatingBatches(interactions, recipe.batch_size, seed, signs)
        if validation is not None:
            how |= {"validation_data": validation, "validation_batch_size": _PREDICT_BATCH}
    if batches is None:
        x, y = _columns(interactions, model)
        if isinstance(model.loss, losses.Separation):  # compares values with 0
            y = np.where(interactions.liked, interactions.gains, np.minimum(y, 0))
        batch_size = min(recipe.batch_size, len(interactions))
        of_test = {"validation_data": validation, "validation_batch_size": _PREDICT_BATCH}
        return model.fit(x, y, batch_size=batch_size, **(how if validation is None else how | of_test))
    return model.fit(batches, **how)


class _Maker:
    """Makes one model for different parts of the same interactions."""

    def __init__(
        self, card: Card, recipe: Recipe, whole: Interactions, features: dict[str, Any], seed: int
    ) -> None:
        accepted = inspect.signature(card.factory).parameters
        self.card, self.recipe, self.features, self.seed = card, recipe, features, seed
        self.settings: dict[str, Any] = {"seed": seed} if "seed" in accepted else {}
        if "min_rating" in accepted:
            # The range of all ratings, including those held out.
            values = whole.values
            self.settings |= {"min_rating": float(values.min()), "max_rating": float(values.max())}
        self.settings |= recipe.settings

    def check(
        self, interactions: Interactions, place: Path | None, tell: Callable[[str], None] | None
    ) -> None:
        """Report the size of a large model; refuse one without enough memory or room on the disk."""
        settings = self.features | self.settings
        needs = needs_of(self.card, interactions, self.settings, maker(self.card, interactions, settings))
        needs.check()
        if place is not None:
            check_room(place, needs.n_bytes)
        if tell is not None and needs.n_bytes >= _LARGE:
            size = in_words(needs.n_bytes)
            tell(f"Memory for {needs.of_what}: {size}, and as much disk space for its file.")

    def make(self, interactions: Interactions) -> keras.Model:
        from kerasrec import zoo

        card, recipe = self.card, self.recipe
        set_random_seed(self.seed)
        model = zoo.create(card.name, interactions, **self.features, **self.settings)
        if card.optimizer is not None and (recipe.optimizer, recipe.row_sparse) != (card.optimizer, "auto"):
            rate = self.settings.get("learning_rate", float(model.optimizer.learning_rate))
            card.compile(model, rate, recipe.optimizer, row_sparse=recipe.row_sparse)
        return model


class _Judge:
    """The metric on held-out rows: the error of ratings, or the ranking of the whole catalogue."""

    def __init__(self, card: Card, fitted: Interactions, held_out: Interactions) -> None:
        self.fitted, self.held_out = fitted, held_out
        self.rates = card.task == "rating"
        self.mode = "min" if self.rates else "max"
        self.name = "RMSE" if self.rates else "NDCG@10"
        self.metric = _RATING if self.rates else _RANKING
        self.pairs = _columns(held_out) if self.rates else None
        self.callbacks: list[RankingMetrics] = []
        if not self.rates:
            n_users = int(np.clip(_SCORES // held_out.n_items, *_USERS))
            self.callbacks = [RankingMetrics(held_out, fitted, metrics=("ndcg",), n_users=n_users)]

    def simple(self) -> float:
        """The metric of the mean, or of popularity."""
        from kerasrec import zoo

        if self.rates:
            mean = self.fitted.values.mean(dtype=np.float64)
            return float(np.sqrt(np.mean((self.held_out.values - mean) ** 2)))
        return self.callbacks[0].measure(zoo.create("popularity", self.fitted))["ndcg@10"]


def _columns(
    interactions: Interactions, model: keras.Model | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Codes `[n, 1]`, histories `[n, H]` if a model takes them, and values `[n]`."""
    if "history" in input_names(model):
        return pairs(interactions, model=model)
    x, y = pairs(interactions)
    return {name: codes[:, None] for name, codes in x.items()}, y
