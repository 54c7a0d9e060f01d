"""Searches of closed-form models, whose trials take milliseconds, and of one that trains."""

import json
import re
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec._partial import machine
from kerasrec.data import splits
from kerasrec.evaluation import evaluate
from kerasrec.tuning._search import _loaded

V2 = {"n_components": 4, "batch_size": 64, "l2": 1e-6, "bias_l2": 1e-6}


@pytest.mark.parametrize("tuner", ["random", "bayesian", "grid"])
def test_every_tuner_finds_the_best_of_its_trials(search, tuner):
    result = search(tuner=tuner, max_trials=6, space=["n_neighbors", "weighting"])
    frame = result.frame()
    assert frame.columns.tolist() == [
        "trial",
        "status",
        "score",
        "started",
        "epochs",
        "n_neighbors",
        "weighting",
    ]
    assert (frame["status"] == "completed").all() and len(frame) == 6
    assert frame["started"].is_monotonic_increasing
    best = frame.loc[frame["score"].idxmax()]
    assert result.best_score == best["score"]
    assert result.best_hyperparameters == {name: best[name] for name in ("n_neighbors", "weighting")}


def test_the_score_is_that_of_the_held_out_part_and_the_first_trial_has_the_defaults(search, ratings):
    result = search(validation=0.25, seed=3)
    fitted, held_out = splits.random_split(ratings[0], 0.25, seed=3)
    model = kerasrec.zoo.create("item_knn", fitted)
    expected = evaluate(model, held_out, fitted, metrics=("ndcg",))["ndcg@10"]
    assert result.frame()["score"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_the_same_seed_tries_the_same(search, tmp_path):
    frames = [
        search(directory=tmp_path / str(i), seed=seed, tuner="bayesian", num_initial_points=2).frame()
        for i, seed in enumerate((0, 0, 1))
    ]
    columns = ["score", "n_neighbors", "shrinkage", "weighting", "values"]
    assert frames[0][columns].equals(frames[1][columns])
    assert not frames[0][columns].equals(frames[2][columns])


@pytest.mark.slow
def test_a_model_that_trains(search, ratings, tmp_path):
    result = search("recommender_v2", "val_mean_squared_error", max_trials=2, fixed=V2)
    assert list(result.best_hyperparameters) == ["learning_rate"]
    assert result.frame()["epochs"].tolist() == [2, 2]
    fitted, held_out = splits.random_split(ratings[0], 0.1, seed=0)
    x, y = kerasrec.data.pairs(held_out)
    model = result.best_model()
    error = np.mean((model.predict(x, verbose=0)[:, 0] - y) ** 2)
    assert error == pytest.approx(result.best_score, rel=1e-5)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    kept = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.npz"))
    assert kept == ["search/trial_0/best.npz", "search/trial_1/best.npz"]


def test_only_the_best_weights_stay(search, tmp_path):
    result = search(max_trials=5, keep=2)
    best = result.frame().nlargest(2, "score", keep="first")["trial"]
    kept = {path.parent.name for path in tmp_path.rglob("*.npz")}
    assert len(kept) == 2 and f"trial_{result.best_trial}" in kept
    assert kept <= {f"trial_{trial}" for trial in result.frame()["trial"]} and len(best) == 2


def test_a_search_that_is_over_only_gives_its_result(search, tmp_path):
    first = search()
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    # What a kill leaves while the state of a trial is written, of which there will be no other one.
    left = tmp_path / "search" / "trial_0" / f".progress.json.{machine()}-{done.pid}-6"
    (tmp_path / "search" / f".oracle.json.{machine()}-{done.pid}-7").mkdir()
    left.mkdir()
    again = search()
    assert again.frame().equals(first.frame())
    assert not left.exists() and not list((tmp_path / "search").glob(".oracle*"))


def test_other_arguments_in_the_folder_are_refused_by_name(search, tmp_path):
    search()
    with pytest.raises(ValueError, match=r"Received: max_trials=4 instead of 3; seed=1 instead of 0 in "):
        search(max_trials=4, seed=1)


@pytest.mark.parametrize("tuner", ["random", "bayesian", "grid"])
def test_more_trials_in_the_folder(search, tmp_path, tuner):
    how = {"tuner": tuner, "space": {"n_neighbors": [2, 5, 10, 20], "weighting": ["cosine", "tfidf"]}}
    whole = search(max_trials=5, directory=tmp_path / "whole", **how).frame()
    search(max_trials=3, **how)
    grown = search(max_trials=5, **how).frame()
    same = [name for name in whole.columns if name not in ("started", "seconds")]
    assert len(grown) == 5 and grown[same].equals(whole[same])
    assert len(search(max_trials=5, **how).frame()) == 5
    with pytest.raises(ValueError, match=r"or with a larger `max_trials`; .*: max_trials=4 instead of 5 in"):
        search(max_trials=4, **how)


def test_a_folder_of_something_else_is_refused(search, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"`directory` must be empty, new, or .* contains something else"):
        search(directory=tmp_path / "other")


def test_a_newer_folder_is_refused(search, tmp_path):
    search()
    about = tmp_path / "search" / "search.json"
    about.write_text(re.sub(r'"format": \d+', '"format": 99', about.read_text()))
    with pytest.raises(ValueError, match=r"install kerasrec .* or newer, .* with format 99"):
        search()


def test_a_search_that_runs_keeps_others_out(search, ratings, tmp_path):
    search()
    from kerasrec.tuning import _folder

    with _folder.locked(tmp_path / "search"), pytest.raises(ValueError, match="a search is running"):
        search()


@pytest.mark.slow
def test_importance_plot_and_report(search, tmp_path, ratings):
    result = search(max_trials=6, space=["n_neighbors", "weighting"])
    importance = result.importance()
    assert set(importance.index) == {"n_neighbors", "weighting"} and importance.is_monotonic_decreasing
    assert len(result.plot().axes) == 3
    result.report(tmp_path / "tuning.html")
    page = (tmp_path / "tuning.html").read_text()
    assert "data:image/png;base64," in page and 'src="http' not in page
    assert f"Best: {result.best_score:.5g}" in page
    with pytest.raises(ValueError, match=r"`path` must end in .html. Received: 'tuning.txt'"):
        result.report("tuning.txt")


def test_importance_needs_trials(search):
    with pytest.raises(ValueError, match=r"Importance needs at least 4 trials with a score. Received: 3\."):
        search().importance()


def test_refit_compares_with_the_defaults_and_baselines(search, ratings):
    result = search(max_trials=1)  # the defaults alone
    with pytest.warns(UserWarning, match=r"Tuning gained nothing significant .* \(p=1.000\)"):
        table = result.refit(ratings[1], baselines=["popularity"])
    assert set(table.reports) == {"tuned", "default", "popularity"}
    expected = evaluate(kerasrec.zoo.create("item_knn", ratings[0]), ratings[1], ratings[0])
    assert table.reports["tuned"]["ndcg@10"] == pytest.approx(expected["ndcg@10"], rel=1e-6)


@pytest.mark.slow
def test_refit_of_ratings_trains_as_long_as_was_best(search, ratings):
    result = search("recommender_v2", "val_rmse", max_trials=2, fixed=V2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = result.refit(ratings[1])
    assert list(table.reports["tuned"].metrics) == ["rmse", "mae"]
    assert "global_bias" in table.reports


@pytest.mark.slow
def test_refit_says_the_means_over_seeds(search, ratings):
    result = search("recommender_v2", "val_rmse", max_trials=1, fixed=V2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = result.refit(ratings[1], seeds=2, baselines=[])
    tuned = r"tuned (0\.\d{4}|\d\.\d{4}) \((\S+), (\S+)\); default "
    found = re.match("rmse over 2 seeds: " + tuned, table.notes[-1])
    mean, first, second = map(float, found.groups())
    assert first == pytest.approx(table.reports["tuned"]["rmse"], abs=1e-4)
    assert first != second and mean == pytest.approx((first + second) / 2, abs=1e-4)


def test_refit_refuses_before_it_trains(search, ratings, monkeypatch):
    result = search(max_trials=1)
    monkeypatch.setattr(type(result), "best_model", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(ValueError, match=r"`test` must not be empty"):
        result.refit(ratings[1].take(np.zeros(len(ratings[1]), bool)))
    with pytest.raises(ValueError, match=r"`seeds` must be a positive integer\. Received: seeds=0"):
        result.refit(ratings[1], seeds=0)


def test_refit_sets_other_searches_beside(search, ratings, tmp_path):
    result = search(max_trials=1)
    other = search("ease", max_trials=2, directory=tmp_path / "ease")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = result.refit(ratings[1], baselines=[], rivals={"EASE": other})
    settings = other.best_hyperparameters
    expected = evaluate(kerasrec.zoo.create("ease", ratings[0], **settings), ratings[1], ratings[0])
    assert table.reports["EASE"]["ndcg@10"] == pytest.approx(expected["ndcg@10"], rel=1e-6)


@pytest.mark.slow
def test_the_objective_decides_and_the_page_has_the_test(search, ratings, tmp_path):
    result = search(max_trials=4, objective="val_recall@5", fixed={"n_neighbors": 1}, space=["shrinkage"])
    assert result.tested is None
    result.report(tmp_path / "tuning.html")
    assert "not seen" not in (tmp_path / "tuning.html").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = result.refit(ratings[1], baselines=["popularity"])
    assert table.metric == "recall@5" and result.tested is table
    # One neighbour is worse than the defaults: how it stands against the others must be said.
    assert table.best != "tuned"
    others = ", ".join(f"{name} {p:.4f}" for name, p in table.against("tuned").items())
    assert table.notes == [f"p of the differences from tuned, in recall@5: {others}."]
    result.report(tmp_path / "tuning.html")
    page = (tmp_path / "tuning.html").read_text()
    assert "<h2>On rows that the search has not seen</h2>" in page
    assert all(f"<td>{name}</td>" in page for name in ("tuned", "default", "popularity"))
    assert f"{table.reports['tuned']['recall@5']:.4f}" in page and table.notes[0] in page


def test_the_defaults_are_the_card_s_whatever_was_fixed(search, ratings):
    result = search(max_trials=1, fixed={"n_neighbors": 1}, space=["shrinkage"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = result.refit(ratings[1], baselines=[])
    expected = evaluate(kerasrec.zoo.create("item_knn", ratings[0]), ratings[1], ratings[0])
    assert table.reports["default"]["ndcg@10"] == pytest.approx(expected["ndcg@10"], rel=1e-6)


def test_overhead_is_the_share_of_time_in_anything_else(search, tmp_path):
    result = search(max_trials=2)
    assert 0 < result.overhead < 1
    for trial, (seconds, outside) in enumerate([(6.0, 3.0), (2.0, 1.0)]):
        path = tmp_path / "search" / f"trial_{trial}" / "progress.json"
        progress = json.loads(path.read_text())
        assert progress["outside"] > 0
        path.write_text(json.dumps(progress | {"seconds": seconds, "outside": outside}))
    assert search(max_trials=2).overhead == pytest.approx(4 / 12)


def test_progress_is_a_line_a_trial_where_nobody_watches(search, capsys):
    search(max_trials=2, verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert re.match(
        r"Trial 1 of 2: completed, val_ndcg@10 0\.\d{4}, best 0\.\d{4} \(.*\), 0:00 left", lines[1]
    )


def test_the_live_table_shows_the_last_trials_that_fit(search, tmp_path):
    import io

    from rich.console import Console

    from kerasrec.tuning._display import Display

    result = search(max_trials=6)
    oracle = _loaded(result._plan)
    display = Display(oracle, tmp_path / "search", 6, verbose=True)
    for height, shown in ((100, 6), (9, 3)):
        display._console = Console(width=120, height=height, file=io.StringIO())
        display._console.print(display._table())
        text = display._console.file.getvalue()
        assert f"6 of 6 trials, best val_ndcg@10 {result.best_score:.4f}" in text
        rows = re.findall(r"│ (\d) ", text)
        assert rows == [str(i) for i in range(6)][-shown:] and text.count("\n") <= height


@pytest.mark.slow
def test_hyperband_goes_on_with_the_best(search, ratings):
    def build(hp):
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model = kerasrec.zoo.RecommenderV2(40, 30, 2, learning_rate=rate, seed=0)
        model.compile(model.optimizer, "mean_squared_error", run_eagerly=True)
        return model

    frame = search(build, "val_loss", "hyperband", epochs=3, factor=3).frame()
    # keras-tuner's brackets of three epochs: trials of one epoch, of which the best goes on for two more,
    # and trials of three epochs.
    counts = frame["epochs"].value_counts()
    assert set(counts.index) == {1, 3} and (frame["status"] == "completed").all()
    short = frame[frame["epochs"] == 1]
    best = short.loc[short["score"].idxmin()]
    again = frame[(frame["learning_rate"] == best["learning_rate"]) & (frame["epochs"] == 3)]
    assert len(again) == 1 and again["score"].iloc[0] <= best["score"]
