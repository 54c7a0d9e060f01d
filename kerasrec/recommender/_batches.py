"""The batches that a model's loss takes."""

from typing import Any

import keras
import numpy as np

from kerasrec import losses
from kerasrec._inputs import input_names, sequence_targets
from kerasrec.data import (
    CatalogueBatches,
    Interactions,
    RankingBatches,
    SequenceBatches,
    _likes,
    samplers,
)
from kerasrec.data._access import ids_of, is_opened, meaning_of
from kerasrec.data._folder import blocks
from kerasrec.data._opened import BLOCK_ROWS
from kerasrec.data._opened_parts import parts
from kerasrec.losses._names import takes_catalogue
from kerasrec.losses._ranking_loss import RankingLoss
from kerasrec.zoo import Recipe


def batches_for(
    model: keras.Model,
    interactions: Interactions,
    recipe: Recipe,
    seed: int,
    known: Interactions | None = None,
) -> Any:
    """Batches of lists for a ranking loss; `None` for a loss that takes pairs.

    Args:
        model: `keras.Model`, compiled.
        interactions: `Interactions`.
        recipe: `Recipe`, which sets their size and sampler.
        seed: int.
        known: all `Interactions` so far, which are not negatives either. Defaults to `None`.
    """
    loss = model.loss
    if _takes_sequences(model):
        return _sequences(
            model, interactions if known is None else _of_users(known, interactions), recipe, seed
        )
    by_user = min(recipe.batch_size, interactions.n_users)
    shares = recipe.list_size is not None and isinstance(loss, losses.SampledSoftmax)
    whole = takes_catalogue(loss)
    if known is not None and (shares or whole):
        # Otherwise, a user's earlier items would be negatives.
        interactions = _of_users(known, interactions)
    if not whole and not _takes_lists(model):
        return None
    interactions = confidence(interactions)
    supplied = model if "history" in input_names(model) else None
    if whole:
        return CatalogueBatches(interactions, by_user, seed=seed, model=supplied)
    if shares:
        list_size = min(recipe.list_size or interactions.n_items, interactions.n_items)
        return CatalogueBatches(interactions, by_user, list_size, seed=seed, log_q=True, model=supplied)
    batches = RankingBatches(
        interactions,
        min(recipe.batch_size, len(interactions)),
        min(recipe.n_sampled_items, interactions.n_items),
        recipe.sampler,
        seed=seed,
        balanced=isinstance(loss, losses.BalancedWMRB),
        log_q=isinstance(loss, losses.SampledSoftmax) and not _is_uniform(recipe.sampler),
        model=supplied,
    )
    if known is not None:
        batches.leave_out(known.take(known.liked))
    return batches


def _of_users(known: Interactions, interactions: Interactions) -> Interactions:
    """All known interactions of the users of `interactions`."""
    return known.take(np.isin(known.users, np.unique(interactions.users)))


def _sequences(model: keras.Model, interactions: Interactions, recipe: Recipe, seed: int) -> SequenceBatches:
    """Batches for a sequential model, with sampled items unless its loss takes the whole catalogue."""
    n_sampled = min(recipe.n_sampled_items, len(np.unique(interactions.items[interactions.liked])))
    return SequenceBatches(
        interactions,
        recipe.batch_size,
        n_sampled_items=None if takes_catalogue(model.loss) else n_sampled,
        sampler=recipe.sampler,
        max_targets=recipe.max_targets,
        mask_rate=recipe.mask_rate,
        model=model,
        seed=seed,
    )


def _is_uniform(sampler: Any) -> bool:
    """Whether the sampling correction is the same for all items, so that it cancels."""
    return sampler == "uniform" or type(sampler) is samplers.UniformSampler


def confidence(interactions: Interactions) -> Interactions:
    """Counts as weights of likes with a mean of 1; other values unchanged.

    Half of a weight is the same for all likes, and half is proportional to the log of 1 + the count. This is
    the confidence 1 + alpha log(1 + count) of Hu, Koren and Volinsky, "Collaborative filtering for implicit
    feedback datasets", 2008, with as much weight on the count as on the like.

    Args:
        interactions: `Interactions`.
    """
    if interactions.kind != "counts":
        return interactions
    if is_opened(interactions):
        return _weighted(interactions)
    gains = interactions.gains
    mean = max(float(np.log1p(gains[gains > 0]).mean()), 1e-30) if gains.any() else 1.0
    return Interactions(
        interactions.users,
        interactions.items,
        _weights(gains, mean),
        user_ids=interactions.user_ids,
        item_ids=interactions.item_ids,
    )


def _weights(gains: np.ndarray, mean: float) -> np.ndarray:
    """The weights of counts; `mean` is that of the logs of likes."""
    return np.where(gains > 0, 0.5 + np.log1p(gains) / np.float32(2 * mean), np.float32(0)).astype(np.float32)


def _weighted(interactions: Interactions) -> Interactions:
    """`confidence` of interactions on disk."""
    total, n = 0.0, 0
    for rows in blocks(len(interactions), BLOCK_ROWS):
        gains = _likes.gains(interactions.values[rows], meaning_of(interactions).least)
        total, n = total + float(np.log1p(gains).sum(dtype=np.float64)), n + int(np.count_nonzero(gains))
    mean = max(total / n, 1e-30) if total else 1.0

    def cut(part: Interactions, block: Any) -> list[Interactions]:
        weights = _weights(part.gains, mean)
        user_ids, item_ids = ids_of(part)
        found = Interactions(
            part.users, part.items, weights, part.times, user_ids=user_ids, item_ids=item_ids
        )
        return [found]

    return parts(interactions, cut, events=False)[0]


def _takes_sequences(model: keras.Model) -> bool:
    """Whether a model predicts the item after a history, by its card or its layers."""
    from kerasrec import zoo

    known = model.name in zoo.names() and zoo.card(model.name).sequential
    return known or sequence_targets(model) != "last"


def _takes_lists(model: keras.Model) -> bool:
    """Whether the loss compares items: a ranking loss, or another loss on a model that ranks."""
    loss = model.loss
    if isinstance(loss, RankingLoss):
        return True
    of_ratings = isinstance(loss, (str, losses.RMSE, losses.Separation))
    module = getattr(loss, "__module__", None) or type(loss).__module__
    return (
        not of_ratings
        and module.split(".")[0] != "keras"
        and getattr(model, "output_names", None) == ["score"]
    )
