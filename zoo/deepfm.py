from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasrec.zoo._card import Card
from kerasrec.zoo._clicks import (
    DROPOUT,
    HIDDEN,
    L2,
    LEARNING_RATE,
    N_COMPONENTS,
    Fields,
    Intercept,
    click_model,
    deep,
    logit,
    pairs_of_fields,
    recipe,
)
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._results import CLICKS_ON_MOVIELENS_1M, on_frappe

if TYPE_CHECKING:
    from kerasrec.data import InputColumns


def DeepFM(
    columns: "InputColumns",
    n_components: int = 10,
    hidden: Sequence[int] = (400, 400, 400),
    dropout: float = 0.2,
    *,
    batch_norm: bool = True,
    l2: float = 0.0,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """A factorisation machine and a network that share the vectors of the fields.

    `p = sigmoid(b + sum_f w_f + sum_{f < g} v_f . v_g + network([v_1, ..., v_F]))`; without the network it is
    the factorisation machine of Rendle (2010). The vector of a number is multiplied by the number.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        n_components: int, size of the vector of a field. Defaults to `10`.
        hidden: sizes of the layers of the network; `()` for the factorisation machine only. Defaults to
            `(400, 400, 400)`.
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
        >>> kerasrec.zoo.DeepFM(columns, n_components=4, hidden=()).count_params()  # 8 * (4 + 1) + 1
        41

    References:
        Guo et al., "DeepFM: a factorization-machine based neural network for CTR prediction", 2017.
    """
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        vectors = fields.vectors(n_components)
        logits = ops.add(fields.linear(), pairs_of_fields(vectors))
        if hidden:
            logits = ops.add(logits, logit(deep(fields.flat(vectors), hidden, dropout, batch_norm)))
        else:
            logits = Intercept()(logits)
        return click_model(CARD, fields, logits, learning_rate)


CARD = Card(
    name="deepfm",
    factory=DeepFM,
    task="click",
    summary="A factorisation machine and a network that share the vectors of the fields.",
    reference='Guo et al., "DeepFM: a factorization-machine based neural network for CTR prediction", 2017.',
    hyperparameters=(
        N_COMPONENTS,
        HIDDEN,
        DROPOUT,
        L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe("`l2=0.025`, batches of 1,024, patience 2", (0.9845, 0.9839, 0.985), 0.1489, 0.984)
    + CLICKS_ON_MOVIELENS_1M,
    recipe=recipe,
)
