from typing import Any

import keras
from keras import ops

from kerasrec.layers.dot_score import DotScore
from kerasrec.layers.score import Score


@keras.saving.register_keras_serializable("kerasrec")
class TasteMixture(Score):
    """Compares several representations per user, one per taste, with one per item.

    With `score_t` the comparison of taste `t` with the item, and `a_t` that of the taste's attention
    representation,

        score = max_t score_t                                 without attention
        score = sum_t score_t * exp(a_t) / sum_r exp(a_r)     with attention

    plus the biases, added once. The three forms agree: pairs, lists, and all pairs (`all_pairs`).

    Args:
        score: the `Score` layer that compares. Defaults to `None`: `DotScore()`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        user: user representations `[B, T, C]`.
        item: item representations `[B, C]` (pairs), `[B, L, C]` (lists) or `[1, L, C]` (one list for all
            users).
        user_bias: `[B, 1]`, or `None`.
        item_bias: `[B, 1]` for pairs, `[B, L, 1]` or `[1, L, 1]` for lists, or `None`.
        attention: attention representations `[B, T, C]` with at least two tastes, or `None`.

    Returns:
        Scores `[B]` for pairs, `[B, L]` for lists.

    Raises:
        ValueError: if the ranks are wrong, the numbers of components differ, or attention is used with one
            taste.
        TypeError: if `score` is not a `Score` layer.

    Example:
        >>> import numpy as np, kerasrec
        >>> tastes, item = np.array([[[1.0, 0.0], [0.0, 3.0]]]), np.array([[2.0, 1.0]])
        >>> float(kerasrec.layers.TasteMixture()(tastes, item)[0])
        3.0

    References:
        Kula, "Mixture-of-tastes models for representing users with diverse interests", 2017, eq. 4 and 5;
        Weston, Weiss and Yee, "Nonlinear latent factorization by embedding multiple user interests", 2013,
        eq. 2.
    """

    def __init__(self, score: Score | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.score = DotScore() if score is None else score
        if not isinstance(self.score, Score) or isinstance(self.score, TasteMixture):
            raise TypeError(
                f"`score` must be a score layer that compares two vectors. Received: score={score!r}."
            )

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Create nothing; the inner score is never called as a layer, so it needs no `build`."""
        self.score.build()
        self.built = True

    def call(
        self, user: Any, item: Any, user_bias: Any = None, item_bias: Any = None, attention: Any = None
    ) -> Any:
        """Score pairs or lists."""
        return super().call(_with_attention(user, item, attention), item, user_bias, item_bias)

    def all_pairs(
        self, user: Any, item: Any, user_bias: Any = None, item_bias: Any = None, attention: Any = None
    ) -> Any:
        """Score every user with every item.

        Args:
            user: `[U, T, C]`.
            item: `[I, C]`.
            user_bias: `[U, 1]`. Defaults to `None`.
            item_bias: `[I, 1]`. Defaults to `None`.
            attention: `[U, T, C]`. Defaults to `None`.

        Returns:
            Scores `[U, I]`.
        """
        return super().all_pairs(_with_attention(user, item, attention), item, user_bias, item_bias)

    def compare(self, user: Any, item: Any) -> Any:
        """`[..., T, C]`, or `[..., T, 2C]` with attention, with `[..., C]` to `[...]`."""
        n_components = item.shape[-1]
        item = ops.expand_dims(item, -2)
        scores = self.score.compare(user[..., :n_components], item)
        if user.shape[-1] == n_components:
            return _mix(scores)
        return _mix(scores, self.score.compare(user[..., n_components:], item))

    def compare_all(self, user: Any, item: Any) -> Any:
        """`[U, T, C]`, or `[U, T, 2C]` with attention, with `[I, C]` to `[U, I]`."""
        n_components = item.shape[-1]

        def tastes(vectors: Any) -> Any:
            scores = [self.score.compare_all(vectors[:, t], item) for t in range(vectors.shape[1])]
            return ops.stack(scores, axis=-1)

        if user.shape[-1] == n_components:
            return _mix(tastes(user))
        return _mix(tastes(user[..., :n_components]), tastes(user[..., n_components:]))

    def compute_output_shape(
        self,
        user_shape: Any,
        item_shape: Any,
        user_bias_shape: Any = None,
        item_bias_shape: Any = None,
        attention_shape: Any = None,
    ) -> tuple[int | None, ...]:
        """`[B]` for pairs, `[B, L]` for lists."""
        return tuple(item_shape[:-1])

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "score": keras.saving.serialize_keras_object(self.score)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TasteMixture":
        """A layer from its settings.

        Args:
            config: what `get_config` gave.

        Returns:
            `TasteMixture`.
        """
        return cls(**{**config, "score": keras.saving.deserialize_keras_object(config["score"])})

    def _check(self, user: Any, item: Any) -> None:
        """Do nothing, because `_with_attention` has checked the inputs."""


def _with_attention(user: Any, item: Any, attention: Any) -> Any:
    """Tastes and attention, concatenated to `[B, T, 2C]`, so that all forms of a score take one argument."""
    if len(user.shape) != 3 or len(item.shape) not in (2, 3) or user.shape[-1] != item.shape[-1]:
        raise ValueError(
            "`TasteMixture` takes user [batch, n_tastes, n_components] and item [batch, n_components] or "
            "[batch, list, n_components], with equal n_components. "
            f"Received: user {tuple(user.shape)}, item {tuple(item.shape)}."
        )
    if attention is None:
        return user
    if tuple(attention.shape[1:]) != tuple(user.shape[1:]) or user.shape[1] < 2:
        raise ValueError(
            "`attention` must have the shape of `user`, [batch, n_tastes, n_components], with at least two "
            f"tastes. Received: attention {tuple(attention.shape)}, user {tuple(user.shape)}."
        )
    return ops.concatenate([user, attention], axis=-1)


def _mix(scores: Any, attention: Any = None) -> Any:
    """`[..., T]` to `[...]`."""
    if attention is None:
        return ops.max(scores, axis=-1)
    return ops.sum(scores * ops.softmax(attention, axis=-1), axis=-1)
