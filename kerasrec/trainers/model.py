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
    """A `keras.Model` whose `fit` is fast on large tables.

    It is used like `keras.Model`: `Model(inputs, outputs)`, or as a base class. `compile`, `fit`, `evaluate`,
    `predict`, callbacks, metrics and files are Keras's. Underneath, on TensorFlow and JAX,

    - several steps run in one compiled call (`steps_per_execution="auto"`), on arrays that lie on the device;
    - a table that is read by id is updated in the rows that a step read (`row_sparse="auto"`), by the
      optimizer's own update, where it has many more rows than that.

    Beside a row's own items, inputs may hold `shared_item` `[1, S]`, items that all rows of the batch share:
    the output is then `[B, P + S]`, and where the model factorises the shared items cost one matrix product.
    Labels of shared items are 0 or -1. `kerasrec.data.RankingBatches` makes such batches.

    A model with an input `history` that factorises also takes batches of sequences, without `item`, whose
    positions all learn at once: with `target` `[B, H]` and `shared_item` `[1, S]` the output is
    `[B * H, 1 + S]`, and without either it is vectors `[B * H + I, C]` for
    `kerasrec.losses.CatalogueCrossEntropy`. `kerasrec.data.SequenceBatches` makes such batches.

    On PyTorch, under `run_eagerly`, with a `train_step` of one's own, with sparse or ragged inputs or under a
    distribution other than `kerasrec.trainers.RowSharded`, it trains as a plain `keras.Model`.

    Args:
        *args: as `keras.Model` takes them: `inputs` and `outputs`, or nothing in a subclass.
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
        """Build the functional form where `inputs` and `outputs` are given."""
        if cls is Model and functional_init_arguments(args, kwargs):
            cls = FunctionalModel
        return keras.Model.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if functional_init_arguments(args, kwargs):
            # Keras would rewrite the bases of `Model` itself; later subclasses without a graph would fail.
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
        """Keras's, but for a model of histories, whose batches need not have items."""
        return None if "history" in input_names(self) else super().input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        self._manual_input_spec = value

    # With these two names Keras of every version reads a file back as a functional model.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Functional.__init__(self, *args, **kwargs)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the model; ids of shape `[B]` count as `[B, 1]`."""
        return super().__call__(_columns(inputs), *args, **kwargs)

    # Keras reads in the signature that the graph is to be told of training; else dropout would do nothing.
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        """Run the graph; ids of shape `[B]` count as `[B, 1]`."""
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
            # Once: the graph does not change, and under `run_eagerly` and on PyTorch each batch comes here.
            self._score_shared = scorer(find_towers(self))
        return self._score_shared(graph, inputs, training)

    def _input_names(self) -> list[str]:
        return [tensor.name for tensor in self.inputs]


def _make_functional(cls: type) -> None:
    """Put the functional form of `Model` below a user's class."""
    if issubclass(cls, FunctionalModel):
        return
    for base in cls.__bases__:
        if base is not Model and issubclass(base, Model):
            _make_functional(base)
    cls.__bases__ = tuple(FunctionalModel if base is Model else base for base in cls.__bases__)


def _columns(inputs: Any) -> Any:
    # Keras adds the axis only where an input is declared to be [B, 1].
    if not isinstance(inputs, dict):
        return inputs
    return {
        name: (x[None] if name == SHARED else x[:, None]) if len(getattr(x, "shape", (0, 0))) == 1 else x
        for name, x in inputs.items()
    }


keras.saving.register_keras_serializable("kerasrec", name="Model")(FunctionalModel)
