from collections.abc import Callable
from typing import Any

import keras

from kerasrec._inputs import input_names
from kerasrec.layers._once import one_call
from kerasrec.layers.towers import find_towers
from kerasrec.trainers._keras import Functional, functional_init_arguments
from kerasrec.trainers._positions import asks_for_positions, of_positions
from kerasrec.trainers._shapes_alone import outputs_of_shapes, shapes_alone
from kerasrec.trainers._shared_items import SHARED, scorer
from kerasrec.trainers._training import Training


class Model(Training, keras.Model):
    """A `keras.Model` whose `fit` is fast on large embedding tables.

    Use it like `keras.Model`: as `Model(inputs, outputs)`, or as a base class. `compile`, `fit`, `evaluate`,
    `predict`, callbacks, metrics and files work as in Keras. On TensorFlow and JAX, `fit` is faster:

    - It runs several steps in one compiled call (`steps_per_execution="auto"`), on arrays that are already on
      the device.
    - It updates only the rows of an embedding table that a step has read (`row_sparse="auto"`), with the
      optimizer's own update, if the table has many more rows.

    In addition to the items of each row, the inputs can have `shared_item` `[1, S]`: items that all rows of
    the batch share. The output is then `[B, P + S]`. If the model factorises, the shared items cost a single
    matrix product. Labels of shared items are 0 or -1. `kerasrec.data.RankingBatches` makes such batches.

    A model that factorises and has an input `history` can also be trained on batches of sequences, without
    `item`, in which every position has a target. With `target` `[B, H]` and `shared_item` `[1, S]` the output
    is `[B * H, 1 + S]`. Without them it is the vectors `[B * H + I, C]` that
    `kerasrec.losses.CatalogueCrossEntropy` takes. `kerasrec.data.SequenceBatches` makes such batches.

    Training is that of a plain `keras.Model` on PyTorch, with `run_eagerly`, with a custom `train_step`, with
    sparse or ragged inputs, and under a distribution other than `kerasrec.trainers.RowSharded`.

    Args:
        *args: arguments of `keras.Model`: `inputs` and `outputs`, or nothing in a subclass.
        **kwargs: arguments of `keras.Model`.

    Example:
        >>> import keras, kerasrec
        >>> user = keras.Input((1,), name="user", dtype="int32")
        >>> item = keras.Input((1,), name="item", dtype="int32")
        >>> users, items = kerasrec.layers.FeatureEmbedding(1000, 8), kerasrec.layers.FeatureEmbedding(500, 8)
        >>> score = kerasrec.layers.DotScore()(users(user), items(item))
        >>> model = kerasrec.Model({"user": user, "item": item}, keras.ops.expand_dims(score, -1))
        >>> model.compile("adam", "mean_squared_error")
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Create the functional form if `inputs` and `outputs` are given."""
        if cls is Model and functional_init_arguments(args, kwargs):
            cls = FunctionalModel
        return keras.Model.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if functional_init_arguments(args, kwargs):
            # Keras would change the bases of `Model` itself, and later subclasses without a graph would fail.
            _make_functional(type(self))
            Functional.__init__(self, *args, **kwargs)
        else:
            keras.Model.__init__(self, *args, **kwargs)


class FunctionalModel(Model, Functional):
    """The form of `Model` that is built from inputs and outputs.

    Args:
        *args: `inputs` and `outputs`.
        **kwargs: further arguments of `keras.Model`.
    """

    _score_shared: Callable[..., Any] | None = None
    _of_positions: Callable[..., Any] | None = None

    @property
    def input_spec(self) -> Any:
        """As in Keras, but `None` for a sequential model, whose batches may have no items."""
        return None if "history" in input_names(self) else super().input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        self._manual_input_spec = value

    # With these two parameter names every version of Keras loads a file as a functional model.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Functional.__init__(self, *args, **kwargs)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the model; ids of shape `[B]` are treated as `[B, 1]`."""
        return super().__call__(_columns(inputs), *args, **kwargs)

    # Keras passes `training` on only if the signature has it; without it, dropout would do nothing.
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        """Run the graph; ids of shape `[B]` are treated as `[B, 1]`."""
        inputs = _columns(inputs)
        if asks_for_positions(input_names(self), inputs):
            if self._of_positions is None:
                self._of_positions = of_positions(self)
            return self._of_positions(inputs, training=training)
        if shapes_alone(inputs):
            return outputs_of_shapes(self, inputs)
        with one_call():
            return self._call(inputs, training, mask, **kwargs)

    def _call(self, inputs: Any, training: bool | None, mask: Any, **kwargs: Any) -> Any:
        def graph(inputs: Any) -> Any:
            return super(FunctionalModel, self).call(inputs, training=training, mask=mask, **kwargs)

        if not isinstance(inputs, dict) or SHARED not in inputs or SHARED in self._input_names():
            return graph(inputs)
        if self._score_shared is None:
            # Made only once: the graph does not change, and eager steps and PyTorch run this for each batch.
            self._score_shared = scorer(find_towers(self))
        return self._score_shared(graph, inputs, training)

    def _input_names(self) -> list[str]:
        return [tensor.name for tensor in self.inputs]


def _make_functional(cls: type) -> None:
    """Make the functional form of `Model` a base of a caller's class."""
    if issubclass(cls, FunctionalModel):
        return
    for base in cls.__bases__:
        if base is not Model and issubclass(base, Model):
            _make_functional(base)
    cls.__bases__ = tuple(FunctionalModel if base is Model else base for base in cls.__bases__)


def _columns(inputs: Any) -> Any:
    # Keras adds the axis only if an input is declared as [B, 1].
    if not isinstance(inputs, dict):
        return inputs
    return {
        name: (x[None] if name == SHARED else x[:, None]) if len(getattr(x, "shape", (0, 0))) == 1 else x
        for name, x in inputs.items()
    }


keras.saving.register_keras_serializable("kerasrec", name="Model")(FunctionalModel)
