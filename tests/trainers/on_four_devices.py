"""Run in a process of its own, on JAX with four simulated devices: trainings by rows over them, as JSON."""

import contextlib
import json
import sys
import warnings

sys.modules["tensorflow"] = None  # which Keras would import, for many seconds

import keras  # noqa: E402
import numpy as np  # noqa: E402

import kerasrec  # noqa: E402
from benchmarks._collectives import sent  # noqa: E402
from kerasrec.trainers import RowSharded  # noqa: E402

# No number of rows divides by 4, and the last table is too small to be spread.
N_USERS, N_ITEMS, N_DAYS, BATCH, STEPS = 1501, 1203, 7, 8, 100


def samples(seed=0):
    rng = np.random.default_rng(seed)
    n = BATCH * STEPS
    # Some users come often, most of them never.
    x = {
        "user": (rng.zipf(1.5, (n, 1)) % N_USERS).astype("int32"),
        "item": rng.integers(0, N_ITEMS, (n, 2)).astype("int32"),
        "other": rng.integers(0, N_ITEMS, (n, 1)).astype("int32"),
        "day": rng.integers(0, N_DAYS, (n, 1)).astype("int32"),
    }
    return x, rng.normal(size=(n, 2)).astype("float32")


def build():
    """One table is read by one column, another one by two, and biases by the first's column."""
    inputs = {
        name: keras.Input((None if name == "item" else 1,), name=name, dtype="int32") for name in samples()[0]
    }

    def table(n, width, name):
        start = keras.initializers.RandomNormal(stddev=0.5, seed=n + width)
        return kerasrec.layers.FeatureEmbedding(n, width, start, name=name)

    items = table(N_ITEMS, 4, "items")
    user = (
        table(N_USERS, 4, "users")(inputs["user"])
        + items(inputs["other"])
        + table(N_DAYS, 4, "days")(inputs["day"])
    )
    score = kerasrec.layers.DotScore()(
        user, items(inputs["item"]), user_bias=table(N_USERS, 1, "bias")(inputs["user"])
    )
    return kerasrec.Model(inputs, score)


def compiled(optimizer, **settings):
    model = build()
    model.compile(
        optimizer, "mean_squared_error", **{"row_sparse": True, "steps_per_execution": 25, **settings}
    )
    return model


def fit(model, epochs=1, **how):
    return model.fit(*samples(), batch_size=BATCH, shuffle=False, epochs=epochs, verbose=0, **how).history[
        "loss"
    ]


def state(model):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in (*model.variables, *model.optimizer.variables)]


def farthest(some, others):
    """The farthest that an element differs, where those of an array are large as a share of the largest."""
    return max(
        float(np.abs(a - b).max() / max(1, np.abs(b).max())) for a, b in zip(some, others, strict=True)
    )


def share(model):
    """The most that a device holds of tables and slots, of all that there is."""
    arrays = [v._value for v in (*model.trainable_variables, *model.optimizer.variables)]
    parts = {}
    for array in arrays:
        for shard in array.addressable_shards:
            parts[shard.device] = parts.get(shard.device, 0) + shard.data.nbytes
    return max(parts.values()) / sum(
        np.prod(v.shape) * 4 for v in (*model.trainable_variables, *model.optimizer.variables)
    )


def message(call):
    """The error or the warning that a call ends in."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            call()
        except (ValueError, UserWarning) as error:
            return str(error)
    return None


class OwnStep(kerasrec.Model):
    def train_step(self, *args):
        return super().train_step(*args)


def main(folder):
    found = {}
    optimizers = {
        "adam": lambda: keras.optimizers.Adam(0.01),
        "adagrad": lambda: keras.optimizers.Adagrad(0.05),
        "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.05),
    }
    four = RowSharded(min_rows=100)
    for name, optimizer in optimizers.items():
        one = compiled(optimizer())
        fit(one, 3)
        with four.scope():
            model = compiled(optimizer())
            fit(model, 3)
        found[name] = farthest(state(model), state(one))
        if name == "adam":
            one_adam, adam = one, model
    found["share"] = share(adam)
    found["sent"] = sent(adam)

    # Outputs, loss and files.
    x, y = samples(1)
    found["predict"] = farthest([adam.predict(x, batch_size=50, verbose=0)], [one_adam.predict(x, verbose=0)])
    found["evaluate"] = abs(adam.evaluate(x, y, verbose=0) - one_adam.evaluate(x, y, verbose=0))
    adam.save(f"{folder}/four.keras")
    alone = keras.models.load_model(f"{folder}/four.keras")
    found["file"] = farthest(state(alone), state(adam))
    # Another number of devices goes on from the file; a batch that splits over them.
    with RowSharded(devices=["cpu:0", "cpu:2"], min_rows=100, split_batch=True).scope():
        two = keras.models.load_model(f"{folder}/four.keras")
    found["two"] = len(two.get_layer("users").embeddings._value.sharding.device_set)
    fit(two)
    fit(alone)
    found["gone on"] = farthest(state(two), state(alone))

    # At a higher rate Adam makes more than 1e-6 of the order in which the rows of a batch are added up.
    found["parts"] = {
        "adam": in_parts(lambda: keras.optimizers.Adam(0.001)),
        "adamw": in_parts(optimizers["adamw"]),
    }
    found["whole"] = in_parts(optimizers["adam"], split_batch=False)

    found["messages"] = {
        "none": message(lambda: RowSharded([])),
        "unknown": message(lambda: RowSharded(["cpu:0", "gpu:7"])),
        "twice": message(lambda: RowSharded(["cpu:0", "cpu:0"])),
        "one": message(lambda: RowSharded(["cpu:1"])),
        "min_rows": message(lambda: RowSharded(min_rows=0)),
    }
    with four.scope():
        found["messages"] |= {
            "before": message(lambda: fit(one_adam)),
            "optimizer": message(lambda: compiled(keras.optimizers.Lamb(), row_sparse="auto")),
            "eager": message(lambda: compiled("adam", run_eagerly=True, row_sparse="auto")),
            "own": message(lambda: OwnStep(adam.inputs, adam.outputs).compile("adam", "mse")),
        }
    with keras.distribution.DataParallel().scope():
        found["messages"]["parallel"] = message(lambda: fit(of_many_rows()))
    print(json.dumps(found))


def of_tables():
    """All that is trained are tables; the first users have most of the interactions."""
    rng = np.random.default_rng(0)
    users = (rng.zipf(1.5, 8000) % N_USERS).astype(int)
    data = kerasrec.data.Interactions(
        users, rng.integers(0, N_ITEMS, 8000), user_ids=np.arange(N_USERS), item_ids=np.arange(N_ITEMS)
    )
    model = kerasrec.zoo.create("matrix_factorization", data, n_components=4, seed=0)
    shared = kerasrec.data.samplers.UniformSampler(shared=True)
    # 64 rows for each device, and at the end of an epoch a batch that no number divides.
    return model, kerasrec.data.RankingBatches(data, 256, 16, shared, seed=0)


def in_parts(optimizer, **settings):
    """A training whose devices compute a part of each batch, and what one device comes to."""
    trained = []
    for scope in (contextlib.nullcontext(), RowSharded(min_rows=100, **settings).scope()):
        with scope:
            model, batches = of_tables()
            model.compile(optimizer(), "mean_squared_error", row_sparse=True)
            losses = model.fit(batches, epochs=15, shuffle=False, verbose=0).history["loss"]
        trained.append((model, losses))
    (one, of_one), (model, of_parts) = trained
    return {
        "state": farthest(state(model), state(one)),
        "loss": float(np.abs(np.subtract(of_parts, of_one)).max()),
        "steps": int(model.optimizer.iterations),
        "batch rows": sorted(shapes[0][1] for shapes in model._engine._splits),
        "sent": sent(model),
    }


def of_many_rows():
    ids = keras.Input((1,), name="user", dtype="int32")
    model = kerasrec.Model({"user": ids}, kerasrec.layers.FeatureEmbedding(5000, 2)(ids))
    model.compile("sgd", "mse", row_sparse=False)
    return model


if __name__ == "__main__":
    main(sys.argv[1])
