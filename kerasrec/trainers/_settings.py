"""The checks of the settings of `kerasrec.Model.compile`."""

import warnings
from typing import Any

import keras

from kerasrec.trainers._forms import why_no_form
from kerasrec.trainers._keras import distribution
from kerasrec.trainers._missed import MOST_STEPS
from kerasrec.trainers._rows import why_not_by_rows
from kerasrec.trainers.row_sharded import RowSharded, row_sharded

# For smaller tables it does not matter.
_LARGE_TABLE = 4096


def check_settings(steps_per_execution: int | str, row_sparse: bool | str) -> None:
    """Refuse invalid settings."""
    if steps_per_execution != "auto" and (
        isinstance(steps_per_execution, bool)
        or not isinstance(steps_per_execution, int)
        or steps_per_execution < 1
    ):
        raise ValueError(
            "`steps_per_execution` must be a positive integer or 'auto'. "
            f"Received: steps_per_execution={steps_per_execution!r}."
        )
    if isinstance(steps_per_execution, int) and steps_per_execution > MOST_STEPS:
        raise ValueError(
            f"`steps_per_execution` must be at most {MOST_STEPS:,}; 'auto' uses up to 256. "
            f"Received: steps_per_execution={steps_per_execution}."
        )
    if row_sparse not in (True, False, "auto", "lazy"):
        raise ValueError(
            f"`row_sparse` must be True, False, 'auto' or 'lazy'. Received: row_sparse={row_sparse!r}."
        )


def how_by_rows(optimizer: Any, row_sparse: bool | str, fused: bool) -> bool | str:
    """The value of `row_sparse` that works with an optimizer.

    Args:
        optimizer: a Keras optimizer or `None`.
        row_sparse: the setting.
        fused: bool, whether steps run in blocks.
    """
    by_name = row_sparse in (True, "lazy")
    reason = why_not_by_rows(optimizer) if optimizer is not None else "there is none"
    if by_name and not fused:
        warnings.warn(
            f"`row_sparse={row_sparse!r}` has no effect on PyTorch or under `run_eagerly`; "
            "all rows are updated.",
            stacklevel=3,
        )
    elif by_name and reason:
        raise ValueError(
            f"`row_sparse={row_sparse!r}` needs an optimizer that can be applied by rows, but {reason}. "
            "Use another optimizer or row_sparse=False."
        )
    elif row_sparse is True and (no_form := why_no_form(optimizer)):
        raise ValueError(
            f"`row_sparse=True` needs an optimizer whose missed updates can be applied later, but {no_form}. "
            "Use another optimizer, row_sparse='lazy', which does not update rows that are not read, "
            "or row_sparse=False."
        )
    if reason or (row_sparse == "auto" and why_no_form(optimizer)):
        return False
    return row_sparse


def check_spread(model: Any, run_eagerly: bool) -> None:
    """Refuse settings under `RowSharded` that need Keras's own steps, which would need whole tables."""
    if row_sharded(model.variables) is None:
        return
    if run_eagerly or type(model).train_step is not keras.Model.train_step:
        received = "run_eagerly=True" if run_eagerly else f"{type(model).__name__} with its own `train_step`"
        raise ValueError(
            "`RowSharded` needs kerasrec's own training steps, without `run_eagerly` and without a custom "
            f"`train_step`. Received: {received}. Leave these out, or train on one device."
        )
    if model.optimizer is not None and (reason := why_not_by_rows(model.optimizer)):
        raise ValueError(
            f"`RowSharded` needs an optimizer that can be applied by rows, but {reason}. Use another "
            "optimizer, such as Adam, Adagrad or SGD."
        )


def check_distribution(model: Any) -> None:
    """Refuse a model that was made before `RowSharded` was set; warn about other distributions."""
    now = distribution()
    if isinstance(now, RowSharded):
        for variable in model.variables:
            if getattr(variable, "_layout", None) is None and not hasattr(variable, "spread_over"):
                raise ValueError(
                    "`RowSharded` must be set before the model, its optimizer and its metrics are made; make "
                    "the model after `keras.distribution.set_distribution(...)`. "
                    f"Received: variable '{variable.path}', which is on one device."
                )
        check_spread(model, model.run_eagerly)
    if now is None or isinstance(now, RowSharded) or keras.backend.backend() != "jax":
        return
    large = [v for v in model.trainable_variables if len(v.shape) == 2 and v.shape[0] >= _LARGE_TABLE]
    if large:
        n_bytes = sum(v.shape[0] * v.shape[1] * 4 for v in large)
        warnings.warn(
            f"`{type(now).__name__}` sends the whole gradient of every table at each step, here "
            f"{n_bytes / 1e6:,.1f} MB, and updates all rows; `kerasrec.trainers.RowSharded()` sends the rows "
            "that a step reads.",
            stacklevel=3,
        )
