"""Kinds of columns by name."""

import json
from collections.abc import Mapping
from typing import Any

from kerasrec.data.columns._column import Column
from kerasrec.data.columns.category import Category
from kerasrec.data.columns.hashed import Hashed
from kerasrec.data.columns.labels import Labels
from kerasrec.data.columns.number import SCALES, Number
from kerasrec.data.columns.time import Time

KINDS: dict[str, type[Column]] = {cls.kind: cls for cls in (Category, Hashed, Labels, Number, Time)}


def get(kind: "str | Column", name: Any = None) -> Column:
    """A kind of column by its name.

    Args:
        kind: `"category"`, `"hashed"`, `"labels"`, `"number"`, `"time"`, a scale of numbers (`"log1p"`,
            `"quantiles"`), or a kind itself.
        name: name of the column in error messages. Defaults to `None`.

    Returns:
        `Column`.

    Raises:
        ValueError: if there is no such kind.

    Example:
        >>> import kerasrec
        >>> kerasrec.data.columns.get("log1p").scale
        'log1p'
    """
    if isinstance(kind, Column):
        return kind
    if kind in KINDS:
        return KINDS[kind]()
    if kind in SCALES:
        return Number(scale=kind)
    raise ValueError(
        f"A column must be one of {', '.join((*KINDS, 'log1p', 'quantiles'))}, or a kind of "
        f"`kerasrec.data.columns`. Received: {kind!r}{'' if name is None else f' for {name!r}'}."
    )


def from_dict(state: Mapping[str, Any]) -> Column:
    """The kind that `Column.to_dict` described.

    Args:
        state: the settings and the fitted state.

    Returns:
        `Column`.

    Raises:
        ValueError: if the kind is unknown or has other settings.

    Example:
        >>> from kerasrec.data import columns
        >>> columns.from_dict(columns.Category(min_count=3).to_dict()).min_count
        3
    """
    settings = dict(state)
    try:
        return KINDS[settings.pop("kind")](**settings)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"A column must be one that `Column.to_dict` wrote. Received: {json.dumps(dict(state))[:80]}."
        ) from error
