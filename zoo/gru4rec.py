from typing import Any

import keras

from kerasrec._inputs import PADDING
from kerasrec.layers import FastDropout
from kerasrec.zoo import _sequences
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._recipe import Recipe, Size


def GRU4Rec(
    n_items: int,
    n_components: int = 128,
    n_layers: int = 1,
    history_length: int = 50,
    dropout: float = 0.3,
    embedding_dropout: float = 0.3,
    loss: Any = "sampled",
    *,
    learning_rate: Any = 2e-3,
    seed: int | None = None,
) -> keras.Model:
    """A recurrent network over the items of a session, whose state is compared with every item.

    `score(history, i) = h . v_i`, where `h` is the state of a gated recurrent unit after the vectors of the
    history. The history and the scored items share one embedding table (constrained embedding). There are no
    user vectors, so the model works for unknown users. Each session begins with an empty state.

    Args:
        n_items: int, number of items.
        n_components: int, size of a vector and of the state. Defaults to `128`.
        n_layers: int, recurrent layers. Defaults to `1`.
        history_length: int, maximum length of a history; of a longer one the latest items are used. Defaults
            to `50`.
        dropout: float, dropout rate of the state. Defaults to `0.3`.
        embedding_dropout: float, dropout rate of the item vectors. Defaults to `0.3`.
        loss: as in `SASRec`, or `"bpr_max"`. Defaults to `"sampled"`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `2e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"history": item codes [B, H], "item": codes [B, L]}`; a list `[1, L]` is shared by the
            batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if a size is not a positive integer, or the loss is unknown.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.GRU4Rec(n_items=30, n_components=8, history_length=5)
        >>> model.towers.user_inputs
        ('history',)

    References:
        Hidasi and Karatzoglou, "Recurrent neural networks with top-k gains for session-based
        recommendations", 2018; Hidasi and Czapp, "The effect of third party implementations on
        reproducibility", 2023.
    """
    with seeded(seed):
        history = _sequences.history_input()
        table = _sequences.item_table(n_items, n_components, history_length=history_length)
        x = FastDropout(embedding_dropout, name="embedding_dropout")(table(history))
        there = keras.ops.not_equal(history, PADDING)
        for i in range(n_layers):
            x = keras.layers.GRU(n_components, return_sequences=True, name=f"gru_{i}")(x, mask=there)
        x = FastDropout(dropout, name="dropout")(x)
        made = _sequences.loss_of(loss, n_items)
        return _sequences.sequence_model(CARD, {"history": history}, x, table, learning_rate, made)


# Number of sessions from which on twice as many components are useful.
_MANY_SESSIONS = 100_000


def _recipe(size: Size, loss: Any = None) -> Recipe:
    from kerasrec.data.samplers import PopularitySampler

    many = size.n_users >= _MANY_SESSIONS
    wide = {"n_components": 256, "dropout": 0.4, "embedding_dropout": 0.4}
    return Recipe(
        {"loss": loss or "sampled", **(wide if many else {})},
        schedule="linear",
        batch_size=_sequences.batch_size(size, 512),
        n_sampled_items=min(4096 if many else 2048, size.n_items),
        sampler=PopularitySampler(exponent=0.5),
        epochs=15 if many else 20,
        patience=5,
    )


CARD = Card(
    name="gru4rec",
    factory=GRU4Rec,
    task="ranking",
    summary="A recurrent network over a session, whose state is compared with every item.",
    reference=(
        'Hidasi and Karatzoglou, "Recurrent neural networks with top-k gains for session-based '
        'recommendations", 2018.'
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 128, low=32, high=512, log=True),
        Hyperparameter("n_layers", "int", 1, low=1, high=2),
        Hyperparameter("dropout", "float", 0.3, low=0.0, high=0.6),
        Hyperparameter("embedding_dropout", "float", 0.3, low=0.0, high=0.6),
        Hyperparameter("loss", "choice", "sampled", choices=("ce", "sampled", "gbce", "bce", "bpr_max")),
        Hyperparameter("learning_rate", "float", 2e-3, low=1e-4, high=1e-2, log=True),
    ),
    loss="sampled_softmax",
    results="""\
Diginetica, SR-GNN's split (186,670 sessions, 43,097 items). Every item except the first is predicted in the
15,963 sessions of the last week: 60,858 lists of the whole catalogue, with repeated items allowed and ties
broken at random (seed 0). 256 components, both dropouts 0.4, softmax over 4,096 negatives shared by a batch
of 512 sessions and sampled by the square root of popularity, Adam at 0.002 falling over 15 epochs, on JAX
(Keras 3.15.1, a GPU), seed 0. Settings were chosen on a fiftieth of the training sessions, where 128
components reached 0.5104 and 0.1690. Published: GRU4Rec 0.2945 and 0.0833, NARM 0.4970 and 0.1617, SR-GNN
0.5073 and 0.1759.
         recall@20            95 %  mrr@20            95 %
gru4rec     0.5084  0.5042, 0.5123  0.1739  0.1714, 0.1762""",
    recipe=_recipe,
    sequential=True,
)
