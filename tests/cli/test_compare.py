import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.cli._report import Report
from kerasrec.data import Interactions, splits
from kerasrec.evaluation import evaluate

MODELS = ["--models", "hybrid,ease,popularity"]


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Ratings of 60 people with three tastes, 40 films, text ids; the path and what it holds."""
    generator = np.random.default_rng(0)
    chance = np.where(np.arange(60)[:, None] % 3 == np.arange(40) % 3, 0.5, 0.05)
    users, items = np.nonzero(generator.random((60, 40)) < chance)
    frame = pd.DataFrame(
        {
            "customer": [f"person {user:02d}" for user in users],
            "film": [f"film {item:02d}" for item in items],
            "stars": np.where(users % 3 == items % 3, 5, 2) - generator.integers(0, 2, len(users)),
        }
    )
    path = tmp_path_factory.mktemp("films") / "films.csv"
    frame.to_csv(path, index=False)
    return path, frame


@pytest.fixture(scope="session")
def compared(films):
    """What `compare` says as JSON."""
    import contextlib
    import io

    from kerasrec.cli.app import app

    arguments = [str(films[0]), *MODELS, "--at-least", "4", "--epochs", "8", "--k", "5", "--json"]
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        app(["compare", *arguments])
    assert ended.value.code == 0
    return json.loads(said.getvalue())


@pytest.mark.slow
def test_models_stand_beside_baselines(compared):
    found = {row["model"]: row for row in compared["models"]}
    assert set(found) == {"hybrid", "ease", "popularity", "item_knn"}
    assert set(compared["baselines"]) == {"ease", "popularity", "item_knn"}
    assert compared["columns"] == {"user": "customer", "item": "film", "value": "stars"}
    assert compared["metric"] == "ndcg@5"
    assert found["hybrid"]["ndcg@5"] > found["popularity"]["ndcg@5"]  # there are tastes to be found
    assert 1 <= compared["epochs"]["hybrid"] <= 8 and set(compared["epochs"]) == {"hybrid"}
    assert compared["verdict"].startswith(f"{compared['models'][0]['model']} is best")
    assert {part["by"] for part in compared["slices"]} >= {"users", "popularity of the item"}
    assert compared["protocol"]["left out"] == "the user's training items"


def test_the_figures_are_those_of_evaluate(films, compared):
    frame = films[1]
    whole = Interactions.from_frame(frame, user="customer", item="film", value="stars").at_least(4)
    train, test = splits.random_split(whole, 0.2, 0)
    assert (compared["train"], compared["test"]) == (len(train), len(test))
    report = evaluate(kerasrec.zoo.create("ease", train), test, train, k=5, metrics=["ndcg", "recall"])
    row = next(row for row in compared["models"] if row["model"] == "ease")
    assert row["ndcg@5"] == pytest.approx(report["ndcg@5"], abs=1e-6)
    assert row["recall@5"] == pytest.approx(report["recall@5"], abs=1e-6)


def test_people_get_tables_and_a_plot(run, films, tmp_path):
    done = run("compare", films[0], "--models", "EASE", "--set", "ease.ridge=10", "--plot", "table.png")
    assert done.status == 0, done.err
    for text in (
        "Columns: user 'customer', item 'film', value 'stars'",
        "Counted as liked: every rating, from 1 to 5; `--at-least` drops the low ones",
        "Models by ndcg@10",
        "ease *",
        "ndcg@10 in parts of users and items",
        "How it was measured",
        "Plot: table.png",
    ):
        assert text in done.out
    assert max(len(line) for line in done.out.splitlines() if line[0] in "┃│") <= 80
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_lists_of_several_lengths_have_a_table_each(run, films):
    arguments = ["--models", "item_knn", "--no-baselines", "--k", "5,10", "--metrics", "recall,auc"]
    done = run("compare", films[0], *arguments)
    assert done.status == 0, done.err
    table = done.out[done.out.index("Models by") :]
    first, second = table.split("Lists of 10")
    assert "Models by recall@5" in first and "auc" in first and "recall@10" not in first
    assert "recall@10" in second and "auc" not in second


def test_a_table_that_is_too_wide_goes_on_below(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["matrix_factorization", "popularity *"]
    figures = {f"figure {i}": f"0.{i}234" for i in range(8)}
    Report(False).table("Models", [{"model": name, **figures} for name in names], keys=1)
    said = capsys.readouterr().out
    assert said.count("matrix_factorization") == said.count("popularity *") == said.count("Models") == 2
    assert "Models, continued" in said
    assert all(said.count(name) == 1 and said.count(x) == 2 for name, x in figures.items())
    assert max(map(len, said.splitlines())) <= 80


def test_without_ratings_every_row_is_a_like(run, run_json, films, tmp_path):
    films[1][["customer", "film"]].to_csv(tmp_path / "bought.csv", index=False)
    arguments = ["compare", "bought.csv", "--models", "item_knn,random", "--no-baselines"]
    assert {row["model"] for row in run_json(*arguments)["models"]} == {"item_knn", "random"}
    assert "every row, as no column's name looks like ratings" in run(*arguments).out


@pytest.mark.slow
def test_models_train_with_what_their_card_says(run_json, films, monkeypatch):
    made = {}
    real = kerasrec.zoo.create

    def create(name, interactions, **settings):
        made[name] = settings
        return real(name, interactions, **settings)

    recipe = kerasrec.zoo.Recipe({"n_components": 7, "l2": 0.5}, batch_size=64)
    card = dataclasses.replace(kerasrec.zoo.card("matrix_factorization"), recipe=recipe)
    monkeypatch.setitem(kerasrec.zoo.registry._CARDS, card.name, card)
    monkeypatch.setattr(kerasrec.zoo, "create", create)
    arguments = ["--models", card.name, "--no-baselines", "--epochs", "1", "--set", f"{card.name}.l2=0.1"]
    run_json("compare", films[0], *arguments)
    assert made[card.name] == {"seed": 0, "n_components": 7, "l2": 0.1}


@pytest.mark.slow
def test_training_shows_a_bar_and_stops_where_ranking_gets_no_better(run, films, monkeypatch):
    card = kerasrec.zoo.card("matrix_factorization")
    quick = dataclasses.replace(card, recipe=kerasrec.zoo.Recipe({"n_components": 4}, epochs=9, patience=1))
    monkeypatch.setitem(kerasrec.zoo.registry._CARDS, card.name, quick)
    done = run("compare", films[0], "--models", "matrix_factorization", "--no-baselines")
    assert done.status == 0, done.err
    assert "Trying matrix_factorization on nine tenths, epoch " in done.err
    assert "validation NDCG@10" in done.err and "Training matrix_factorization, epoch " in done.err
    assert "matrix_factorization alone was measured" in done.out


def test_each_model_has_a_line_when_it_is_done_the_cheapest_first(run, films):
    done = run("compare", films[0], "--models", "ease,item_knn,popularity", "--metrics", "ndcg")
    assert done.status == 0, done.err
    figure = r": ndcg@10 0\.\d{4}, in \d+\.\d s"
    first, second, third = re.findall(rf"^(?:\w+){figure}.*$", done.out, re.MULTILINE)
    assert re.fullmatch(rf"popularity{figure}; left: item_knn, ease", first)
    assert re.fullmatch(rf"item_knn{figure}; left: ease", second)
    assert re.fullmatch(rf"ease{figure}", third)
    assert done.out.index(third) < done.out.index("Models by ndcg@10")


@pytest.mark.slow
@pytest.mark.parametrize("baselines", ["--baselines", "--no-baselines"])
def test_a_model_worse_than_popularity_says_so(run_json, tmp_path, monkeypatch, baselines):
    """Everybody has the same popular items; a model that may not learn ranks at random."""
    users, items = np.repeat(np.arange(60), 6), np.tile(np.arange(6), 60)
    kept = np.random.default_rng(0).random(360) < 0.8
    rare = {"user": np.arange(30), "item": 6 + np.arange(30)}
    rows = pd.concat([pd.DataFrame({"user": users[kept], "item": items[kept]}), pd.DataFrame(rare)])
    rows.to_csv(tmp_path / "clicks.csv", index=False)
    recipe = kerasrec.zoo.Recipe({"loss": "full_softmax", "learning_rate": 1e-9}, epochs=1)
    card = dataclasses.replace(kerasrec.zoo.card("hybrid"), recipe=recipe)
    monkeypatch.setitem(kerasrec.zoo.registry._CARDS, "hybrid", card)
    found = run_json("compare", "clicks.csv", baselines)
    (sentence,) = found["warnings"]
    assert sentence.lower().startswith("hybrid is worse than popularity on the held-out rows (ndcg@10 ")
    assert found["models"][0]["model"] != "hybrid" or baselines == "--no-baselines"


def test_a_time_column_holds_out_the_latest(run_json, films, tmp_path):
    frame = films[1].assign(when=np.arange(len(films[1])))
    frame.to_csv(tmp_path / "timed.csv", index=False)
    arguments = ["timed.csv", "--models", "popularity", "--no-baselines", "--time-column", "when"]
    whole = Interactions.from_frame(frame, user="customer", item="film", value="stars", time="when")
    train, test = splits.time_split(whole, test_size=0.2)
    found = run_json("compare", *arguments)
    assert (found["train"], found["test"]) == (len(train), len(test))


def test_mistakes(fails, films):
    path = films[0]
    assert fails("compare", "none.csv") == "There is no file 'none.csv'."
    assert "Did you mean 'ease'?" in fails("compare", path, "--models", "hybrid,eas")
    assert fails("compare", path, "--models", ",") == (
        "`--models` must have at least one name. Received: ','."
    )
    assert "Did you mean 'ndcg'?" in fails("compare", path, "--metrics", "ndgc")
    assert fails("compare", path, "--k", "0") == (
        "`--k` must be a positive integer, or several separated by commas. Received: '0'."
    )
    assert fails("compare", path, "--set", "ridge=3") == (
        "`--set` must be MODEL.NAME=VALUE. Received: 'ridge=3'."
    )
    assert fails("compare", path, "--set", "ease.ridge=3") == (
        "`--set` must name one of the models compared, hybrid. Received: 'ease.ridge=3'."
    )
    assert "Did you mean 'ridge'?" in fails("compare", path, "--models", "ease", "--set", "ease.rige=3")
    assert fails("compare", path, "--at-least", "9") == (
        "`--at-least` must keep some ratings. Received: 9; the highest is 5."
    )
    assert fails("compare", path, "--plot", "x.pdf") == (
        "The file to write must end in .png. Received: 'x.pdf'."
    )


def test_likes_need_ratings(fails, films, tmp_path):
    films[1][["customer", "film"]].to_csv(tmp_path / "bought.csv", index=False)
    assert fails("compare", "bought.csv", "--at-least", "4") == (
        "`--at-least` needs a column of ratings, which `--value-column` names, or `--kind counts`. "
        "Received: 4, and no column's name looks like ratings."
    )
