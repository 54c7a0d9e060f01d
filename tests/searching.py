"""A search in a process of its own, to be killed at any moment: `searching.py FOLDER '{"workers": 2}'`."""

import json
import sys
import time

import keras

import kerasrec
from kerasrec.data import splits

MODEL = "recommender_v2"
HOW = {
    "objective": "val_loss",
    "tuner": "random",
    "max_trials": 4,
    "epochs": 4,
    "fixed": {"n_components": 4, "batch_size": 128, "l2": 1e-6, "bias_l2": 1e-6},
    "verbose": False,
}


class Slow(keras.callbacks.Callback):
    """Time to be killed in.

    Args:
        seconds: float, after each epoch.
    """

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_epoch_end(self, epoch, logs=None):
        time.sleep(self.seconds)


def data():
    whole = kerasrec.datasets.synthetic(n_users=40, n_items=30, n_interactions=600).interactions
    return splits.random_split(whole, 0.2, seed=0)[0]


if __name__ == "__main__":
    further = json.loads(sys.argv[2])
    slow = Slow(further.pop("pause", 0.1))
    kerasrec.tuning.search(data(), MODEL, directory=sys.argv[1], callbacks=[slow], **HOW, **further)
