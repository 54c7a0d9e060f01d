import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import kerasrec
from kerasrec.cli._clicks import impressions_of, read_table, show_columns
from kerasrec.cli._form import Form
from kerasrec.cli._report import Report


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A table of impressions: whether something is clicked depends on the device and the price."""
    rng = np.random.default_rng(0)
    n = 1500
    frame = pd.DataFrame(
        {
            "user_id": [f"{code:03d}" for code in rng.integers(20, size=n)],
            "item_id": rng.integers(10, size=n),
            "device": rng.choice(["phone", "tablet"], n),
            "price": rng.gamma(2, 10, n).round(2),
        }
    )
    odds = np.where(frame["device"] == "phone", 2, -2) - np.log1p(frame["price"]) + 2
    frame["clicked"] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    path = tmp_path_factory.mktemp("clicks") / "clicks.csv"
    frame.to_csv(path, sep=";", index=False)
    return path, frame


@pytest.mark.slow
def test_a_table_becomes_a_model_that_scores_its_columns(run, run_json, shown, tmp_path):
    path, frame = shown
    how = ["--model", "logistic_regression", "--set", "learning_rate=0.05", "--column", "price=log1p"]
    result = run_json("train", path, "--label", "clicked", *how)
    kinds = {"user_id": "category", "item_id": "category", "device": "category", "price": "number"}
    assert result["columns"] == kinds
    assert (result["user"], result["item"]) == ("user_id", "item_id")
    assert (result["trained_on"], result["held_out"]) == (1350, 150)
    assert result["test"][0]["auc"] > 0.75
    ranker = kerasrec.Ranker.load("model.keras")
    found = run_json("evaluate", "model.keras", path, "--label", "clicked")
    expected = roc_auc_score(frame["clicked"], ranker.score(frame))
    assert found["figures"][0]["metric"] == "auc"
    assert found["figures"][0]["value"] == pytest.approx(expected, abs=1e-6)
    assert sum(bin["rows"] for bin in found["reliability"]) == 1500
    assert "003" in ranker.columns.fitted["user_id"].state  # as written
    # Beside the simplest model; with nothing learned it says so.
    told = tmp_path / "told.csv"
    frame.assign(bought=frame["clicked"]).to_csv(told, index=False)
    bad = ["--model", "dnn", "--set", "hidden=(4,)", "--set", "learning_rate=1e-9", "--epochs", 1]
    done = run("train", told, "--label", "clicked", *bad, "--no-plot")
    assert done.status == 0, done.err
    assert "Careful: dnn is worse than logistic_regression on the held-out rows" in done.out
    assert done.out.count("Column 'bought' alone separates clicked rows from the others") == 1


@pytest.mark.slow
def test_models_of_clicks_are_compared_on_the_rows_held_out(run, run_json, shown, tmp_path):
    path, frame = shown
    how = ["--models", "dnn", "--set", "dnn.hidden=(4,)", "--set", "dnn.learning_rate=1e-9", "--epochs", 3]
    found = run_json("compare", path, "--label", "clicked", *how, "--column", "price=log1p")
    rows = np.random.default_rng(0).permutation(1500)[:300]
    assert found["protocol"]["clicked"] == pytest.approx(frame["clicked"].iloc[rows].mean())
    assert (found["train"], found["test"], found["epochs"]) == (
        1200,
        300,
        {"logistic_regression": 3, "dnn": 3},
    )
    # What has learned nothing is behind, and the baseline that wins is named.
    assert [row["model"] for row in found["models"]] == ["logistic_regression", "dnn"]
    assert found["models"][0]["auc"] > 0.7 and found["models"][1]["p"] < 0.05
    assert found["metric"] == "auc" and found["significance"] == "bootstrap"
    assert "A baseline wins: logistic_regression is significantly ahead" in found["verdict"]
    told = tmp_path / "told.csv"
    frame.assign(bought=frame["clicked"]).to_csv(told, index=False)
    done = run("compare", told, "--label", "clicked", "--models", "logistic_regression", "--epochs", 1)
    assert done.status == 0, done.err
    assert done.out.count("Column 'bought' alone separates clicked rows from the others") == 1
    assert "Models by auc" in done.out and "logistic_regression alone was measured" in done.out


@pytest.mark.slow
def test_models_of_clicks_are_tuned(run, run_json, shown, tmp_path):
    path, frame = shown
    (tmp_path / "mine.toml").write_text(
        'about = "x."\ndata = "x.csv"\nmodel = "logistic_regression"\nobjective = "val_log_loss"\n'
        'label = "clicked"\n[columns]\nprice = "log1p"\n[search]\nmax_trials = 2\nepochs = 2\n'
        "[search.fixed]\nl2 = 0.0\nbatch_size = 256\n[search.space]\nlearning_rate = [0.1, 0.01]\n"
    )
    found = run_json("tune", "mine.toml", "--data", path, "--test-size", 0.2)
    assert found["objective"] == "val_log_loss" and len(found["trials"]) == 2
    rows = np.random.default_rng(42).permutation(1500)[:300]
    assert found["test"]["protocol"]["clicked"] == pytest.approx(frame["clicked"].iloc[rows].mean())
    assert {row["model"] for row in found["test"]["models"]} == {"tuned", "default", "logistic_regression"}
    ranker = kerasrec.Ranker.load("model.keras")
    assert ranker.columns.fitted["price"].scale == "log1p"
    assert ranker.score(frame.iloc[:2]).shape == (2,)
    quick = ["--set", "hidden=(4,)", "--max-trials", 1, "--epochs", 1, "--directory", "other"]
    done = run("tune", path, "--label", "clicked", *quick, "--test-size", 0)
    assert done.status == 0, done.err
    assert "The best of 1 trials by val_auc" in done.out
    assert kerasrec.Ranker.load("model.keras").model.name == "dcn"


def test_options_of_lists_are_none_of_clicks(fails, shown):
    path, _ = shown
    for option, value in (("--k", 5), ("--metrics", "ndcg"), ("--at-least", 4), ("--time-column", "price")):
        message = fails("compare", path, "--label", "clicked", option, value)
        assert f"`{option}` cannot be used with `--label`" in message
    assert "`--column` needs `--label`" in fails("compare", path, "--column", "price=log1p")
    assert "`--column` needs `--label`" in fails("tune", path, "--column", "price=log1p")
    message = fails("tune", path, "--label", "clicked", "--at-least", 4)
    assert "`--at-least` cannot be used with `--label`" in message
    message = fails("compare", path, "--label", "clicked", "--models", "ease", "--no-baselines")
    assert "`model` must be a click model" in message


def test_bad_options(fails, shown):
    path, _ = shown
    assert "`--label` must name a column of the table: 'user_id'" in fails("train", path, "--label", "bought")
    message = fails("train", path, "--label", "clicked", "--column", "price=cheap")
    assert "A column must be one of category" in message and "'cheap'" in message
    assert "must be NAME=KIND" in fails("train", path, "--label", "clicked", "--column", "price")
    message = fails("train", path, "--label", "clicked", "--column", "colour=category")
    assert "`--column` must name a column of the table" in message
    message = fails("train", path, "--label", "clicked", "--user-column", "who")
    assert "`--user-column` must name a column of the table. Received: 'who'" in message
    assert "`--label` must name the column of clicks, for dcn" in fails(
        "train", path, "--model", "dcn", "--kind", "likes"
    )
    assert "`--column` needs `--label`" in fails("train", path, "--column", "price=log1p")
    message = fails("train", path, "--label", "clicked", "--at-least", 4)
    assert "`--at-least` cannot be used with `--label`" in message
    assert "labels other than 0, 1 and" in fails("train", path, "--label", "price")


def test_decimal_commas_are_numbers_or_asked_about(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("user;price;clicked\nann;9,50;1\nbob;12,00;0\n")
    with pytest.raises(ValueError, match=r"need `--decimal ,`\. Received: column 'price' with '9,50'\."):
        read_table(path, Form())
    assert read_table(path, Form(decimal=","))["price"].tolist() == [9.5, 12.0]


def test_empty_columns_are_left_out_and_named(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("user,coupon,stock,clicked\nann,,true,True\nbob,,false,False\n")
    frame = read_table(path, Form())
    shown = impressions_of(frame, "clicked", Form(), None, None)
    assert shown.labels.tolist() == [1, 0]
    assert show_columns(shown, frame, Report(False)) == {"user": "category", "stock": "category"}
    said = capsys.readouterr().out
    assert "Left out because they are empty: coupon\n" in said
    assert "Users: user; items: none, name them with `--item-column`\n" in said and "mean" not in said
    with pytest.raises(ValueError, match="Column 'coupon' must have an entry in some row"):
        impressions_of(frame, "clicked", Form(), ["coupon=category"], None)


def test_what_only_training_and_figures_need(run, fails, shown):
    path, frame = shown
    kinds = {"user_id": "category", "device": "category"}
    told = kerasrec.data.Impressions.from_frame(frame, "clicked", kinds, user="user_id")
    kerasrec.Ranker(kerasrec.zoo.create("logistic_regression", told)).save("plain.keras")
    done = run("evaluate", "plain.keras", path, "--label", "clicked")
    assert done.status == 0, done.err
    assert "1,500" in done.out and "1,500.0" not in done.out  # rows of the one bin of an untrained model
    data = kerasrec.datasets.synthetic(20, 30, 100).interactions
    kerasrec.Recommender.train(data, "popularity").save("other.keras")
    message = fails("evaluate", "other.keras", path, "--watch-time", "price")
    assert "`--watch-time` needs `--label`" in message


def test_missing_numbers_are_replaced_by_the_mean(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("age,fee,clicked\n20,1.5,1\n40,,0\n,2.5,0\n")
    frame = read_table(path, Form())
    shown = impressions_of(frame, "clicked", Form(), ["age=number"], None)
    np.testing.assert_allclose(np.ravel(shown.inputs["age"])[2], 0, atol=1e-6)  # mean of 20 and 40
    np.testing.assert_allclose(np.ravel(shown.inputs["fee"])[1], 0, atol=1e-6)
    show_columns(shown, frame, Report(False))
    assert "Missing numbers are replaced by the mean: age, fee\n" in capsys.readouterr().out
    with pytest.raises(ValueError, match="Column 'age' must not have entries that are not numbers.*'old'"):
        impressions_of(frame.assign(age=["old", None, "9"]), "clicked", Form(), ["age=number"], None)


def test_two_stages_recommend_in_a_context(run_json, fails):
    data = kerasrec.datasets.synthetic(20, 30, 100).interactions
    frame = pd.DataFrame(
        {"device": ["tv", "pc"] * 50, "item": data.item_ids[data.items], "clicked": [1, 0] * 50}
    )
    shown = kerasrec.data.Impressions.from_frame(frame, "clicked", {"device": "category"}, item="item")
    model = kerasrec.zoo.create("logistic_regression", shown)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    both = kerasrec.TwoStage(kerasrec.Recommender.train(data, "popularity"), kerasrec.Ranker(model))
    both.save("both.keras")
    user = data.user_ids[3]
    found = run_json("recommend", "both.keras", "--user", user, "-k", 3, "--context", "device=pc")
    expected = both.recommend(user, k=3, context={"device": "pc"})
    assert [row["item"] for row in found["recommendations"]] == expected["item"].tolist()
    np.testing.assert_allclose(
        [row["score"] for row in found["recommendations"]], expected["score"], rtol=1e-5
    )
    assert "`context` must hold 'device'" in fails("recommend", "both.keras", "--user", user)
    message = fails("recommend", "both.keras", "--user", user, "--context", "device")
    assert "`--context` must be NAME=VALUE, e.g. device=phone. Received: 'device'." in message
    message = fails("recommend", "both.keras", "--user", user, "--context", "hour=3")
    assert "`context` must name context columns of the model" in message
