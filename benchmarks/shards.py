"""Tables sharded by row over four simulated CPU devices on JAX, compared with a single device.

Difference: the largest difference of any weight or slot after 300 steps with batches of 256 on tables of
5,001 rows of 8 numbers, relative to the largest value of its array if that is above 1. Memory: the weights
and slots on the fullest device, for a table of 200,000 x 32 with Adam. Bytes sent: the results of all
collective operations of the compiled step with a batch of 1024 x 21 ids, divided by the bytes of the unique
rows.
"""

from typing import Any

import numpy as np

from benchmarks._measure import in_process, ratio_row

DEVICES = 4
OPTIMIZERS = ("SGD", "Adagrad", "Adam", "AdamW")
_SIMULATED = {
    "XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES}",
    "NPROC": "8",  # else collective operations wait for each other on few cores
    "KERASREC_COMPILATION_CACHE": "0",
}


def run(quick: bool = False) -> list[dict]:
    steps = 30 if quick else 300
    equality = in_process("benchmarks.shards:equality", {"steps": steps}, "jax", _SIMULATED)
    n = 20_000 if quick else 200_000
    found = in_process("benchmarks.shards:traffic", {"n": n}, "jax", _SIMULATED)
    rows = [
        ratio_row(f"difference after {steps} steps, {name} (1e-6)", [equality[name] / 1e-6], 1, 1e-9, True)
        for name in OPTIMIZERS
    ]
    rows.append(ratio_row("memory a device / one device's", [found["share"]], 0.3, 0.26, True))
    rows.append(ratio_row("bytes sent a step / unique rows", [found["sent"] / found["unique"]], 3, 1.2, True))
    rows[0]["farthest"], rows[-1]["traffic"] = equality, found
    return rows


def equality(steps: int) -> dict[str, Any]:
    import keras

    from kerasrec.trainers import RowSharded

    spread = RowSharded(min_rows=1000)
    farthest = {}
    for name in OPTIMIZERS:
        states = []
        for distribution in (None, spread):
            keras.distribution.set_distribution(distribution)
            model = _model(5001, 8, getattr(keras.optimizers, name)(0.01), row_sparse=True)
            x, y = _data(5001, steps, 256, 4)
            model.fit(x, y, batch_size=256, shuffle=False, verbose=0)
            states.append([np.array(v) for v in (*model.variables, *model.optimizer.variables)])
        farthest[name] = max(
            float(np.abs(a - b).max() / max(1, np.abs(a).max())) for a, b in zip(*states, strict=True)
        )
    return farthest


def traffic(n: int) -> dict[str, Any]:
    import keras

    from benchmarks._collectives import sent
    from kerasrec.trainers import RowSharded

    keras.distribution.set_distribution(RowSharded())
    model = _model(n, 32, keras.optimizers.Adam(), row_sparse=True, steps_per_execution=2)
    x, y = _data(n, 2, 1024, 21)
    model.fit(x, y, batch_size=1024, shuffle=False, verbose=0)
    parts: dict[Any, int] = {}
    variables = [*model.trainable_variables, *model.optimizer.variables]
    for variable in variables:
        for shard in variable._value.addressable_shards:
            parts[shard.device] = parts.get(shard.device, 0) + shard.data.nbytes
    whole = sum(int(np.prod(v.shape)) * 4 for v in variables)
    by_kind = sent(model)
    unique = np.mean([len(np.unique(x["item"][i * 1024 : (i + 1) * 1024])) for i in range(2)])
    return {
        "share": max(parts.values()) / whole,
        "bytes by kind": by_kind,
        "sent": sum(by_kind.values()),
        "unique": float(unique) * 32 * 4,
    }


def _data(n: int, steps: int, batch: int, length: int) -> Any:
    rng = np.random.default_rng(0)
    x = {"item": rng.integers(0, n, (steps * batch, length), dtype="int32")}
    return x, rng.normal(size=(steps * batch, 1)).astype("float32")


def _model(n: int, width: int, optimizer: Any, **settings: Any) -> Any:
    import keras

    import kerasrec

    keras.utils.set_random_seed(0)
    item = keras.Input((None,), name="item", dtype="int32")
    vectors = kerasrec.layers.FeatureEmbedding(n, width, keras.initializers.RandomNormal(stddev=0.1))(item)
    out = keras.layers.Dense(1)(keras.ops.mean(vectors, axis=1))
    model = kerasrec.Model({"item": item}, out)
    model.compile(optimizer, "mean_squared_error", **settings)
    return model
