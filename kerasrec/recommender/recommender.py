import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras

from kerasrec.data import Features, Interactions
from kerasrec.layers import find_catalogue
from kerasrec.recommender import _metadata, _training
from kerasrec.recommender._history import History
from kerasrec.recommender._maps import Maps
from kerasrec.recommender._safety import one_line
from kerasrec.recommender.file import load_model, save_model

# What arrays and JSON of another form than was written raise.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


class Recommender(Maps):
    """A trained model with its ids, features and seen items: raw ids in, raw ids out, in one file.

    Args:
        model: `keras.Model` with inputs `user` and `item`: any of `kerasrec.zoo`, or your own.
        interactions: `Interactions`, the training data: whose codes the model knows, and what users have.
        user_features: `Features` that the model was made with, for users never seen before.
            Defaults to `None`.
        item_features: the same for items. Defaults to `None`.
        item_metadata: frame indexed by raw item id, whose columns stand beside recommended items.
            Defaults to `None`.

    Attributes:
        model: the `keras.Model`.
        user_features: `Features`, or `None`.
        item_features: `Features`, or `None`.
        item_metadata: frame with a row an item, in the order of `item_ids`, or `None`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if ids of the model, the features or the metadata are not those of the interactions.

    Example:
        >>> import kerasrec
        >>> data = kerasrec.datasets.synthetic(20, 30, 100).interactions
        >>> recommender = kerasrec.Recommender.train(data, model="popularity")
        >>> list(recommender.recommend(data.user_ids[3], k=2).columns)
        ['user', 'rank', 'item', 'score']
    """

    def __init__(
        self,
        model: keras.Model,
        interactions: Interactions,
        user_features: Features | None = None,
        item_features: Features | None = None,
        item_metadata: Any = None,
    ) -> None:
        super().__init__(model, interactions, user_features, item_features, item_metadata)

    @classmethod
    def train(
        cls,
        interactions: Interactions,
        model: str = "hybrid",
        epochs: int | None = None,
        batch_size: int | None = None,
        user_features: Features | None = None,
        item_features: Features | None = None,
        item_metadata: Any = None,
        validation: float | None = None,
        patience: int | None = None,
        seed: int = 0,
        verbose: Any = "auto",
        **hyperparameters: Any,
    ) -> "Recommender":
        """Make a model of the zoo for these interactions, train it as its recipe says, and hold it.

        The recipe (`kerasrec.zoo.recipe`) has the settings, the loss, the optimizer and the batches that the
        model trains best with on data of this size. A tenth of the interactions is held out first, and tells
        after how many epochs the model is best; then the model is trained on all of them for as many. What is
        given here wins over the recipe. `kerasrec train` does the same.

        Args:
            interactions: `Interactions`.
            model: name in `kerasrec.zoo`. Defaults to `"hybrid"`.
            epochs: int, passes over all interactions, of which then none are held out; models in closed form
                take none. Defaults to `None`: as many as are best, and not more than the recipe says.
            batch_size: int. Defaults to `None`: the recipe's.
            user_features: `Features` of the users. Defaults to `None`.
            item_features: `Features` of the items. Defaults to `None`.
            item_metadata: frame indexed by raw item id. Defaults to `None`.
            validation: float, share of the interactions held out to find the best number of epochs, by
                NDCG@10 over the whole catalogue, or by the error of the ratings. Given together with
                `epochs`, these are the most. Defaults to `None`: 0.1, or none if `epochs` are given.
            patience: int, epochs without improvement before the number is settled. Defaults to `None`: the
                recipe's.
            seed: int, of the split, the initial weights and the batches. Defaults to `0`.
            verbose: as in `keras.Model.fit`. Defaults to `"auto"`.
            **hyperparameters: arguments of the model's factory. With a `loss`, the recipe is that of the
                loss.

        Returns:
            `Recommender`.

        Raises:
            ValueError: as `kerasrec.zoo.create` and `Recommender` raise, or if `validation` is not from 0 to
                below 1.
        """
        if item_metadata is not None and isinstance(interactions, Interactions):
            # Refused before the training rather than after it.
            _metadata.aligned(item_metadata, interactions.item_ids)
        training = _training.trained(
            interactions,
            model,
            epochs=epochs,
            batch_size=batch_size,
            features={"user_features": user_features, "item_features": item_features},
            hyperparameters=hyperparameters,
            validation=validation,
            patience=patience,
            seed=seed,
            verbose=verbose,
            tell=print if verbose else None,
        )
        if training.worse:
            warnings.warn(training.worse, stacklevel=2)
        return cls(training.model, interactions, user_features, item_features, item_metadata)

    def __repr__(self) -> str:
        return f"Recommender({self.model.name!r}, {self.n_users:,} users, {self.n_items:,} items)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one `.keras` file, which replaces another one only when it is complete.

        Args:
            path: the file, ending in `.keras`.

        Raises:
            ValueError: if `path` does not end in `.keras`, or the model or the features cannot be written.
            FileNotFoundError: if the folder does not exist.
            TypeError: if an id or an entry of the metadata is neither text nor a number.
        """
        attachments = {"history": self._history.to_arrays()}
        for name in ("user_features", "item_features"):
            features = getattr(self, name)
            if features is not None:
                attachments[name] = features.to_arrays()
        if self.item_metadata is not None:
            attachments["item_metadata"] = _metadata.to_arrays(self.item_metadata)
        self._catalogue.attachments = attachments
        save_model(self.model, path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, copied and sent to other processes in the form of its file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "recommender.keras")
            self.save(path)
            return _from_bytes, (type(self), path.read_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Recommender":
        """Read what `save` wrote; also a file of `kerasrec.recommender.save_model(..., seen=True)`.

        Keras's safe mode is on, and nothing in the file is executed.

        Args:
            path: the file.

        Returns:
            `Recommender`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a complete and harmless file of a recommender.
        """
        model = load_model(path)
        catalogue: Any = find_catalogue(model)
        if catalogue.seen is None:
            raise ValueError(
                "A recommender's file must say which user has which item; write it with `Recommender.save` "
                f"or `save_model(..., interactions, seen=True)`. Received: {os.fspath(path)}, which does not."
            )
        found = cls.__new__(cls)
        try:
            found._restore(model, catalogue)
        except _UNREADABLE as error:
            raise ValueError(
                f"{os.fspath(path)} holds a recommender that cannot be read: {one_line(str(error))}."
            ) from error
        return found

    def export(self, folder: str | os.PathLike[str]) -> None:
        """Write a TensorFlow SavedModel that plain TensorFlow serves, without Keras or kerasrec.

        Its signature takes raw ids `user` `[B]` (text or int64, as the ids are) and `k`, and gives raw ids
        `items` `[B, k]` and `scores` `[B, k]`, seen items left out and ties as everywhere. Where fewer than
        `k` are left, items are empty text or -1, with a score of minus infinity. An unknown user is an error.

        Args:
            folder: a new or empty folder.

        Raises:
            ValueError: if the backend is not TensorFlow, the folder holds something, or ids are of two types.
            FileNotFoundError: if the folder that `folder` is to be in does not exist.
        """
        from kerasrec.recommender._export import export

        export(self, folder)

    def _restore(self, model: keras.Model, catalogue: Any) -> None:
        self.model, self._catalogue = model, catalogue
        self.refresh()
        starts, items = catalogue.seen
        attached = catalogue.attachments
        given = attached.get("history", {})
        self._history = History.from_arrays(starts, items, given, self.user_ids, self.item_ids)
        for name in ("user_features", "item_features"):
            features = Features.from_arrays(attached[name]) if name in attached else None
            ids = self.user_ids if name == "user_features" else self.item_ids
            if features is not None and (
                len(features) != len(ids) or (features.ids is not None and list(features.ids) != list(ids))
            ):
                raise ValueError(f"{name} must have a row for each of the {len(ids)} ids")
            setattr(self, name, features)
        self.item_metadata = None
        if "item_metadata" in attached:
            self.item_metadata = _metadata.from_arrays(attached["item_metadata"], self.n_items)


def _from_bytes(cls: type[Recommender], content: bytes) -> Recommender:
    """What `Recommender.__reduce__` took apart."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recommender.keras")
        path.write_bytes(content)
        return cls.load(path)
