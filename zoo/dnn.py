from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from kerasrec.zoo._card import Card
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


def DNN(
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
    """A network on the concatenated vectors of all fields.

    `p = sigmoid(network([v_1, ..., v_F]))`. When it is well tuned, more elaborate models gain little over it.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        n_components: int, size of the vector of a field. Defaults to `10`.
        hidden: sizes of the layers of the network. Defaults to `(400, 400, 400)`.
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
        >>> model = kerasrec.zoo.DNN(columns, n_components=4, hidden=(8,), batch_norm=False)
        >>> model.count_params()  # tables, layer, output
        113

    References:
        Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016.
    """
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        x = fields.flat(fields.vectors(n_components))
        logits = logit(deep(x, hidden, dropout, batch_norm))
        return click_model(CARD, fields, logits, learning_rate)


CARD = Card(
    name="dnn",
    factory=DNN,
    task="click",
    summary="A network on the concatenated vectors of all fields.",
    reference='Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016.',
    hyperparameters=(
        N_COMPONENTS,
        HIDDEN,
        DROPOUT,
        L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe("`l2=0.025`, batches of 1,024, patience 2", (0.9848, 0.9843, 0.9853), 0.1477, 0.9833)
    + CLICKS_ON_MOVIELENS_1M,
    recipe=recipe,
)
