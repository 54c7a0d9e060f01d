"""What children of `children` do until they are killed; each yields when it begins."""

import itertools
import os
import signal
import sys
import tempfile

import numpy as np
import pandas as pd

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions

SEARCH = {
    "objective": "val_ndcg@10",
    "tuner": "random",
    "max_trials": 3,
    "epochs": 1,
    "verbose": False,
}

# Of trials enough to be killed among them.
TUNED = {**SEARCH, "max_trials": 8}


def table():
    """Ratings in which everybody has about a third of 40 items."""
    draw = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"i{i}", draw.integers(1, 6)) for u in range(30) for i in range(40) if draw.random() < 0.3
    ]
    return pd.DataFrame(rows, columns=["user", "item", "rating"])


def data():
    return Interactions.from_frame(table(), value="rating", kind="ratings")


def counted():
    """How often who had what, and one pair more."""
    pair = pd.DataFrame({"user": ["ann"], "item": ["x"]})
    return Interactions.from_frame(pd.concat([table()[["user", "item"]], pair]), kind="counts")


def event():
    """Once more that pair."""
    return Interactions.from_frame(pd.DataFrame({"user": ["ann"], "item": ["x"]}), kind="counts")


def save(folder):
    """Two models, by turns, to one file."""
    models = [Recommender.load(path) for path in sorted((folder / "models").iterdir())]
    tempfile.tempdir = str(folder / "tmp")
    yield
    for model in itertools.cycle(models):
        model.save(folder / "out" / "x.keras")


def lists(folder):
    """Lists of two models, by turns, to one file."""
    models = [Recommender.load(path) for path in sorted((folder / "models").iterdir())]
    yield
    for model in itertools.cycle(models):
        model.recommend_to_parquet(folder / "out" / "x.parquet", k=3, verbose=False)


def train(folder):
    """Models of one table by the command, to one file and one picture."""
    from kerasrec.cli.app import app

    table().to_csv(folder / "table.csv", index=False)
    yield
    for name in itertools.cycle(("popularity", "recommender_v2", "item_knn")):
        arguments = ["train", folder / "table.csv", "--model", name, "--out", folder / "out" / "x.keras"]
        app([*map(str, arguments), "--epochs", "1"], standalone_mode=False)


def update(folder):
    """One event after the other, each in the file before the next one comes."""
    path = folder / "out" / "x.keras"
    recommender = Recommender.load(path)
    tempfile.tempdir = str(folder / "tmp")
    yield
    while True:
        recommender.update(event(), verbose=0)
        recommender.save(path)


def tune(folder, moment=None):
    """A search, which may have begun, and which dies at a step of its writing by its number."""
    if moment is not None:
        sys.addaudithook(dies_at(moment))
    yield
    kerasrec.tuning.search(data(), "item_knn", directory=folder, **TUNED)
    yield


def dies_at(moment):
    """What kills this process before it opens, moves or clears away a file that it is writing."""
    steps = itertools.count()

    def hook(event, arguments):
        if event in ("open", "os.rename", "shutil.rmtree"):
            parts = (
                os.fspath(arguments[0]).split(os.sep) if isinstance(arguments[0], (str, os.PathLike)) else ()
            )
            if any(part.startswith(".") and ".json." in part for part in parts) and next(steps) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def write(folder, name, limit):
    """What `test_disks.WRITERS` have under `name`, where no file may have more than `limit` bytes."""
    import resource

    from faults.test_disks import WRITERS

    recommender = Recommender.load(folder / "model.keras")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        WRITERS[name](recommender, folder / "out")
    except OSError as error:
        yield error.errno, str(error)
    else:
        yield None


def within(name, more, settings):
    """Train where the process may take so many bytes more than it has."""
    import resource

    whole = data() if name == "recommender_v2" else counted()
    taken = int(open("/proc/self/status").read().partition("VmSize:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (taken + more, taken + more))
    try:
        Recommender.train(whole, name, epochs=1, verbose=0, **settings)
    except ValueError as error:
        yield str(error)
    else:
        yield "trained"
