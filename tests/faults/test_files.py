"""Damaged and hostile model files: refused with a sentence, or loaded to something that works."""

import resource
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest

import kerasrec
from faults import damage
from kerasrec import Recommender
from kerasrec.data import Features, Interactions

# Seeds of the part that CI runs.
FEW = range(24)
ALL = range(500)
# What a refusal may have in characters, the path apart.
_LONGEST = 700
# What the process may grow by for a file of 70 kB.
_MOST_BYTES = 128 << 20


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


def outcome(content, folder, new):
    """What became of a file: refused, or loaded to something that recommends, grows and is saved again."""
    path = folder / "x.keras"
    path.write_bytes(content)
    try:
        found = Recommender.load(path)
    except ValueError as error:
        message = str(error)
        assert "\n" not in message and len(message) - len(str(path)) < _LONGEST, message
        return "refused"
    lists = found.recommend(k=3)
    assert len(lists) == 36 and lists["item"].isin(found.item_ids).all() and np.isfinite(lists["score"]).all()
    try:
        found.add_items(new)
    except ValueError as error:  # a column has another name now, or features are not the model's
        assert "Received: " in str(error) and "\n" not in str(error), error
    found.save(path)
    return "works"


def peak():
    """The most memory that the process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def check(whole, seeds, folder, new):
    outcomes = Counter()
    for seed in seeds:
        what, content = damage.damaged(whole, seed)
        before = peak()
        try:
            outcomes[outcome(content, folder, new)] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {what}") from error
        assert peak() - before < _MOST_BYTES, (seed, what)
        assert [path.name for path in folder.iterdir()] == ["x.keras"], (seed, what)
    return outcomes


@pytest.mark.filterwarnings("ignore:.* are unknown to the encoder")
@pytest.mark.parametrize(
    "seeds",
    [pytest.param(FEW, marks=pytest.mark.slow), pytest.param(ALL, marks=pytest.mark.faults)],
    ids=["few", "all"],
)
def test_damaged_files(whole, films, tmp_path, seeds):
    outcomes = check(whole, seeds, tmp_path, films.iloc[:1].set_axis([999]))
    print(dict(outcomes))
    assert sum(outcomes.values()) == len(seeds)
    # Most of what is changed is noticed; a text or a weight of another value is not.
    assert outcomes["refused"] > 0.6 * len(seeds)


@pytest.mark.parametrize("make", [damage.outside, damage.pickled, damage.foreign])
def test_hostile_files(whole, films, tmp_path, make):
    target, folder = tmp_path / "target", tmp_path / "folder"
    folder.mkdir()
    assert outcome(make(whole, target), folder, films) == "refused"
    assert not target.exists() and [path.name for path in folder.iterdir()] == ["x.keras"]


def test_a_bomb_is_not_unpacked(whole, films, tmp_path):
    content = damage.bomb(whole)
    before = peak()
    assert outcome(content, tmp_path, films) == "refused"
    assert peak() - before < _MOST_BYTES


def test_the_undamaged_file_works(whole, films, tmp_path):
    assert outcome(whole, tmp_path, films.iloc[:1].set_axis([999])) == "works"
