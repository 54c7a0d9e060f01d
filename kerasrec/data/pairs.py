from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasrec.data.impressions import Impressions
from kerasrec.data.interactions import Interactions, check_interactions
from kerasrec.data.model_inputs import ModelInputs


def pairs(
    interactions: Interactions | Impressions,
    context: Sequence[str] = (),
    model: Any = None,
    columns: Mapping[str, Any] | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The inputs and targets of `model.fit` for rating models, one row per interaction.

    Args:
        interactions: `Interactions`; or `Impressions`, whose columns are the inputs.
        context: names of context columns to add to the inputs. Defaults to `()`.
        model: a `keras.Model` whose inputs `ModelInputs` supplies: a `history` has the user's items before
            the row. Defaults to `None`: `user` and `item`.
        columns: as in `ModelInputs`. Defaults to `None`.

    Returns:
        `({"user": codes, "item": codes}, values)`, each of shape `[n]`; with a `model` its inputs, `[n, 1]`
        and `[n, H]`.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "item": ["x", "x"], "stars": [4.0, 2.0]})
        >>> x, y = kerasrec.data.pairs(kerasrec.data.Interactions.from_frame(frame, value="stars"))
        >>> x["user"].tolist(), x["item"].tolist(), y.tolist()
        ([0, 1], [0, 0], [4.0, 2.0])
    """
    if isinstance(interactions, Impressions):
        return interactions.inputs, interactions.labels
    check_interactions("interactions", interactions)
    if model is not None:
        given = ModelInputs(model, columns=columns).pairs(interactions)
        inputs = {**given, "item": interactions.items[:, None]}
        return inputs | {name: interactions.context[name][:, None] for name in context}, interactions.values
    inputs = {"user": interactions.users, "item": interactions.items}
    return inputs | {name: interactions.context[name] for name in context}, interactions.values
