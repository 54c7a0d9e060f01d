from pathlib import Path

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.cli import _fit
from kerasrec.cli._table import Columns, read_ratings
from kerasrec.data import splits
from kerasrec.evaluation import evaluate
from kerasrec.recommender import Recommender, load_model, save_model

SHOP = Columns(item="Produktnummer", value="Punkte")


@pytest.mark.slow
def test_evaluate_answers_as_train_did(run_json, shop, trained):
    path, result = trained
    found = run_json("evaluate", path, *shop)
    errors = {row.pop("ratings"): row for row in found["errors"]}
    assert {name: row["count"] for name, row in errors.items()} == {
        "all": 80,
        "in training": 72,
        "not in training": 8,
    }
    assert errors["not in training"]["RMSE"] == pytest.approx(result["test"][0]["RMSE"], rel=1e-6)
    whole = (72 * errors["in training"]["RMSE"] ** 2 + 8 * errors["not in training"]["RMSE"] ** 2) / 80
    assert errors["all"]["RMSE"] == pytest.approx(whole**0.5)
    assert found["left_out"] == 0


@pytest.mark.slow
def test_other_order_other_columns_other_form(run_json, shop, trained, tmp_path):
    path, _ = trained
    lines = Path(shop[0]).read_text(encoding="latin-1").splitlines()[1:]
    rows = [line.replace(",", ".").split(";") for line in reversed(lines)]
    text = "".join(f"{item}\t{user}\t{rating}\n" for user, _, item, _, rating in rows)
    (tmp_path / "again.tsv").write_text("sku\tuser\tstars\n" + text, encoding="utf-8")
    found = run_json("evaluate", path, "again.tsv")
    expected = run_json("evaluate", path, *shop)
    assert found["errors"][0]["RMSE"] == pytest.approx(expected["errors"][0]["RMSE"], rel=1e-6)


def test_unknown_ids(fails, run_json, run, trained, tmp_path):
    path, _ = trained
    (tmp_path / "new.csv").write_text(
        "user,item,rating\ncust 00,P-3é,4\nnobody,P-3é,4\nnobody,P-6é,2\ncust 00,nothing,1\n"
    )
    assert fails("evaluate", path, "new.csv") == (
        "The ratings must be of users and items that the model was trained on; `--skip-unknown` "
        "ignores the others. Received: 4 ratings, 2 of an unknown user, first 'nobody' and 1 of "
        "an unknown item, "
        "first 'nothing'."
    )
    found = run_json("evaluate", path, "new.csv", "--skip-unknown")
    assert found["left_out"] == 3
    assert found["errors"][0]["count"] == 1
    assert (
        "Left out: 3 ratings of unknown users or items"
        in run("evaluate", path, "new.csv", "--skip-unknown").out
    )
    (tmp_path / "none.csv").write_text("user,item,rating\nnobody,P-3é,4\n")
    assert fails("evaluate", path, "none.csv", "--skip-unknown") == (
        "None of the 1 ratings has a user and an item that the model knows."
    )


@pytest.mark.slow
def test_numbers_are_known_in_a_vocabulary_of_text(run_json, tmp_path):
    rows = [(user, item, 1 + (user + item) % 5) for user in range(5) for item in range(6)]
    text = "".join(f"{user},{item},{rating}\n" for user, item, rating in rows)
    (tmp_path / "text.csv").write_text("user,item,rating\nx,0,3\n" + text)
    (tmp_path / "numbers.csv").write_text("user,item,rating\n" + text)
    run_json("train", "text.csv", "--epochs", 1)
    (found, *_) = run_json("evaluate", "model.keras", "numbers.csv")["errors"]

    users, items, ratings = np.array(rows).T  # the sorted vocabulary is 0 to 4, then x
    model = keras.models.load_model(tmp_path / "model.keras")
    difference = model.predict({"user": users, "item": items}, verbose=0)[:, 0] - ratings
    assert found["count"] == 30
    assert found["MAE"] == pytest.approx(np.mean(np.abs(difference)), rel=1e-5)
    assert found["RMSE"] == pytest.approx(np.sqrt(np.mean(difference**2)), rel=1e-5)


def test_a_file_that_does_not_know_what_was_seen(run_json, shop, trained, tmp_path):
    save_model(load_model(trained[0]), tmp_path / "model.keras", read_ratings(Path(shop[0]), SHOP)[0])
    assert [row["ratings"] for row in run_json("evaluate", "model.keras", *shop)["errors"]] == ["all"]


def test_a_model_that_ranks_is_measured_on_what_users_did_not_have(run, run_json, shop, tmp_path):
    whole, *_ = read_ratings(Path(shop[0]), SHOP)
    train, test = splits.random_split(whole, 0.25, seed=0)
    Recommender.train(train, "item_knn").save(tmp_path / "ranks.keras")
    found = run_json("evaluate", "ranks.keras", *shop)
    expected = evaluate(kerasrec.zoo.create("item_knn", train), test, train)
    figures = {row["metric"]: row["value"] for row in found["ranking"]}
    assert figures["ndcg@10"] == pytest.approx(expected["ndcg@10"])
    assert set(figures) == {"ndcg@10", "recall@10", "coverage@10"}
    liked = run_json("evaluate", "ranks.keras", *shop, "--at-least", 3)
    assert liked["protocol"]["test"] != found["protocol"]["test"]
    out = run("evaluate", "ranks.keras", *shop, "--skip-unknown").out
    assert "Ranking of item_knn" in out and "Left out: 0 rows of unknown users or items" in out


def test_what_was_liked_in_training_is_liked_again(fails, run_json, run, shop, tmp_path):
    whole, *_ = read_ratings(Path(shop[0]), SHOP)
    liked = whole.at_least(3)
    assert whole.values.min() < 3
    train, _ = splits.random_split(liked, 0.25, seed=0)
    Recommender.train(train, "item_knn").save(tmp_path / "ranks.keras")
    found = run_json("evaluate", "ranks.keras", *shop, "--skip-unknown")
    named = run_json("evaluate", "ranks.keras", *shop, "--skip-unknown", "--at-least", 3)
    assert found["ranking"] == named["ranking"]
    out = run("evaluate", "ranks.keras", *shop, "--skip-unknown").out
    assert "Counted as liked: ratings of at least 3, as in training; `--at-least` sets another" in out
    Recommender.train(liked, "item_knn").save(tmp_path / "all.keras")
    assert fails("evaluate", "all.keras", *shop, "--skip-unknown").endswith(
        "Evaluate on other rows, or with `--include-seen` if users repeat items, as in sessions. "
        f"Received: {len(liked):,} rows, all of them known."
    )
    again = run_json("evaluate", "all.keras", *shop, "--include-seen")
    known = evaluate(kerasrec.zoo.create("item_knn", liked), liked, liked, exclude_seen=False)
    assert {row["metric"]: row["value"] for row in again["ranking"]}["ndcg@10"] == pytest.approx(
        known["ndcg@10"]
    )
    assert again["protocol"]["left out"] == known.protocol["left out"] == "nothing"


def test_likes_of_a_model_that_predicts_ratings(fails, shop, trained):
    assert fails("evaluate", trained[0], *shop, "--at-least", 4) == (
        "`--at-least` is for ranking models. Received: 4, and recommender_v2."
    )
    assert fails("evaluate", trained[0], *shop, "--include-seen") == (
        "`--include-seen` is for ranking models. Received: recommender_v2."
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The interactions have no times:UserWarning")
def test_sessions_by_command(run_json, tmp_path):
    """Sessions that come back to what they had: train, measure and list with what was seen."""
    steps = [(session, step) for session in range(12) for step in range(6)]
    lines = [f"s{session},p{(session + step) % 3},{100 * session + step}" for session, step in steps]
    (tmp_path / "log.csv").write_text("\n".join(["session,product,time", *lines]))
    form = ["--user-column", "session", "--item-column", "product", "--time-column", "time"]
    how = ["--epochs", 1, "--set", "n_components=4", "--set", "history_length=4", "--test-size", 0]
    run_json("train", "log.csv", *form, "--model", "gru4rec", *how)
    found = run_json("evaluate", "model.keras", "log.csv", *form, "--include-seen")
    assert found["protocol"]["left out"] == "nothing"
    listed = run_json("recommend", "model.keras", "--user", "s0", "-k", 3, "--include-seen")
    assert sorted(row["item"] for row in listed["recommendations"]) == ["p0", "p1", "p2"]


def test_files_that_are_no_models(fails, shop, tmp_path):
    assert fails("evaluate", "none.keras", *shop).startswith("`path` must be a model file; there is none at")
    (tmp_path / "text.keras").write_text("hello")
    assert fails("evaluate", "text.keras", *shop).startswith("`path` must be a complete model file.")
    assert fails("evaluate", shop[0], *shop).startswith("`path` must end in .keras.")


def test_long_predictions_show_a_bar(run, shop, trained, monkeypatch):
    monkeypatch.setattr(_fit, "_PREDICT_BATCH", 2)
    assert "Predicting" in run("evaluate", trained[0], *shop).err


@pytest.mark.slow
def test_the_last_rating_counts_by_its_time(run_json, fails, shop, trained, tmp_path):
    """Rows in another order than their times; without a column of times, the last row counts."""
    path, _ = trained
    user, item = "cust 00", "P-3é"
    rows = f"user,item,rating,day\n{user},{item},4.5,02.03.2024\n{user},{item},1.0,28.02.2024\n"
    (tmp_path / "again.csv").write_text(rows, encoding="utf-8")
    predicted = Recommender.load(path).score([(user, item)])[0]
    for options, rating in (([], 1.0), (["--time-column", "day", "--date-format", "%d.%m.%Y"], 4.5)):
        errors = run_json("evaluate", path, "again.csv", *options)["errors"][0]
        assert errors["count"] == 1
        assert errors["RMSE"] == pytest.approx(abs(predicted - rating), rel=1e-5)
