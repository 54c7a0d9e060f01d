"""`kerasrec train` with models that rank, with and without ratings."""

import numpy as np
import pytest

import kerasrec
from kerasrec.data import Interactions, splits
from kerasrec.evaluation import evaluate
from kerasrec.recommender import Recommender


@pytest.fixture
def clicks(tmp_path):
    """Who clicked on what, without a value: 30 visitors, 20 products, two tastes."""
    generator = np.random.default_rng(0)
    chance = np.where(np.arange(30)[:, None] % 2 == np.arange(20) % 2, 0.6, 0.1)
    users, items = np.nonzero(generator.random((30, 20)) < chance)
    lines = [f"v{user:02d},{1000 + item},{4 + item % 2}" for user, item in zip(users, items, strict=True)]
    (tmp_path / "rated.csv").write_text("visitor,sku,stars\n" + "\n".join(lines) + "\n")
    bare = [line.rpartition(",")[0] for line in lines]
    (tmp_path / "clicks.csv").write_text("visitor,sku\n" + "\n".join(bare) + "\n")
    return tmp_path / "clicks.csv"


@pytest.mark.slow
def test_a_table_without_ratings_gets_the_hybrid(run, run_json, clicks, tmp_path):
    result = run_json("train", clicks, "--set", "n_components=4")
    assert result["model"] == "hybrid" and result["columns"] == {"user": "visitor", "item": "sku"}
    assert [row["model"] for row in result["test"]] == ["hybrid", "popularity"]
    assert len(result["history"]["val_ndcg@10"]) >= result["epochs"] >= 1
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")
    whole = Interactions.from_csv(clicks, user="visitor", item="sku")
    held = Recommender.load(tmp_path / "model.keras")
    assert len(held.interactions) == len(whole)  # what was held out is not recommended either
    out = run("recommend", "model.keras", "--user", "v03", "-k", 2).out
    assert "1,0" not in out and "10" in out  # an id is no quantity


def test_the_printed_figures_are_those_of_the_model(run, run_json, clicks):
    result = run_json("train", clicks, "--model", "ease", "--test-size", 0.2, "--set", "ridge=10.0")
    train, test = splits.random_split(Interactions.from_csv(clicks, user="visitor", item="sku"), 0.2, seed=0)
    expected = evaluate(kerasrec.zoo.create("ease", train, ridge=10.0), test, train)
    assert result["test"][0]["ndcg@10"] == pytest.approx(expected["ndcg@10"])
    assert "plot" not in result and "history" not in result
    out = run("train", clicks, "--model", "ease").out
    assert "Counted as liked: every row, as no column's name looks like ratings" in out
    assert "held-out rows" in out


@pytest.mark.slow
def test_so_many_epochs_on_all_rows(run_json, clicks):
    result = run_json(
        "train", clicks, "--set", "n_components=4", "--epochs", 2, "--test-size", 0, "--no-plot"
    )
    assert list(result["history"]) == ["loss"] and len(result["history"]["loss"]) == 2
    assert "test" not in result and "epochs" not in result


def test_likes_of_ratings(run_json, fails, clicks):
    rated = clicks.with_name("rated.csv")
    liked = run_json("train", rated, "--model", "popularity", "--at-least", 5, "--test-size", 0)
    n_liked = sum(line.endswith(",5") for line in rated.read_text().splitlines())
    assert liked["trained_on"] == n_liked
    assert fails("train", rated, "--model", "recommender_v1", "--at-least", 5) == (
        "`--at-least` is for ranking models. Received: 5, and recommender_v1."
    )
    assert fails("train", clicks, "--at-least", 5).startswith("`--at-least` needs a column of ratings")
    assert fails("train", clicks, "--model", "recommender_v2").startswith("`--value-column` must be given")


@pytest.mark.parametrize("name", ["train", "compare"])
def test_columns_are_checked_before_keras_is_loaded(fails, clicks, monkeypatch, name):
    import sys

    module = sys.modules[f"kerasrec.cli.{name}"]
    monkeypatch.setattr(module, "load_library", lambda report: pytest.fail("Keras was loaded"))
    assert fails(name, clicks, "--user-column", "nobody").startswith("`--user-column` must name a column")
    assert fails(name, "none.csv") == "There is no file 'none.csv'."
