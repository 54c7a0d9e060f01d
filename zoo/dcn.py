from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._clicks import (
    DROPOUT,
    HIDDEN,
    L2,
    LEARNING_RATE,
    N_COMPONENTS,
    Fields,
    click_model,
    deep,
    logit,
    recipe,
)
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._results import CLICKS_ON_MOVIELENS_1M, on_frappe

if TYPE_CHECKING:
    from kerasrec.data import InputColumns


def DCN(
    columns: "InputColumns",
    n_components: int = 10,
    n_crosses: int = 4,
    rank: int | None = None,
    hidden: Sequence[int] = (400, 400, 400),
    dropout: float = 0.2,
    *,
    batch_norm: bool = True,
    l2: float = 0.0,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """Feature crosses of increasing degree, next to a network (DCN-v2).

    With `x_0 = [v_1, ..., v_F]`, a cross is `x_{k+1} = x_0 * (W x_k + b) + x_k`, and
    `p = sigmoid(w . [x_K, network(x_0)] + c)`. With a `rank`, `W` is a product of two matrices of this rank.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        n_components: int, size of the vector of a field. Defaults to `10`.
        n_crosses: int, number of crosses. Defaults to `4`.
        rank: int, rank of the matrix of a cross. Defaults to `None`: full rank.
        hidden: sizes of the layers of the network; `()` for crosses only. Defaults to `(400, 400, 400)`.
        dropout: float, dropout rate of the network. Defaults to `0.2`.
        batch_norm: bool, whether to apply batch normalisation before each activation. Defaults to `True`.
        l2: float, weight of the L2 penalty on the embeddings. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{name: codes or numbers [B, W]}`, as `columns.encode` gives them.

    Returns:
        A compiled `keras.Model` with outputs `[B, 1]`, probabilities.

    Raises:
        ValueError: if a size is not a positive integer, or `dropout` is out of range.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"]})
        >>> columns = kerasrec.data.InputColumns.fit(frame, {"user": "category", "device": "category"})
        >>> kerasrec.zoo.DCN(columns, n_components=4, n_crosses=1, hidden=()).count_params()
        113

    References:
        Wang et al., "DCN V2: improved deep and cross network", 2021, eq. 1 to 4.
    """
    n_crosses = positive_integer("n_crosses", n_crosses)
    rank = None if rank is None else positive_integer("rank", rank)
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        first = x = fields.flat(fields.vectors(n_components))
        for place in range(n_crosses):
            down = x if rank is None else keras.layers.Dense(rank, use_bias=False, name=f"down_{place}")(x)
            x = first * keras.layers.Dense(first.shape[-1], name=f"cross_{place}")(down) + x
        parts = [x] if not hidden else [x, deep(first, hidden, dropout, batch_norm)]
        x = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
        return click_model(CARD, fields, logit(x), learning_rate)


CARD = Card(
    name="dcn",
    factory=DCN,
    task="click",
    summary="Feature crosses of increasing degree, next to a network.",
    reference='Wang et al., "DCN V2: improved deep and cross network", 2021, eq. 1 to 4.',
    hyperparameters=(
        N_COMPONENTS,
        Hyperparameter("n_crosses", "int", 4, low=1, high=6),
        Hyperparameter("rank", "choice", None, choices=(None, 16, 64)),
        HIDDEN,
        DROPOUT,
        L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe(
        "`n_crosses=2`, `dropout=0.3`, `l2=0.025`, `hidden=(200, 200)`, batches of 1,024, 16 epochs\n"
        "(without `cost` 12)",
        (0.9844, 0.9839, 0.9849),
        0.1434,
        0.9845,
        without_cost=(0.9825, 0.1534),
    )
    + CLICKS_ON_MOVIELENS_1M,
    recipe=recipe,
)
