from collections.abc import Sequence

import numpy as np

from kerasrec.data.interactions import Interactions, check_interactions


def pairs(
    interactions: Interactions, context: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What `model.fit` takes for rating models: inputs and targets, one row an interaction.

    Args:
        interactions: `Interactions`.
        context: names of context columns to add to the inputs. Defaults to `()`.

    Returns:
        `({"user": codes, "item": codes}, values)`, each of shape `[n]`.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "item": ["x", "x"], "stars": [4.0, 2.0]})
        >>> x, y = kerasrec.data.pairs(kerasrec.data.Interactions.from_frame(frame, value="stars"))
        >>> x["user"].tolist(), x["item"].tolist(), y.tolist()
        ([0, 1], [0, 0], [4.0, 2.0])
    """
    check_interactions("interactions", interactions)
    inputs = {"user": interactions.users, "item": interactions.items}
    return inputs | {name: interactions.context[name] for name in context}, interactions.values
