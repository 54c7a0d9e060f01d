"""Tables on disk train, rank and list on every backend as the same tables in memory do."""

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Features, Interactions, RankingBatches, _opened, _opened_parts, splits
from kerasrec.evaluation import evaluate

HOW = {"value": "value", "time": "time", "kind": "ratings"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Interactions and features of items, in memory and on disk, in one order."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(40), 8), np.concatenate([rng.permutation(30)[:8] for _ in range(40)])
    events = pd.DataFrame({"user": users, "item": [f"i{item:02d}" for item in items], "time": range(320)})
    events["value"] = rng.integers(1, 6, 320)
    events.to_parquet(folder / "events.parquet")
    opened = Interactions.prepare(folder / "events.parquet", folder / "out", verbose=False, **HOW)
    films = pd.DataFrame(
        {"id": opened.item_ids, "genre": [f"g{j % 4}" for j in range(30)], "year": range(30)}
    )
    films.to_parquet(folder / "films.parquet")
    columns = {"indicator": True, "categorical": ["genre"], "numeric": ["year"], "verbose": False}
    on_disk = Features.prepare(folder / "films.parquet", folder / "features", **columns)
    frame = films.set_index("id")
    whole = Features.indicator(frame.index) + Features.categorical(frame["genre"])
    held = Interactions.from_frame(events, **HOW)
    return {"held": (held, whole + Features.numeric(frame["year"])), "opened": (opened, on_disk)}


@pytest.fixture
def parts(tables, monkeypatch):
    """What is taken of opened interactions stays on disk."""
    monkeypatch.setattr(_opened, "BLOCK_ROWS", 50)
    monkeypatch.setattr(_opened_parts, "HELD_ROWS", 0)
    found = {}
    for name, (interactions, features) in tables.items():
        train, test = splits.time_split(interactions, test_size=0.2)
        assert (train._disk is not None) == (name == "opened")
        found[name] = train, test, features
    return found


@pytest.mark.slow
def test_the_same_as_in_memory(parts):
    found = {}
    for name, (train, test, features) in parts.items():
        model = kerasrec.zoo.create("hybrid", train, item_features=features, n_components=4, seed=0)
        model.fit(RankingBatches(train, 64, 5, seed=0), epochs=1, verbose=0, shuffle=False)
        report = evaluate(model, test, train, k=5)
        lists = kerasrec.Recommender(model, train, item_features=features).recommend(k=3)
        found[name] = model.get_weights(), report.to_frame(), lists
    for weights, expected in zip(found["opened"][0], found["held"][0], strict=True):
        np.testing.assert_array_equal(weights, expected)
    pd.testing.assert_frame_equal(found["opened"][1], found["held"][1])
    pd.testing.assert_frame_equal(found["opened"][2], found["held"][2])
