from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasrec.data import _encoders, _feature_arrays, _prepared_features
from kerasrec.data._columns import id_index, vocabulary
from kerasrec.data._describe import describe_features
from kerasrec.data._feature_checks import check_matrix, check_stacked, named
from kerasrec.data._feature_loaders import FeatureLoaders
from kerasrec.data._numeric_encoder import Numeric, Vectors
from kerasrec.data._text_encoders import text_encoder

if TYPE_CHECKING:
    import pandas as pd


class Features(FeatureLoaders):
    """Features of users or items: one sparse row per entity, with named columns.

    Build them from columns of a frame that is indexed by raw id, stack them with `+`, and encode new entities
    with `transform`. Indicator features are the identity of the entity. With these alone a model is a matrix
    factorisation, with metadata alone it is content-based, and with both it is a hybrid.

    Args:
        matrix: sparse or dense `[n, F]`.
        encoders: the encoders of the columns, in the order of the columns.
        ids: raw ids of the rows. Defaults to `None`: the rows are in the order of codes.

    Attributes:
        matrix: `scipy.sparse.csr_matrix` `[n, F]`, float32.
        ids: array `[n]`, or `None`.

    Raises:
        ValueError: if the matrix is empty or has weights that are not finite, or its shape does not fit.

    Example:
        >>> import pandas as pd
        >>> from kerasrec.data import Features
        >>> films = pd.DataFrame({"genres": ["Drama|War", "War"], "year": [1970, 1990]}, index=["x", "y"])
        >>> features = Features.indicator(films.index) + Features.multilabel(films["genres"])
        >>> features.names
        ['id=x', 'id=y', 'genres=Drama', 'genres=War']
        >>> features.matrix.toarray().tolist()
        [[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]]
        >>> features.transform(pd.DataFrame({"genres": ["Drama"]}, index=["new"])).matrix.toarray().tolist()
        [[0.0, 0.0, 1.0, 0.0]]
    """

    def __init__(self, matrix: Any, encoders: Sequence[Any], ids: Any = None) -> None:
        import scipy.sparse

        self.matrix = scipy.sparse.csr_matrix(matrix, dtype=np.float32)
        self.ids = None if ids is None else vocabulary(ids, "id")
        self._encoders = tuple(encoders)
        check_matrix(self.matrix, self.ids)
        self.matrix.sum_duplicates()
        if not self.matrix.data.all():
            self.matrix.eliminate_zeros()

    @classmethod
    def indicator(cls, ids: Any) -> "Features":
        """One column per entity: its identity.

        Args:
            ids: raw ids, each once, e.g. `interactions.item_ids`.

        Returns:
            `Features` with the columns `id=...`, in the order of `ids`.
        """
        import pandas as pd

        index = pd.Index(vocabulary(ids, "id"), tupleize_cols=False)
        encoder = _encoders.Indicator("id", np.asarray(index))
        return cls._encoded(encoder, pd.DataFrame(index=index))

    @classmethod
    def categorical(cls, series: "pd.Series[Any]") -> "Features":
        """One column per category.

        Args:
            series: text, numbers or truth values, indexed by raw id; the columns are named after it. Missing
                and empty entries have no category; spaces around text are ignored.

        Returns:
            `Features` with the columns `name=category`, sorted.
        """
        return cls._encoded(_encoders.Categorical.fit(named(series)), series.to_frame())

    @classmethod
    def multilabel(cls, series: "pd.Series[Any]", sep: str = "|") -> "Features":
        """One column per label; an entity may have any number of labels.

        Args:
            series: texts such as `"Drama|War"`, indexed by raw id.
            sep: text between labels; spaces around them are ignored. Defaults to `"|"`.

        Returns:
            `Features` with the columns `name=label`, sorted.
        """
        if not isinstance(sep, str) or not sep:
            raise ValueError(f"`sep` must be the text between labels. Received: sep={sep!r}.")
        return cls._encoded(_encoders.Multilabel.fit(named(series), sep=sep), series.to_frame())

    @classmethod
    def text(
        cls, series: "pd.Series[Any]", min_count: int = 2, weights: str = "one", buckets: int | None = None
    ) -> "Features":
        """One column per word, in lower case, for titles, descriptions or reviews.

        Args:
            series: texts, indexed by raw id.
            min_count: int, minimum number of rows with a word; rarer words are left out. Defaults to `2`.
            weights: `"one"`: a word is present or not; or `"tfidf"`: scikit-learn's weights, which are higher
                for rare words, with rows of length 1. Defaults to `"one"`.
            buckets: int, number of columns into which words are hashed, for an open vocabulary: no word is
                left out, and rows have length 1. Defaults to `None`: one column per word.

        Returns:
            `Features` with the columns `name=word`, sorted; for hashed words `name#0` and so on.

        Raises:
            ValueError: if no word is left, or there are no such weights.
        """
        encoder = text_encoder(named(series).name, [series], min_count, weights, buckets)
        return cls._encoded(encoder, series.to_frame())

    @classmethod
    def vectors(cls, frame: "pd.DataFrame") -> "Features":
        """Vectors computed elsewhere, such as text or image embeddings of the items.

        Args:
            frame: a column of numbers for each dimension, indexed by raw id.

        Returns:
            `Features` with the frame's columns; `transform` takes the vectors of other entities.

        Raises:
            ValueError: if an entry is missing or not a number.

        Example:
            >>> import pandas as pd, kerasrec
            >>> vectors = pd.DataFrame([[0.1, -2.0], [0.4, 1.0]], index=["x", "y"]).add_prefix("dim")
            >>> kerasrec.data.Features.vectors(vectors).names
            ['dim0', 'dim1']
        """
        import pandas as pd

        if not isinstance(frame, pd.DataFrame):
            raise TypeError(
                "`frame` must be a pandas DataFrame indexed by raw id, such as `pd.DataFrame(vectors, ids)`. "
                f"Received: {type(frame).__name__}."
            )
        if not len(frame.columns):
            raise ValueError("`frame` must have a column for each dimension. Received: none.")
        return cls._encoded(Vectors(list(frame.columns)), frame)

    @classmethod
    def numeric(cls, series: "pd.Series[Any]", scale: bool = True) -> "Features":
        """One column of numbers.

        Args:
            series: numbers, or dates or durations (in nanoseconds), indexed by raw id; missing ones become 0.
            scale: bool, whether to subtract the mean and divide by the standard deviation. The latter is
                taken as 1 if the numbers differ only by rounding. Defaults to `True`.

        Returns:
            `Features` with one column, named like the series.
        """
        return cls._encoded(Numeric.fit(named(series), scale), series.to_frame())

    @classmethod
    def from_csr(cls, matrix: Any, names: Sequence[str] | None = None, ids: Any = None) -> "Features":
        """Features from an existing matrix.

        Args:
            matrix: sparse or dense `[n, F]`.
            names: names of the columns. Defaults to `None`: `"0"`, `"1"` and so on.
            ids: raw ids of the rows. Defaults to `None`: the rows are in the order of the codes.

        Returns:
            `Features` that cannot encode new entities.
        """
        given = [str(name) for name in (range(matrix.shape[1]) if names is None else names)]
        if len(given) != matrix.shape[1]:
            raise ValueError(
                "`names` must have one name per column. "
                f"Received: {len(given)} names for {matrix.shape[1]} columns."
            )
        return cls(matrix.copy(), [_encoders.Given(given)], ids)

    @classmethod
    def from_transformer(cls, transformer: Any, frame: "pd.DataFrame | pd.Series[Any]") -> "Features":
        """Features that a scikit-learn transformer makes from a frame.

        Args:
            transformer: a transformer with `get_feature_names_out`; it is fitted if it is not fitted yet.
            frame: input of the transformer, indexed by raw id: a frame, or a series of texts.

        Returns:
            `Features` that cannot be written to a file with their encoder.
        """
        from sklearn.base import clone
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        if frame.ndim == 1:
            frame = named(frame)
        try:
            check_is_fitted(transformer)
        except NotFittedError:
            transformer = clone(transformer).fit(frame)
        columns = list(frame.columns) if frame.ndim == 2 else frame.name
        encoder = _encoders.Transformer(transformer, columns)
        return cls._encoded(encoder, frame if frame.ndim == 2 else frame.to_frame())

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [name for encoder in self._encoders for name in encoder.names]

    def columns_of(self, *names: str) -> list[int]:
        """Numbers of the columns that were made from the given series, e.g. for `FeatureDropout`.

        Args:
            *names: names of the series; `"id"` for indicator columns.

        Returns:
            Numbers of columns, ascending.

        Raises:
            ValueError: if no columns were made from a series with that name.
        """
        made_from = [getattr(encoder, "column", None) for encoder in self._encoders for _ in encoder.names]
        for name in names:
            if name not in made_from:
                known = ", ".join(repr(column) for column in dict.fromkeys(made_from) if column is not None)
                raise ValueError(
                    f"`names` must name series that the columns were made from: {known or 'none'}. Received: "
                    f"{name!r}."
                )
        return [number for number, column in enumerate(made_from) if column in names]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    @property
    def has_identity(self) -> bool:
        """Whether there are indicator columns."""
        return any(isinstance(encoder, _encoders.Indicator) for encoder in self._encoders)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __repr__(self) -> str:
        return f"Features({len(self)} rows of {self.n_features} columns)"

    def __add__(self, other: "Features") -> "Features":
        import scipy.sparse

        if not isinstance(other, Features):
            return NotImplemented
        check_stacked(self, other)
        matrix = scipy.sparse.hstack([self.matrix, other.matrix], "csr")
        return Features(matrix, self._encoders + other._encoders, self.ids)

    def transform(self, new_frame: "pd.DataFrame | pd.Series[Any]") -> "Features":
        """Encode other entities with the fitted encoders.

        Args:
            new_frame: frame with the columns that the features were made from, indexed by raw id. Unknown
                categories become zeros, and a warning has their number. Unknown ids become zeros, too.

        Returns:
            `Features` with the same columns.

        Raises:
            ValueError: if a column is missing, or if columns of these features were given as a matrix.
        """
        import scipy.sparse

        frame = new_frame.to_frame() if new_frame.ndim == 1 else new_frame
        blocks = [encoder.encode(frame) for encoder in self._encoders]
        return Features(scipy.sparse.hstack(blocks, "csr"), self._encoders, frame.index)

    def align(self, ids: Any, side: str = "entity") -> "Features":
        """The rows of these ids, in their order.

        An id without a row gets an empty one, and a warning has the number of such ids.

        Args:
            ids: raw ids by code, such as `interactions.item_ids`.
            side: name of an id in error messages. Defaults to `"entity"`.

        Returns:
            `Features` with `len(ids)` rows.

        Raises:
            ValueError: if no id has a row, or if features without ids have a different number of rows.
        """
        import scipy.sparse

        wanted = id_index(ids)
        if self.ids is None:
            if len(wanted) != len(self):
                transposed = " The matrix looks transposed." if self.n_features == len(wanted) else ""
                raise ValueError(
                    f"Features must have one row per {side}. Received: {len(self)} rows of {self.n_features} "
                    f"columns for {len(wanted)}.{transposed}"
                )
            return Features(self.matrix, self._encoders, ids)
        rows = _prepared_features.rows_of(self.ids, wanted, side)
        if len(rows) == len(self) and (rows == np.arange(len(rows))).all():
            return self  # on disk they stay there
        matrix = self.matrix[rows]
        if (rows < 0).any():
            matrix = scipy.sparse.diags_array((rows >= 0).astype(np.float32)) @ matrix
        return Features(matrix, self._encoders, ids)

    def bags(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows as padded bags, which every backend supports.

        Returns:
            Columns `[n, W]` (int32) and weights `[n, W]` (float32). `W` is the maximum number of columns of
            an entity; padding is column 0 with weight 0.
        """
        counts = np.diff(self.matrix.indptr)
        there = np.arange(max(1, counts.max())) < counts[:, None]
        indices, weights = np.zeros(there.shape, np.int32), np.zeros(there.shape, np.float32)
        indices[there], weights[there] = self.matrix.indices, self.matrix.data
        return indices, weights

    def describe(self) -> "pd.DataFrame":
        """Counts, shares and names of rows and columns, and of suspicious ones.

        Returns:
            A frame with the rows `columns`, `rows`, `empty rows` (entities without features), `constant
            columns` and `duplicated columns` (equal to an earlier one), and the columns `count`, `share` (of
            all rows or columns) and `names` (ids for rows).
        """
        return describe_features(self.matrix, self.names, self.ids)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything, including the encoders, as arrays that `np.savez` writes without pickle.

        Returns:
            Arrays by name.

        Raises:
            ValueError: if a column was made by a transformer of scikit-learn.
            TypeError: if an id or a category is not text, a number or a truth value.
        """
        return _feature_arrays.to_arrays(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Features":
        """The features that `to_arrays` wrote.

        Args:
            arrays: arrays by name, such as an open `.npz` file.

        Returns:
            `Features`.

        Raises:
            TypeError: if they are a matrix.
            ValueError: if a newer version wrote them.
        """
        return cls(*_feature_arrays.from_arrays(arrays))

    @classmethod
    def _of(cls, matrix: Any, encoders: Sequence[Any], ids: np.ndarray) -> "Features":
        """Features from parts that are known to be valid and are not checked."""
        found = cls.__new__(cls)
        found.matrix, found._encoders, found.ids = matrix, tuple(encoders), ids
        return found

    @classmethod
    def _encoded(cls, encoder: Any, frame: "pd.DataFrame") -> "Features":
        return cls(encoder.encode(frame), [encoder], frame.index)
