import json
import re
from pathlib import Path

import pytest

from kerasrec.recommender import load_model

QUICK = ["--model", "item_knn", "--max-trials", 3, "--tuner", "random", "--space", "n_neighbors=2:8"]


@pytest.mark.slow
def test_a_search_over_a_table(run_json, shop, tmp_path):
    found = run_json("tune", *shop, *QUICK, "--test-size", 0.2, "--report", "tuning.html")
    assert found["columns"]["item"] == "Produktnummer"
    assert len(found["trials"]) == 3 and found["objective"] == "val_ndcg@10"
    scores = [trial["score"] for trial in found["trials"]]
    assert found["best"]["score"] == max(scores)
    assert {row["model"] for row in found["test"]["models"]} >= {"tuned", "default", "popularity"}
    assert load_model(tmp_path / "model.keras").name == "item_knn"
    assert (tmp_path / "tuning.html").read_text().startswith("<!DOCTYPE html>")
    again = run_json("tune", *shop, *QUICK, "--test-size", 0.2, "--report", "tuning.html")
    assert again["trials"] == found["trials"]


def test_people_get_tables(run, shop):
    done = run("tune", *shop, *QUICK, "--set", "weighting=cosine", "--test-size", 0)
    assert done.status == 0
    assert "80 rows of 20 users and 12 items, 0 of them held out for the test" in done.out
    assert "The best of 3 trials by val_ndcg@10" in done.out and "Best hyperparameters" in done.out
    assert len(re.findall(r"^Trial \d of 3: completed", done.err, re.MULTILINE)) == 3


def test_a_job(run_json, shop, tmp_path):
    job = 'about = "x."\ndata = "x.csv"\nmodel = "ease"\nobjective = "val_recall@5"\nat_least = 2.0\n'
    (tmp_path / "mine.toml").write_text(
        job + "[search]\nmax_trials = 2\n[search.space]\nridge = [1.0, 10.0]\n"
    )
    table = ["--data", shop[0], *shop[1:]]
    found = run_json("tune", "mine.toml", *table)
    assert found["objective"] == "val_recall@5" and found["hyperparameters"]["ridge"] in (1.0, 10.0)
    assert json.loads((tmp_path / "search" / "search.json").read_text())["arguments"]["model"] == "ease"


def test_a_table_of_test_rows_and_models_beside(run_json, shop, tmp_path):
    header, *lines = Path(shop[0]).read_text(encoding="latin-1").splitlines()
    (tmp_path / "train.csv").write_text("\n".join([header, *lines[:60]]), encoding="latin-1")
    (tmp_path / "test.csv").write_text("\n".join([header, *lines[60:]]), encoding="latin-1")
    parts = ["--test", "test.csv", "--test-seeds", 2, "--rivals", "ease"]
    found = run_json("tune", "train.csv", *shop[1:], *QUICK, *parts)
    assert {row["model"] for row in found["test"]["models"]} >= {"tuned", "default", "ease"}
    assert found["test"]["notes"][-1].startswith("ndcg@10 over 2 seeds: tuned ")
    about = json.loads((tmp_path / "search" / "search.json").read_text())
    assert about["arguments"]["interactions"].startswith("60 interactions")
    assert (tmp_path / "search" / "ease" / "oracle.json").is_file()


def test_each_model_has_a_line_when_it_is_done_the_cheapest_first(run, shop):
    done = run("tune", *shop, *QUICK, "--max-trials", 1, "--rivals", "ease, popularity")
    assert done.status == 0, done.err
    found = r"val_ndcg@10 \d\.\d{4}, the best of 1 trials, in \d+\.\d s"
    rows = re.findall(rf"^(\w+): {found}(?:; left: (.*))?$", done.out, re.MULTILINE)
    assert rows == [("popularity", "item_knn, ease"), ("item_knn", "ease"), ("ease", "")]
    # And again when they are tested.
    figures = r"(?:ndcg|recall)@10 \d\.\d{4}"
    tested = re.findall(
        rf"^(\w+): {figures}, {figures}, in \d+\.\d s(?:; left: (.*))?$", done.out, re.MULTILINE
    )
    assert [name for name, _ in tested] == ["popularity", "tuned", "default", "item_knn", "ease"]
    assert tested[1][1] == "default, item_knn, ease" and tested[-1][1] == ""


def test_jobs_are_listed(run, run_json):
    names = [job["job"] for job in run_json("tune", "--list")["jobs"]]
    assert "recommender_v2" in names and names == sorted(names)
    assert "recommender_v2" in run("tune", "--list").out


@pytest.mark.parametrize(
    "text, expected",
    [
        ("n=8:64", (8, 64)),
        ("n=1e-4:0.1:log", (1e-4, 0.1, "log")),
        ("loss=wmrb,bpr", ["wmrb", "bpr"]),
        ("hidden=(10,),(8,4)", [(10,), (8, 4)]),
        ("optimizer", True),
    ],
)
def test_ranges(text, expected):
    from kerasrec.cli.tune import _range

    assert _range(text) == (text.partition("=")[0], expected)


def test_mistakes(fails, shop):
    assert fails("tune") == "`RATINGS|JOB` must be given; `--list` shows the jobs. Received: nothing."
    assert fails("tune", *shop, "--data", "x.csv").startswith("`--data` is only for jobs.")
    assert "Did you mean 'n_neighbors'?" in fails(
        "tune", *shop, "--model", "item_knn", "--space", "n_neighbor"
    )
    assert fails("tune", "none.csv") == "There is no file 'none.csv'."
    assert fails("tune", *shop, "--chief", "here").startswith("`chief` must be 'HOST:PORT'.")
