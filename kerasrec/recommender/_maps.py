"""Views of representations: a folder for the Embedding Projector, and a map of the items."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec._partial import replacing_within
from kerasrec.recommender import _vectors
from kerasrec.recommender._lists import popular
from kerasrec.recommender._pictures import check_picture, write_picture
from kerasrec.recommender._state import State

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def project(state: State, folder: str | os.PathLike[str]) -> None:
    """Write the representations of items and users as a folder for TensorBoard's Embedding Projector."""
    tables = {"items": _vectors.check_table(state, "item"), "users": _vectors.check_table(state, "user")}
    path = Path(folder)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`folder` must be in a folder that exists; make {path.parent} first.")
    if path.exists() and not path.is_dir():
        raise ValueError(f"`folder` must be a folder. Received: {os.fspath(folder)!r}, a file.")
    config = []
    with replacing_within(path) as partial:
        for name, table in tables.items():
            np.savetxt(partial / f"{name}.tsv", table, fmt="%.6g", delimiter="\t")
            _labels(state, name).to_csv(partial / f"{name}_metadata.tsv", sep="\t", index=False)
            config.append(
                f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n'
                f'  metadata_path: "{name}_metadata.tsv"\n}}\n'
            )
        (partial / "projector_config.pbtxt").write_text("".join(config), encoding="utf-8")


def plot_items(
    state: State, path: str | os.PathLike[str] | None, label: str | None, n_items: int
) -> "Figure":
    """A map of the most popular items, along the two directions in which representations differ most."""
    from matplotlib.figure import Figure

    names = _names(state, label)
    check_picture(path)
    shown = popular(state, min(positive_integer("n_items", n_items), state.n_items), None)
    table = _vectors.check_table(state, "item")[shown].astype(np.float64)
    table -= table.mean(axis=0)
    left, sizes, _ = np.linalg.svd(table, full_matrices=False)
    points = left[:, :2] * sizes[:2]
    # Fixes the sign of a direction, so that every backend draws the same map.
    points *= np.sign(points[np.abs(points).argmax(axis=0), [0, 1]])
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(points[:, 0], points[:, 1], s=8)
    for point, code in zip(points, shown, strict=True):
        name = str(names[code])[:30]
        # `$` in a title does not begin a formula.
        axes.annotate(name, point, (3, 3), textcoords="offset points", fontsize=6, parse_math=False)
    share = sizes[:2] ** 2 / max((sizes**2).sum(), 1e-30)
    axes.set_xlabel(f"first direction, {share[0]:.0%} of the variance")
    axes.set_ylabel(f"second direction, {share[1]:.0%}")
    axes.set_title(f"{len(shown)} items of {state.name}")
    if path is not None:
        write_picture(figure, path)
    return figure


def _labels(state: State, name: str) -> "pd.DataFrame":
    import pandas as pd

    ids = state.ids(name.removesuffix("s")).raw
    frame = pd.DataFrame({name.removesuffix("s"): ids, "n": _counts(state, name)})
    if name == "items" and state.item_metadata is not None:
        frame = pd.concat([frame, state.item_metadata], axis=1)
    # The format has no quotes.
    return frame.astype(str).replace(r"[\t\r\n\"]", " ", regex=True)


def _counts(state: State, name: str) -> np.ndarray:
    if name == "items":
        return np.bincount(state.history.items, minlength=state.n_items)
    return np.diff(state.history.starts)


def _names(state: State, label: str | None) -> np.ndarray:
    metadata = state.item_metadata
    if metadata is None or not len(metadata.columns):
        if label is not None:
            raise ValueError(f"`label` needs `item_metadata`. Received: label={label!r}, no metadata.")
        return state.items.raw
    columns = list(metadata.columns)
    if label is not None and label not in columns:
        raise ValueError(f"`label` must be one of {', '.join(columns)}. Received: label={label!r}.")
    return metadata[label or columns[0]].to_numpy()
