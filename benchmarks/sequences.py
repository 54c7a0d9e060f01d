"""SASRec on MovieLens 1M and Amazon Beauty: kerasrec compared with the same network in plain Keras.

Plain Keras pads all histories to the model's length and computes the cross-entropy over the whole catalogue
at every position. kerasrec buckets histories by length and uses negatives shared by the batch (512 on
MovieLens, 256 on Beauty). Both take the latest items of a user. The order of events is that of SASRec's and
S3-Rec's files. All but the last two items of a user are training data. The time of an epoch of plain Keras is
that of some batches after the first ones, scaled to an epoch; that of kerasrec is the median epoch after the
first. Compilation is listed separately (`first s`: the first batch of plain Keras, the first epoch of
kerasrec). `whole s` is a whole training with a falling learning rate, including compilation but not
evaluation: on MovieLens 1M the original network with a wider hidden layer, on all parts of long histories and
by cross-entropy over the catalogue, as by the recipe but in fewer epochs; on Beauty the network above.
NDCG@10 is measured on the last item, ranked among all unseen items, over all users. `--short` skips the whole
training.
"""

import statistics
import time
from typing import Any

import numpy as np

from benchmarks._measure import alternate, data_folder, digits, in_process, ratio_row

CASES: dict[str, dict[str, Any]] = {
    "movielens-1m": {
        "file": "sasrec_sequences.txt",
        "length": 200,
        "settings": {"n_blocks": 2, "dropout": 0.1},
        "batch_size": 32,
        "n_sampled_items": 512,
        "plain_steps": 12,
        "required": (3, 6),
        "whole": {
            "settings": {
                "loss": "ce",
                "variant": "original",
                "hidden": 256,
                "activation": "gelu",
                "dropout": 0.1,
                "attention_dropout": 0.0,
            },
            "batches": {"batch_size": 32, "buckets": (50, 100)},
            "learning_rate": 1e-3,
            "epochs": 16,
        },
    },
    "amazon-beauty": {
        "file": "sequences.txt",
        "length": 50,
        "settings": {"n_blocks": 1, "dropout": 0.5},
        "batch_size": 128,
        "n_sampled_items": 256,
        "plain_steps": 10,
        "required": (10, 30),
        "whole": {
            "settings": {"n_blocks": 1, "dropout": 0.5},
            "batches": {"batch_size": 128, "n_sampled_items": 256},
            "learning_rate": 2e-3,
            "epochs": 60,
        },
    },
}
N_COMPONENTS = 64


def run(quick: bool = False, short: bool = False) -> list[dict]:
    cases = [(name, code) for name in CASES for code in ("plain", "ours")]
    found = dict(zip(cases, alternate(cases, 1, lambda case: _measure(*case, quick, short)), strict=True))
    ratios_of, rows = [], []
    for name, case in CASES.items():
        plain, ours = (found[name, code][0] for code in ("plain", "ours"))
        ratio = plain["epoch s"] / ours["epoch s"]
        ratios_of.append(
            ratio_row(f"plain Keras / kerasrec: seconds an epoch, {name}", [ratio], *case["required"])
        )
        rows += [
            {
                "data": name,
                "code": code,
                "epoch s": digits(x["epoch s"]),
                "first s": digits(x["first s"]),
                "epochs": x.get("epochs"),
                "whole s": x.get("whole s"),
                "ndcg@10": x.get("ndcg@10"),
                "peak MB": x["peak_mb"],
            }
            for code, x in (("plain Keras", plain), ("kerasrec", ours))
        ]
    return ratios_of + rows


def _measure(name: str, code: str, quick: bool, short: bool) -> dict[str, Any]:
    data_folder(name)
    how = {"name": name, "quick": quick, "short": short}
    return in_process(f"benchmarks.sequences:{code}", how, "jax", {"KERASREC_COMPILATION_CACHE": "0"})


def sequences(name: str, quick: bool) -> tuple[list[np.ndarray], int]:
    """Item codes of each user, oldest first, and the number of items."""
    path = data_folder(name) / CASES[name]["file"]
    lists = [np.array(line.split()[1:], int) for line in path.read_text().splitlines()]
    lists = lists[:500] if quick else lists
    known, codes = np.unique(np.concatenate(lists), return_inverse=True)
    return np.split(codes.astype("int32"), np.cumsum([len(x) for x in lists])[:-1]), len(known)


def ours(name: str, quick: bool, short: bool) -> dict[str, Any]:
    """Epochs of kerasrec, and what a whole training reaches."""
    from benchmarks._clock import EpochClock
    from kerasrec import zoo
    from kerasrec.data import Interactions, SequenceBatches, Sequences
    from kerasrec.evaluation import evaluate

    case = CASES[name]
    lists, n_items = sequences(name, quick)
    train = Sequences.of_lists([x[:-2] for x in lists], n_items)

    def fit(settings: dict, batches: dict, rate: float, epochs: int) -> tuple[Any, list[float]]:
        model = zoo.SASRec(
            n_items, N_COMPONENTS, history_length=case["length"], learning_rate=rate, seed=0, **settings
        )
        clock, recipe = EpochClock(), zoo.Recipe(schedule="linear", epochs=epochs)
        made = SequenceBatches(train, model=model, seed=0, **batches)
        model.fit(made, epochs=epochs, verbose=0, callbacks=[clock, zoo.FallingRate(recipe)])
        return model, clock.seconds

    batches = {key: case[key] for key in ("batch_size", "n_sampled_items")} | {"crops": "latest"}
    _, epochs = fit(case["settings"], batches, 2e-3, 2 if quick or short else 4)
    seconds = {"epoch s": statistics.median(epochs[1:]), "first s": epochs[0]}
    if short:
        return seconds
    whole = case["whole"]
    n_epochs = 1 if quick else whole["epochs"]
    start = time.perf_counter()
    model, _ = fit(whole["settings"], whole["batches"], whole["learning_rate"], n_epochs)
    taken = time.perf_counter() - start
    users = np.arange(len(lists))
    test = Interactions(users, [x[-1] for x in lists], user_ids=users, item_ids=np.arange(n_items))
    rest = Interactions(
        np.repeat(users, [len(x) - 1 for x in lists]),
        np.concatenate([x[:-1] for x in lists]),
        times=np.concatenate([np.arange(len(x) - 1) for x in lists]),
        user_ids=users,
        item_ids=np.arange(n_items),
    )
    return {
        **seconds,
        "epochs": n_epochs,
        "whole s": digits(taken),
        "ndcg@10": evaluate(model, test, rest, metrics=["ndcg"])["ndcg@10"],
    }


def plain(name: str, quick: bool, short: bool) -> dict[str, Any]:
    """Some batches of plain Keras."""
    case = CASES[name]
    lists, n_items = sequences(name, quick)
    length, size = case["length"], case["batch_size"]
    lists = [x[:-2] for x in lists if len(x) > 3]
    n_batches = -(-len(lists) // size)
    steps = 2 if quick else case["plain_steps"]
    history = np.zeros((steps * size, length), "int32")  # 0 is padding
    target, weight = np.zeros_like(history), np.zeros(history.shape, "float32")
    for row, items in enumerate(lists[: len(history)]):
        some = items[-length - 1 :]
        history[row, length - len(some) + 1 :] = some[:-1] + 1
        target[row, length - len(some) + 1 :] = some[1:]
        weight[row, length - len(some) + 1 :] = 1
    model = network(n_items, length, **case["settings"])
    data = {"sample_weight": weight, "batch_size": size, "verbose": 0}
    start = time.perf_counter()
    model.fit(history[:size], target[:size], **{**data, "sample_weight": weight[:size]})
    first = time.perf_counter() - start
    start = time.perf_counter()
    model.fit(history, target, **data)
    return {"epoch s": (time.perf_counter() - start) / steps * n_batches, "first s": first}


def network(n_items: int, length: int, n_blocks: int, dropout: float) -> Any:
    """SASRec of Keras's layers, whose output are the scores of all items at every position."""
    import keras
    from keras import layers, ops

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.table = layers.Embedding(n_items + 1, N_COMPONENTS)
            self.places = layers.Embedding(length, N_COMPONENTS)
            self.dropout = layers.Dropout(dropout)
            self.attention = [
                layers.MultiHeadAttention(1, N_COMPONENTS, dropout=dropout) for _ in range(n_blocks)
            ]
            self.dense = [
                [layers.Dense(N_COMPONENTS, "relu"), layers.Dense(N_COMPONENTS)] for _ in range(n_blocks)
            ]
            self.norms = [
                [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)] for _ in range(n_blocks)
            ]
            self.last = layers.LayerNormalization(epsilon=1e-6)

        def call(self, history: Any, training: Any = None) -> Any:
            there = ops.not_equal(history, 0)
            x = self.table(history) * N_COMPONENTS**0.5 + self.places(ops.arange(length))
            x = self.dropout(x, training=training)
            parts = zip(self.attention, self.dense, self.norms, strict=True)
            for attention, (inner, outer), (first, second) in parts:
                y = first(x)
                mask = ops.expand_dims(there, 1)
                y = attention(y, y, attention_mask=mask, use_causal_mask=True, training=training)
                x = x + self.dropout(y, training=training)
                y = self.dropout(inner(second(x)), training=training)
                x = x + self.dropout(outer(y), training=training)
            return ops.matmul(self.last(x), ops.transpose(self.table.embeddings[1:]))

    model = Net()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model
