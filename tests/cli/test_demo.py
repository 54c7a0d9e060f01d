import numpy as np
import pytest

import kerasrec
from kerasrec.cli import demo
from kerasrec.data import splits


@pytest.fixture
def quick(monkeypatch):
    """The demo on a small data set, for one epoch; the whole one runs in `test_app.py`."""
    monkeypatch.setattr(demo, "EPOCHS", 1)
    small = kerasrec.datasets.synthetic(n_users=60, n_items=80, n_interactions=1500)
    monkeypatch.setattr(kerasrec.datasets, "synthetic", lambda: small)
    return small


@pytest.mark.slow
def test_demo_recommends_what_the_user_has_not_rated(run_json, quick, tmp_path):
    result = run_json("demo", "--out", "here/there")
    assert {path.name for path in (tmp_path / "here" / "there").iterdir()} == {"model.keras", "model.png"}
    assert [row["predictor"] for row in result["test"]] == [
        "recommender_v2",
        "global mean",
        "user and item biases",
    ]
    train, _ = splits.random_split(quick.interactions, test_size=0.1, seed=demo.SEED)
    frame = train.to_frame()
    own = frame[frame["user"] == result["user"]]
    titles = quick.items["title"]
    assert len(result["recommended"]) == 10
    recommended = [row["film"] for row in result["recommended"]]
    assert set(recommended).isdisjoint(titles[own["item"]])
    predicted = [row["predicted rating"] for row in result["recommended"]]
    assert predicted == sorted(predicted, reverse=True)
    assert [row["rating"] for row in result["liked"]] == sorted(own["value"], reverse=True)[:3]
    assert set(row["film"] for row in result["liked"]) <= set(titles[own["item"]])
    counts = frame["user"].value_counts()
    assert counts[result["user"]] == np.sort(counts)[len(counts) // 2]


@pytest.mark.slow
def test_demo_prints_tables(run, quick):
    done = run("demo")
    assert done.status == 0
    for text in ("synthetic", "1,500", "Ratings of each value", "10 recommendations for user", "genres"):
        assert text in done.out


def test_demo_does_not_write_into_a_file(fails, tmp_path):
    (tmp_path / "file").write_text("")
    assert fails("demo", "--out", "file") == "`--out` must be a folder. Received: 'file', which is a file."
