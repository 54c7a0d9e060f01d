"""Training click models: rows per second, compared with the same networks in plain Keras.

The data are Frappe's ten categorical columns (202,027 rows, 5,382 categories), or random data of these sizes
if the data set is not there. Batches have 4,096 rows, embeddings 10 numbers. The networks have three layers
of 400 with batch normalisation and dropout, and are trained with Adam. Plain Keras has one `Embedding` per
column and otherwise the same layers. Rates are those of the fastest epoch after the first, which includes
compilation. The arithmetic limit is the time of the layers' matrix products, forward and backward, at the
speed at which NumPy multiplies two matrices of 2,048 x 2,048.
"""

import time
from typing import Any

import numpy as np

from benchmarks._measure import alternate, in_process, middle, ratio_row, ratios

MODELS = ("deepfm", "dcn", "dlrm")
BACKENDS = ("tensorflow", "jax")
SIZES = (957, 4082, 7, 7, 2, 3, 2, 9, 80, 233)
BATCH_SIZE, N_COMPONENTS, HIDDEN, N_CROSSES = 4096, 10, (400, 400, 400), 4


def run(quick: bool = False, rounds: int | None = None) -> list[dict]:
    cases = [(backend, name, code) for backend in BACKENDS for name in MODELS for code in ("plain", "ours")]
    measured = alternate(cases, 1 if quick else rounds or 1, lambda case: _measure(case, quick))
    results = dict(zip(cases, measured, strict=True))
    rows = []
    for backend in BACKENDS:
        for name in MODELS:
            plain, ours = results[backend, name, "plain"], results[backend, name, "ours"]
            values = ratios(ours, plain, "rows/s")
            rows.append(ratio_row(f"kerasrec / plain Keras: rows a second, {name}, {backend}", values, 3, 8))
    for backend in BACKENDS:
        for name in MODELS:
            values = [x["limit rows/s"] / x["rows/s"] for x in results[backend, name, "ours"]]
            label = f"arithmetic limit / kerasrec: rows a second, {name}, {backend}"
            rows.append(ratio_row(label, values, 3, lower_is_better=True))
    for (backend, name, code), found in results.items():
        rows.append(
            {
                "backend": backend,
                "model": name,
                "code": {"plain": "plain Keras", "ours": "kerasrec"}[code],
                "rows/s": middle(found, "rows/s"),
                "first epoch s": middle(found, "first s"),
                "peak MB": middle(found, "peak_mb"),
            }
        )
    return rows


def _measure(case: tuple[str, str, str], quick: bool) -> dict:
    backend, name, code = case
    environment = {"KERASREC_COMPILATION_CACHE": "0"}
    return in_process(
        "benchmarks.clicks:train", {"name": name, "code": code, "quick": quick}, backend, environment
    )


def train(name: str, code: str, quick: bool) -> dict[str, Any]:
    """Some epochs of a model, of kerasrec or in plain Keras."""
    from benchmarks._clock import EpochClock

    n_steps, epochs = (2, 2) if quick else (20, 4)
    shown = _impressions(n_steps * BATCH_SIZE)
    if code == "ours":
        from kerasrec import zoo

        model: Any = zoo.create(name, shown, n_components=N_COMPONENTS, hidden=HIDDEN, dropout=0.2, seed=0)
        inputs: Any = shown.inputs
    else:
        model = _plain(name)
        inputs = {f"x{i}": x for i, x in enumerate(shown.inputs.values())}
    clock = EpochClock()
    model.fit(inputs, shown.labels, batch_size=BATCH_SIZE, epochs=epochs, verbose=0, callbacks=[clock])
    return {
        "rows/s": len(shown) / min(clock.seconds[1:]),
        "first s": clock.seconds[0],
        "limit rows/s": _flops() / _flops_of_a_row(name),
    }


def _impressions(n: int) -> Any:
    """The first rows of Frappe, repeated as far as needed; or drawn columns of its sizes."""
    import pandas as pd

    from benchmarks._measure import data_folder
    from kerasrec.data import Impressions

    try:
        frame = pd.read_csv(data_folder("frappe") / "train.csv")
    except FileNotFoundError:
        draw = np.random.default_rng(0)
        frame = pd.DataFrame({f"column{i}": draw.integers(0, size, n) for i, size in enumerate(SIZES)})
        frame["label"] = draw.integers(0, 2, n)
    frame = frame.iloc[np.arange(n) % len(frame)]
    kinds = {column: "category" for column in frame.columns if column != "label"}
    return Impressions.from_frame(frame, "label", kinds)


def _plain(name: str) -> Any:
    """The network as a reader of Keras's documentation writes it."""
    import keras
    from keras import layers, ops

    inputs = {f"x{i}": keras.Input((1,), name=f"x{i}", dtype="int32") for i in range(len(SIZES))}

    def embedded(size: int) -> list[Any]:
        # Two more than the categories, as kerasrec has: for what is missing and for what is unknown.
        return [layers.Embedding(n + 2, size)(x) for n, x in zip(SIZES, inputs.values(), strict=True)]

    def network(x: Any) -> Any:
        for units in HIDDEN:
            x = layers.Dense(units, use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.Dropout(0.2)(layers.ReLU()(x))
        return x

    vectors = layers.Concatenate(axis=1)(embedded(N_COMPONENTS))
    flat = layers.Flatten()(vectors)
    if name == "deepfm":
        linear = ops.sum(layers.Concatenate(axis=1)(embedded(1)), axis=1)
        pairs = ops.square(ops.sum(vectors, axis=1)) - ops.sum(ops.square(vectors), axis=1)
        logit = linear + 0.5 * ops.sum(pairs, axis=-1, keepdims=True) + layers.Dense(1)(network(flat))
    elif name == "dcn":
        x = flat
        for _ in range(N_CROSSES):
            x = flat * layers.Dense(flat.shape[-1])(x) + x
        logit = layers.Dense(1)(layers.Concatenate()([x, network(flat)]))
    else:
        dots = ops.matmul(vectors, ops.transpose(vectors, (0, 2, 1)))
        rows, columns = np.triu_indices(len(SIZES), 1)
        dots = ops.take(ops.reshape(dots, (-1, len(SIZES) ** 2)), rows * len(SIZES) + columns, axis=1)
        logit = layers.Dense(1)(network(dots))
    model = keras.Model(inputs, layers.Activation("sigmoid")(logit))
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def _flops_of_a_row(name: str) -> float:
    """Of the layers' products, forward and twice as many backward."""
    width = {"dlrm": len(SIZES) * (len(SIZES) - 1) // 2}.get(name, len(SIZES) * N_COMPONENTS)
    sizes = [width, *HIDDEN]
    found = sum(a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    if name == "dcn":
        found += N_CROSSES * width * width
    return 6.0 * found


def _flops() -> float:
    """Operations a second of a product of two matrices."""
    x = np.random.default_rng(0).random((2048, 2048), np.float32)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        x @ x
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best
