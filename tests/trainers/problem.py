"""A small problem of users, items and ratings, and how two trainings of it are compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import kerasrec

N_USERS, N_ITEMS, BATCH = 12, 9, 16
backend = keras.backend.backend()
fused = backend in ("tensorflow", "jax")
jit_compile = False  # on TensorFlow, of a `kerasrec.Model`; the fixture `training_steps` sets it


def one_program(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, as one program on JAX, which otherwise compiles every operation for every shape."""
    if backend != "jax":
        return function
    import jax

    return jax.jit(function)


def samples(n: int = 80, seed: int = 0, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Any:
    """`n` ratings; 80 are five batches of `BATCH`, 70 four and a shorter one, which is compiled as well."""
    rng = np.random.default_rng(seed)
    x = {
        "user": rng.integers(0, n_users, (n, 1)).astype("int32"),
        "item": rng.integers(0, n_items, (n, 1)).astype("int32"),
    }
    return x, rng.normal(size=(n, 1)).astype("float32")


def build(
    cls: Any = keras.Model, n_users: int = N_USERS, n_items: int = N_ITEMS, biases: bool = False
) -> Any:
    """Two embeddings, a dense layer and, if asked for, biases; the same initial weights at every call."""
    keras.utils.set_random_seed(5)

    def table(n: int, width: int, name: str) -> Any:
        return kerasrec.layers.FeatureEmbedding(n, width, "normal", keras.regularizers.L2(0.01), name=name)

    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    score = kerasrec.layers.DotScore()(
        table(n_users, 3, "user_table")(user),
        table(n_items, 3, "item_table")(item),
        user_bias=table(n_users, 1, "user_bias")(user) if biases else None,
        item_bias=table(n_items, 1, "item_bias")(item) if biases else None,
    )
    outputs = keras.layers.Dense(1, kernel_initializer="ones")(keras.ops.expand_dims(score, -1))
    return cls({"user": user, "item": item}, outputs)


@dataclass
class Trained:
    """A model behind its training."""

    model: Any
    logs: dict[str, list[float]]

    @property
    def weights(self) -> list[np.ndarray]:
        return [np.array(v) for v in self.model.get_weights()]

    @property
    def slots(self) -> list[np.ndarray]:
        return [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]


def compiled(model: Any, optimizer: Callable[[], Any] | str = "adam", **settings: Any) -> Any:
    """The model, compiled; mean squared error unless told otherwise."""
    settings = {"loss": "mean_squared_error", **settings}
    if backend == "tensorflow":  # XLA takes long to compile, and the reference does not need it
        settings.setdefault("jit_compile", jit_compile and isinstance(model, kerasrec.Model))
    model.compile(optimizer if isinstance(optimizer, str) else optimizer(), **settings)
    if model.built and not isinstance(model, kerasrec.Model):  # Keras would trace its steps twice
        model.optimizer.build(model.trainable_variables)
    return model


def train(model: Any, data: Any = None, **fit: Any) -> Trained:
    """Fit a compiled model, three epochs unless told otherwise."""
    arguments = {"batch_size": BATCH, "epochs": 3, "verbose": 0, **fit}
    x, y = samples() if data is None else data
    keras.utils.set_random_seed(11)
    return Trained(model, model.fit(x, y, **arguments).history)


def train_both(
    optimizer: Callable[[], Any] | str = "adam",
    settings: dict[str, Any] | None = None,
    row_sparse: bool | str = False,
    build: Callable[..., Any] = build,
    **fit: Any,
) -> tuple[Trained, Trained]:
    """The same training by `kerasrec.Model` and by `keras.Model`."""
    settings = settings or {}
    ours = compiled(build(kerasrec.Model), optimizer, row_sparse=row_sparse, **settings)
    return train(ours, **fit), train(compiled(build(keras.Model), optimizer, **settings), **fit)


def assert_same(trained: tuple[Trained, Trained], atol: float = 1e-5) -> None:
    """Logs, weights and everything that the optimizer holds agree."""
    ours, plain = trained
    assert_same_logs(ours.logs, plain.logs, atol)
    assert_same_arrays(ours.weights, plain.weights, atol)
    assert_same_arrays(ours.slots, plain.slots, atol)


def assert_same_logs(ours: dict[str, Any], plain: dict[str, Any], atol: float = 1e-5) -> None:
    assert ours.keys() == plain.keys()
    for name, values in plain.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=atol, err_msg=name)


def assert_same_arrays(ours: list[np.ndarray], plain: list[np.ndarray], atol: float = 1e-5) -> None:
    assert len(ours) == len(plain)
    for mine, theirs in zip(ours, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=atol)
