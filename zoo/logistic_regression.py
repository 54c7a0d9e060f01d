from typing import TYPE_CHECKING, Any

import keras

from kerasrec.zoo._card import Card
from kerasrec.zoo._clicks import (
    LEARNING_RATE,
    LINEAR_L2,
    Fields,
    Intercept,
    click_model,
    linear_recipe,
)
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._results import CLICKS_ON_MOVIELENS_1M, on_frappe

if TYPE_CHECKING:
    from kerasrec.data import InputColumns


def LogisticRegression(
    columns: "InputColumns",
    *,
    l2: float = 0.0,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """The sum of one weight per category and number: the simplest click model.

    `p = sigmoid(b + sum_f w_f[category_f] + sum_n w_n x_n)`. It is the baseline for the other click models.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        l2: float, weight of the L2 penalty on the embeddings. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{name: codes or numbers [B, W]}`, as `columns.encode` gives them.

    Returns:
        A compiled `keras.Model` with outputs `[B, 1]`, probabilities.

    Raises:
        ValueError: if `learning_rate` is not a positive number.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"]})
        >>> columns = kerasrec.data.InputColumns.fit(frame, {"user": "category", "device": "category"})
        >>> kerasrec.zoo.LogisticRegression(columns).count_params()  # 4 rows per column, and the constant
        9

    References:
        McMahan et al., "Ad click prediction: a view from the trenches", 2013.
    """
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        return click_model(CARD, fields, Intercept()(fields.linear()), learning_rate)


CARD = Card(
    name="logistic_regression",
    factory=LogisticRegression,
    task="click",
    summary="The sum of one weight per category and number: the simplest click model.",
    reference='McMahan et al., "Ad click prediction: a view from the trenches", 2013.',
    hyperparameters=(
        LINEAR_L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe(
        "`learning_rate=0.005`, `l2=2.5e-6`, batches of 1,024, patience 4",
        (0.9374, 0.9373, 0.9375),
        0.2847,
        0.9356,
        without_cost=(0.9371, 0.2848),
    )
    + CLICKS_ON_MOVIELENS_1M,
    recipe=linear_recipe,
)
