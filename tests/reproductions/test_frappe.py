"""Click models on Frappe, beside what BARS publishes for the same validation and test rows.

Protocol: `train.csv` (202,027 rows, whose negatives are drawn again by the published scheme), `valid.csv`
says when to stop, exact AUC of the 28,860 rows of `test.csv`, the mean of five seeds; ten columns of
categories, `cost` among them, which 12.6 % of the negatives contradict. With `KERASREC_REPRODUCTION=quick`,
as in CI, logistic regression alone, one seed and a part of its epochs; otherwise some minutes of a GPU
(`KERAS_BACKEND=jax`), and three hours of a CPU.
"""

import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Impressions

pytestmark = pytest.mark.reproduction

_LINEAR = {"learning_rate": 5e-3, "l2": 2.5e-6, "epochs": 100, "patience": 4}
_DEEP = {"l2": 0.025, "dropout": 0.2, "epochs": 100, "patience": 2}
# Settings, the mean AUC that is required, and the published one.
MODELS = {
    "logistic_regression": (_LINEAR, 0.9350, 0.9356),
    "click_factorization_machine": (_LINEAR, 0.9670, 0.9670),
    "dnn": (_DEEP, 0.9825, 0.9833),
    "deepfm": (_DEEP, 0.983, 0.9840),
    "wide_and_deep": ({"l2": 0.05, "dropout": 0.4, "hidden": (400, 400), "epochs": 16}, 0.983, 0.9841),
    "dcn": ({"l2": 0.025, "dropout": 0.3, "n_crosses": 2, "hidden": (200, 200), "epochs": 16}, 0.983, 0.9845),
    "dlrm": (
        {"l2": 0.025, "dropout": 0.3, "n_components": 16, "hidden": (400, 400), "epochs": 16},
        0.983,
        0.9840,
    ),
    "autoint": (
        {"l2": 0.025, "dropout": 0.2, "n_blocks": 1, "hidden": (200, 200), "epochs": 16},
        0.983,
        0.9848,
    ),
}


@pytest.fixture(scope="module")
def parts(shared_data):
    """Rows to train on, rows that say when to stop, and rows to measure."""
    frames = [pd.read_csv(shared_data / "frappe" / f"{name}.csv") for name in ("train", "valid", "test")]
    kinds = {name: "category" for name in frames[0].columns if name != "label"}
    train = Impressions.from_frame(frames[0], "label", kinds, user="user", item="item")
    valid, test = (Impressions.from_frame(frame, "label", train.columns) for frame in frames[1:])
    assert (len(train), len(valid), len(test)) == (202_027, 57_722, 28_860)
    return train, valid, test


@pytest.mark.parametrize("name", MODELS)
def test_models_reach_what_is_published(parts, quick, name):
    train, valid, test = parts
    settings, required, published = MODELS[name]
    if quick:
        if name != "logistic_regression":
            pytest.skip("too long for a quick run")
        settings, required = {**settings, "epochs": 10}, 0.92
    found = []
    for seed in range(1 if quick else 5):
        ranker = kerasrec.Ranker.train(
            train, name, validation=valid, batch_size=1024, seed=seed, verbose=0, **settings
        )
        report = ranker.evaluate(test)
        found.append([report["auc"], report["log_loss"]])
        print(f"\n{name}, seed {seed}: AUC, log loss {np.round(found[-1], 4)}", flush=True)
    auc, log_loss = np.mean(found, axis=0)
    print(f"{name}: AUC {auc:.4f} ({published}), log loss {log_loss:.4f}; {keras.backend.backend()}")
    assert auc >= required
