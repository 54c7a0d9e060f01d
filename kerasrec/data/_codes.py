"""Codes and other columns as read-only arrays."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _columns

if TYPE_CHECKING:
    import pandas as pd

    from kerasrec.data.interactions import Interactions


def check_frame(frame: Any) -> None:
    """Refuse anything but a frame."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            "`frame` must be a pandas DataFrame; convert it with `pandas.DataFrame(...)` or its own "
            f"`to_pandas()`. Received: {type(frame).__name__}."
        )


def whole(name: str, codes: Any) -> np.ndarray:
    """Codes that fit into int32; a cast would truncate fractions and wrap larger numbers around."""
    codes = np.asarray(codes)
    whole = codes.dtype.kind in "iu" or (codes.dtype.kind == "f" and (codes == np.floor(codes)).all())
    if codes.size and not whole:
        raise TypeError(
            f"`{name}` must be codes, which are whole numbers; `Interactions.from_frame` takes raw ids. "
            f"Received: dtype {codes.dtype}."
        )
    if codes.size and codes.dtype.itemsize > 4 and max(-int(codes.min()), int(codes.max())) >= 2**31:
        row = int(np.argmax((codes < -(2**31)) | (codes >= 2**31)))
        raise ValueError(
            f"`{name}` must be codes, which are below 2**31; `Interactions.from_frame` takes raw ids. "
            f"Received: {codes.flat[row]} in row {row}."
        )
    return codes


def check(interactions: "Interactions", has_values: bool) -> None:
    """Refuse columns of different lengths, values that are not finite, and codes out of range."""
    n = len(interactions)
    given = {
        "items": interactions.items,
        "values": interactions.values,
        "times": interactions.times,
        **interactions.context,
    }
    for name, x in given.items():
        if x is not None and x.shape != (n,):
            raise ValueError(
                f"`{name}` must have one entry per interaction. Received: {x.shape} for {n} users."
            )
    if has_values and not np.isfinite(interactions.values).all():
        row = int(np.argmin(np.isfinite(interactions.values)))
        raise ValueError(
            f"`values` must be finite in float32. Received: {interactions.values[row]} in row {row}."
        )
    for name, codes, size in (
        ("users", interactions.users, interactions.n_users),
        ("items", interactions.items, interactions.n_items),
    ):
        if n and (codes.min() < 0 or codes.max() >= size):
            row = int(np.argmax((codes < 0) | (codes >= size)))
            raise ValueError(
                f"`{name}` must be codes from 0 to {size - 1}. Received: {codes[row]} in row {row}. "
                "`Interactions.from_frame` takes raw ids."
            )


def frozen(x: Any, dtype: Any = None) -> np.ndarray:
    """A read-only view; the caller's own array stays writable."""
    view = np.asarray(x, dtype).view()
    view.flags.writeable = False
    return view


def codes_of(index: "pd.Index[Any]", ids: Any, side: str) -> np.ndarray:
    wanted = _columns.id_index(_columns.several(ids))
    codes = index.get_indexer(wanted).astype(np.int32)
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise ValueError(
            f"`ids` must be ids of {side}s that these interactions know. "
            f"Received: {len(unknown)} unknown ids, first {_columns.shown(wanted[unknown[0]])}."
        )
    return codes
