"""LightGCN on Gowalla: kerasrec compared with the same model in plain Keras.

The data are the training part of LightGCN's split (29,858 users, 40,981 items, 810,128 check-ins). Vectors
have 64 components and are propagated three times. Both implementations use the recipe's batch size. Plain
Keras uses the pairwise loss of the paper, with a gather and a segment sum. kerasrec uses the recipe's softmax
over items shared by the batch, with a sparse matrix product. `every tenth step` reuses the propagated vectors
for ten steps (`renew_every=10`). The time of an epoch is that of some steps after the first ones, scaled to
an epoch. Compilation is listed separately (`first s`). `whole minutes` is a training by the recipe, including
compilation but not evaluation. recall@20 and NDCG@20 are measured on the test part, over all users and the
whole catalogue without the training items. `--short` skips the whole training.
"""

import time
from typing import Any

import numpy as np

from benchmarks._measure import alternate, data_folder, digits, in_process, ratio_row

N_USERS, N_ITEMS, N_COMPONENTS, N_LAYERS = 29_858, 40_981, 64, 3
FUNCTIONS = {
    "plain Keras": "plain",
    "recipe": "recipe",
    "every tenth step": "every_tenth_step",
    "gf_cf": "closed_form",
}


def run(quick: bool = False, short: bool = False) -> list[dict]:
    data_folder("gowalla")
    names = [name for name in FUNCTIONS if not (quick and name == "gf_cf")]
    how = {"quick": quick, "short": short or quick}
    measured = alternate(names, 1, lambda name: _measure(name, how))
    found = {name: x[0] for name, x in zip(names, measured, strict=True)}
    seconds = {name: x["epoch s"] for name, x in found.items() if "epoch s" in x}
    rows = [
        ratio_row(
            f"plain Keras / kerasrec, {name}: seconds an epoch", [seconds["plain Keras"] / seconds[name]]
        )
        for name in ("recipe", "every tenth step")
    ]
    if "whole s" in found["recipe"]:
        rows.append(
            ratio_row("whole minutes", [found["recipe"]["whole s"] / 60], 20, 10, lower_is_better=True)
        )
    columns = ("epoch s", "first s", "epochs", "whole s", "recall@20", "ndcg@20")
    for name, x in found.items():
        shown = {column: digits(x[column]) if column in x else None for column in columns}
        rows.append({"code": name, **shown, "peak MB": x["peak_mb"]})
    return rows


def _measure(name: str, how: dict[str, bool]) -> dict[str, Any]:
    return in_process(f"benchmarks.graphs:{FUNCTIONS[name]}", how, "jax", {"KERASREC_COMPILATION_CACHE": "0"})


def interactions(quick: bool, *names: str) -> Any:
    """Interactions of files with a line a user: its number, and those of its items."""
    from kerasrec.data import Interactions

    lines = [
        np.array(line.split(), int)
        for name in names
        for line in (data_folder("gowalla") / name).read_text().splitlines()[: 500 if quick else None]
    ]
    users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
    items = np.concatenate([line[1:] for line in lines])
    return Interactions(users, items, user_ids=np.arange(N_USERS), item_ids=np.arange(N_ITEMS))


def every_tenth_step(quick: bool, short: bool) -> dict[str, Any]:
    """kerasrec, with what neighbours give computed in every tenth step."""
    return _epochs(quick, renew_every=10)


def recipe(quick: bool, short: bool) -> dict[str, Any]:
    """kerasrec by its recipe, and what that reaches."""
    from kerasrec import zoo

    found = _epochs(quick)
    if short:
        return found
    train = interactions(quick, "train.txt", "valid.txt")
    start = time.perf_counter()
    model, batches, how = _made(train)
    model.fit(batches, epochs=how.epochs, verbose=0, callbacks=[zoo.FallingRate(how)])
    whole = {"whole s": time.perf_counter() - start, "epochs": how.epochs}
    return found | whole | _measured(model, train)


def closed_form(quick: bool, short: bool) -> dict[str, Any]:
    """GF-CF, which has no epochs."""
    from kerasrec import zoo

    train = interactions(quick, "train.txt", "valid.txt")
    start = time.perf_counter()
    model = zoo.create("gf_cf", train)
    whole = {"whole s": time.perf_counter() - start}
    return whole if short else whole | _measured(model, train)


def _measured(model: Any, train: Any) -> dict[str, Any]:
    from kerasrec.evaluation import evaluate

    report = evaluate(model, interactions(False, "test.txt"), train, k=20, metrics=["recall", "ndcg"])
    return {name: report[name] for name in ("recall@20", "ndcg@20")}


def _made(train: Any, **settings: Any) -> tuple[Any, Any, Any]:
    """The model of the recipe, its batches and the recipe."""
    import keras

    from kerasrec import zoo
    from kerasrec.data import RankingBatches

    how = zoo.recipe("lightgcn", train)
    model = zoo.create("lightgcn", train, **{**how.settings, **settings}, seed=0)
    model.compile(keras.optimizers.Adam(how.settings["learning_rate"]), model.loss, row_sparse=False)
    return model, RankingBatches(train, how.batch_size, how.n_sampled_items, how.sampler, seed=0), how


def _epochs(quick: bool, **settings: Any) -> dict[str, Any]:
    """Seconds of an epoch, by a part of it: some steps, and as many again."""
    from benchmarks._clock import EpochClock

    model, batches, _ = _made(interactions(quick, "train.txt", "valid.txt"), **settings)
    steps = min(len(batches), 2 if quick else 20)
    clock = EpochClock()
    model.fit(batches, epochs=2, steps_per_epoch=steps, verbose=0, callbacks=[clock])
    return {"epoch s": clock.seconds[1] / steps * len(batches), "first s": clock.seconds[0]}


def plain(quick: bool, short: bool) -> dict[str, Any]:
    """Some batches of plain Keras."""
    from kerasrec import zoo

    train = interactions(quick, "train.txt", "valid.txt")
    size = zoo.recipe("lightgcn", train).batch_size
    n_batches, steps = -(-len(train) // size), 2 if quick else 4
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(train), min(len(train), (steps + 1) * size), replace=False)
    negatives = rng.integers(0, N_ITEMS, len(chosen))
    x = np.stack([train.users[chosen], train.items[chosen], negatives], axis=1).astype("int32")
    y = np.zeros((len(x), 1), "float32")
    model = network(train.users, train.items)
    data = {"batch_size": size, "verbose": 0}
    start = time.perf_counter()
    model.fit(x[:size], y[:size], **data)
    first = time.perf_counter() - start
    rest = x[size:] if len(x) > size else x
    start = time.perf_counter()
    model.fit(rest, y[: len(rest)], **data)
    return {"epoch s": (time.perf_counter() - start) / (len(rest) / size) * n_batches, "first s": first}


def network(users: np.ndarray, items: np.ndarray) -> Any:
    """LightGCN of Keras's operations, whose output is how far a row's positive is above its negative."""
    import keras
    from keras import ops

    by_user, by_item = np.bincount(users, minlength=N_USERS), np.bincount(items, minlength=N_ITEMS)
    weights = (1 / np.sqrt(by_user[users] * by_item[items]))[:, None].astype("float32")

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.user_table = keras.layers.Embedding(N_USERS, N_COMPONENTS)
            self.item_table = keras.layers.Embedding(N_ITEMS, N_COMPONENTS)
            self.user_table.build()
            self.item_table.build()

        def call(self, rows: Any) -> Any:
            user, item = self.user_table.embeddings + 0, self.item_table.embeddings + 0
            sums = [user, item]
            for _ in range(N_LAYERS):
                user, item = (
                    ops.segment_sum(ops.take(item, items, axis=0) * weights, users, N_USERS),
                    ops.segment_sum(ops.take(user, users, axis=0) * weights, items, N_ITEMS),
                )
                sums = [sums[0] + user, sums[1] + item]
            wanted = ops.take(sums[0], rows[:, 0], axis=0)
            ahead = ops.take(sums[1], rows[:, 1], axis=0) - ops.take(sums[1], rows[:, 2], axis=0)
            return ops.sum(wanted * ahead, axis=-1, keepdims=True) / (N_LAYERS + 1) ** 2

    model = Net()
    model.compile(keras.optimizers.Adam(1e-3), lambda y, ahead: ops.softplus(-ahead))
    return model
