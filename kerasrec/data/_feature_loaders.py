import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from kerasrec.data import _prepared_features
from kerasrec.data._prepare import printed


class FeatureLoaders:
    """The constructors of `Features` that keep them on disk."""

    _of: ClassVar[Callable[..., Any]]

    @classmethod
    def prepare(
        cls,
        source: Any,
        path: Any,
        id: str = "id",
        indicator: bool = False,
        categorical: Sequence[str] = (),
        multilabel: Sequence[str] = (),
        text: Sequence[str] = (),
        numeric: Sequence[str] = (),
        vectors: Sequence[str] = (),
        ids: Any = None,
        sep: str = "|",
        min_count: int = 2,
        weights: str = "one",
        buckets: int | None = None,
        scale: bool = True,
        verbose: bool = True,
    ) -> "Self":
        """Write the features of a table that does not fit into memory to a folder, and open it.

        The table is read in blocks of rows; ids, categories, labels and words are held in memory. The columns
        are those of `indicator`, `categorical`, `multilabel`, `text`, `numeric` and `vectors`, in this order.

        Args:
            source: Parquet with one row per entity: a file, a folder, a pattern such as
                `"items/*.parquet"`, or several.
            path: folder to write.
            id: name of the column of raw ids. Defaults to `"id"`.
            indicator: bool, whether each entity has a column of its own. Defaults to `False`.
            categorical: names of columns of categories. Defaults to `()`.
            multilabel: names of columns of labels. Defaults to `()`.
            text: names of columns of texts, such as titles. Defaults to `()`.
            numeric: names of columns of numbers or dates. Defaults to `()`.
            vectors: names of columns of numbers that stay as they are. Defaults to `()`.
            ids: raw ids of the rows to write, in their order, such as `interactions.item_ids`; a warning
                counts ids that the table lacks. Defaults to `None`: the ids of the table.
            sep: text between labels. Defaults to `"|"`.
            min_count: int, as in `Features.text`, for `text`. Defaults to `2`.
            weights: `"one"` or `"tfidf"`, as in `Features.text`, for `text`. Defaults to `"one"`.
            buckets: int, as in `Features.text`, for `text`. Defaults to `None`: a column per word.
            scale: bool, as in `numeric`. Defaults to `True`.
            verbose: bool, print a line for each stage. Defaults to `True`.

        Returns:
            `Features`, as `open` gives them.

        Raises:
            FileNotFoundError: if there is no such file.
            OSError: if the disk is full.
            ValueError: if a column is missing or has entries that cannot be used, the files differ in their
                types, one is incomplete, or they change while they are read; or if `path` exists.

        Example:
            >>> import pandas as pd, tempfile
            >>> from kerasrec.data import Features
            >>> folder = tempfile.mkdtemp()
            >>> films = pd.DataFrame({"film": ["x", "y"], "genres": ["Drama|War", "War"]})
            >>> films.to_parquet(f"{folder}/films.parquet")
            >>> columns = {"id": "film", "multilabel": ["genres"], "verbose": False}
            >>> features = Features.prepare(f"{folder}/films.parquet", f"{folder}/out", **columns)
            >>> features.names, features.matrix.toarray().tolist()
            (['genres=Drama', 'genres=War'], [[1.0, 1.0], [0.0, 1.0]])
        """
        columns = {
            "categorical": categorical,
            "multilabel": multilabel,
            "text": text,
            "numeric": numeric,
            "vectors": vectors,
        }
        for argument, names in columns.items():
            if isinstance(names, str):
                raise TypeError(f"`{argument}` must be a list of names. Received: {argument}={names!r}.")
        words = {"min_count": min_count, "weights": weights, "buckets": buckets}
        request = _prepared_features.Request(source, id, indicator, columns, ids, sep, words, scale)
        path = Path(os.path.abspath(path))
        _prepared_features.prepare(request, path, printed if verbose else lambda *_: None)
        return cls.open(path, verify=False)

    @classmethod
    def open(cls, path: Any, verify: bool | None = None) -> "Self":
        """The features of a folder that `prepare` wrote, over memory maps.

        Features derived from them (`+`, `align` to other ids) are held in memory, and so are the bags of
        features in a model.

        Args:
            path: the folder.
            verify: bool, whether to compare all checksums, which reads all files. Defaults to `None`: only
                in folders up to 1 GB. Sizes are always compared.

        Returns:
            `Features`.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if it is another folder, of a newer version, or its files have changed.
        """
        return cls._of(*_prepared_features.opened(Path(os.path.abspath(path)), verify))
