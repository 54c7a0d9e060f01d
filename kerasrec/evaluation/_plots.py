"""Pictures of reports and comparisons."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Plot

    from kerasrec.evaluation.comparison import Comparison
    from kerasrec.evaluation.report import EvaluationReport

# Figures that are no shares: they have a scale of their own.
_OWN_SCALE = {"novelty": "bits", "rmse": "rating", "mae": "rating"}
_OURS, _BASELINE = "#4878a8", "#b8b8b8"


def plot_report(report: "EvaluationReport") -> "Plot":
    """A bar a figure, with its interval and its value; shares apart from what has another scale."""
    from matplotlib.figure import Figure as Plot

    frame = report.to_frame()
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
    plot.suptitle(f"{report.name}, {report.n_users:,} users; lines are 95 % intervals", fontsize="medium")
    return plot


def plot_comparison(table: "Comparison") -> "Plot":
    """A bar a model, the best on top, with the interval of the deciding figure; baselines in grey."""
    from matplotlib.figure import Figure as Plot
    from matplotlib.patches import Patch

    frame = table.to_frame()
    plot = Plot(figsize=(7, 1.6 + 0.35 * len(frame)), layout="constrained")
    axes = plot.subplots()
    colours = [_BASELINE if name in table.baselines else _OURS for name in frame.index]
    names = [f"{name} =" if name in table.ties else name for name in frame.index]
    frame.index = names
    _bars(axes, frame[table.metric], frame["low"], frame["high"], colours)
    axes.set_xlabel(f"{table.metric}; lines are 95 % intervals, = not significantly different from the best")
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
    """Bars from top to bottom, each with its interval and its value behind it."""
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
