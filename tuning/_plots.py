"""Plots of a search."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kerasrec.tuning.search_result import SearchResult

_OURS = ("trial", "status", "score", "started", "epochs")


def plot(result: "SearchResult") -> "Figure":
    """History, parallel coordinates and importances, one below the other."""
    from matplotlib.figure import Figure

    frame = result.frame()
    names = [name for name in frame.columns if name not in _OURS]
    figure = Figure(figsize=(9, 8 + 0.25 * len(names)), layout="constrained")
    axes = figure.subplots(3, 1, height_ratios=[3, 3, 1 + 0.3 * len(names)])
    _history(axes[0], frame, result)
    _parallel(axes[1], frame, names, result.direction)
    _importances(axes[2], result)
    return figure


def _history(axes: Any, frame: "pd.DataFrame", result: "SearchResult") -> None:
    scores = frame["score"].to_numpy()
    place = np.arange(len(scores))
    for status, marker in (("completed", "o"), ("pruned", "x")):
        those = (frame["status"] == status).to_numpy()
        if those.any():
            axes.plot(place[those], scores[those], marker, label=status)
    best = np.fmax.accumulate(scores) if result.direction == "max" else np.fmin.accumulate(scores)
    axes.step(place, best, where="post", color="black", label="best so far")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="trial", ylabel=result.objective, title="History")
    axes.legend()


def _parallel(axes: Any, frame: "pd.DataFrame", names: list[str], direction: str) -> None:
    """One line per trial through its values; the darker, the better."""
    frame = frame.dropna(subset=["score"])
    columns = np.stack([_between_0_and_1(frame[name]) for name in [*names, "score"]], axis=1)
    rank = frame["score"].rank(ascending=direction == "max", pct=True).to_numpy()
    for row, good in zip(columns, rank, strict=True):
        axes.plot(row, color=str(0.9 * (1 - good)), linewidth=0.5 + 1.5 * good)
    axes.set_xticks(range(columns.shape[1]), [*names, "score"], rotation=20, ha="right")
    axes.set_yticks([])
    axes.set_ylim(-0.22, 1.22)
    for place, name in enumerate([*names, "score"]):
        for end, value in zip((-0.12, 1.12), _ends(frame[name]), strict=True):
            axes.text(place, end, value, ha="center", va="center", fontsize="small", color="grey")
    axes.set_title("Trials; the darker, the better")


def _ends(column: "pd.Series[Any]") -> tuple[str, str]:
    """The labels at the bottom and at the top."""
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").astype(float)
    if values.notna().any():
        return f"{values.min():.4g}", f"{values.max():.4g}"
    names = sorted(set(column.astype(str)))
    return names[0], names[-1]


def _between_0_and_1(column: "pd.Series[Any]") -> np.ndarray:
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").astype(float).to_numpy()
    if np.isnan(values).all():
        values = column.astype(str).astype("category").cat.codes.to_numpy(float)
    known = values[np.isfinite(values)]
    if (known > 0).all() and known.max() > 50 * known.min():
        values, known = np.log(values), np.log(known)
    width = known.max() - known.min()
    return (values - known.min()) / width if width else np.full(len(values), 0.5)


def _importances(axes: Any, result: "SearchResult") -> None:
    try:
        found = result.importance().iloc[::-1]
    except ValueError as error:
        axes.text(0.5, 0.5, str(error), ha="center", va="center", wrap=True)
        axes.set_axis_off()
        return
    axes.barh(found.index, found)
    axes.set(title="Importance", xlabel="loss of R2 when shuffled")
