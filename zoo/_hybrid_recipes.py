"""The recipes of the hybrid recommenders, by loss and by size of the data."""

import math
from typing import Any

from kerasrec import losses
from kerasrec.losses._names import takes_catalogue
from kerasrec.zoo._hybrid import LOSSES
from kerasrec.zoo._recipe import Recipe, Size

# Multiplications of an epoch of softmax over the whole catalogue above which it is too expensive.
_EXPENSIVE = 2e10
_WHOLE_COMPONENTS, _SAMPLED_COMPONENTS = 128, 64
SAMPLED = "sampled_softmax"
# Approximate number of steps with softmax over the whole catalogue, in 12 to 40 epochs.
_WHOLE_STEPS = 320
# Maximum number of scores of a batch: a quarter of a gigabyte, and a step holds several such arrays.
_SCORES = 1 << 26
# For sampled losses: range of rows per step, and number of steps of an epoch below which batches are smaller.
_ROWS, _STEPS = (256, 4096), 64
# Decay in units of the largest squared singular value of random likes, and its bounds.
_DECAY, _LEAST_DECAY, _MOST_DECAY = 0.52, 0.075, 0.2
# Likes per user below which data are sparse; training then begins at a decomposition and stays close to it.
_FEW = 55
# Number of sampled items up to this many interactions, and with more.
_SAMPLED_ITEMS, _MANY, _FEWER_ITEMS = 512, 2_000_000, 128


def recipe(size: Size, loss: Any = None) -> Recipe:
    """The recipe of a hybrid or a matrix factorisation.

    Args:
        size: size of the data.
        loss: name of a loss, or a loss. Defaults to `None`: softmax over the whole catalogue, or over a
            uniform sample shared by the batch if the catalogue is too expensive or users have few likes. With
            a uniform sample, the sampling correction is the same for all items, so it cancels.
    """
    if loss is None:
        if is_expensive(size) or is_sparse(size):
            return _sampled(size, SAMPLED) if is_large(size) else _from_decomposition(size)
        return _whole(size, "full_softmax")
    if takes_catalogue(loss):
        return _whole(size, loss)
    name = loss_name(loss)
    if name in ("rmse", "separation") or (isinstance(loss, str) and name is None):
        return Recipe({"loss": loss})  # trained on pairs
    return _sampled(size, loss)


def from_random(size: Size, loss: Any = None, **settings: Any) -> Recipe:
    """The recipe of a model that shares the hybrid's parts, but cannot begin at a decomposition.

    Args:
        size: size of the data.
        loss: as in `recipe`. Defaults to `None`: softmax over the whole catalogue, or over a sample shared by
            the batch if the catalogue is too expensive.
        **settings: settings that suit the model better than those of the hybrid, with the default loss. With
            a sample, `decay` keeps the hybrid's value, because it has another meaning.
    """
    if loss is not None:
        return recipe(size, loss)
    if not is_expensive(size):
        return _whole(size, "full_softmax").with_settings(**settings)
    settings.pop("decay", None)
    return _sampled(size, SAMPLED).with_settings(**settings)


def is_expensive(size: Size) -> bool:
    """Whether an epoch of softmax over the whole catalogue takes too long.

    Args:
        size: size of the data.
    """
    return 3.0 * size.n_users * size.n_items * _WHOLE_COMPONENTS > _EXPENSIVE


def is_large(size: Size) -> bool:
    """Whether there are too many interactions for a decomposition.

    Args:
        size: size of the data.
    """
    return size.n_interactions > _MANY


def is_sparse(size: Size) -> bool:
    """Whether users have too few likes to learn their vectors from a random start.

    Args:
        size: size of the data.
    """
    return size.n_interactions < _FEW * size.n_users


def loss_name(loss: Any) -> str | None:
    """The name of a kerasrec loss, given by name or as an object; `None` for other losses."""
    if isinstance(loss, str):
        return loss if loss in LOSSES else None
    return next((name for name, known in LOSSES.items() if type(loss) is known), None)


def _whole(size: Size, loss: Any) -> Recipe:
    """The recipe for softmax over the whole catalogue, with one row per user."""
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
    """The weight decay that suppresses noise in the vectors and keeps the signal.

    Decay suppresses the directions in which the interactions differ little from popularity. For random
    interactions, the normalised difference from popularity has singular values of at most
    `1 / sqrt(likes per user) + 1 / sqrt(likes per item)` (Marchenko and Pastur, 1967). The factor and the
    bounds were found on MovieLens latest-small and on 1,000 to all users of MovieLens 1M.
    """
    likes = max(1, size.n_interactions)
    chance = math.sqrt(size.n_users / likes) + math.sqrt(size.n_items / likes)
    return round(min(_MOST_DECAY, max(_LEAST_DECAY, _DECAY * chance**2)), 3)


def _from_decomposition(size: Size) -> Recipe:
    """A few epochs at a low rate from a decomposition of the interactions, which is good for sparse data."""
    recipe = _sampled(size, SAMPLED)
    settings = {"n_components": _WHOLE_COMPONENTS, "init": "svd", "learning_rate": 2e-3}
    rows = min(2048, recipe.batch_size)
    return recipe.with_settings(**settings).replace(batch_size=rows, epochs=8)


def _sampled(size: Size, loss: Any) -> Recipe:
    """The recipe for sampled losses: one row per positive, with negatives shared by the batch."""
    from kerasrec.data.samplers import UniformSampler

    if loss in ("warp", "koswarp"):
        # Use all negatives of the sample.
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
