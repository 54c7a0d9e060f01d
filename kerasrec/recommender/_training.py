"""The batches that a model's loss takes, and a model of the zoo trained on them."""

import inspect
from typing import Any

import keras

from kerasrec import losses
from kerasrec._arguments import positive_integer, whole_number
from kerasrec._forks import check_fork
from kerasrec.data import CatalogueBatches, Interactions, RankingBatches, pairs, splits
from kerasrec.evaluation import RankingMetrics
from kerasrec.losses._ranking_loss import RankingLoss

EPOCHS = 20
BATCH_SIZE = 256
# Sampled items a row, where there are as many.
_SAMPLED = 50
_WHOLE = (losses.FullSoftmax, losses.DenseRMSE, losses.DenseSeparation)


def trained(
    interactions: Interactions,
    model: str,
    epochs: int | None,
    batch_size: int | None,
    features: dict[str, Any],
    hyperparameters: dict[str, Any],
    validation: float,
    patience: int,
    seed: int,
    verbose: Any,
) -> keras.Model:
    """A model of the zoo, fitted or trained."""
    from kerasrec import zoo

    if not isinstance(interactions, Interactions):
        raise TypeError(
            "`interactions` must be `kerasrec.data.Interactions`; make them with `Interactions.from_frame` "
            f"or `from_csv`. Received: {type(interactions).__name__}."
        )
    if not 0 <= validation < 1:
        raise ValueError(
            "`validation` must be a share of the interactions, from 0 to below 1. "
            f"Received: validation={validation}."
        )
    patience = whole_number("patience", patience)
    card = zoo.card(model)
    fitted, held_out = interactions, None
    if validation and card.optimizer is not None:
        fitted, held_out = splits.random_split(interactions, validation, seed)
    accepted = inspect.signature(card.factory).parameters
    settings: dict[str, Any] = {"seed": seed} if "seed" in accepted else {}
    if "min_rating" in accepted:
        # Of all ratings: those held out must not lie outside.
        values = interactions.values
        settings |= {"min_rating": float(values.min()), "max_rating": float(values.max())}
    created = zoo.create(card.name, fitted, **features, **{**settings, **hyperparameters})
    if card.optimizer is None:
        return created
    callbacks: list[Any] = []
    if held_out is not None:
        stop = keras.callbacks.EarlyStopping(
            "val_ndcg@10", patience=patience, mode="max", restore_best_weights=True
        )
        callbacks = [RankingMetrics(held_out, fitted), stop]
    fit(created, fitted, epochs, batch_size, seed, verbose, callbacks)
    return created


def fit(
    model: keras.Model,
    interactions: Interactions,
    epochs: int | None,
    batch_size: int | None,
    seed: int,
    verbose: Any,
    callbacks: Any = (),
    known: Interactions | None = None,
) -> Any:
    """Train on interactions, in the batches that the model's loss takes; `known` are no negatives either."""
    check_fork()
    batch_size = BATCH_SIZE if batch_size is None else positive_integer("batch_size", batch_size)
    batch_size = min(batch_size, len(interactions))
    epochs = EPOCHS if epochs is None else whole_number("epochs", epochs)
    how = {"epochs": epochs, "verbose": verbose, "callbacks": list(callbacks)}
    batches = batches_for(model, interactions, batch_size, seed, known=known)
    if batches is None:
        x, y = pairs(interactions)
        inputs = {name: codes[:, None] for name, codes in x.items()}
        return model.fit(inputs, y, batch_size=batch_size, **how)
    return model.fit(batches, **how)


def batches_for(
    model: keras.Model,
    interactions: Interactions,
    batch_size: int,
    seed: int,
    n_sampled_items: int = _SAMPLED,
    sampler: Any = "uniform",
    known: Interactions | None = None,
) -> Any:
    """Lists for a ranking loss; `None` for one that takes pairs. What is `known` is no negative either."""
    loss = model.loss
    if isinstance(loss, _WHOLE):
        return CatalogueBatches(interactions, min(batch_size, interactions.n_users), seed=seed)
    if not _takes_lists(model):
        return None
    batches = RankingBatches(
        interactions,
        batch_size,
        min(n_sampled_items, interactions.n_items),
        sampler,
        seed=seed,
        balanced=isinstance(loss, losses.BalancedWMRB),
        log_q=isinstance(loss, losses.SampledSoftmax),
    )
    if known is not None:
        batches.leave_out(known.take(known.liked))
    return batches


def _takes_lists(model: keras.Model) -> bool:
    """Whether the loss compares items: a ranking loss, or one of the user's own on a model that ranks."""
    loss = model.loss
    if isinstance(loss, RankingLoss):
        return True
    of_ratings = isinstance(loss, (str, losses.RMSE, losses.Separation))
    module = getattr(loss, "__module__", None) or type(loss).__module__
    return not of_ratings and module.split(".")[0] != "keras" and model.output_names == ["score"]
