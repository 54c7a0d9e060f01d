from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasrec._arguments import positive_integer
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
from kerasrec.zoo._crosses import CrossedWeights
from kerasrec.zoo._hybrid import seeded
from kerasrec.zoo._results import CLICKS_ON_MOVIELENS_1M, on_frappe

if TYPE_CHECKING:
    from kerasrec.data import InputColumns


def WideAndDeep(
    columns: "InputColumns",
    n_components: int = 10,
    hidden: Sequence[int] = (400, 400, 400),
    dropout: float = 0.2,
    *,
    crosses: Sequence[tuple[str, str]] = (),
    buckets: int = 100_000,
    batch_norm: bool = True,
    l2: float = 0.0,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """Weights of categories and of crossed categories, which memorise, and a network, which generalises.

    `p = sigmoid(b + sum_f w_f + sum_(f, g) w_{f, g} + network([v_1, ..., v_F]))`. A cross of two columns has
    a weight for each pair of their categories. Both parts are trained together.

    Args:
        columns: fitted `InputColumns`, such as `impressions.columns`.
        n_components: int, size of the vector of a field. Defaults to `10`.
        hidden: sizes of the layers of the network. Defaults to `(400, 400, 400)`.
        dropout: float, dropout rate of the network. Defaults to `0.2`.
        crosses: pairs of names of columns with one category per row, e.g. `[("device", "hour")]`. Defaults to
            `()`.
        buckets: int, maximum number of weights of a cross; if there are more pairs, they are hashed. Defaults
            to `100_000`.
        batch_norm: bool, whether to apply batch normalisation before each activation. Defaults to `True`.
        l2: float, weight of the L2 penalty on the embeddings. Defaults to `0.0`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{name: codes or numbers [B, W]}`, as `columns.encode` gives them.

    Returns:
        A compiled `keras.Model` with outputs `[B, 1]`, probabilities.

    Raises:
        ValueError: if a size is not a positive integer, `dropout` is out of range, or a cross does not name
            two columns of categories.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "device": ["phone", "tablet"]})
        >>> columns = kerasrec.data.InputColumns.fit(frame, {"user": "category", "device": "category"})
        >>> crosses = [("user", "device")]
        >>> model = kerasrec.zoo.WideAndDeep(columns, 4, (8,), crosses=crosses, batch_norm=False)
        >>> model.get_layer("crosses").count_params()  # 4 * 4 pairs, unknown and missing ones among them
        16

    References:
        Cheng et al., "Wide & Deep learning for recommender systems", 2016, eq. 1 and 3.
    """
    buckets = positive_integer("buckets", buckets)
    with seeded(seed):
        fields = Fields(columns, l2, seed)
        logits = fields.linear()
        if len(crosses):
            pairs = [_pair(fields, cross) for cross in crosses]
            sizes = [(fields.categories[first].n, fields.categories[second].n) for first, second in pairs]
            codes = [fields.inputs[name] for pair in pairs for name in pair]
            crossed = CrossedWeights(
                sizes, buckets, keras.regularizers.L2(l2) if l2 else None, name="crosses"
            )
            logits = ops.add(logits, crossed(ops.concatenate(codes, axis=1)))
        x = fields.flat(fields.vectors(n_components))
        logits = ops.add(logits, logit(deep(x, hidden, dropout, batch_norm)))
        return click_model(CARD, fields, logits, learning_rate)


def _pair(fields: Fields, cross: Any) -> tuple[str, str]:
    """The names of the two inputs of a cross."""
    known = fields.columns.names
    possible = [
        name
        for name, plain in known.items()
        if plain in fields.categories and fields.columns.fitted[name].width == 1
    ]
    if (
        isinstance(cross, str)
        or len(cross) != 2
        or not all(name in possible for name in cross)
        or cross[0] == cross[1]
    ):
        raise ValueError(
            "Each of `crosses` must be a pair of different columns with one category per row: "
            f"{', '.join(map(repr, possible)) or 'there are none'}. Received: {cross!r}."
        )
    return known[cross[0]], known[cross[1]]


CARD = Card(
    name="wide_and_deep",
    factory=WideAndDeep,
    task="click",
    summary="Weights of categories and of crossed categories, next to a network.",
    reference='Cheng et al., "Wide & Deep learning for recommender systems", 2016.',
    hyperparameters=(
        N_COMPONENTS,
        HIDDEN,
        DROPOUT,
        L2,
        LEARNING_RATE,
    ),
    loss="binary_crossentropy",
    results=on_frappe(
        "`dropout=0.4`, `l2=0.05`, `hidden=(400, 400)`, batches of 1,024, 16 epochs",
        (0.984, 0.9836, 0.9844),
        0.1485,
        0.9841,
    )
    + CLICKS_ON_MOVIELENS_1M,
    recipe=recipe,
)
