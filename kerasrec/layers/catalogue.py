import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasrec._version import __version__

FORMAT = 2
HEADER = "catalogue.json"


@keras.saving.register_keras_serializable("kerasrec")
class Catalogue(keras.layers.Layer):
    """What a model file says about its codes: raw ids, the range of values and the items seen.

    The layer passes scores through unchanged and stands behind a model's output, so that whatever Keras
    saves (`model.save`, `ModelCheckpoint`) carries it. Everything it holds is an asset of the file, never
    a part of the config. It starts empty; `kerasrec.zoo.create` and `kerasrec.recommender.save_model` fill
    it.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Attributes:
        user_ids: raw ids by code `[U]`, or `None` while empty.
        item_ids: raw ids by code `[I]`, or `None` while empty.
        value_range: `(lowest, highest)` value of the interactions, or `None` while empty.
        seen: `None`, or `(indptr [U + 1], items [n])`: the items of user `u` are
            `items[indptr[u]:indptr[u + 1]]`, ascending.
        attachments: dict of dicts of arrays: what a `kerasrec.Recommender` keeps beside these.

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
        """Nothing to create."""
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Pass the scores through."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape

    @property
    def filled(self) -> bool:
        """Whether it holds ids."""
        return self.user_ids is not None

    def fill(self, interactions: Any, seen: bool = False) -> None:
        """Take the ids and the range of values from interactions.

        Args:
            interactions: `kerasrec.data.Interactions`, the training data.
            seen: bool, whether to keep which user has which item as well. Defaults to `False`.

        Raises:
            ValueError: if there are no interactions.
            TypeError: if an id is neither text nor a whole number: a file can hold no other.
        """
        if not len(interactions):
            raise ValueError("`interactions` must not be empty. Received: 0 interactions.")
        _check_ids("user_ids", interactions.user_ids)
        _check_ids("item_ids", interactions.item_ids)
        self.user_ids, self.item_ids = interactions.user_ids, interactions.item_ids
        self.value_range = (float(interactions.values.min()), float(interactions.values.max()))
        self.seen = _rows(interactions) if seen else None
        self.attachments = {}

    def save_assets(self, dir_path: str) -> None:
        """Write what it holds; nothing while empty."""
        if self.user_ids is None or self.item_ids is None:
            return
        folder = Path(dir_path)
        _write_ids(folder, "user_ids", self.user_ids)
        _write_ids(folder, "item_ids", self.item_ids)
        if self.seen is not None:
            np.savez(folder / "seen.npz", indptr=self.seen[0], items=self.seen[1])
        for name, arrays in self.attachments.items():
            np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        header = {
            "format": FORMAT,
            "kerasrec": __version__,
            "value_range": self.value_range,
            "attachments": list(self.attachments),
        }
        (folder / HEADER).write_text(json.dumps(header), encoding="utf-8")

    def load_assets(self, dir_path: str | None) -> None:
        """Read what `save_assets` wrote."""
        self._clear()
        if dir_path is None or not (Path(dir_path) / HEADER).is_file():
            return
        folder = Path(dir_path)
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        check_header(header)
        self.user_ids, self.item_ids = _read_ids(folder, "user_ids"), _read_ids(folder, "item_ids")
        self.value_range = _range(header.get("value_range"))
        if (folder / "seen.npz").is_file():
            with np.load(folder / "seen.npz", allow_pickle=False) as arrays:
                self.seen = (arrays["indptr"], arrays["items"])
            _check_seen(*self.seen, len(self.user_ids), len(self.item_ids))
        for name in header.get("attachments", ()):
            # A plain name: the header may come from anywhere.
            with np.load(folder / f"{Path(name).name}.npz", allow_pickle=False) as arrays:
                self.attachments[name] = dict(arrays)

    def _clear(self) -> None:
        self.user_ids = self.item_ids = self.value_range = self.seen = None
        self.attachments = {}


def check_header(header: dict[str, Any]) -> None:
    """Refuse a file of a newer kerasrec.

    Args:
        header: what `Catalogue.save_assets` wrote to `catalogue.json`.

    Raises:
        ValueError: if the format is newer than this kerasrec's, or there is none.
    """
    found = header.get("format") if isinstance(header, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"A file's header must name its format. Received: format={found!r}.")
    if found > FORMAT:
        raise ValueError(
            f"The file's format must be at most {FORMAT}; upgrade kerasrec to read a newer one. "
            f"Received: format {found}, written by kerasrec {header.get('kerasrec')}."
        )


def _range(found: Any) -> tuple[float, ...]:
    numbers = isinstance(found, list) and len(found) == 2 and all(type(x) in (int, float) for x in found)
    if not numbers or not -math.inf < found[0] <= found[1] < math.inf:
        raise ValueError(
            f"The range of values must be two numbers, the lower one first. Received: {str(found)[:80]}."
        )
    return tuple(map(float, found))


def _check_seen(starts: np.ndarray, items: np.ndarray, n_users: int, n_items: int) -> None:
    whole = starts.dtype.kind == items.dtype.kind == "i" and starts.ndim == items.ndim == 1
    if (
        not whole
        or len(starts) != n_users + 1
        or starts[0] != 0
        or starts[-1] != len(items)
        or (np.diff(starts) < 0).any()
        or (len(items) and not 0 <= items.min() <= items.max() < n_items)
    ):
        raise ValueError(
            "Seen items must be a list of items for each user. "
            f"Received: {starts.shape} starts and {items.shape} items for {n_users} users, {n_items} items."
        )
    ascending = np.diff(items.astype(np.int64)) > 0
    ascending[starts[(starts > 0) & (starts < len(items))] - 1] = True  # where the next user begins
    if not ascending.all():
        raise ValueError("Seen items of a user must ascend. Received: items that do not.")


def find_catalogue(model: keras.Model) -> Catalogue | None:
    """The catalogue of a model, or `None` where it has none.

    Args:
        model: any `keras.Model`.

    Returns:
        `Catalogue`, or `None`.
    """
    return next((layer for layer in model.layers if isinstance(layer, Catalogue)), None)


def _rows(interactions: Any) -> tuple[np.ndarray, np.ndarray]:
    # One key a pair; `np.unique` would take several times as long as `np.sort`.
    n_items = interactions.n_items
    pairs = np.sort(interactions.users.astype(np.int64) * n_items + interactions.items)
    first = np.ones(len(pairs), bool)
    first[1:] = pairs[1:] != pairs[:-1]
    pairs = pairs[first]
    counts = np.bincount(pairs // n_items, minlength=interactions.n_users)
    return np.concatenate([[0], np.cumsum(counts)]), (pairs % n_items).astype(np.int32)


def _check_ids(name: str, ids: np.ndarray) -> None:
    if ids.dtype.kind == "i":
        return
    bad = [kind for kind in set(map(type, ids)) if kind is bool or not issubclass(kind, (str, int))]
    if bad:
        code = next(code for code, raw in enumerate(ids) if type(raw) in bad)
        raise TypeError(
            f"`{name}` must be text or whole numbers to be saved; convert the column with `.astype(str)`. "
            f"Received: {ids[code]!r} of type {type(ids[code]).__name__}."
        )
    try:
        "".join(raw for raw in ids if isinstance(raw, str)).encode()
    except UnicodeEncodeError as error:
        # Half a character, as `errors="surrogateescape"` leaves it.
        half = error.object[error.start]
        raise ValueError(
            f"`{name}` must be valid Unicode to be saved; read the table with the encoding that it was "
            f"written in. Received: {next(raw for raw in ids if isinstance(raw, str) and half in raw)!r}."
        ) from error


def _write_ids(folder: Path, name: str, ids: np.ndarray) -> None:
    if ids.dtype.kind == "i":
        np.save(folder / f"{name}.npy", ids, allow_pickle=False)
    else:
        (folder / f"{name}.json").write_text(json.dumps(ids.tolist()), encoding="utf-8")


def _read_ids(folder: Path, name: str) -> np.ndarray:
    if (folder / f"{name}.npy").is_file():
        ids: np.ndarray = np.load(folder / f"{name}.npy", allow_pickle=False)
    else:
        listed = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        ids = np.empty(len(listed), dtype=object)
        ids[:] = listed
    _check_ids(name, ids)
    if ids.ndim != 1 or len(set(ids.tolist())) != len(ids):
        raise ValueError(f"`{name}` must be a list without repeats. Received: {ids.shape} with repeats.")
    return ids
