from typing import Any, Literal

import keras

from kerasrec.layers import FastDropout, PositionEmbedding, SelfAttentionBlock
from kerasrec.zoo import _sequences
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._recipe import Recipe, Size

VARIANTS = ("pre_norm", "original")


def SASRec(
    n_items: int,
    n_components: int = 64,
    n_blocks: int = 2,
    n_heads: int = 1,
    history_length: int = 50,
    dropout: float = 0.1,
    loss: Any = "sampled",
    *,
    hidden: int | None = None,
    activation: Any = "relu",
    attention_dropout: float | None = None,
    variant: Literal["pre_norm", "original"] = "pre_norm",
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """Self-attention over a user's history, whose last position is compared with every item.

    `score(history, i) = f(history)_last . v_i`, where `f` adds a position embedding to each item's vector and
    applies causal attention blocks. The history and the scored items share one embedding table. There are no
    user vectors, so the model works for new users with a history. `kerasrec.data.SequenceBatches` trains all
    positions in parallel.

    Args:
        n_items: int, number of items.
        n_components: int, size of a vector. Defaults to `64`.
        n_blocks: int, number of attention blocks. Defaults to `2`.
        n_heads: int, attention heads per block. Defaults to `1`.
        history_length: int, maximum length of a history; of a longer one the latest items are used. Defaults
            to `50`.
        dropout: float, dropout rate. Defaults to `0.1`.
        loss: `"ce"`, cross-entropy over the catalogue; `"sampled"`, over negatives shared by the batch;
            `"gbce"`, binary cross-entropy with calibrated probabilities (gSASRec); `"bce"`, without the
            calibration; or a loss. The full names `"catalogue_cross_entropy"`, `"sampled_softmax"` and
            `"binary_cross_entropy"` work as well. Defaults to `"sampled"`.
        hidden: int, size of the hidden layer in each block's network. Defaults to `None`: `n_components`, as
            published.
        activation: activation of that layer. Defaults to `"relu"`.
        attention_dropout: float, dropout rate of the attention weights. Defaults to `None`: `dropout` in the
            original variant, and 0 otherwise.
        variant: `"pre_norm"`: blocks with the normalization before each branch, and positions counted from
            the latest item; or `"original"`, as in the published code: blocks whose residual is the
            normalized input, positions counted from the first item, and initial weights of N(0, 0.02).
            Defaults to `"pre_norm"`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"history": item codes [B, H], "item": codes [B, L]}`; a list `[1, L]` is shared by the
            batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if a size is not a positive integer, `n_components` is not divisible by `n_heads`, or the
            loss or variant is unknown.

    Example:
        >>> import kerasrec
        >>> model = kerasrec.zoo.SASRec(n_items=30, n_components=8, history_length=5)
        >>> model.towers.user_inputs
        ('history',)

    References:
        Kang and McAuley, "Self-attentive sequential recommendation", 2018; Petrov and Macdonald, "gSASRec",
        2023; Klenitskiy and Vasilev, "Turning dross into gold loss", 2023.
    """
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {', '.join(VARIANTS)}. Received: variant={variant!r}.")
    with seeded(seed):
        history = _sequences.history_input()
        table = _sequences.item_table(n_items, n_components)
        x = keras.layers.Rescaling(n_components**0.5, name="scale")(table(history))
        places, block = _settings_of(variant)
        if attention_dropout is not None:
            block["attention_dropout"] = attention_dropout
        x = PositionEmbedding(history_length, **places, name="places")(x, history)
        x = FastDropout(dropout, name="dropout")(x)
        for i in range(n_blocks):
            x = SelfAttentionBlock(
                n_heads, hidden, dropout=dropout, activation=activation, **block, name=f"block_{i}"
            )(x, history)
        x = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
        made = _sequences.loss_of(loss, n_items)
        return _sequences.sequence_model(CARD, {"history": history}, x, table, learning_rate, made)


def _settings_of(variant: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the positions and of the blocks."""
    if variant == "original":
        small = keras.initializers.RandomNormal(stddev=_sequences.STDDEV)
        return {"count_from": "first", "initializer": small}, {"norm": "sasrec", "kernel_initializer": small}
    # Here, dropout of attention weights does not improve results, and costs as much as all other dropout.
    return {}, {"norm": "pre", "attention_dropout": 0.0}


# Likes per user below which dropout is a half, because the model soon overfits short histories.
_SHORT = 20
# Up to this many items, all of them are scored at every position.
_FEW_ITEMS = 10_000


def _recipe(size: Size, loss: Any = None) -> Recipe:
    """For long histories, the original network with a wide hidden layer, and small batches for few epochs.

    The whole catalogue is better than a sample, so it is used where that costs little.
    """
    length = _sequences.history_length(size)
    if length > 50:
        settings = {
            "loss": loss or ("ce" if size.n_items <= _FEW_ITEMS else "sampled"),
            "variant": "original",
            "hidden": 256,
            "activation": "gelu",
            "dropout": 0.1,
            "attention_dropout": 0.0,
            "history_length": length,
        }
        return Recipe(
            {**settings, "learning_rate": 1e-3},
            schedule="linear",
            batch_size=_sequences.batch_size(size, 32),
            n_sampled_items=1024,
            epochs=20,
            patience=8,
        )
    if size.n_interactions < _SHORT * max(1, size.n_users):
        return Recipe(
            {"loss": loss or "sampled", "dropout": 0.5, "n_blocks": 1},
            schedule="linear",
            batch_size=_sequences.batch_size(size),
            n_sampled_items=2048,
            epochs=60,
            patience=15,
        )
    return Recipe(
        {"loss": loss or "sampled", "dropout": 0.3},
        batch_size=_sequences.batch_size(size),
        n_sampled_items=2048,
        epochs=100,
        patience=10,
    )


CARD = Card(
    name="sasrec",
    factory=SASRec,
    task="ranking",
    summary="Self-attention over a user's history, whose last position is compared with every item.",
    reference='Kang and McAuley, "Self-attentive sequential recommendation", 2018.',
    hyperparameters=(
        _sequences.N_COMPONENTS,
        Hyperparameter("n_blocks", "int", 2, low=1, high=4),
        Hyperparameter("n_heads", "choice", 1, choices=(1, 2, 4)),
        Hyperparameter("history_length", "choice", 50, choices=(20, 50, 100, 200)),
        _sequences.DROPOUT,
        _sequences.LOSS,
        Hyperparameter("variant", "choice", "pre_norm", choices=VARIANTS),
        _sequences.LEARNING_RATE,
    ),
    loss="sampled_softmax",
    results="""\
MovieLens 1M in the order of SASRec's file (6,040 users, 3,416 items). The last item of each user is held
out; the whole catalogue is ranked without the training items; ties are broken at random (seed 0). Histories
of 200 items, longer ones in several rows, two heads, hidden layers of 256 with gelu, dropout 0.2 (0.1 of
attention weights), batches of 128, Adam at 0.003 falling over 50 epochs, trained on all items but the last,
on JAX (Keras 3.15.1, a GPU), seed 0; ce has 0.1784 with seed 1. Settings were chosen on the item before the
last, where ce has an ndcg@10 of 0.1875. There are 1,024 shared negatives, 256 for bce. The network is the
same in all four rows; the loss makes the difference. An interval (95 %) of ndcg@10 is about 0.0075 on either
side. Published: cross-entropy 0.1821 and 0.3152, gBCE 0.1726 and 0.3003, one negative 0.1341 and 0.2500.
         ndcg@10  recall@10
ce        0.1790     0.3088
sampled   0.1722     0.3008
gbce      0.1706     0.2997
bce       0.1298     0.2373

On the item before the last, ce has 0.1802 with hidden layers of 64 and relu, and otherwise as in the table.
With Adam at 0.004 falling over 50 epochs, such layers with one head and dropout 0.1 have 0.1833, or 0.1764 if
only the latest 200 items of each user are learnt from. The original variant with ce and Adam at 0.001 for 60
epochs, otherwise as in the table, has 0.1921 there, and 0.1854 and 0.3159 on the last item although it has
learnt from all items but the last two. The recipe is meant for a CPU: with one head, dropout 0.1 (none of
attention weights), batches of 32 and Adam at 0.001 falling over 16 epochs, the original variant has 0.1795
on the item before the last, and 0.1721 and 0.2970 on the last one, again from all items but the last two, in
27 minutes of one core.

Amazon Beauty (22,363 users, 12,101 items), ranked in the same way: one block, dropout 0.5, 2,048 shared
negatives, Adam at 0.001 falling over 60 epochs, trained on all items but the last, same machine and seed.
Published for a sampled softmax with 256 negatives per position: 0.0531 and 0.0921. The simple models have
their default settings.
            ndcg@10            95 %  recall@10            95 %
sasrec       0.0614  0.0588, 0.0639     0.1016  0.0973, 0.1054
item_knn     0.0371  0.0349, 0.0392     0.0630
popularity   0.0061  0.0053, 0.0068     0.0135

MovieLens latest-small (September 2018), likes of at least 4, the last like of 608 users held out,
`Recommender.train` with default arguments on JAX, seed 0, ranked as above. ndcg@10: sasrec 0.0460 (0.0374 if
only the latest 50 likes of each user are learnt from), item_knn 0.0355, popularity 0.0219.""",
    recipe=_recipe,
    sequential=True,
)
