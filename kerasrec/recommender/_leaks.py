"""Columns that reveal the clicks, because they are known only after the click."""

import warnings

import numpy as np

from kerasrec.data import Impressions
from kerasrec.evaluation.click_figures import auc

# AUC that no single column known before the click reaches.
_TELLS = 0.99
# Minimum number of rows of each class; a column may order fewer rows perfectly by chance.
_FEWEST = 25


def warn_of_leaks(fitted: Impressions, held_out: Impressions) -> None:
    """Warn of each column that alone orders held-out rows almost perfectly.

    Args:
        fitted: `Impressions` that the model was trained on, for the click rate of each category.
        held_out: `Impressions` with the same columns.
    """
    labels = held_out.labels
    if min((labels > 0.5).sum(), (labels <= 0.5).sum()) < _FEWEST:
        return
    columns = fitted.columns
    for name, plain in columns.names.items():
        if fitted.inputs[plain].shape[1] > 1:
            continue
        known, entries = fitted.inputs[plain][:, 0], held_out.inputs[plain][:, 0]
        n = columns.fitted[name].n
        if n:
            base = fitted.labels.mean()
            clicked = np.bincount(known, fitted.labels, n) + base
            scores = (clicked / (np.bincount(known, minlength=n) + 1))[entries]
        else:
            scores = entries.astype(np.float64)
        area = auc(labels, scores)
        if max(area, 1 - area) > _TELLS:
            warnings.warn(
                f"Column {name!r} alone separates clicked rows from the others almost perfectly (its AUC on "
                f"held-out rows is above {_TELLS}): if it is known only after the click, leave it out; "
                "otherwise, the metrics are far too good.",
                stacklevel=4,
            )
