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
    click_model,
    deep,
    logit,
    recipe,
)
from kerasrec.zoo._hybrid import seeded

if TYPE_CHECKING:
    from kerasrec.data import InputColumns

# Bound of the logarithm of the expected time, so that the time is a float32 above 0.
_MOST = 30.0


@keras.saving.register_keras_serializable("kerasrec")
class WatchTimeLoss(keras.losses.Loss):
    """Logistic regression of clicks, weighted by their watch time, against all rows, each with weight 1.

    With the predicted odds `o` and the watch time `t`, which is 0 without a click, the loss of a row is
    `log(1 + o) + t log(1 + 1/o)`. It is smallest if `o` is the mean watch time. In the paper, clicked rows
    lack the first term: the odds are the sum of the times divided by the number of rows *without* a click,
    which is too high by a factor of `1 / (1 - share of clicks)`.

    Args:
        name: name of the loss. Defaults to `"watch_time"`.
        **kwargs: arguments of `keras.losses.Loss`.
    """

    def __init__(self, name: str = "watch_time", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, `[B]`."""
        watched = ops.reshape(ops.cast(y_true, y_pred.dtype), ops.shape(y_pred))
        return ops.mean(ops.log1p(y_pred) + watched * ops.log1p(1.0 / y_pred), axis=-1)


def YouTubeRanker(
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
    """A network that predicts the watch time of an impression (weighted logistic regression).

    Clicks are weighted by their watch time, and every row counts once as shown (`WatchTimeLoss`). The odds
    that the network learns, `exp(network([v_1, ..., v_F]))`, are the expected watch time, and the output of
    the model.

    It is trained on impressions with `watch_time`. Choose a unit in which the times are around 1, such as
    minutes, so that steps are neither tiny nor huge.

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
        A compiled `keras.Model` with outputs `[B, 1]`, expected watch times, in the unit of the impressions.

    Raises:
        ValueError: if a size is not a positive integer, or `dropout` is out of range.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"]})
        >>> columns = kerasrec.data.InputColumns.fit(frame, {"user": "category", "device": "category"})
        >>> model = kerasrec.zoo.YouTubeRanker(columns, n_components=4, hidden=(8,))
        >>> model.output_names, model.output_shape
        (['expected'], (None, 1))

    References:
        Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016, section 4.2.
    """
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        x = fields.flat(fields.vectors(n_components))
        logits = ops.clip(logit(deep(x, hidden, dropout, batch_norm)), -_MOST, _MOST)
        return click_model(CARD, fields, logits, learning_rate, activation="exponential")


CARD = Card(
    name="youtube_ranker",
    factory=YouTubeRanker,
    task="click",
    summary="A network that predicts the watch time of an impression.",
    reference='Covington, Adams and Sargin, "Deep neural networks for YouTube recommendations", 2016.',
    hyperparameters=(
        N_COMPONENTS,
        HIDDEN,
        DROPOUT,
        L2,
        LEARNING_RATE,
    ),
    loss=WatchTimeLoss(),
    recipe=recipe,
)
