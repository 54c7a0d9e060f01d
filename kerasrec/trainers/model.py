from typing import Any

import keras
from keras.src.models.functional import Functional

from kerasrec.layers.towers import Towers, find_towers


def _columns(inputs: Any) -> Any:
    """Ids of shape `[B]` as `[B, 1]`: Keras adds the axis only where an input is declared to be `[B, 1]`."""
    if not isinstance(inputs, dict):
        return inputs
    return {
        name: keras.ops.expand_dims(x, -1) if len(getattr(x, "shape", (0, 0))) == 1 else x
        for name, x in inputs.items()
    }


class _Trainer:
    """What kerasrec adds to a `keras.Model`; mixed into its subclassed and its functional form."""

    @property
    def towers(self) -> Towers | None:
        """The user tower, item tower and score of a factorised model; `None` for others."""
        return find_towers(self)


class Model(_Trainer, keras.Model):
    """A `keras.Model` whose `fit` is fast on large tables."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Build the functional form where `inputs` and `outputs` are given."""
        functional = len(args) == 2 or "outputs" in kwargs
        if cls is Model and functional:
            return _FunctionalModel(*args, **kwargs)
        return super().__new__(cls)


class _FunctionalModel(_Trainer, Functional):
    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(_columns(inputs), *args, **kwargs)

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().call(_columns(inputs), *args, **kwargs)


keras.saving.register_keras_serializable("kerasrec", name="Model")(_FunctionalModel)
