import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.metrics import log_loss, roc_auc_score

import kerasrec
from kerasrec.data import Impressions
from kerasrec.evaluation import ClickComparison, ClickMetrics, ClickReport, Comparison, compare, evaluate

N, N_USERS = 600, 60


@pytest.fixture(scope="module")
def shown():
    """Impressions whose chance of a click is known, and three sets of scores: true, worse, almost true."""
    rng = np.random.default_rng(3)
    users = rng.integers(N_USERS, size=N)
    chance = 1 / (1 + np.exp(-rng.normal(0, 1.5, N)))
    labels = (rng.random(N) < chance).astype(float)
    noisy = [np.clip(chance + rng.normal(0, size, N), 0.01, 0.99) for size in (0.4, 0.15)]
    frame = pd.DataFrame({"user": [f"u{code}" for code in users], "x": chance, "clicked": labels})
    impressions = Impressions.from_frame(frame, "clicked", {"x": "number"}, user="user")
    scores = {"true": chance, "noisy": noisy[0], "near": noisy[1]}
    reports = {name: ClickReport(name, labels, x, users) for name, x in scores.items()}
    return impressions, scores, reports, labels, users


def mann_whitney(labels, scores):
    ranks, clicked = rankdata(scores), labels == 1
    n = clicked.sum()
    return (ranks[clicked].sum() - n * (n + 1) / 2) / (n * (len(labels) - n))


def by_hand(labels, first, second, users, n=400):
    """The p-value of a paired bootstrap over users, of rows repeated one by one."""
    rng = np.random.default_rng(99)
    rows = [np.flatnonzero(users == user) for user in np.unique(users)]
    found = []
    for _ in range(n):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        found.append(mann_whitney(labels[drawn], first[drawn]) - mann_whitney(labels[drawn], second[drawn]))
    found = np.array(found)
    return min(1.0, 2 * min((found <= 0).mean(), (found >= 0).mean()))


def test_the_best_comes_first_and_p_values_are_those_of_a_bootstrap_by_hand(shown):
    _, scores, reports, labels, users = shown
    table = ClickComparison([reports[name] for name in ("noisy", "true", "near")])
    aucs = {name: roc_auc_score(labels, x) for name, x in scores.items()}
    assert list(table.reports) == sorted(aucs, key=aucs.get, reverse=True)
    assert table.to_frame()["auc"].to_dict() == pytest.approx(aucs)
    others = [name for name in table.reports if name != table.best]
    raw = {x: by_hand(labels, scores[table.best], scores[x], users) for x in others}
    small, large = sorted(raw, key=raw.get)
    # Holm: the smaller counts twice, and none is below one before it.
    expected = {small: min(1, 2 * raw[small]), large: max(min(1, 2 * raw[small]), raw[large])}
    assert table.p_values == pytest.approx(expected, abs=0.04)
    assert table.p_values["noisy"] < 0.05
    assert table.ties == [name for name in others if table.p_values[name] > 0.05]


def test_of_losses_the_lowest_is_best(shown):
    _, scores, reports, labels, _ = shown
    table = compare(list(reports.values()), metric="log_loss")
    losses = {name: log_loss(labels, x) for name, x in scores.items()}
    assert table.best == min(losses, key=losses.get)
    assert table.to_frame()["log_loss"].to_dict() == pytest.approx(losses)
    assert "paired bootstrap test over users, Holm" in repr(table) and table.verdict() in repr(table)
    assert json.loads(table.to_json())["models"][0]["model"] == table.best
    assert table.slices().empty


def test_models_are_measured_on_impressions_or_by_their_reports(shown):
    impressions, scores, _, labels, _ = shown
    models = {"true": lambda inputs: scores["true"], "noisy": lambda inputs: scores["noisy"]}
    table = compare(models, test=impressions)
    assert isinstance(table, ClickComparison) and not isinstance(table, Comparison)
    assert table.reports["noisy"]["auc"] == pytest.approx(roc_auc_score(labels, scores["noisy"]))
    given = compare({"again": table.reports["true"], **models}, test=impressions, level=0.01)
    assert given.reports["again"]["auc"] == given.reports["true"]["auc"] and given.level == 0.01
    assert "again" in (given.best, *given.ties)
    assert compare(table.reports["true"]).verdict().startswith("true alone was measured, with auc of ")
    trained = kerasrec.zoo.create("logistic_regression", impressions)
    assert list(compare(kerasrec.Ranker(trained), test=impressions).reports) == ["logistic_regression"]


def test_expected_watch_times_are_compared_by_what_both_have(shown):
    _, scores, reports, labels, users = shown
    watched = ClickReport("watched", labels, 10 * scores["near"], users, watch_time=5 * labels)
    table = ClickComparison([reports["true"], watched])
    assert table.metrics == ["auc", "user_auc", "mean_predicted"]
    with pytest.raises(ValueError, match=r"must be one of auc, user_auc\. .*metric='log_loss'"):
        ClickComparison([reports["true"], watched], metric="log_loss")


def test_rows_without_users_are_drawn_by_themselves(shown):
    _, scores, _, labels, _ = shown
    table = ClickComparison([ClickReport(name, labels, x) for name, x in scores.items()])
    assert table.units == "rows" and "over rows" in repr(table)


def test_too_many_models_for_the_resamples_are_told(shown, monkeypatch):
    monkeypatch.setattr("kerasrec.evaluation.click_report._RESAMPLES", (20, 20))
    _, scores, _, labels, users = shown
    reports = [ClickReport(name, labels, x, users) for name, x in scores.items()]
    # 2 / 21 for one difference, twice that for the least of two
    assert (
        "with 20 resamples and 3 models, the smallest p-value is 0.190" in ClickComparison(reports).notes[0]
    )
    assert not ClickComparison(reports, level=0.2).notes


def test_what_cannot_be_compared(shown):
    impressions, scores, reports, labels, users = shown
    with pytest.raises(ValueError, match=r"Models must have different names\. Received: 'true'"):
        ClickComparison([reports["true"], reports["true"]])
    with pytest.raises(ValueError, match="`reports` must not be empty"):
        ClickComparison([])
    fewer = ClickReport("fewer", labels[:-1], scores["true"][:-1], users[:-1])
    with pytest.raises(ValueError, match=r"made under one protocol .* differ in rows"):
        compare([reports["true"], fewer])
    moved = ClickReport("moved", labels, scores["near"], np.roll(users, 1))
    with pytest.raises(ValueError, match=r"of the same rows .* of moved and 600 of true, with other users\."):
        compare([reports["true"], moved])
    with pytest.raises(ValueError, match=r"must be one of auc, log_loss, user_auc, calibration_error"):
        compare(list(reports.values()), metric="mean_clicked")
    with pytest.raises(ValueError, match="train dcn and pass the model"):
        compare("dcn", test=impressions)
    with pytest.raises(ValueError, match=r"must be passed as a trained model.*'ease'"):
        compare("ease", test=impressions)


def test_models_of_other_columns_are_refused(shown):
    impressions = shown[0]
    frame = pd.DataFrame({"user": ["u1", "u2"], "x": [0.5, 1.5], "y": [1.0, 2.0], "clicked": [1, 0]})
    columns = {"x": "number", "y": "number"}
    model = kerasrec.zoo.create(
        "logistic_regression", Impressions.from_frame(frame, "clicked", columns, user="user")
    )
    message = r"`test` must have the columns that the model reads\. Received: 'user', 'x', without 'y'\."
    for measure in (lambda: evaluate(model, impressions), lambda: compare(model, test=impressions)):
        with pytest.raises(ValueError, match=message):
            measure()
    again = Impressions.from_frame(frame, "clicked", {"x": "number"}, user="user")
    ranker = kerasrec.Ranker(kerasrec.zoo.create("logistic_regression", again))
    with pytest.raises(
        ValueError, match=r"encoded like the rows that the model was trained on.*another table"
    ):
        ranker.evaluate(impressions)
    figures = ClickMetrics(impressions)
    with pytest.raises(ValueError, match="The validation impressions must be encoded like the rows"):
        ranker.model.fit(again.inputs, again.labels, verbose=0, callbacks=[figures])
    factors = kerasrec.zoo.RecommenderV2(3, 3, 2)
    with pytest.raises(ValueError, match=r"that recommender_v2 reads\. Received: .*, without .*'item'"):
        evaluate(factors, impressions)
