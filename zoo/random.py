from typing import Any

import keras
import numpy as np
from keras import ops

from kerasrec.zoo._card import Card
from kerasrec.zoo._fitted import fitted
from kerasrec.zoo._parts import id_inputs
from kerasrec.zoo._results import on_movielens_1m


@keras.saving.register_keras_serializable("kerasrec")
class HashScore(keras.layers.Layer):
    """A number in [0, 1) for every pair of a user and an item, computed from their codes.

    Args:
        n_items: int.
        seed: int.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: codes `[B, 1]`.
        item: codes `[B, L]`.

    Returns:
        Scores `[B, L]`.
    """

    def __init__(self, n_items: int, seed: int, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.n_items = n_items
        self.seed = seed
        self.autocast = False

    def build(self, user_shape: Any, item_shape: Any = None) -> None:
        """Create nothing."""
        self.built = True

    def call(self, user: Any, item: Any) -> Any:
        """Hash the pairs."""
        user, item = ops.cast(user, "int32"), ops.cast(item, "int32")
        mixed = _mix(_mix(item + self.seed % 2**31) + user)
        return ops.cast(ops.bitwise_and(mixed, 0xFFFFFF), "float32") / 2.0**24

    def score_catalogue(self, user_codes: Any) -> np.ndarray:
        """Scores of the whole catalogue for some users.

        Args:
            user_codes: int `[B]`.

        Returns:
            `[B, I]`.
        """
        users = np.asarray(user_codes, np.int32)[:, None]
        return ops.convert_to_numpy(self(users, np.arange(self.n_items, dtype=np.int32)[None]))

    def score_histories(self, histories: Any) -> np.ndarray:
        """Scores `[B, I]` of the whole catalogue for users who were not in training.

        Args:
            histories: sparse `[B, I]`; only the number of rows matters.
        """
        return self.score_catalogue(-1 - np.arange(histories.shape[0]))

    def compute_output_shape(self, user_shape: Any, item_shape: Any) -> Any:
        """`[B, L]`."""
        return tuple(item_shape)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n_items": self.n_items, "seed": self.seed}


def _mix(x: Any) -> Any:
    """A bijection of int32 that spreads each bit; products wrap around."""
    x = _fold(_fold(x) * 0x45D9F3B) * 0x45D9F3B
    return _fold(x)


def _fold(x: Any) -> Any:
    """Combine the upper half of the bits with the lower; int32 shifts bring in the sign, which is removed."""
    return ops.bitwise_xor(x, ops.bitwise_and(ops.right_shift(x, 16), 0xFFFF))


def Random(n_items: int, seed: int = 0) -> keras.Model:
    """A random order of the catalogue for each user.

    `score[u, i]` is a hash of `u`, `i` and the seed. Nothing is stored, and a pair always has the same score.

    Args:
        n_items: int, number of items.
        seed: int. Defaults to `0`.

    Returns:
        A fitted `keras.Model`.

    Example:
        >>> import numpy as np, kerasrec
        >>> model = kerasrec.zoo.Random(n_items=100)
        >>> model.predict({"user": np.array([[0]]), "item": np.array([[1, 2]])}, verbose=0).shape
        (1, 2)

    References:
        The hash is that of Mueller, "What integer hash function are good that accepts an integer hash key?",
        Stack Overflow, 2012.
    """
    user, item = id_inputs()
    return fitted(CARD, user, item, HashScore(n_items, seed, name="hash")(user, item))


CARD = Card(
    name="random",
    factory=Random,
    task="ranking",
    summary="A random order of the catalogue for each user, which every model must beat.",
    reference="None needed.",
    optimizer=None,
    loss=None,
    results=on_movielens_1m((0.0026, 0.0098)),
)
