from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec._assets import Assets, check_ids, read_assets, write_assets


@keras.saving.register_keras_serializable("kerasrec")
class Catalogue(keras.layers.Layer):
    """Stores in a model's file what its codes mean: raw ids, the range of values and the seen items.

    The layer follows the model's output and passes scores through unchanged, so everything that Keras saves
    (`model.save`, `ModelCheckpoint`) contains it. Its data are assets of the file, never part of the config.
    It starts empty; `kerasrec.zoo.create` and `kerasrec.recommender.save_model` fill it.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Attributes:
        user_ids: raw ids by code `[U]`, or `None` while empty.
        item_ids: raw ids by code `[I]`, or `None` while empty.
        value_range: `(lowest, highest)` value of the interactions, or `None` while empty.
        seen: `None`, or `(indptr [U + 1], items [n])`: the items of user `u` are
            `items[indptr[u]:indptr[u + 1]]`, ascending.
        attachments: dict of dicts of arrays: further data of a `kerasrec.Recommender`.

    Call arguments:
        inputs: scores of any shape.

    Returns:
        `inputs`.

    Example:
        >>> import pandas as pd, kerasrec
        >>> frame = pd.DataFrame({"user": ["ann", "bob"], "item": [7, 9], "stars": [4.0, 2.0]})
        >>> catalogue = kerasrec.layers.Catalogue()
        >>> catalogue.fill(kerasrec.data.Interactions.from_frame(frame, value="stars"))
        >>> catalogue.user_ids.tolist(), catalogue.value_range
        (['ann', 'bob'], (2.0, 4.0))
    """

    keeps_order = True

    user_ids: np.ndarray | None
    item_ids: np.ndarray | None
    value_range: tuple[float, ...] | None
    seen: tuple[np.ndarray, np.ndarray] | None
    attachments: dict[str, dict[str, np.ndarray]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.autocast = False
        self.supports_masking = True
        self._clear()

    def build(self, input_shape: Any) -> None:
        """Create nothing."""
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Pass the scores through."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input."""
        return input_shape

    @property
    def filled(self) -> bool:
        """Whether the catalogue has ids."""
        return self.user_ids is not None

    def fill(self, interactions: Any, seen: bool = False) -> None:
        """Copy the ids and the range of values from interactions.

        Args:
            interactions: `kerasrec.data.Interactions`, the training data.
            seen: bool, whether to keep which user has which item as well. Defaults to `False`.

        Raises:
            ValueError: if there are no interactions.
            TypeError: if an id is neither text nor a whole number, because a file can store no other ids.
        """
        if not len(interactions):
            raise ValueError("`interactions` must not be empty. Received: 0 interactions.")
        check_ids("user_ids", interactions.user_ids)
        check_ids("item_ids", interactions.item_ids)
        self.user_ids, self.item_ids = interactions.user_ids, interactions.item_ids
        self.value_range = (float(interactions.values.min()), float(interactions.values.max()))
        self.seen = _rows(interactions) if seen else None
        self.attachments = {}

    def save_assets(self, dir_path: str) -> None:
        """Write the assets; nothing if the catalogue is empty."""
        if self.user_ids is None or self.item_ids is None:
            return
        assets = Assets(self.user_ids, self.item_ids, self.value_range, self.seen, self.attachments)
        write_assets(Path(dir_path), assets)

    def load_assets(self, dir_path: str | None) -> None:
        """Read the assets that `save_assets` wrote."""
        self._clear()
        found = None if dir_path is None else read_assets(Path(dir_path))
        if found is not None:
            self.user_ids, self.item_ids, self.value_range, self.seen, self.attachments = found

    def _clear(self) -> None:
        self.user_ids = self.item_ids = self.value_range = self.seen = None
        self.attachments = {}


def find_catalogue(model: keras.Model) -> Catalogue | None:
    """The catalogue of a model, or `None` if it has none.

    Args:
        model: any `keras.Model`.

    Returns:
        `Catalogue`, or `None`.
    """
    return next((layer for layer in model.layers if isinstance(layer, Catalogue)), None)


def _rows(interactions: Any) -> tuple[np.ndarray, np.ndarray]:
    # One key per pair; `np.unique` would take several times as long as `np.sort`.
    n_items = interactions.n_items
    pairs = np.sort(interactions.users.astype(np.int64) * n_items + interactions.items)
    first = np.ones(len(pairs), bool)
    first[1:] = pairs[1:] != pairs[:-1]
    pairs = pairs[first]
    counts = np.bincount(pairs // n_items, minlength=interactions.n_users)
    return np.concatenate([[0], np.cumsum(counts)]), (pairs % n_items).astype(np.int32)
