import pytest

from kerasrec.recommender import Recommender


def test_items_and_users(run, run_json, trained):
    path, _ = trained
    expected = Recommender.load(path)
    found = run_json("similar", path, "--item", "P-1é", "-k", 3)
    frame = expected.similar_items("P-1é", k=3)
    assert [row["similar"] for row in found["similar"]] == frame["similar"].tolist()
    assert [row["score"] for row in found["similar"]] == pytest.approx(frame["score"].tolist())
    found = run_json("similar", path, "-u", "cust 03", "-u", "cust 04", "-k", 2, "--dot")
    frame = expected.similar_users(["cust 03", "cust 04"], k=2, measure="dot")
    assert [row["similar"] for row in found["similar"]] == frame["similar"].tolist()
    out = run("similar", path, "-i", "P-1é", "-k", 1).out
    assert "Similar to item P-1é" in out


def test_no_more_than_there_are(run_json, trained):
    assert len(run_json("similar", trained[0], "--item", "P-1é", "-k", 5000)["similar"]) == 11


def test_bad_input(fails, trained, tmp_path):
    path, _ = trained
    assert fails("similar", path).startswith("Either `--item` or `--user` must be given. Received: neither")
    assert "Received: both" in fails("similar", path, "-i", "P-1é", "-u", "cust 03")
    assert "must be items that the recommender knows" in fails("similar", path, "-i", "P-1")
    assert "there is none at" in fails("similar", "nothing.keras", "-i", "P-1")


def test_one_item(fails, tmp_path):
    from kerasrec.data import Interactions

    data = Interactions([0, 1], [0, 0], user_ids=["a", "b"], item_ids=["x"])
    Recommender.train(data, "popularity").save(tmp_path / "one.keras")
    assert "at least two items to compare. Received: 1" in fails("similar", "one.keras", "-i", "x")
