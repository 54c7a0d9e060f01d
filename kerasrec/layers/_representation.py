from typing import Any

import keras

from kerasrec._arguments import positive_integer
from kerasrec.layers._features import leading_and_last


class Representation(keras.layers.Layer):
    """The base class of representation layers: their sizes, and features in any form.

    A subclass defines `build_tables(n_features)` and `call(inputs)`.

    Args:
        n_components: int, size of a representation; `None` if the subclass finds it when it is built.
        n_features: int, number of features; `None` if it is known from dense or sparse inputs.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, n_components: int | None, n_features: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_components: Any = (
            None if n_components is None else positive_integer("n_components", n_components)
        )
        self.n_features = None if n_features is None else positive_integer("n_features", n_features)

    def build(self, input_shape: Any) -> None:
        """Create the weights, whose shapes depend on `F`."""
        _, last = leading_and_last(input_shape)
        if last is None:
            if self.n_features is None:
                raise ValueError(
                    f"`n_features` of layer '{self.name}' must be given if features come as bags, e.g. "
                    f"{type(self).__name__}(..., n_features=features.n_features). Received: n_features=None."
                )
            last = self.n_features
        elif self.n_features not in (None, last):
            transposed = " They look transposed." if input_shape[0] == self.n_features else ""
            raise ValueError(
                f"The features of layer '{self.name}' must have n_features={self.n_features} columns."
                f"{transposed} Received: shape={tuple(input_shape)}."
            )
        self.build_tables(last)
        self.built = True

    def build_tables(self, n_features: int) -> None:
        """Create the weights for `n_features` features."""

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`[B, C]`, or `[B, L, C]` for lists."""
        return (*leading_and_last(input_shape)[0], self.n_components)

    def get_config(self) -> dict[str, Any]:
        """Settings, for saving."""
        return {**super().get_config(), "n_components": self.n_components, "n_features": self.n_features}
