"""RecommenderV2 on MovieLens latest-small 2016: kerasrec compared with the published code in plain Keras.

The published code has embeddings and biases (`keras.layers.Embedding`, He-normal, L2 1e-6), a dot product and
a scaled sigmoid, and is trained with Adam at 0.001. Rows are split 90 to 10 with seed 42. One process fits
five epochs with validation; this is the whole fit, which includes building and compiling the model. It then
continues without validation for 15 epochs, or for 25 with batches of 4096, which is long enough for kerasrec
on TensorFlow to compile its steps with XLA, as plain Keras does; the whole fit is not. The steady state is
the median of the epochs from the second on. The clock of an epoch stops once its loss has been read, because
JAX returns before it has finished computing. Programs are always compiled (`KERASREC_COMPILATION_CACHE=0`);
the fit with a warm cache is listed separately.
"""

import statistics
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks._measure import alternate, data_folder, in_process, middle, ratio_row, ratios, spread

BACKENDS = ("tensorflow", "jax")
BATCH_SIZES = (64, 4096)
CODES = {"plain Keras": None, "kerasrec, by rows": True, "kerasrec, auto": "auto", "kerasrec, exact": False}
# backend, batch size, code, key, at least, aim
REQUIRED = (
    ("tensorflow", 64, "kerasrec, by rows", "us a sample", 45, None),
    ("tensorflow", 64, "kerasrec, auto", "us a sample", 45, None),
    ("tensorflow", 4096, "kerasrec, by rows", "us a sample", 5, 15),
    ("tensorflow", 4096, "kerasrec, auto", "us a sample", 5, 15),
    ("tensorflow", 64, "kerasrec, by rows", "whole fit s", 8.8, 15),
    ("tensorflow", 64, "kerasrec, exact", "us a sample", 1.6, 4),
    ("jax", 64, "kerasrec, by rows", "us a sample", 10, 15),
    ("jax", 64, "kerasrec, auto", "us a sample", 10, 15),
    ("jax", 4096, "kerasrec, by rows", "us a sample", None, None),
    ("jax", 4096, "kerasrec, auto", "us a sample", None, None),
    ("jax", 64, "kerasrec, by rows", "whole fit s", None, None),
    ("jax", 64, "kerasrec, exact", "us a sample", None, None),
)


def run(quick: bool = False, rounds: int = 3) -> list[dict]:
    data_folder("movielens-latest-small-2016")
    cases = [
        (backend, size, code)
        for backend in BACKENDS
        for size in (BATCH_SIZES[1:] if quick else BATCH_SIZES)
        for code in CODES
    ]
    with tempfile.TemporaryDirectory() as cache:
        measured = alternate(cases, 1 if quick else rounds, lambda case: _measure(case, quick, "0"))
        cached = [case for case in cases if case[0] == "jax" and case[2] != "plain Keras"]
        again = alternate(
            [("warm cache", *case) for case in cached],
            1,
            lambda case: [_measure(case[1:], quick, cache) for _ in range(2)][1],
        )
    warm = {case: result[0] for case, result in zip(cached, again, strict=True)}
    results = dict(zip(cases, measured, strict=True))
    rows = []
    for backend, size, code, key, limit, aim in REQUIRED:
        if (backend, size, code) in results:
            values = ratios(results[backend, size, "plain Keras"], results[backend, size, code], key)
            rows.append(
                ratio_row(f"plain Keras / {code}: {key}, batch {size}, {backend}", values, limit, aim)
            )
    for (backend, size, code), result in results.items():
        if size == 64 and code in ("kerasrec, by rows", "kerasrec, exact"):
            errors = [r["best error"] for r in result]
            rows.append(ratio_row(f"best validation error, {code}, {backend}", errors, 0.775, 0.765, True))
    for case, result in results.items():
        rows.append(
            {
                "backend": case[0],
                "batch": case[1],
                "code": case[2],
                "us a sample": middle(result, "us a sample"),
                "spread us": spread(result, "us a sample"),
                "whole fit s": middle(result, "whole fit s"),
                "spread s": spread(result, "whole fit s"),
                "warm cache s": middle([warm[case]], "whole fit s") if case in warm else None,
                "best error": middle(result, "best error"),
                "peak MB": middle(result, "peak_mb"),
                "rounds": result,
            }
        )
    return rows


def _measure(case: tuple[str, int, str], quick: bool, cache: str) -> dict[str, Any]:
    backend, size, code = case
    return in_process(
        "benchmarks.fit_rating:measure",
        {"code": code, "batch_size": size, "epochs": 2 if quick else 5, "steady": _steady(size, quick)},
        backend,
        {"KERASREC_COMPILATION_CACHE": cache},
    )


def _steady(batch_size: int, quick: bool) -> int:
    if quick:
        return 2
    return 15 if batch_size == BATCH_SIZES[0] else 25


def measure(code: str, batch_size: int, epochs: int, steady: int) -> dict[str, Any]:
    import keras

    from benchmarks._clock import EpochClock

    if code != "plain Keras":
        import kerasrec.zoo  # noqa: F401
    (x, y), validation, n_users, n_items = ratings()
    keras.utils.set_random_seed(0)

    start = time.perf_counter()
    if code == "plain Keras":
        model = published(n_users, n_items)
        model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error", metrics=["mean_squared_error"])
    else:
        model = kerasrec.zoo.RecommenderV2(n_users, n_items)
        model.compile(
            keras.optimizers.Adam(1e-3),
            "mean_squared_error",
            metrics=["mean_squared_error"],
            row_sparse=CODES[code],
        )
    history = model.fit(
        x, y, batch_size=batch_size, epochs=epochs, validation_data=validation, verbose=0
    ).history
    whole = time.perf_counter() - start

    clock = EpochClock()
    model.fit(x, y, batch_size=batch_size, epochs=steady, verbose=0, callbacks=[clock])
    # Without the regularizers, which the loss has on top.
    errors = history["val_mean_squared_error"]
    return {
        "us a sample": statistics.median(clock.seconds[1:]) / len(y) * 1e6,
        "epochs s": clock.seconds,
        "whole fit s": whole,
        "best error": float(min(errors)),
        "errors": [float(error) for error in errors],
    }


def published(n_users: int, n_items: int, n_components: int = 50) -> Any:
    """RecommenderV2 as published, of Keras's own layers."""
    import keras
    from keras import layers

    def table(n: int, size: int, ids: Any) -> Any:
        embedding = layers.Embedding(
            n, size, embeddings_initializer="he_normal", embeddings_regularizer=keras.regularizers.L2(1e-6)
        )
        return layers.Reshape((size,))(embedding(ids))

    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    dot = layers.Dot(axes=1)([table(n_users, n_components, user), table(n_items, n_components, item)])
    score = layers.Add()([dot, table(n_users, 1, user), table(n_items, 1, item)])
    rating = layers.Rescaling(4.5, offset=0.5)(layers.Activation("sigmoid")(score))
    return keras.Model({"user": user, "item": item}, rating)


def ratings() -> tuple[Any, Any, int, int]:
    """Training and validation data, and the numbers of users and items."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    table = pd.read_csv(data_folder("movielens-latest-small-2016") / "ratings.csv")
    users, user_ids = pd.factorize(table["userId"])
    items, item_ids = pd.factorize(table["movieId"])
    columns = np.stack([users, items], axis=1).astype("int32")
    train, test, y_train, y_test = train_test_split(
        columns, table["rating"].to_numpy("float32"), test_size=0.1, random_state=42
    )

    def inputs(codes: np.ndarray) -> dict[str, np.ndarray]:
        return {"user": codes[:, :1].copy(), "item": codes[:, 1:].copy()}

    return (inputs(train), y_train), (inputs(test), y_test), len(user_ids), len(item_ids)
