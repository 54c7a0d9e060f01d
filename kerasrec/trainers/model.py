import inspect
from typing import Any

import keras

from kerasrec.layers.towers import Towers, find_towers
from kerasrec.trainers._blocks import BlockAdapter, automatic_steps
from kerasrec.trainers._keras import (
    Functional,
    Trainer,
    distribution,
    functional_init_arguments,
    get_data_adapter,
    train_validation_split,
    tree,
)
from kerasrec.trainers._rows import why_not_by_rows, why_not_this_table


class _Trainer:
    """What kerasrec adds to a `keras.Model`; mixed into its subclassed and its functional form."""

    @property
    def towers(self) -> Towers | None:
        """The user tower, item tower and score of a factorised model; `None` for others."""
        return find_towers(self)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = "auto",
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        row_sparse: bool | str = "auto",
    ) -> None:
        """Set the optimizer, loss and metrics, as `keras.Model.compile` does, and how steps are run.

        Args:
            optimizer: as in Keras.
            loss: as in Keras.
            loss_weights: as in Keras.
            metrics: as in Keras.
            weighted_metrics: as in Keras.
            run_eagerly: as in Keras.
            steps_per_execution: int of at least 1, or `"auto"`: how many batches run in one compiled call.
                Batch-level callbacks are called once a call. Defaults to `"auto"`.
            jit_compile: as in Keras.
            auto_scale_loss: as in Keras.
            row_sparse: bool or `"auto"`. With `True`, a table that is read by id, and its optimizer slots,
                are updated in the rows that a step read and nowhere else (lazily: a row that is not read
                does not decay, nor move on its momentum); with `False`, the arithmetic is Keras's own, to
                the last row. `"auto"` takes the rows where a table has many more rows than a step reads.
                Defaults to `"auto"`.

        Raises:
            ValueError: if `steps_per_execution` or `row_sparse` is none of these, or `row_sparse=True` with
                an optimizer that cannot be applied by rows.
        """
        if steps_per_execution != "auto" and (
            isinstance(steps_per_execution, bool)
            or not isinstance(steps_per_execution, int)
            or steps_per_execution < 1
        ):
            raise ValueError(
                "`steps_per_execution` must be a positive integer or 'auto'. "
                f"Received: steps_per_execution={steps_per_execution!r}."
            )
        if row_sparse not in (True, False, "auto"):
            raise ValueError(f"`row_sparse` must be True, False or 'auto'. Received: row_sparse={row_sparse!r}.")
        super().compile(  # type: ignore[misc]
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=1 if steps_per_execution == "auto" else steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        reason = self.optimizer and why_not_by_rows(self.optimizer)
        if row_sparse is True and reason:
            raise ValueError(
                f"`row_sparse=True` needs an optimizer that can be applied by rows, but {reason}. "
                "Use another optimizer, or row_sparse=False."
            )
        self._row_sparse = False if reason else row_sparse
        self._steps_setting = steps_per_execution
        self._engine = None
        self._compile_config.config["steps_per_execution"] = steps_per_execution
        self._compile_config.config["row_sparse"] = row_sparse

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the settings that `get_compile_config` gave."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train, as `keras.Model.fit` does, with several steps in one compiled call."""
        self._assert_compile_called("fit")
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = train_validation_split(
                (x, y, sample_weight), validation_split=validation_split
            )
        data = dict(x=x, y=y, sample_weight=sample_weight, class_weight=class_weight, shuffle=shuffle)
        adapter = self._blocks(data, batch_size, steps_per_epoch)
        if adapter is not None:
            data = dict(x=adapter)
            steps_per_epoch = None
            self._build_on(adapter)
        else:
            data["batch_size"] = batch_size
        if validation_data is not None and adapter is not None:
            val = dict(zip(("x", "y", "sample_weight"), keras.utils.unpack_x_y_sample_weight(validation_data)))
            blocks = self._blocks(val, validation_batch_size or batch_size, validation_steps, keep=True)
            if blocks is not None:
                validation_data, validation_steps = blocks, None
        return super().fit(  # type: ignore[misc]
            **data,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )

    def _blocks(
        self, data: dict[str, Any], batch_size: int | None, steps_per_epoch: int | None, keep: bool = False
    ) -> BlockAdapter | None:
        if isinstance(data["x"], BlockAdapter):
            return data["x"]
        if not self._fused:
            return None
        inner = get_data_adapter(**data, batch_size=batch_size, steps_per_epoch=steps_per_epoch)
        if not keep:
            self.steps_per_execution = (
                automatic_steps(inner.batch_size, steps_per_epoch or inner.num_batches)
                if self._steps_setting == "auto"
                else self._steps_setting
            )
        return BlockAdapter(
            inner,
            self.steps_per_execution,
            steps_per_epoch,
            shuffle=data.get("shuffle", False),
            padded=keras.backend.backend() == "jax",
        )

    @property
    def _fused(self) -> bool:
        return (
            keras.backend.backend() in ("tensorflow", "jax")
            and not self.run_eagerly
            and distribution() is None
        )

    def _build_on(self, adapter: BlockAdapter) -> None:
        """Build what is not built yet, on one batch: Keras would look for it in a block."""
        self._symbolic_build(data_batch=adapter.first_batch())

    def _by_rows(self, table: keras.Variable, n: int) -> bool:
        """Whether a table is updated by rows, given how many of its rows a step reads."""
        if not self._row_sparse or why_not_this_table(table):
            return False
        return self._row_sparse is True or table.shape[0] > 4 * n

    def _make_engine(self) -> Any:
        if self._engine is None:
            if keras.backend.backend() == "jax":
                from kerasrec.trainers._jax import JaxEngine as Engine
            else:
                from kerasrec.trainers._tensorflow import TensorFlowEngine as Engine
            self._engine = Engine(self, self._by_rows)
        return self._engine

    def make_train_function(self, force: bool = False) -> Any:
        """Compile the training steps."""
        if not self._fused:
            return super().make_train_function(force)  # type: ignore[misc]
        if self.train_function is None or force:
            self.train_function = self._make_engine().train
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Compile the evaluation steps."""
        if not self._fused:
            return super().make_test_function(force)  # type: ignore[misc]
        if self.test_function is None or force:
            self.test_function = self._make_engine().test
        return self.test_function


class Model(_Trainer, keras.Model):
    """A `keras.Model` whose `fit` is fast on large tables."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Build the functional form where `inputs` and `outputs` are given."""
        if cls is Model and functional_init_arguments(args, kwargs):
            return _FunctionalModel(*args, **kwargs)
        return super().__new__(cls)


def _columns(inputs: Any) -> Any:
    """Ids of shape `[B]` as `[B, 1]`: Keras adds the axis only where an input is declared to be `[B, 1]`."""
    if not isinstance(inputs, dict):
        return inputs
    return {
        name: keras.ops.expand_dims(x, -1) if len(getattr(x, "shape", (0, 0))) == 1 else x
        for name, x in inputs.items()
    }


class _FunctionalModel(_Trainer, Functional):  # type: ignore[misc]
    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(_columns(inputs), *args, **kwargs)

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().call(_columns(inputs), *args, **kwargs)


keras.saving.register_keras_serializable("kerasrec", name="Model")(_FunctionalModel)
