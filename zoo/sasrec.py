from typing import Any

import keras

from kerasrec.layers import PositionEmbedding, SelfAttentionBlock
from kerasrec.zoo import _sequences
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._recipe import Recipe, Size


def SASRec(
    n_items: int,
    n_components: int = 64,
    n_blocks: int = 2,
    n_heads: int = 1,
    history_length: int = 50,
    dropout: float = 0.1,
    loss: Any = "sampled",
    *,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """Self-attention over what a user had, whose last position is compared with every item.

    `score(history, i) = f(history)_last . v_i`, where `f` adds to each item's vector one of its place and
    passes both through causal blocks of attention; the items of the history and those that are scored have
    one table. The user has no vector: a newcomer's history is all that it takes. Trained on all positions at
    once by `kerasrec.data.SequenceBatches`.

    Args:
        n_items: int, number of items.
        n_components: int, size of a vector. Defaults to `64`.
        n_blocks: int, blocks of attention. Defaults to `2`.
        n_heads: int, heads of each. Defaults to `1`.
        history_length: int, the most items of a history; the latest count. Defaults to `50`.
        dropout: float, share dropped in training. Defaults to `0.1`.
        loss: `"ce"`, cross-entropy over the catalogue; `"sampled"`, over negatives that a batch shares;
            `"gbce"`, binary cross-entropy whose probabilities are put right (gSASRec); `"bce"`, without that;
            or a loss. Defaults to `"sampled"`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"history": item codes [B, H], "item": codes [B, L]}`; a list `[1, L]` is shared by the
            batch.

    Returns:
        A compiled `keras.Model` with outputs `[B, L]`, not bounded.

    Raises:
        ValueError: if a size is not a positive integer, the components cannot be shared by the heads, or
            there is no such loss.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.SASRec(n_items=30, n_components=8, history_length=5)
        >>> model.towers.user_inputs
        ('history',)

    References:
        Kang and McAuley, "Self-attentive sequential recommendation", 2018; Petrov and Macdonald, "gSASRec",
        2023; Klenitskiy and Vasilev, "Turning dross into gold loss", 2023.
    """
    with seeded(seed):
        history = _sequences.history_input()
        table = _sequences.item_table(n_items, n_components)
        x = keras.layers.Rescaling(n_components**0.5, name="scale")(table(history))
        x = PositionEmbedding(history_length, name="places")(x)
        x = keras.layers.Dropout(dropout, name="dropout")(x)
        for i in range(n_blocks):
            # To drop weights of attention teaches no more, and costs as much as all the rest of the dropout.
            block = SelfAttentionBlock(n_heads, dropout=dropout, attention_dropout=0.0, name=f"block_{i}")
            x = block(x, history)
        x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
        made = _sequences.loss_of(loss, n_items)
        return _sequences.sequence_model(CARD, {"history": history}, x, table, learning_rate, made)


def _recipe(size: Size, loss: Any = None) -> Recipe:
    return Recipe({"loss": loss or "sampled"}, batch_size=128, n_sampled_items=256, epochs=100, patience=10)


CARD = Card(
    name="sasrec",
    factory=SASRec,
    task="ranking",
    summary="Self-attention over what a user had, whose last position is compared with every item.",
    reference='Kang and McAuley, "Self-attentive sequential recommendation", 2018.',
    hyperparameters=(
        _sequences.N_COMPONENTS,
        Hyperparameter("n_blocks", "int", 2, low=1, high=4),
        Hyperparameter("n_heads", "choice", 1, choices=(1, 2, 4)),
        Hyperparameter("history_length", "choice", 50, choices=(20, 50, 100, 200)),
        _sequences.DROPOUT,
        _sequences.LOSS,
        _sequences.LEARNING_RATE,
    ),
    loss="sampled_softmax",
    recipe=_recipe,
    sequential=True,
)
