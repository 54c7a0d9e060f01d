"""Shared parts of the sequential models: inputs, item table, losses and assembly."""

from collections.abc import Callable
from typing import Any

import keras

from kerasrec import losses
from kerasrec._arguments import positive_integer
from kerasrec.layers import Catalogue, DotScore, LastPosition, SequenceEmbedding
from kerasrec.losses._names import SHORT
from kerasrec.trainers import Model
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._recipe import Size

# Cross-entropy over the catalogue, over shared negatives, gBCE, and with one negative per positive.
SEQUENCE_LOSSES = ("ce", "sampled", "gbce", "bce")
LOSS = Hyperparameter("loss", "choice", "sampled", choices=SEQUENCE_LOSSES)
# Likes per user above which longer histories are used.
_LONG = 100
# Standard deviation of the items' initial vectors.
STDDEV = 0.02
N_COMPONENTS = Hyperparameter("n_components", "int", 64, low=32, high=256, log=True)
DROPOUT = Hyperparameter("dropout", "float", 0.1, low=0.0, high=0.6)
LEARNING_RATE = Hyperparameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-2, log=True)


def loss_of(loss: Any, n_items: int, temperature: float = 1.0) -> Any:
    """A loss by its name or short name, or the loss itself."""
    made: dict[str, Callable[[], keras.losses.Loss]] = {
        "catalogue_cross_entropy": lambda: losses.CatalogueCrossEntropy(temperature),
        "sampled_softmax": lambda: losses.SampledSoftmax(temperature, max_positives=1),
        "gbce": lambda: losses.GBCE(n_items, prior=_prior(n_items)),
        "binary_cross_entropy": lambda: losses.BinaryCrossEntropy(_prior(n_items)),
        "bpr_max": lambda: losses.BPRMax(max_positives=1),
    }
    if isinstance(loss, keras.losses.Loss):
        return loss
    name = SHORT.get(loss, loss) if isinstance(loss, str) else ""
    if name not in made:
        raise ValueError(
            f"`loss` must be a loss or one of {', '.join((*made, *SHORT))}. Received: loss={loss!r}."
        )
    return made[name]()


def _prior(n_items: int) -> float:
    """The initial probability of an item; with a larger one, the first steps would only lower all scores."""
    return 1 / (n_items + 1)


def batch_size(size: Size, most: int = 128) -> int:
    """Users per step: fewer in small data, so that an epoch has about a hundred steps.

    Args:
        size: `Size`.
        most: int. Defaults to `128`.
    """
    return min(most, max(8, 1 << (max(1, size.n_users // 100).bit_length() - 1)))


def history_length(size: Size) -> int:
    """Length of a history: 50 items, or 200 if users have a hundred or more on average.

    Args:
        size: `Size`.
    """
    return 200 if size.n_interactions >= _LONG * max(1, size.n_users) else 50


def history_input() -> Any:
    """Input `history` `[B, H]`, of any length."""
    return keras.Input((None,), name="history", dtype="int32")


def item_table(
    n_items: int, n_components: int, masked: bool = False, history_length: int | None = None
) -> Any:
    """The item table, which the history and the scored items share."""
    return SequenceEmbedding(
        n_items,
        positive_integer("n_components", n_components),
        masked=masked,
        history_length=history_length,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=STDDEV),
        name="item_embedding",
    )


def sequence_model(
    card: Card, inputs: dict[str, Any], positions: Any, table: Any, learning_rate: Any, loss: Any
) -> keras.Model:
    """The compiled model from the positions `[B, H, C]` of a history, or its single vector `[B, C]`."""
    item = keras.Input((None,), name="item", dtype="int32")
    user = LastPosition(name="last")(positions) if len(positions.shape) == 3 else positions
    score = DotScore(name="dot", dtype="float32")(user, table(item))
    output = Catalogue(name="score")(score)
    model = Model({**inputs, "item": item}, output, name=card.name)
    card.compile(model, learning_rate, loss=loss)
    return model
