"""The data of a search: interactions, or impressions for click models."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from kerasrec._arguments import share
from kerasrec.data import Impressions, Interactions, splits
from kerasrec.data._access import meaning_of
from kerasrec.data._extension import joined

Data: TypeAlias = Interactions | Impressions


def checked(data: Any) -> Data:
    """Return the data of a search, or raise an error if it has the wrong type.

    Args:
        data: what the caller passed.
    """
    if isinstance(data, Impressions):
        data.check_classes()
    elif not isinstance(data, Interactions):
        raise TypeError(
            "`interactions` must be `kerasrec.data.Interactions`, or `Impressions` for click models; "
            f"`from_frame` and `from_csv` make them. Received: {type(data).__name__}."
        )
    return data


def check_model(card: Any, data: Data, others: Mapping[str, Any]) -> None:
    """Refuse a click model without impressions, and arguments that only work with interactions.

    Args:
        card: `Card`, or `None` for the caller's own model.
        data: data of the search.
        others: arguments that only work with interactions, by name; `None` if they were not given.
    """
    from kerasrec import zoo

    clicks = isinstance(data, Impressions)
    if card is not None and card.task == "click" and not clicks:
        raise TypeError(
            f"{card.name} must be searched on `kerasrec.data.Impressions`, which are columns and clicks. "
            f"Received: {type(data).__name__}."
        )
    if not clicks:
        return
    if card is not None and card.task != "click":
        names = ", ".join(name for name in zoo.names() if zoo.card(name).task == "click")
        raise ValueError(f"`model` must be a click model: {names}. Received: model={card.name!r}.")
    for name, given in others.items():
        if given is not None:
            raise ValueError(
                f"`{name}` cannot be used with impressions, which hold everything in their columns. "
                f"Received: {name}."
            )


def parts(data: Data, validation: Any, seed: int) -> tuple[Any, Any, Any]:
    """The training data, the validation data, and both together.

    Args:
        data: data of the search.
        validation: share to hold out, or data that was held out before.
        seed: int.
    """
    if isinstance(data, Interactions):
        if not isinstance(validation, Interactions):
            return *splits.random_split(data, validation, seed), data
        meaning = replace(meaning_of(data).settled(), left_out=False)  # `at_least` was applied to both
        return data, validation, joined(data, validation, meaning, "time")
    if isinstance(validation, Impressions):
        fitted, held_out, whole = data, validation, _both(data, validation)
    else:
        fitted, held_out = data.split(share("validation", validation), seed)
        whole = data
    fitted.check_classes("The training impressions")
    held_out.check_classes("The validation impressions")
    return fitted, held_out, whole


def _both(first: Impressions, second: Impressions) -> Impressions:
    """The rows of both, without their users, which training does not need."""
    second.check_columns(first.columns, "`validation`")
    return Impressions(
        {name: np.concatenate([x, second.inputs[name]]) for name, x in first.inputs.items()},
        np.concatenate([first.labels, second.labels]),
        first.columns,
        weights=_one_after_the_other(first, second, "weights", 1.0),
        watch_time=_one_after_the_other(first, second, "watch_time", np.nan),
    )


def _one_after_the_other(
    first: Impressions, second: Impressions, name: str, otherwise: float
) -> np.ndarray | None:
    found = [getattr(part, name) for part in (first, second)]
    if all(x is None for x in found):
        return None
    filled = [
        np.full(len(part), otherwise, np.float32) if x is None else x
        for part, x in zip((first, second), found, strict=True)
    ]
    return np.concatenate(filled)
