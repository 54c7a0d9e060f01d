"""Plots of reports and comparisons, from their frames."""

from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Plot

# Units of the metrics that are not shares.
_OWN_SCALE = {"novelty": "bits", "rmse": "rating", "mae": "rating"}
_OURS, _BASELINE = "#4878a8", "#b8b8b8"


def plot_report(frame: "pd.DataFrame", title: str) -> "Plot":
    """One bar per metric, with its interval and value; shares are in a separate plot.

    Args:
        frame: `value`, `low` and `high` by metric.
        title: title of the plot.
    """
    from matplotlib.figure import Figure as Plot

    units = np.array([_OWN_SCALE.get(name.partition("@")[0], "share") for name in frame.index])
    panels = [(unit, frame[units == unit]) for unit in dict.fromkeys(units)]
    sizes = [len(part) for _, part in panels]
    plot = Plot(figsize=(7, 1 + 0.3 * (len(frame) + 2 * len(panels))), layout="constrained")
    all_axes = plot.subplots(
        len(panels), squeeze=False, gridspec_kw={"height_ratios": [size + 1 for size in sizes]}
    )
    for axes, (unit, part) in zip(all_axes[:, 0], panels, strict=True):
        _bars(axes, part["value"], part["low"], part["high"], [_OURS] * len(part))
        if unit == "share":
            axes.set_xlim(0, 1.12)
        axes.set_xlabel(unit)
    plot.suptitle(f"{title}; lines are 95 % intervals", fontsize="medium")
    return plot


def plot_comparison(
    frame: "pd.DataFrame", metric: str, baselines: Container[str], ties: Container[str]
) -> "Plot":
    """One bar per model, the best on top, with the interval of the deciding metric; baselines in grey.

    Args:
        frame: the metric, `low` and `high` by the model's name.
        metric: name of the deciding metric.
        baselines: names of the models that are baselines.
        ties: names of the models that are not significantly different from the best.
    """
    from matplotlib.figure import Figure as Plot
    from matplotlib.patches import Patch

    plot = Plot(figsize=(7, 1.6 + 0.35 * len(frame)), layout="constrained")
    axes = plot.subplots()
    colours = [_BASELINE if name in baselines else _OURS for name in frame.index]
    names = [f"{name} =" if name in ties else name for name in frame.index]
    _bars(axes, frame[metric].set_axis(names), frame["low"], frame["high"], colours)
    axes.set_xlabel(f"{metric}; lines are 95 % intervals, = not significantly different from the best")
    kinds = {_OURS: "model", _BASELINE: "baseline"}
    handles = [Patch(color=colour, label=label) for colour, label in kinds.items() if colour in colours]
    if len(handles) > 1:
        plot.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
    return plot


def _bars(
    axes: Any,
    values: "pd.Series[float]",
    low: "pd.Series[float]",
    high: "pd.Series[float]",
    colours: list[str],
) -> None:
    """Bars from top to bottom, each followed by its interval and value."""
    places = np.arange(len(values))
    value, low, high = (x.to_numpy(float) for x in (values, low, high))
    ends = np.where(np.isfinite(high), high, value)
    axes.barh(places, np.nan_to_num(value), color=colours, height=0.7)
    known = np.isfinite(low)
    sides = np.maximum(0, [value[known] - low[known], high[known] - value[known]])
    axes.errorbar(value[known], places[known], xerr=sides, fmt="none", ecolor="black", capsize=2)
    for place, end, x in zip(places, ends, value, strict=True):
        text = "none" if np.isnan(x) else f"{x:.4f}"
        axes.annotate(text, (np.nan_to_num(end), place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, values.index)
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)


def plot_reliability(frame: "pd.DataFrame", title: str) -> "Plot":
    """The share of clicks against the predicted probability, with the diagonal, and the rows of each bin.

    Args:
        frame: `low`, `high`, `predicted`, `clicked` and `rows` by bin.
        title: title of the plot.
    """
    from matplotlib.figure import Figure as Plot

    plot = Plot(figsize=(5, 5.5), layout="constrained")
    above, below = plot.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    above.plot([0, 1], [0, 1], color=_BASELINE, linestyle="--", label="true probabilities")
    above.plot(frame["predicted"], frame["clicked"], color=_OURS, marker="o", label="model")
    above.set(ylabel="share clicked", xlim=(0, 1), ylim=(0, 1))
    above.legend(loc="upper left", frameon=False)
    widths = frame["high"] - frame["low"]
    below.bar(frame["low"], frame["rows"], widths, align="edge", color=_OURS, edgecolor="white")
    below.set(xlabel="predicted probability", ylabel="rows", yscale="log")
    plot.suptitle(title, fontsize="medium")
    return plot
