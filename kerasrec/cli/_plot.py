"""A plot of the learning curve."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasrec._partial import replacing
from kerasrec.cli._fit import RMSE


def learning_curve(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Plot error or loss by epoch and, for ranking models, the metric on held-out rows."""
    # On its first use, matplotlib would log that it builds the font cache.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    metric, label = (RMSE, "RMSE") if RMSE in history else ("loss", "loss")
    ranked, named = history.get("val_ndcg@10"), "NDCG@10"
    if "val_auc" in history:
        ranked, named = history["val_auc"], "AUC"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(history[metric]) + 1)
    axes.plot(epochs, history[metric], marker="o", label="training rows (mean over the epoch)")
    if f"val_{metric}" in history:
        axes.plot(epochs, history[f"val_{metric}"], marker="o", label="test rows")
    if ranked is not None:
        beside = axes.twinx()
        beside.plot(epochs, ranked, marker="o", color="C1", label=f"{named} of held-out rows")
        beside.set_ylabel(named)
        beside.legend(loc="lower right")
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best" if ranked is None else "upper right")
    axes.grid(alpha=0.3)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=120)
