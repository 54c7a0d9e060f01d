import contextlib
import functools
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras

from kerasrec._memory import batches_in_memory
from kerasrec.layers.towers import Towers, find_towers
from kerasrec.trainers._blocks import BlockAdapter, all_dense, automatic_steps, batch_work
from kerasrec.trainers._checks import DataCheck, check_arrays
from kerasrec.trainers._compile_configs import for_any_backend
from kerasrec.trainers._forms import form_of
from kerasrec.trainers._keras import distribution, get_data_adapter, train_validation_split
from kerasrec.trainers._loss_tracker import LossTracker
from kerasrec.trainers._missed import Missed, at_work
from kerasrec.trainers._orders import whether_to_shuffle
from kerasrec.trainers._processes import check_same, whole_or_not_at_all, written_by_the_first
from kerasrec.trainers._refreshing import Refreshing, refreshing_layers
from kerasrec.trainers._rows import own_loss, why_not_this_table
from kerasrec.trainers._settings import check_distribution, check_settings, check_spread, how_by_rows
from kerasrec.trainers.row_sharded import RowSharded, row_sharded, under_own_distribution

if TYPE_CHECKING:
    from keras import Model as _Mixed
else:
    _Mixed = object

# A table with fewer rows than this many times the rows that a step reads is updated as a whole, at no cost.
_ROWS_PER_READ = 4


class _Settling(keras.callbacks.Callback):
    """Brings variables read by a user's traced functions up to date, before other callbacks run."""

    def __init__(self, missed: Any) -> None:
        super().__init__()
        self._missed = missed

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._missed.settle_captured()

    def on_train_end(self, logs: Any = None) -> None:
        self._missed.settle_captured()


class Training(_Mixed):
    """kerasrec's additions to the training of a `keras.Model`, mixed into both forms of `kerasrec.Model`."""

    train_function: Any
    test_function: Any
    predict_function: Any
    steps_per_execution: int

    _plain = False
    _steps_setting: int | str = "auto"
    _engine: Any = None
    _jit_setting: bool | str = "auto"
    _xla = False
    _missed: Any = None  # `Missed`, of the backend

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
            steps_per_execution: int from 1 to 131,072, or `"auto"`, number of batches in one compiled call.
                Batch-level callbacks are called once per call. Defaults to `"auto"`.
            jit_compile: bool or `"auto"`, whether XLA compiles the training steps on TensorFlow; `"auto"`
                does so if a `fit` is long enough to benefit. On other backends, as in Keras. Defaults to
                `"auto"`.
            auto_scale_loss: as in Keras.
            row_sparse: bool, `"auto"` or `"lazy"`. With `True`, a step updates only the rows that it reads of
                a table and its optimizer slots. Before a row is read, the updates that it missed are applied,
                so weights are the same as if all rows had been updated in every step. Only a regularizer
                acts on the rows read alone, scaled by the ratio of all rows to these. With `"lazy"`, missed
                updates are not applied: a row that is not read neither decays nor moves with its
                momentum. With `False`, every step updates every row. `"auto"` is `True` if a table has many
                more rows than a step reads and the optimizer's update has a closed form; otherwise it is
                `False`. Defaults to `"auto"`.

        Raises:
            ValueError: if `steps_per_execution` or `row_sparse` has another value; if `row_sparse=True` and
                the optimizer's update has no closed form for rows that are not read; or if `row_sparse` is
                `True` or `"lazy"` and the optimizer cannot be applied by rows.
        """
        check_settings(steps_per_execution, row_sparse)
        if self._missed is not None:
            self._missed.release()
        super().compile(
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
        object.__setattr__(self, "_loss_tracker", LossTracker())  # Keras's metrics already contain it
        self._row_sparse = how_by_rows(self.optimizer, row_sparse, self._fused)
        check_spread(self, run_eagerly)
        self._handed: deque[Any] = deque()
        self._missed = self._new_missed()
        self._steps_setting = steps_per_execution
        self._jit_setting, self._xla = jit_compile, False
        self._engine = None
        self._watch_tables()
        self._compile_config.config.update(steps_per_execution=steps_per_execution, row_sparse=row_sparse)

    def _compute_loss(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._loss_tracker.weigh_by(x, y)
        return super()._compute_loss(x, y, *args, **kwargs)

    @under_own_distribution
    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the settings from `get_compile_config`."""
        config = for_any_backend(config)
        if type(self).compile is not Training.compile:
            super().compile_from_config(config)
            return
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    @batches_in_memory
    @under_own_distribution
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
        """Train, as `keras.Model.fit` does, several steps in one compiled call.

        Raises:
            ValueError: as in Keras; also, before the first step, if an id is outside its table, or a rating
                is outside the model's scale.
        """
        self._assert_compile_called("fit")
        check_distribution(self)
        shuffle = whether_to_shuffle(x, shuffle)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = train_validation_split(
                (x, y, sample_weight), validation_split=validation_split
            )
        how = {
            "epochs": epochs,
            "verbose": verbose,
            "callbacks": self._with_settling(callbacks),
            "initial_epoch": initial_epoch,
            "validation_batch_size": validation_batch_size,
            "validation_freq": validation_freq,
        }
        data = {"x": x, "y": y, "sample_weight": sample_weight}
        data |= {"class_weight": class_weight, "shuffle": shuffle}
        if not self._in_blocks("train"):
            check_arrays(DataCheck(self, targets=True), x, y, sample_weight)
            return super().fit(
                **data,
                **how,
                batch_size=batch_size,
                steps_per_epoch=steps_per_epoch,
                validation_data=validation_data,
                validation_steps=validation_steps,
            )
        adapter = self._adapt(data, batch_size, steps_per_epoch, DataCheck(self, targets=True), epochs=epochs)
        if validation_data is not None and self._in_blocks("test"):
            parts = keras.utils.unpack_x_y_sample_weight(validation_data)
            validation_data = self._adapt(
                dict(zip(("x", "y", "sample_weight"), parts, strict=True)),
                validation_batch_size or adapter.batch_size,
                validation_steps,
                DataCheck(self),
                steps=self.steps_per_execution,
            )
            if not isinstance(validation_data, BlockAdapter) and isinstance(adapter, BlockAdapter):
                adapter = adapter.inner
        if isinstance(adapter, BlockAdapter):
            self._build_on(adapter)
            check_same(self, adapter.inner)
            self._compiled_steps().prepare("train", adapter.shapes())
            adapter.ahead = self._compiled_steps().ahead
            if isinstance(validation_data, BlockAdapter):
                self._compiled_steps().prepare("test", validation_data.shapes())
                validation_steps = None
            return super().fit(
                adapter, **how, validation_data=validation_data, validation_steps=validation_steps
            )
        if isinstance(validation_data, BlockAdapter):
            validation_data = validation_data.inner
        with self._plainly():
            return super().fit(
                adapter,
                **how,
                steps_per_epoch=steps_per_epoch,
                validation_data=validation_data,
                validation_steps=validation_steps,
            )

    @batches_in_memory
    @under_own_distribution
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Loss and metrics, as `keras.Model.evaluate` gives them, several steps in one compiled call."""
        self._assert_compile_called("evaluate")
        data = {"x": x, "y": y, "sample_weight": sample_weight}
        how = {"verbose": verbose, "callbacks": callbacks, "return_dict": return_dict, **kwargs}
        if isinstance(x, BlockAdapter) or not self._in_blocks("test"):
            check_arrays(DataCheck(self), x, y, sample_weight)
            return super().evaluate(**data, **how, batch_size=batch_size, steps=steps)
        adapter = self._adapt(data, batch_size, steps, DataCheck(self))
        if isinstance(adapter, BlockAdapter):
            if keras.backend.backend() == "jax":
                self._build_on(adapter)
            return super().evaluate(adapter, **how)
        with self._plainly():
            return super().evaluate(adapter, **how, steps=steps)

    @batches_in_memory
    @under_own_distribution
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Outputs, as `keras.Model.predict` gives them, several steps in one compiled call."""
        how = {"verbose": verbose, "callbacks": callbacks}
        if not self._in_blocks("predict"):
            check_arrays(DataCheck(self), x)
            return super().predict(x, **how, batch_size=batch_size, steps=steps)
        before = self.steps_per_execution
        adapter = self._adapt({"x": x}, batch_size, steps, DataCheck(self), count_blocks=True)
        if not isinstance(adapter, BlockAdapter):
            with self._plainly():
                return super().predict(adapter, **how, steps=steps)
        if keras.backend.backend() == "jax" and not all(layer.built for layer in self._flatten_layers()):
            self(keras.utils.unpack_x_y_sample_weight(adapter.first_batch())[0])
        # Keras would otherwise take that many blocks for one call.
        self.steps_per_execution = 1
        try:
            return super().predict(adapter, **how)
        finally:
            self.steps_per_execution = before

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Write a file, as `keras.Model.save` does; several processes all call it, the first one writes."""
        with written_by_the_first(filepath) as path, whole_or_not_at_all(path) as partial:
            super().save(partial, *args, **kwargs)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Write weights, as `keras.Model.save_weights` does; of several processes, the first one writes."""
        with written_by_the_first(filepath) as path:
            super().save_weights(path, *args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """Compile the training steps."""
        if not self._in_blocks("train"):
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = self._compiled_steps().train
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """Compile the evaluation steps."""
        if not self._in_blocks("test"):
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = self._compiled_steps().test
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        """Compile the prediction steps."""
        if not self._in_blocks("predict"):
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            self.predict_function = self._compiled_steps().predict
        return self.predict_function

    def _get_jax_state(self, *args: Any, **kwargs: Any) -> Any:
        take: Any = super()._get_jax_state
        if isinstance(row_sharded(self.variables), RowSharded):
            from kerasrec.trainers._jax_sharded import state_of

            take = functools.partial(state_of, self)
        if self._missed is None or not kwargs.get("optimizer_variables") or not self._in_blocks("train"):
            return take(*args, **kwargs)
        # Training takes rows as they are.
        self._missed.iterations = None
        with self._missed.at_work():
            return take(*args, **kwargs)

    def jax_state_sync(self) -> None:
        """Copy the values of the training state to the variables; does nothing on other backends than JAX."""
        if keras.backend.backend() == "jax":
            with at_work(self._missed):
                super().jax_state_sync()

    @property
    def _fused(self) -> bool:
        """Whether steps run in blocks."""
        return (
            keras.backend.backend() in ("tensorflow", "jax")
            and not self.run_eagerly
            and (distribution() is None or isinstance(distribution(), RowSharded))
            and (getattr(self, "_distribute_strategy", None) is None)
        )

    def _in_blocks(self, mode: str) -> bool:
        """Whether steps of `"train"`, `"test"` or `"predict"` run in blocks; a subclass's own do not."""
        own = getattr(type(self), f"{mode}_step") is not getattr(keras.Model, f"{mode}_step")
        return self._fused and not own and not self._plain

    @contextlib.contextmanager
    def _plainly(self) -> Iterator[None]:
        """A context that runs Keras's own functions, for data that cannot be stacked."""
        before = self.steps_per_execution
        self._plain = True
        self.train_function = self.test_function = self.predict_function = None
        if self._steps_setting == "auto":
            self.steps_per_execution = 1
        try:
            yield
        finally:
            self._plain = False
            self.train_function = self.test_function = self.predict_function = None
            self.steps_per_execution = before

    def _adapt(
        self,
        data: dict[str, Any],
        batch_size: int | None,
        steps_per_epoch: int | None,
        check: DataCheck,
        steps: int | None = None,
        count_blocks: bool = False,
        epochs: int | None = None,
    ) -> Any:
        """The data in blocks, or Keras's own adapter if they cannot be stacked; `epochs` is for training."""
        inner = get_data_adapter(**data, batch_size=batch_size, steps_per_epoch=steps_per_epoch)
        if not all_dense(inner):
            return inner
        if limit := keras.config.max_steps_per_epoch():
            steps_per_epoch = min(limit, steps_per_epoch or limit)
        if steps is None:
            num_batches = steps_per_epoch or inner.num_batches
            # A data set with batches of several shapes says how many of one shape follow each other.
            automatic = getattr(data["x"], "steps_in_a_row", None) or automatic_steps(inner, num_batches)
            steps = automatic if self._steps_setting == "auto" else int(self._steps_setting)
            self.steps_per_execution = steps
        return BlockAdapter(
            inner,
            steps,
            check,
            steps_per_epoch,
            goes_on=epochs is not None,
            shuffle=data.get("shuffle", False),
            padded=self._shapes_count(inner, steps_per_epoch, epochs),
            count_blocks=count_blocks,
            handed=None if distribution() is None else self._handed,
        )

    def _shapes_count(self, inner: Any, steps_per_epoch: int | None, epochs: int | None) -> bool:
        """Whether every new shape needs compiling."""
        if keras.backend.backend() == "jax":
            return True
        if epochs is None:
            return False
        from kerasrec.trainers._tensorflow import worth_compiling

        n_steps = epochs * (steps_per_epoch or inner.num_batches or 0)
        # A model that was compiled by XLA once stays so.
        self._xla = self._xla or worth_compiling(self, self._jit_setting, n_steps, *batch_work(inner))
        return self._xla

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Keras looks for a batch in the iterator's first item, which is a block; `_build_on` builds instead.
        if iterator is None or not isinstance(iterator.data_adapter, BlockAdapter):
            super()._symbolic_build(iterator=iterator, data_batch=data_batch)

    def _build_on(self, blocks: BlockAdapter) -> None:
        """Build what is not built yet, on one batch, because Keras would take a block for a batch."""
        parts = [*self._flatten_layers(), self._compile_metrics, self._compile_loss]
        if all(part is None or part.built for part in parts):
            self._symbolic_build()
            return
        self._symbolic_build(data_batch=blocks.first_batch())
        self._watch_tables()
        if keras.backend.backend() == "jax":
            # As in Keras, which builds on a batch of one order, and trains on the next order.
            blocks.redraw()

    def _compiled_steps(self) -> Any:
        if self._engine is None:
            if keras.backend.backend() == "jax":
                from kerasrec.trainers._jax import JaxEngine

                self._engine = JaxEngine(self, self._by_rows, self._missed)
            else:
                from kerasrec.trainers._tensorflow import TensorFlowEngine

                self._engine = TensorFlowEngine(self, self._by_rows, self._missed)
        return self._engine

    def _new_missed(self) -> Missed | None:
        """A new `Missed`, or `None` if no updates can be missed."""
        if not self._row_sparse or self._row_sparse == "lazy" or not self._fused:
            return None
        form = form_of(self.optimizer)
        if form is None or form.idle:
            return None
        if keras.backend.backend() == "jax":
            from kerasrec.trainers._jax_missed import JaxMissed

            return JaxMissed(self.optimizer, form)
        from kerasrec.trainers._tensorflow_missed import TensorFlowMissed

        return TensorFlowMissed(self.optimizer, form)

    def _with_settling(self, callbacks: Any) -> Any:
        """The callbacks, preceded by those that bring cached values of functions and layers up to date."""
        layers = refreshing_layers(self)
        first: list[Any] = [] if self._missed is None else [_Settling(self._missed)]
        first += [Refreshing(layers)] if layers else []
        if not first:
            return callbacks
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks[:0] = first
            for callback in first:
                callback.set_model(self)
            return callbacks
        listed = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        return [*first, *(callback for callback in listed if callback is not None)]

    def _watch_tables(self) -> None:
        """Watch who reads tables before the first step, because traced TensorFlow functions keep them."""
        if self._missed is not None and self.built and keras.backend.backend() == "tensorflow":
            self._missed.watch_weights(self.trainable_variables)

    def _by_rows(self, table: keras.Variable, n: int) -> bool:
        """Whether a table is updated by rows, given how many of its rows a step reads."""
        if not self._row_sparse or why_not_this_table(table) or own_loss(self):
            return False
        return self._row_sparse in (True, "lazy") or table.shape[0] > _ROWS_PER_READ * n
