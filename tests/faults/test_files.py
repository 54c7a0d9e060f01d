"""Damaged and hostile model files: refused with a sentence, or loaded to something that works."""

import contextlib
import random
import re
import resource
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kerasrec
from faults import damage
from kerasrec import Ranker, Recommender, TwoStage
from kerasrec.data import Features, Impressions, Interactions
from kerasrec.data.columns import Category

# Seeds of the part that CI runs.
FEW = range(24)
ALL = {f"{i} to {i + 99}": range(i, i + 100) for i in range(0, 500, 100)}
# What a refusal may have in characters, the path apart.
_LONGEST = 700
# What the process may grow by beside the sizes that a file states: a model's graph.
_MOST_BYTES = 64 << 20
# Of the processor: what a machine does meanwhile is no fault.
_MOST_SECONDS = 20


@pytest.fixture(scope="module")
def films():
    return pd.DataFrame(
        {
            "title": [f"Film {i}" for i in range(20)],
            "seen": pd.date_range("2020-01-01", periods=20),
            "genres": ["a|b", "b", "", "a"] * 5,
        },
        index=[10 * i for i in range(20)],
    )


@pytest.fixture(scope="module")
def whole(films, tmp_path_factory):
    draw = np.random.default_rng(0)
    pairs = [(f"u{user}", 10 * item) for user in range(12) for item in range(20) if draw.random() < 0.4]
    data = Interactions.from_frame(pd.DataFrame(pairs, columns=["user", "item"]))
    columns = Features.multilabel(films["genres"]) + Features.numeric(films["seen"])
    features = Features.indicator(films.index) + columns
    model = kerasrec.zoo.create("hybrid", data, item_features=features, n_components=3)
    path = tmp_path_factory.mktemp("whole") / "x.keras"
    Recommender(model, data, item_features=features.align(data.item_ids), item_metadata=films).save(path)
    return path.read_bytes()


def outcome(content, folder, new, load=Recommender.load):
    """What became of a file: refused, or loaded to something that recommends, grows and is saved again."""
    path = folder / "x.keras"
    path.write_bytes(content)
    try:
        found = load(path)
    except ValueError as error:
        message = str(error)
        assert "\n" not in message and len(message) - len(str(path)) < _LONGEST, message
        return "refused"
    if isinstance(found, Ranker):
        assert np.isfinite(found.score(new)).all()
        found.save(path)
        return "works"
    lists = found.recommend(k=3)
    assert len(lists) == 36 and lists["item"].isin(found.item_ids).all() and np.isfinite(lists["score"]).all()
    try:
        found.add_items(new)
    except ValueError as error:  # a column has another name now, or features are not the model's
        assert "Received: " in str(error) and "\n" not in str(error), error
    found.save(path)
    return "works"


class Watch:
    """The most memory that the process takes in a `with`, in bytes, and its time on the processor."""

    def __enter__(self):
        with contextlib.suppress(OSError):  # Linux forgets the peak so far; elsewhere it stays
            Path("/proc/self/clear_refs").write_text("5")
        self.began, self._before = time.process_time(), self._memory("VmRSS")
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.began
        self.n_bytes = self._memory("VmHWM") - self._before

    @staticmethod
    def _memory(name):
        with contextlib.suppress(OSError):
            return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def stated(content, folder):
    """The sizes that a file states for its members, as far as it may state them."""
    (folder / "x.keras").write_bytes(content)
    try:
        with zipfile.ZipFile(folder / "x.keras") as archive:
            return min(sum(member.file_size for member in archive.infolist()), 100 * len(content))
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return len(content)


def check(whole, seeds, folder, new, load=Recommender.load):
    outcomes, most, longest = Counter(), 0, 0.0
    target, folder = folder / "target", folder / "folder"
    folder.mkdir()
    for seed in seeds:
        what, content = damage.damaged(whole, seed, target)
        try:
            with Watch() as watch:
                found = outcome(content, folder, new, load)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {what}") from error
        outcomes[found] += 1
        assert watch.n_bytes < stated(content, folder) + _MOST_BYTES, (seed, what, watch.n_bytes)
        assert watch.seconds < _MOST_SECONDS, (seed, what, watch.seconds)
        assert [path.name for path in folder.iterdir()] == ["x.keras"], (seed, what)
        assert not target.exists(), (seed, what)
        most, longest = max(most, watch.n_bytes), max(longest, watch.seconds)
    print(dict(outcomes), f"{most >> 20} MB and {longest:.1f} s of the processor at most")
    return outcomes


@pytest.mark.filterwarnings("ignore:.* are unknown to the encoder")
@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(FEW, marks=pytest.mark.slow, id="few"),
        *(pytest.param(seeds, marks=pytest.mark.faults, id=name) for name, seeds in ALL.items()),
    ],
)
def test_damaged_files(whole, films, tmp_path, seeds):
    outcomes = check(whole, seeds, tmp_path, films.iloc[:1].set_axis([999]))
    assert sum(outcomes.values()) == len(seeds)
    # Most of what is changed is noticed; a text or a weight of another value is not.
    assert outcomes["refused"] > 0.6 * len(seeds)


def shown_rows():
    """Who was shown what, on which device, at which price, and whether it was clicked."""
    draw, n = np.random.default_rng(0), 200
    return pd.DataFrame(
        {
            "user": [f"u{x}" for x in draw.integers(0, 12, n)],
            "item": 10 * np.arange(n) % 200,
            "time": draw.integers(0, 1000, n),
            "device": draw.choice(["phone", "tablet"], n),
            "price": draw.random(n),
            "clicked": draw.integers(0, 2, n),
        }
    )


def likes():
    return Interactions.from_frame(shown_rows(), time="time", kind="likes")


def sequence_model():
    """What was had before, in the order of time."""
    return Recommender(kerasrec.zoo.create("sasrec", likes(), n_components=4, n_blocks=1), likes())


def click_model():
    """Columns of each kind."""
    kinds = {"user": "category", "item": "hashed", "device": "labels", "time": "quantiles", "price": "number"}
    shown = Impressions.from_frame(shown_rows(), "clicked", kinds)
    return Ranker(kerasrec.zoo.create("deepfm", shown, hidden=(4,)))


def two_stages():
    """A click model in the file of one that finds candidates."""
    kinds = {"device": Category(default="phone")}
    shown = Impressions.from_frame(shown_rows(), "clicked", kinds, user="user", item="item")
    ranker = Ranker(kerasrec.zoo.create("deepfm", shown, hidden=(4,)))
    return TwoStage(Recommender.train(likes(), "item_knn", verbose=0), ranker)


OTHERS = {
    "sequences": (sequence_model, Recommender.load),
    "clicks": (click_model, Ranker.load),
    "two stages": (two_stages, TwoStage.load),
}


@pytest.mark.filterwarnings("ignore:.* are unknown to the encoder")
@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(8), marks=pytest.mark.slow, id="few"),
        pytest.param(range(100), marks=pytest.mark.faults, id="0 to 99"),
    ],
)
@pytest.mark.parametrize("make, load", OTHERS.values(), ids=OTHERS)
def test_damaged_files_of_other_models(films, tmp_path, seeds, make, load):
    make().save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "damaged").mkdir()
    new = films.iloc[:1].set_axis([999]) if make is not click_model else shown_rows()
    with contextlib.suppress(ImportError):  # Keras takes it for one of the classes that a file may name
        import torch  # noqa: F401
    outcomes = check(whole, seeds, tmp_path / "damaged", new, load)
    assert sum(outcomes.values()) == len(seeds)
    assert outcomes["refused"] > 0.6 * len(seeds)


HOSTILE = {
    "outside": lambda whole, target: damage.outside(whole, target, "../" * 9),
    "pickled": lambda whole, target: damage.pickled(whole, target, random.Random(0)),
    "foreign": lambda whole, target: damage.foreign(whole, target, "os", "mkdir", random.Random(0)),
    "bomb": lambda whole, target: damage.bomb(whole, random.Random(0)),
    "another bomb": lambda whole, target: damage.bomb(whole, random.Random(1)),
}


@pytest.mark.parametrize("at", [6, 10], ids=["version", "packing"])
def test_archives_that_nobody_unpacks(whole, films, tmp_path, at):
    """As the bytes after the mark of the first member of the list say, which zipfile does not know."""
    content, place = bytearray(whole), whole.index(b"PK\x01\x02") + at
    content[place] = 84
    assert outcome(bytes(content), tmp_path, films) == "refused"


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files(whole, films, tmp_path, make):
    target, folder = tmp_path / "target", tmp_path / "folder"
    folder.mkdir()
    content = make(whole, target)
    with Watch() as watch:
        assert outcome(content, folder, films) == "refused"
    assert watch.n_bytes < _MOST_BYTES
    assert not target.exists() and [path.name for path in folder.iterdir()] == ["x.keras"]


def test_the_undamaged_file_works(whole, films, tmp_path):
    assert outcome(whole, tmp_path, films.iloc[:1].set_axis([999])) == "works"
