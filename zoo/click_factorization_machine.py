from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasrec.zoo._card import Card
from kerasrec.zoo._clicks import (
    LEARNING_RATE,
    LINEAR_L2,
    N_COMPONENTS,
    Fields,
    Intercept,
    click_model,
    linear_recipe,
    pairs_of_fields,
)
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._results import CLICKS_ON_MOVIELENS_1M, on_frappe

if TYPE_CHECKING:
    from kerasrec.data import InputColumns


def ClickFactorizationMachine(
    columns: "InputColumns",
    n_components: int = 10,
    *,
    l2: float = 0.0,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """A factorisation machine: a weight per category and number, and the dot products of all pairs of fields.

    `p = sigmoid(b + sum_f w_f + sum_{f < g} v_f . v_g)`: logistic regression plus all pairs of fields.
    `factorization_machine` does the same with the features of a user and an item, for ranking.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        n_components: int, size of the vector of a field. Defaults to `10`.
        l2: float, weight of the L2 penalty on the embeddings. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{name: codes or numbers [B, W]}`, as `columns.encode` gives them.

    Returns:
        A compiled `keras.Model` with outputs `[B, 1]`, probabilities.

    Raises:
        ValueError: if `n_components` is not a positive integer, or `learning_rate` is not a positive number.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"]})
        >>> columns = kerasrec.data.InputColumns.fit(frame, {"user": "category", "device": "category"})
        >>> kerasrec.zoo.ClickFactorizationMachine(columns, n_components=4).count_params()  # 8 * (4 + 1) + 1
        41

    References:
        Rendle, "Factorization machines", 2010, eq. 1 and 5.
    """
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        logits = ops.add(fields.linear(), pairs_of_fields(fields.vectors(n_components)))
        return click_model(CARD, fields, Intercept()(logits), learning_rate)


CARD = Card(
    name="click_factorization_machine",
    factory=ClickFactorizationMachine,
    task="click",
    summary="One weight per category and number, and a weight for each pair, from one vector each.",
    reference='Rendle, "Factorization machines", 2010.',
    hyperparameters=(
        N_COMPONENTS,
        LINEAR_L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe(
        "`learning_rate=0.005`, `l2=2.5e-6`, batches of 1,024, patience 4 (without `cost` 20 epochs)",
        (0.9751, 0.9749, 0.9757),
        0.1868,
        0.9671,
        without_cost=(0.9724, 0.1922),
    )
    + CLICKS_ON_MOVIELENS_1M,
    recipe=linear_recipe,
)
