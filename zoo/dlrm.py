from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

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

_INTERACTIONS = ("dot", "cat", "both")


def DLRM(
    columns: "InputColumns",
    n_components: int = 10,
    bottom: Sequence[int] = (64,),
    hidden: Sequence[int] = (400, 400, 400),
    dropout: float = 0.2,
    *,
    interaction: str = "dot",
    batch_norm: bool = True,
    l2: float = 0.0,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """A network on the numbers, the dot products of all pairs of vectors, and a network on both.

    The bottom network turns all numbers into one vector `z`, next to the vectors of the categories. The top
    network takes `z` and the dot products of all pairs: `p = sigmoid(top([z, z . v_1, ..., v_{F-1} . v_F]))`.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        n_components: int, size of the vector of a field. Defaults to `10`.
        bottom: sizes of the layers of the bottom network before its last one, which has `n_components`. There
            is no bottom network if no column is a number. Defaults to `(64,)`.
        hidden: sizes of the layers of the top network. Defaults to `(400, 400, 400)`.
        dropout: float, dropout rate of the top network. Defaults to `0.2`.
        interaction: what the top network takes in addition to `z`: the dot products (`"dot"`), the vectors
            themselves (`"cat"`), or `"both"`. Defaults to `"dot"`.
        batch_norm: bool, whether to apply batch normalisation before each activation. Defaults to `True`.
        l2: float, weight of the L2 penalty on the embeddings. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{name: codes or numbers [B, W]}`, as `columns.encode` gives them.

    Returns:
        A compiled `keras.Model` with outputs `[B, 1]`, probabilities.

    Raises:
        ValueError: if a size is not a positive integer, `dropout` is out of range, `interaction` is unknown,
            or there is only one vector and thus no pair.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"]})
        >>> columns = kerasrec.data.InputColumns.fit(frame, {"user": "category", "device": "category"})
        >>> model = kerasrec.zoo.DLRM(columns, n_components=4, hidden=(8,), batch_norm=False)
        >>> model.count_params()  # tables 8 * 4, a layer on one dot, output
        57

    References:
        Naumov et al., "Deep learning recommendation model for personalization and recommendation systems",
        2019.
    """
    if interaction not in _INTERACTIONS:
        raise ValueError(
            f"`interaction` must be one of {', '.join(_INTERACTIONS)}. Received: interaction={interaction!r}."
        )
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        vectors = [fields.table(n_components, "field_embedding")]
        top = []
        if fields.all_numbers is not None:
            sizes = (*bottom, n_components)
            dense = deep(fields.all_numbers, sizes, 0.0, batch_norm, name="bottom")
            top.append(dense)
            vectors.append(ops.expand_dims(dense, 1))
        vectors = [x for x in vectors if x is not None]
        whole = vectors[0] if len(vectors) == 1 else ops.concatenate(vectors, axis=1)
        n = whole.shape[1]
        if interaction != "cat" and n > 1:
            top += _dots(whole, n)
        elif interaction == "dot" and not top:
            raise ValueError(
                "dlrm needs at least two columns for its dot products; use logistic_regression for one. "
                f"Received: {len(fields.categories)} column."
            )
        if interaction != "dot" and fields.categories:
            top.append(fields.flat(vectors[0]))
        x = top[0] if len(top) == 1 else ops.concatenate(top, axis=-1)
        return click_model(CARD, fields, logit(deep(x, hidden, dropout, batch_norm)), learning_rate)


def _dots(vectors: Any, n: int) -> list[Any]:
    """The dot products of all pairs: the rows of the upper triangle, from `[B, n - 1]` to `[B, 1]`."""
    products = ops.matmul(vectors, ops.transpose(vectors, (0, 2, 1)))
    return [products[:, place, place + 1 :] for place in range(n - 1)]


CARD = Card(
    name="dlrm",
    factory=DLRM,
    task="click",
    summary="A network on the numbers, the dot products of all pairs of vectors, and a network on both.",
    reference=(
        'Naumov et al., "Deep learning recommendation model for personalization and recommendation systems", '
        "2019."
    ),
    hyperparameters=(
        N_COMPONENTS,
        Hyperparameter("interaction", "choice", "dot", choices=_INTERACTIONS),
        HIDDEN,
        DROPOUT,
        L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe(
        "`n_components=16`, `dropout=0.3`, `l2=0.025`, `hidden=(400, 400)`, batches of 1,024, 16 epochs",
        (0.9847, 0.9839, 0.9852),
        0.1418,
        0.984,
    )
    + CLICKS_ON_MOVIELENS_1M,
    recipe=recipe,
)
