import json
import re

import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Interactions
from kerasrec.evaluation import Comparison, compare, evaluate
from kerasrec.zoo import ease

N_USERS, N_ITEMS = 60, 40
IDS = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}


class Given:
    """A model that knows the test items of a share of the users."""

    def __init__(self, name, test, share, seed=0):
        self.name = name
        generator = np.random.default_rng(seed)
        self.scores = generator.random((N_USERS, N_ITEMS)).astype("float32")
        known = generator.permutation(N_USERS) < share * N_USERS
        rows = known[test.users]
        self.scores[test.users[rows], test.items[rows]] += 1

    def score_catalogue(self, user_codes):
        return self.scores[user_codes]


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    part = generator.random((N_USERS, N_ITEMS)) * (1 + np.arange(N_ITEMS) / N_ITEMS)
    train, test = np.nonzero(part < 0.15), np.nonzero(part > 1.7)
    return Interactions(*train, **IDS), Interactions(*test, **IDS)


def test_models_stand_beside_baselines_the_best_first(data):
    train, test = data
    table = compare(
        [Given("good", test, 0.5), Given("better", test, 1.0)], train, test, metrics=["ndcg", "recall"]
    )
    assert list(table.reports)[:2] == ["better", "good"]
    assert table.best == "better"
    assert set(table.baselines) == {"popularity", "item_knn", "ease"}
    figures = [report["ndcg@10"] for report in table.reports.values()]
    assert figures == sorted(figures, reverse=True)
    assert table.metric == "ndcg@10"
    frame = table.to_frame()
    assert list(frame.index) == list(table.reports)
    alone = evaluate(Given("good", test, 0.5), test, train, metrics=["ndcg", "recall"])
    assert frame.loc["good", "recall@10"] == alone["recall@10"]
    assert np.isnan(frame.loc["better", "p"]) and (frame["p"].drop("better") < 0.05).all()
    assert not frame["tied"].any() and not table.ties


def test_the_model_that_follows_popularity_least_has_the_best_popularity_bias(data):
    train, test = data
    popular = np.argsort(np.bincount(train.items, minlength=N_ITEMS))
    models = [Given("most", test, 0.0), Given("some", test, 0.0), Given("least", test, 0.0)]
    models[0].scores[:, popular[-20:]] += 2
    models[2].scores[:, popular[:20]] += 2
    table = compare(models, train, test, metrics=["popularity_bias"], baselines=())
    assert list(table.reports) == ["least", "some", "most"] and table.best == "least"


def test_what_is_not_significantly_different_is_marked(data):
    train, test = data
    models = {
        "one": Given("", test, 0.5, seed=1),
        "two": Given("", test, 0.5, seed=2),
        "bad": Given("", test, 0),
    }
    table = compare(models, train, test, metrics=["ndcg"], baselines=())
    assert table.ties == [name for name in ("one", "two") if name != table.best]
    lines = repr(table).splitlines()
    assert " * " in lines[1] + " " and " = " in lines[2] + " "
    assert "not significantly different from it: " + table.ties[0] in table.verdict()


def test_p_values_are_holm_s_of_the_paired_tests(data):
    from kerasrec.evaluation._statistics import holm, paired_p_values

    train, test = data
    table = compare(
        [Given(str(x), test, x) for x in (0.7, 0.6, 0.4)], train, test, metrics=["recall"], baselines=()
    )
    values = {name: report.per_user("recall@10").to_numpy() for name, report in table.reports.items()}
    alone = [paired_p_values((values["0.7"] - values[name])[:, None])[0] for name in ("0.6", "0.4")]
    assert list(table.p_values.values()) == pytest.approx(holm(np.array(alone)), abs=0.01)
    other = Comparison(list(table.reports.values()), significance="bootstrap")
    assert list(other.p_values.values()) == pytest.approx(list(table.p_values.values()), abs=0.05)


def test_differences_from_any_of_them(data):
    train, test = data
    models = [Given(name, test, float(name), seed=1) for name in ("0.4", "0.6", "0.7")]
    table = compare(models, train, test, metrics=["ndcg"], baselines=[])
    assert table.against("0.7") == table.p_values
    pair = compare([models[0], models[1]], train, test, metrics=["ndcg"], baselines=[])
    (alone,) = pair.p_values.values()
    against = table.against("0.4")
    assert list(against) == ["0.7", "0.6"]
    # Holm: the larger of two p-values stays as it is, the smaller one counts twice.
    assert against["0.6"] >= alone - 0.01 and against["0.7"] <= against["0.6"]
    with pytest.raises(
        ValueError, match=r"`name` must be one of .* Did you mean '0.7'\? Received: name='0.77'"
    ):
        table.against("0.77")


def test_a_baseline_that_wins_is_said_plainly(data):
    train, test = data
    popular = Interactions(*np.nonzero(np.ones((N_USERS, 8))), **IDS)
    table = compare(Given("lost", popular, 0), popular, popular, exclude_seen=False, metrics=["ndcg"])
    assert table.best in table.baselines
    assert f"A baseline wins: {table.best} is significantly ahead of every model." in table.verdict()
    close = compare(Given("close", popular, 1.0), popular, popular, exclude_seen=False, metrics=["ndcg"], k=8)
    if close.best in close.baselines:
        assert "not significantly ahead of the best model, close" in close.verdict()


def test_models_of_the_zoo_by_name_are_fitted(data):
    train, test = data
    table = compare(["implicit_als", "popularity"], train, test, metrics=["ndcg"], baselines=("popularity",))
    assert sorted(table.reports) == sorted(table.baselines) == ["implicit_als", "popularity"]
    with pytest.raises(ValueError, match="model given by name must not need training; train recommender_v1"):
        compare("recommender_v1", train, test)


def test_tables_are_not_compared_as_they_are():
    with pytest.raises(TypeError, match=r"`test` must be `kerasrec.data.Interactions`, or `Imp.*DataFrame\."):
        compare("ease", test=pd.DataFrame({"user": [1]}))


def test_each_model_is_told_when_it_is_measured(data):
    train, test = data
    said = []
    models = {"mine": Given("one", test, 0.8), "ALS": "implicit_als"}
    compare(models, train, test, metrics=["ndcg"], baselines=["ease", "popularity"], tell=said.append)
    assert [line.partition(":")[0] for line in said] == ["popularity", "ease", "ALS", "mine"]
    assert re.fullmatch(r"ease: ndcg@10 \d\.\d{4}, in \d+\.\d s; left: ALS, mine", said[1])
    with pytest.raises(ValueError, match=r"must have different names. Received: 'ease' more than once"):
        compare(["ease", "ease"], train, test)


def test_reports_made_before_can_be_compared(data):
    train, test = data
    one = evaluate(Given("one", test, 0.5), test, train)
    table = compare({"renamed": one, "two": Given("two", test, 0.9)}, train, test, baselines=())
    assert list(table.reports) == ["two", "renamed"]
    assert list(compare([one, table.reports["two"]]).reports) == ["two", "one"]


def test_ease_is_left_out_where_it_is_too_large(data, monkeypatch):
    monkeypatch.setattr(
        ease, "too_large", lambda n_items: f"EASE needs more than there is for {n_items} items."
    )
    train, test = data
    table = compare(Given("mine", test, 0.5), train, test, metrics=["ndcg"])
    assert table.baselines == [x for x in table.reports if x in ("popularity", "item_knn")]
    assert table.notes == ["Left out: ease. EASE needs more than there is for 40 items."]
    assert table.notes[0] in repr(table)


def test_table_slices_json_and_plot(data, tmp_path):
    train, test = data
    table = compare(
        Given("mine", test, 0.5), train, test, k=(5, 10), metrics=["recall", "coverage"], metric="recall@5"
    )
    slices = table.slices()
    assert list(slices.columns) == ["n_users", *table.reports]
    report = table.reports["mine"].slices()
    assert slices["mine"].to_numpy() == pytest.approx(report["recall@5"].to_numpy(), nan_ok=True)
    content = json.loads(table.to_json(tmp_path / "table.json"))
    assert content == json.loads((tmp_path / "table.json").read_text("utf-8"))
    assert [row["model"] for row in content["models"]] == list(table.reports)
    assert content["verdict"] == table.verdict()
    table.plot().savefig(tmp_path / "table.png")
    assert "users: " in repr(table) and "mine" in repr(table)


def test_rating_models_are_compared_by_their_error():
    data = kerasrec.datasets.synthetic(n_users=60, n_items=40, n_interactions=1500, seed=0).interactions
    train, test = kerasrec.data.splits.random_split(data, seed=0)
    models = {
        "means": kerasrec.zoo.create("global_bias", train),
        "untrained": kerasrec.zoo.create("recommender_v2", train),
    }
    table = compare(models, train, test, metrics=["rmse"])
    assert set(table.reports) == {"means", "untrained", "global_bias"}
    assert table.baselines == ["means", "global_bias"] or table.baselines == ["global_bias", "means"]
    assert table.ties == ["global_bias"] or table.ties == ["means"]
    assert table.p_values["untrained"] < 0.05


class TestBadInput:
    def test_other_protocols(self, data):
        train, test = data
        one = evaluate(Given("one", test, 0.5), test, train)
        for changes, key in (({"k": 5}, "k"), ({"seed": 1}, "ties"), ({"exclude_seen": False}, "left out")):
            other = evaluate(Given("two", test, 0.5), test, train, **changes)
            with pytest.raises(ValueError, match=f"one protocol .* 'one' and 'two' differ in .*{key}.* is "):
                compare([one, other])
        other = evaluate(Given("two", test, 0.5), test.take(slice(1, None)), train)
        with pytest.raises(ValueError, match="differ in test; test is '.* interactions, "):
            Comparison([one, other])
        other = evaluate(Given("two", test, 0.5), test, train, metrics=["ndcg"])
        with pytest.raises(ValueError, match="must have the same metrics .* and ndcg@10 of 'two'"):
            Comparison([one, other])

    def test_names(self, data):
        train, test = data
        with pytest.raises(ValueError, match="different names. Received: 'one' more than once"):
            compare(
                [Given("one", test, 0.5), Given("one", test, 0.4)],
                train,
                test,
                metrics=["ndcg"],
                baselines=(),
            )
        with pytest.raises(ValueError, match="`name` must be one of"):
            compare("no_such_model", train, test)

    def test_missing_data(self, data):
        train, test = data
        with pytest.raises(ValueError, match="`test` must be given, unless all `models` are reports"):
            compare(Given("one", test, 0.5), train)
        with pytest.raises(ValueError, match="`train` must be given: baselines are fitted on it"):
            compare(Given("one", test, 0.5), test=test)
        with pytest.raises(ValueError, match="`reports` must not be empty"):
            Comparison([])

    def test_settings(self, data):
        report = evaluate(Given("one", data[1], 0.5), data[1], data[0])
        with pytest.raises(ValueError, match="`significance` must be one of randomisation, bootstrap"):
            Comparison([report], significance="t")
        with pytest.raises(
            ValueError, match="`metric` must have a value per user; coverage@10 is one value for all lists"
        ):
            Comparison([report], metric="coverage@10")
        with pytest.raises(ValueError, match="`metric` must be one of .* Did you mean 'ndcg@10'"):
            Comparison([report], metric="ndcg")
        assert Comparison([report]).verdict().startswith("one alone was measured, with ndcg@10 of ")
