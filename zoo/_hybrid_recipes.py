"""What the hybrid recommenders train best with, by their loss and the size of the data."""

from typing import Any

from kerasrec.zoo._hybrid import LOSSES
from kerasrec.zoo._recipe import Recipe, Size

# Multiplications of an epoch of softmax over the whole catalogue, above which it is too dear.
_DEAR = 5e10
_N_COMPONENTS = 128
_SHARED = 4096


def recipe(size: Size, loss: Any = None) -> Recipe:
    """Of a hybrid or a matrix factorisation.

    Args:
        size: of the data.
        loss: name of a loss, or a loss. Defaults to `None`: the best for the size, softmax over the whole
            catalogue, or over a sample that the users of a batch share.
    """
    name = "softmax" if loss is None else loss_name(loss)
    if name in ("softmax", "full_softmax"):
        if name == "full_softmax" or not is_dear(size):
            return _whole(size)
        return _shared(size)
    if name in ("dense_rmse", "dense_separation"):
        return Recipe({"n_components": 64, "loss": loss}, batch_size=128, epochs=40, patience=5)
    return Recipe({"n_components": 64, "loss": loss, "learning_rate": 1e-2}, schedule="linear")


def is_dear(size: Size, n_components: int = _N_COMPONENTS) -> bool:
    """Whether an epoch of softmax over the whole catalogue takes too long.

    Args:
        size: of the data.
        n_components: int, of a representation. Defaults to `128`.
    """
    return 3.0 * size.n_users * size.n_items * n_components > _DEAR


def loss_name(loss: Any) -> str | None:
    """The name of one of kerasrec's losses, given by name or as an object; `None` of another."""
    if isinstance(loss, str):
        return loss if loss in LOSSES else None
    return next((name for name, known in LOSSES.items() if type(loss) is known), None)


def _whole(size: Size) -> Recipe:
    return Recipe(
        {"n_components": _N_COMPONENTS, "loss": "full_softmax", "decay": 0.2, "learning_rate": 0.02},
        schedule="linear",
        batch_size=128,
        row_sparse=False,
        epochs=40,
        patience=5,
    )


def _shared(size: Size) -> Recipe:
    return Recipe(
        {"n_components": _N_COMPONENTS, "loss": "sampled_softmax", "decay": 0.2, "learning_rate": 0.02},
        schedule="linear",
        batch_size=256,
        list_size=min(_SHARED, size.n_items),
        epochs=20,
        patience=3,
    )
