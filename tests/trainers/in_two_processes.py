"""Run for each of two processes that train together, or for one alone: JSON of what was found.

The training of two is killed in its last epoch, and goes on where both are started again.
"""

import json
import os
import pickle
import signal
import sys
import warnings
from pathlib import Path

sys.modules["tensorflow"] = None  # which Keras would import, and which takes longer than all this

folder, port, process = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

import keras  # noqa: E402
import numpy as np  # noqa: E402

warnings.filterwarnings("ignore", message="`RowSharded` has one device")
if process >= 0:
    keras.distribution.initialize(f"127.0.0.1:{port}", 2, process)

import kerasrec  # noqa: E402
from kerasrec.data import Interactions, RankingBatches, samplers  # noqa: E402

N_USERS, N_ITEMS, EPOCHS = 301, 203, 3


def interactions(seed=1):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, N_USERS, 1001), rng.integers(0, N_ITEMS, 1001)
    return Interactions(users, items, user_ids=list(range(N_USERS)), item_ids=list(range(N_ITEMS)))


def batches(seed=1, shared=False):
    # 31 batches whose halves two processes compute, and one of 9 rows, which both compute.
    return RankingBatches(interactions(seed), 32, 4, samplers.UniformSampler(shared=shared), seed=0)


def build():
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    users, items = (
        kerasrec.layers.FeatureEmbedding(n, 4, keras.initializers.RandomNormal(stddev=0.1, seed=n))
        for n in (N_USERS, N_ITEMS)
    )
    model = kerasrec.Model({"user": user, "item": item}, kerasrec.layers.DotScore()(users(user), items(item)))
    model.compile(keras.optimizers.Adam(0.01), kerasrec.losses.BPR(), row_sparse=True)
    return model


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == EPOCHS - 1 and process == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(model):
    """What two processes say where one is killed after two epochs, of each of which there is a file."""
    found = {}
    try:
        model.fit(batches(seed=1 + process), verbose=0)
    except ValueError as error:
        found["other data"] = str(error)
    each_epoch = keras.callbacks.ModelCheckpoint(folder / "epoch-{epoch}.keras")
    try:
        model.fit(batches(), epochs=EPOCHS, verbose=0, callbacks=[each_epoch, Killed()])
    except ConnectionError as error:
        found["killed"] = str(error)
    return found | {"loss": model.history.history["loss"]}


def whole(model, done):
    """What a training comes to that had some epochs before."""
    data = batches()
    for _ in range(done):
        data.on_epoch_end()
    # One process alone would shuffle the batches.
    how = {"epochs": EPOCHS, "initial_epoch": done, "verbose": 0} | (
        {} if process >= 0 else {"shuffle": False}
    )
    found = {"loss": model.fit(data, **how).history["loss"]}
    inputs, labels = batches()[0]
    found["evaluate"] = model.evaluate(inputs, labels, batch_size=32, verbose=0)
    found["predict"] = np.asarray(model.predict(inputs, batch_size=32, verbose=0)).tolist()
    found["divided"] = sorted(shapes[0][1] for shapes in model._engine._splits)
    found["rows here"] = sum(s.data.shape[0] for s in model.trainable_variables[0]._value.addressable_shards)
    # Each process makes only the labels of its half of a batch.
    shared = build()
    how = how | {"epochs": 2, "initial_epoch": 0}
    found["shared"] = shared.fit(batches(shared=True), **how).history["loss"]
    found["after shared"] = np.asarray(shared.predict(inputs, batch_size=32, verbose=0)).tolist()
    # Each has a folder of its own, as on machines without a common one.
    recommender = kerasrec.Recommender(model, interactions())
    recommender.save(folder / str(process) / "shop.keras")
    (folder / f"{process}.pickle").write_bytes(pickle.dumps(recommender))
    return found


def main():
    if process >= 0:
        keras.distribution.set_distribution(kerasrec.trainers.RowSharded(min_rows=100, split_batch=True))
    files = sorted(folder.glob("epoch-*.keras"))
    if process >= 0 and not files:
        found = killed(build())
    elif process >= 0:
        found = whole(keras.models.load_model(files[-1]), len(files))
    else:
        found = whole(build(), 0)
    print(json.dumps(found), flush=True)
    if process >= 0:
        os._exit(0)  # JAX would wait for the other process


main()
