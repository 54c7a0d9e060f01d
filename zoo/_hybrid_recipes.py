"""The recipes of the hybrid recommenders, by loss and by size of the data."""

import math
from typing import Any

from kerasrec import losses
from kerasrec.losses._names import takes_catalogue
from kerasrec.zoo._hybrid import LOSSES
from kerasrec.zoo._recipe import Recipe, Size

# Multiplications of an epoch of softmax over the whole catalogue, above which it is too dear.
_DEAR = 2e10
_WHOLE_COMPONENTS, _SAMPLED_COMPONENTS = 128, 64
SAMPLED = "sampled_softmax"
# Of the whole catalogue: about so many steps, in at least 12 epochs and at most 40.
_WHOLE_STEPS = 320
# Scores of a batch at most: a quarter of a gigabyte, of which a step holds a few.
_SCORES = 1 << 26
# Of losses on samples: rows per step, and steps of an epoch below which its rows are fewer.
_ROWS, _STEPS = (256, 4096), 64
# Decay in units of the squared singular values that chance alone gives to so many likes; the least, the most.
_DECAY, _LEAST_DECAY, _MOST_DECAY = 0.52, 0.075, 0.2
# Likes a user, below which data are sparse: training then begins at a decomposition and stays near it.
_FEW = 55
# Items of a sample, of at most so many interactions, and of more.
_SAMPLED_ITEMS, _MANY, _FEWER_ITEMS = 512, 2_000_000, 128


def recipe(size: Size, loss: Any = None) -> Recipe:
    """Of a hybrid or a matrix factorisation.

    Args:
        size: of the data.
        loss: name of a loss, or a loss. Defaults to `None`: softmax over the whole catalogue, or over a
            uniform sample that a batch shares where the catalogue is too dear or users have little. Of such a
            sample the correction for what the sampler favours is the same for all items, and cancels.
    """
    if loss is None:
        if is_dear(size) or is_sparse(size):
            return _sampled(size, SAMPLED) if is_large(size) else _near_the_decomposition(size)
        return _whole(size, "full_softmax")
    if takes_catalogue(loss):
        return _whole(size, loss)
    name = loss_name(loss)
    if name in ("rmse", "separation") or (isinstance(loss, str) and name is None):
        return Recipe({"loss": loss})  # of pairs
    return _sampled(size, loss)


def from_random(size: Size, loss: Any = None, **settings: Any) -> Recipe:
    """Of a model that shares the hybrid's parts, but knows no decomposition to begin at.

    Args:
        size: of the data.
        loss: as in `recipe`. Defaults to `None`: softmax over the whole catalogue, or over a sample that a
            batch shares if the catalogue is too dear.
        **settings: what suits the model better than what suits the hybrid, with that softmax; of a sample
            `decay` is another, and stays the hybrid's.
    """
    if loss is not None:
        return recipe(size, loss)
    if not is_dear(size):
        return _whole(size, "full_softmax").with_settings(**settings)
    settings.pop("decay", None)
    return _sampled(size, SAMPLED).with_settings(**settings)


def is_dear(size: Size) -> bool:
    """Whether an epoch of softmax over the whole catalogue takes too long.

    Args:
        size: of the data.
    """
    return 3.0 * size.n_users * size.n_items * _WHOLE_COMPONENTS > _DEAR


def is_large(size: Size) -> bool:
    """Whether there are too many interactions to decompose them first.

    Args:
        size: of the data.
    """
    return size.n_interactions > _MANY


def is_sparse(size: Size) -> bool:
    """Whether users have too little to learn their vectors from a random start.

    Args:
        size: of the data.
    """
    return size.n_interactions < _FEW * size.n_users


def loss_name(loss: Any) -> str | None:
    """The name of one of kerasrec's losses, given by name or as an object; `None` of another."""
    if isinstance(loss, str):
        return loss if loss in LOSSES else None
    return next((name for name, known in LOSSES.items() if type(loss) is known), None)


def _whole(size: Size, loss: Any) -> Recipe:
    """One row per user, whose scores of the whole catalogue are one matrix product."""
    rows = min(128 if size.n_users <= 2000 else 256, max(1, _SCORES // size.n_items))
    epochs = min(40, max(12, round(_WHOLE_STEPS / -(-size.n_users // rows))))
    settings = {
        "n_components": _WHOLE_COMPONENTS,
        "loss": loss,
        "decay": _decay(size),
        "learning_rate": 0.02,
    }
    return Recipe(
        settings, schedule="linear", batch_size=rows, row_sparse=False, epochs=epochs, patience=epochs // 4
    )


def _decay(size: Size) -> float:
    """What keeps noise out of the vectors, and leaves in what is real.

    Decay takes away the directions in which who has what differs little from popularity. By chance alone
    these differences, over the roots of what users and items have, have singular values up to the sum of the
    roots of one over the mean number of likes of a user and of an item (Marchenko and Pastur, 1967). The
    factor and the bounds were found on MovieLens latest-small and on 1,000 to all users of MovieLens 1M.
    """
    likes = max(1, size.n_interactions)
    chance = math.sqrt(size.n_users / likes) + math.sqrt(size.n_items / likes)
    return round(min(_MOST_DECAY, max(_LEAST_DECAY, _DECAY * chance**2)), 3)


def _near_the_decomposition(size: Size) -> Recipe:
    """Few gentle epochs from a decomposition of who has what, which alone is good where data are sparse."""
    recipe = _sampled(size, SAMPLED)
    settings = {"n_components": _WHOLE_COMPONENTS, "init": "svd", "learning_rate": 2e-3}
    rows = min(2048, recipe.batch_size)
    return recipe.with_settings(**settings).replace(batch_size=rows, epochs=8)


def _sampled(size: Size, loss: Any) -> Recipe:
    """One row per positive, and negatives that all rows of a batch share."""
    from kerasrec.data.samplers import UniformSampler

    if loss in ("warp", "koswarp"):
        # All negatives of the sample at once.
        kind = losses.WARP if loss == "warp" else losses.KOSWARP
        loss = kind(n_items=size.n_items, max_sampled=None)
    n_sampled = _FEWER_ITEMS if is_large(size) else _SAMPLED_ITEMS
    low, high = _ROWS
    rows = min(high, max(low, 1 << (max(1, size.n_interactions // _STEPS).bit_length() - 1)))
    return Recipe(
        {"n_components": _SAMPLED_COMPONENTS, "loss": loss, "decay": 1e-3, "learning_rate": 0.02},
        schedule="linear",
        batch_size=rows,
        n_sampled_items=min(n_sampled, size.n_items),
        sampler=UniformSampler(shared=True, replace=False),
        epochs=20,
        patience=3,
    )
