"""Representations to look at: an Embedding Projector folder, and a map of the items."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec._arguments import positive_integer
from kerasrec.recommender._growing import Growing

if TYPE_CHECKING:
    import pandas as pd


class Maps(Growing):
    """Pictures of what a model has learnt."""

    def project(self, folder: str | os.PathLike[str]) -> None:
        """Write the representations of items and users as a folder for TensorBoard's Embedding Projector.

        `tensorboard --logdir FOLDER` shows it; https://projector.tensorflow.org loads the `.tsv` files.

        Args:
            folder: made where it does not exist.

        Raises:
            ValueError: if the model does not represent users and items.
            FileNotFoundError: if the folder that `folder` is to be in does not exist.
        """
        tables = {"items": self._vectors("item"), "users": self._vectors("user")}
        path = Path(folder)
        if not path.parent.is_dir():
            raise FileNotFoundError(f"`folder` must be in a folder that exists; make {path.parent} first.")
        path.mkdir(exist_ok=True)
        config = []
        for name, table in tables.items():
            np.savetxt(path / f"{name}.tsv", table, fmt="%.6g", delimiter="\t")
            self._labels(name).to_csv(path / f"{name}_metadata.tsv", sep="\t", index=False)
            config.append(
                f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n'
                f'  metadata_path: "{name}_metadata.tsv"\n}}\n'
            )
        (path / "projector_config.pbtxt").write_text("".join(config), encoding="utf-8")

    def plot_items(
        self, path: str | os.PathLike[str] | None = None, label: str | None = None, n_items: int = 100
    ) -> Any:
        """A map of the items that most users have: the two directions in which representations differ most.

        Args:
            path: file to write, such as `items.png`. Defaults to `None`: none.
            label: column of the metadata that names a point. Defaults to `None`: the first one, or the id.
            n_items: int, items shown. Defaults to `100`.

        Returns:
            `matplotlib.figure.Figure`.

        Raises:
            ValueError: if the model does not represent items, or there is no such column.
            FileNotFoundError: if the folder of `path` does not exist.
        """
        from matplotlib.figure import Figure

        names = self._names(label)
        if path is not None and not Path(path).parent.is_dir():
            raise FileNotFoundError(
                f"`path` must be in a folder that exists; make {Path(path).parent} first."
            )
        shown = self._popular(min(positive_integer("n_items", n_items), self.n_items), None)
        table = self._vectors("item")[shown].astype(np.float64)
        table -= table.mean(axis=0)
        left, sizes, _ = np.linalg.svd(table, full_matrices=False)
        points = left[:, :2] * sizes[:2]
        # A direction and its opposite are the same; this way every backend draws one map.
        points *= np.sign(points[np.abs(points).argmax(axis=0), [0, 1]])
        figure = Figure(figsize=(11, 8), layout="constrained")
        axes = figure.add_subplot()
        axes.scatter(points[:, 0], points[:, 1], s=8)
        for point, code in zip(points, shown, strict=True):
            name = str(names[code])[:30]
            # `$` in a title is no formula.
            axes.annotate(name, point, (3, 3), textcoords="offset points", fontsize=6, parse_math=False)
        share = sizes[:2] ** 2 / max((sizes**2).sum(), 1e-30)
        axes.set_xlabel(f"first direction, {share[0]:.0%} of the variance")
        axes.set_ylabel(f"second direction, {share[1]:.0%}")
        axes.set_title(f"{len(shown)} items of {self.model.name}")
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure

    def _vectors(self, side: str) -> np.ndarray:
        table = self._table(side)
        if table is None:
            raise ValueError(
                "The model must represent users and items by vectors of two or more components. "
                f"Received: {self.model.name!r}, which does not."
            )
        return table

    def _labels(self, name: str) -> "pd.DataFrame":
        import pandas as pd

        ids = self.item_ids if name == "items" else self.user_ids
        frame = pd.DataFrame({name.removesuffix("s"): ids, "n": self._counts(name)})
        if name == "items" and self.item_metadata is not None:
            frame = pd.concat([frame, self.item_metadata], axis=1)
        # The format knows no quotes.
        return frame.astype(str).replace(r"[\t\r\n\"]", " ", regex=True)

    def _counts(self, name: str) -> np.ndarray:
        if name == "items":
            return np.bincount(self._history.items, minlength=self.n_items)
        return np.diff(self._history.starts)

    def _names(self, label: str | None) -> np.ndarray:
        if self.item_metadata is None or not len(self.item_metadata.columns):
            if label is not None:
                raise ValueError(f"`label` needs `item_metadata`. Received: label={label!r}, no metadata.")
            return self.item_ids
        columns = list(self.item_metadata.columns)
        if label is not None and label not in columns:
            raise ValueError(f"`label` must be one of {', '.join(columns)}. Received: label={label!r}.")
        return self.item_metadata[label or columns[0]].to_numpy()
