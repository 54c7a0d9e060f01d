"""Run once for each of two processes that train together, or once alone: JSON of what was found."""

import json
import os
import signal
import sys
import warnings

folder, port, process = sys.argv[1], sys.argv[2], int(sys.argv[3])

import keras  # noqa: E402
import numpy as np  # noqa: E402

warnings.filterwarnings("ignore", message="`RowSharded` has one device")
if process >= 0:
    keras.distribution.initialize(f"127.0.0.1:{port}", 2, process)

import kerasrec  # noqa: E402
from kerasrec.data import Interactions, RankingBatches  # noqa: E402

N_USERS, N_ITEMS, EPOCHS = 301, 203, 3


def batches(seed=1):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, N_USERS, 1000), rng.integers(0, N_ITEMS, 1000)
    x = Interactions(users, items, user_ids=list(range(N_USERS)), item_ids=list(range(N_ITEMS)))
    return RankingBatches(x, 32, 4, seed=0, drop_remainder=True)


def build():
    keras.utils.set_random_seed(5)
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    start = keras.initializers.RandomNormal(stddev=0.1)
    users, items = (kerasrec.layers.FeatureEmbedding(n, 4, start) for n in (N_USERS, N_ITEMS))
    model = kerasrec.Model({"user": user, "item": item}, kerasrec.layers.DotScore()(users(user), items(item)))
    model.compile(keras.optimizers.Adam(0.01), kerasrec.losses.BPR(), row_sparse=True)
    return model


class Killed(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if process == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    found = {}
    if process >= 0:
        keras.distribution.set_distribution(kerasrec.trainers.RowSharded(min_rows=100))
    model = build()
    found["loss"] = model.fit(batches(), epochs=EPOCHS, verbose=0).history["loss"]
    inputs, labels = batches()[0]
    found["evaluate"] = model.evaluate(inputs, labels, batch_size=32, verbose=0)
    found["predict"] = np.asarray(model.predict(inputs, batch_size=32, verbose=0)).tolist()
    found["rows here"] = sum(s.data.shape[0] for s in model.trainable_variables[0]._value.addressable_shards)
    model.save(f"{folder}/{'alone' if process < 0 else 'two'}.keras")
    if process >= 0:
        try:
            model.fit(batches(seed=1 + process), verbose=0)
        except ValueError as error:
            found["other data"] = str(error)
        try:
            model.fit(batches(), epochs=EPOCHS, verbose=0, callbacks=[Killed()])
        except ConnectionError as error:
            found["killed"] = str(error)
    print(json.dumps(found), flush=True)
    if process >= 0:
        os._exit(0)  # JAX would wait for the other process


main()
