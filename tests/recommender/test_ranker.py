import itertools
import json

import numpy as np
import pandas as pd
import pytest
from contracts.elsewhere import BACKENDS
from contracts.models import CLICK_MODELS

import kerasrec
from kerasrec.data import Impressions, columns
from kerasrec.recommender._leaks import warn_of_leaks

RNG = np.random.default_rng(0)
N = 600
FRAME = pd.DataFrame(
    {
        "user": RNG.integers(8, size=N),
        "item": RNG.choice(list("abcdef"), N),
        "device": RNG.choice(["tv", "pc"], N),
    }
).assign(year=lambda frame: 1990 + frame["item"].map(ord) % 7)
CHANCE = np.where((FRAME["item"] < "c") == (FRAME["device"] == "tv"), 0.9, 0.1)
FRAME = FRAME.assign(clicked=(RNG.random(N) < CHANCE).astype(int))
ITEMS = FRAME.drop_duplicates("item").set_index("item")[["year"]]
KINDS = {"device": "category", "year": "number"}
SHOWN = Impressions.from_frame(FRAME, "clicked", KINDS, user="user", item="item")


@pytest.fixture(scope="module")
def ranker():
    return kerasrec.Ranker.train(
        SHOWN, "deepfm", items=ITEMS, hidden=(), learning_rate=0.05, epochs=15, validation=0.2, verbose=0
    )


def test_the_situation_decides_the_order(ranker):
    on_tv = ranker.rank(3, ["f", "a", "b", "e"], context={"device": "tv"})
    on_pc = ranker.rank(3, ["f", "a", "b", "e"], context={"device": "pc"})
    assert set(on_tv["item"][:2]) == {"a", "b"}
    assert set(on_pc["item"][:2]) == {"f", "e"}
    assert on_tv["rank"].tolist() == [1, 2, 3, 4]
    assert (np.diff(on_tv["score"]) <= 0).all()
    # The same as the rows of a table.
    rows = FRAME.iloc[:1].drop(columns=["clicked", "year"]).assign(user=3, device="tv", item=on_tv["item"][0])
    assert ranker.score(rows)[0] == pytest.approx(on_tv["score"][0], rel=1e-5)


def test_items_may_be_a_frame_with_their_columns(ranker):
    given = ranker.rank(3, ITEMS.loc[["a", "f"]], context={"device": "tv"})
    by_id = ranker.rank(3, ["a", "f"], context={"device": "tv"})
    pd.testing.assert_frame_equal(given, by_id)


@pytest.mark.parametrize(
    "frame, message",
    [
        (
            FRAME.assign(year=2.0).drop(columns="device"),
            "an input 'device' of width 1, columns of these widths",
        ),
        (
            FRAME.assign(item="a"),
            r"must have a row for every category.*\[10, 8, 4\] rows, columns with \[10, 3, 4\]",
        ),
    ],
)
def test_columns_that_are_not_the_models(frame, message):
    model = kerasrec.zoo.create("deepfm", SHOWN, hidden=())
    kinds = {name: kind for name, kind in KINDS.items() if name in frame}
    other = kerasrec.data.InputColumns.fit(frame, kinds, user="user", item="item")
    kerasrec.layers.find_catalogue(model).attachments = {"columns": other.to_arrays()}
    with pytest.raises(ValueError, match=message):
        kerasrec.Ranker(model)


@pytest.mark.slow
def test_any_figure_may_decide():
    from kerasrec.recommender._click_training import trained_on_clicks

    how = {"hyperparameters": {"learning_rate": 0.3}, "epochs": 6, "validation": 0.2, "patience": 6}
    done = trained_on_clicks(SHOWN, "logistic_regression", objective="log_loss", **how)
    losses = done.history["val_log_loss"]
    assert done.epochs == np.argmin(losses) + 1
    held_out = SHOWN.split(0.2)[1]
    report = kerasrec.evaluation.evaluate(done.model, held_out)
    assert report["log_loss"] == pytest.approx(min(losses), abs=1e-6)


@pytest.mark.slow
def test_linear_models_learn_from_few_rows():
    """As scikit-learn's logistic regression does, whose prior counts as one row too."""
    from sklearn.linear_model import LogisticRegression

    train, test = SHOWN.split(0.5)
    ranker = kerasrec.Ranker.train(train, "logistic_regression", verbose=0)
    kinds = train.columns.categories

    def matrix(part):
        ones = [np.eye(kind.n)[part.inputs[name][:, 0]] for name, kind in kinds.items()]
        return np.concatenate([*ones, part.inputs["year"]], axis=1)

    fitted = LogisticRegression(max_iter=1000).fit(matrix(train), train.labels)
    theirs = kerasrec.evaluation.ClickReport(
        "scikit-learn", test.labels, fitted.predict_proba(matrix(test))[:, 1]
    )
    ours = ranker.evaluate(test)
    assert ours["log_loss"] < theirs["log_loss"] + 0.02
    assert ours["calibration_error"] < theirs["calibration_error"] + 0.05


@pytest.mark.slow
def test_training_stops_where_held_out_rows_are_ordered_no_better():
    noise = Impressions.from_frame(
        FRAME.assign(clicked=RNG.integers(2, size=N)), "clicked", KINDS, user="user", item="item"
    )
    from kerasrec.recommender._click_training import trained_on_clicks

    how = {"hyperparameters": {"hidden": (), "learning_rate": 0.05}, "validation": SHOWN.split()[1]}
    done = trained_on_clicks(noise, "deepfm", patience=2, **how)
    history = done.history["val_auc"]
    assert len(history) < 50
    assert done.epochs == np.argmax(history) + 1 == len(history) - 2
    report = kerasrec.evaluation.evaluate(done.model, how["validation"])
    assert report["auc"] == pytest.approx(max(history), abs=1e-6)  # the weights of the best epoch


def test_the_file_scores_raw_columns(ranker, tmp_path):
    ranker.save(tmp_path / "ranker.keras")
    loaded = kerasrec.Ranker.load(tmp_path / "ranker.keras")
    head = FRAME.head(20)[["device", "item", "user"]]  # the year is looked up
    np.testing.assert_array_equal(loaded.score(head), ranker.score(FRAME.head(20)))
    report = loaded.evaluate(FRAME, label="clicked")
    assert report["auc"] == ranker.evaluate(SHOWN)["auc"] > 0.85
    assert 0 < report["calibration_error"] < 0.1
    assert loaded.score(head.head(0)).shape == (0,)


_WRITE = """
import pathlib, sys
from recommender.test_ranker import write_every_ranker
write_every_ranker(pathlib.Path(sys.argv[2]) / sys.argv[1])
"""
_SCORE = """
import json, pathlib, sys
import keras, pandas, kerasrec
backend, folder = sys.argv[1], pathlib.Path(sys.argv[2])
for writer in folder.iterdir():
    frame = pandas.read_csv(writer / "frame.csv", keep_default_na=False)
    found = {path.stem: kerasrec.Ranker.load(path).score(frame).tolist() for path in writer.glob("*.keras")}
    (writer / f"read.{backend}.json").write_text(json.dumps(found))
for path in (folder / backend).glob("*.keras"):
    assert keras.models.load_model(path).name == path.stem
assert backend == "torch" or "torch" not in sys.modules, "files need PyTorch"
"""


def write_every_ranker(folder):
    folder.mkdir()
    frame = FRAME.head(30).assign(
        user=[f"ü{user}" for user in FRAME["user"].head(30)],
        tags=["old|new", "", "new"] * 10,
        when=pd.date_range("2024-05-01", periods=30, freq="7h").strftime("%Y-%m-%dT%H:%M"),
        price=np.arange(30.0),
    )
    draw, kinds = np.random.default_rng(0), {**KINDS, "tags": "labels", "when": "time", "price": "log1p"}
    timed = frame.assign(seconds=2.0 * frame["clicked"])
    shown = Impressions.from_frame(timed, "clicked", kinds, user="user", item="item", watch_time="seconds")
    scores = {}
    for name, settings in CLICK_MODELS.items():
        more = {"crosses": [("user", "device")]} if name == "wide_and_deep" else {}
        model = kerasrec.zoo.create(name, shown, **settings, **more)
        model.set_weights([w + draw.normal(0, 0.1, w.shape).astype(w.dtype) for w in model.get_weights()])
        ranker = kerasrec.Ranker(model)
        ranker.save(folder / f"{name}.keras")
        scores[name] = ranker.score(frame).tolist()
    frame.to_csv(folder / "frame.csv", index=False)
    (folder / "written.json").write_text(json.dumps(scores))


@pytest.mark.processes
def test_files_of_every_backend_score_raw_columns_on_every_backend(writers, elsewhere, tmp_path):
    writers.run(_WRITE, tmp_path)
    elsewhere.run(_SCORE, tmp_path)
    for writer, reader in itertools.product(BACKENDS, BACKENDS):
        written = json.loads((tmp_path / writer / "written.json").read_text())
        read = json.loads((tmp_path / writer / f"read.{reader}.json").read_text())
        assert set(read) == set(written) == set(CLICK_MODELS)
        for name, scores in written.items():
            if reader == writer:
                assert read[name] == scores
            else:
                np.testing.assert_allclose(
                    read[name], scores, rtol=1e-4, atol=1e-6, err_msg=f"{writer}, {reader}, {name}"
                )


def test_a_default_declared_with_the_column_stands_in():
    kinds = {"device": columns.Category(default="tv")}
    shown = Impressions.from_frame(FRAME, "clicked", kinds, user="user", item="item")
    made = kerasrec.Ranker(kerasrec.zoo.create("logistic_regression", shown))
    without = made.rank(1, ["a", "b"])
    pd.testing.assert_frame_equal(without, made.rank(1, ["a", "b"], context={"device": "tv"}))


@pytest.mark.parametrize(
    "ask, error, message",
    [
        (
            lambda r: r.rank(1, ["a"]),
            ValueError,
            "must have the column 'device', which the model was trained with",
        ),
        (
            lambda r: r.rank(1, ["a"], {"hour": 3}),
            ValueError,
            "`context` must name columns.*Received: 'hour'",
        ),
        (lambda r: r.rank(1, [], {"device": "tv"}), ValueError, "`items` must name at least one item"),
        (lambda r: r.rank(1, ["z"], {"device": "tv"}), ValueError, "'year' must not have missing numbers"),
        (lambda r: r.evaluate(FRAME), ValueError, "`label` must name the column of clicks"),
        (
            lambda r: r.score(FRAME.assign(year="old")),
            ValueError,
            "'year' must not have entries that are not n",
        ),
        (lambda r: kerasrec.Ranker(r.model, items=3), TypeError, "`items` must be a pandas DataFrame"),
        (
            lambda r: kerasrec.Ranker(r.model, items=FRAME.set_index("item")),
            ValueError,
            "`items` must have one row per id",
        ),
        (lambda r: kerasrec.Ranker("dcn"), TypeError, "`model` must be a `keras.Model` of clicks"),
        (
            lambda r: kerasrec.Ranker(kerasrec.zoo.RecommenderV1(3, 4)),
            ValueError,
            "must be a click model, which contains its columns",
        ),
        (
            lambda r: kerasrec.Ranker.train(FRAME),
            TypeError,
            "`impressions` must be `kerasrec.data.Impressions`",
        ),
        (
            lambda r: kerasrec.Ranker.train(SHOWN, validation=FRAME),
            TypeError,
            r"`validation` must be a share of the rows or `kerasrec.data.Impressions`.*: DataFrame\.",
        ),
        (
            lambda r: kerasrec.Ranker.train(SHOWN, objective="ndcg"),
            ValueError,
            "`objective` must be one of auc, user_auc, log_loss, calibration_error",
        ),
        (
            lambda r: kerasrec.Ranker.train(
                Impressions.from_frame(FRAME, "clicked", KINDS), "logistic_regression", objective="user_auc"
            ),
            ValueError,
            "`objective='user_auc'` needs a column of users",
        ),
        (
            lambda r: kerasrec.Ranker.train(
                Impressions.from_frame(
                    FRAME.assign(minutes=1.0), "clicked", KINDS, user="user", watch_time="minutes"
                ),
                "youtube_ranker",
                objective="log_loss",
            ),
            ValueError,
            "`objective` must be 'auc' or 'user_auc' for youtube_ranker",
        ),
        (
            lambda r: kerasrec.Ranker.train(SHOWN, "ease"),
            ValueError,
            "`model` must be a click model: autoint, ",
        ),
    ],
)
def test_bad_input(ranker, ask, error, message):
    with pytest.raises(error, match=message):
        ask(ranker)


def test_a_column_known_after_the_click_is_named():
    told = FRAME.assign(revenue=np.where(FRAME["clicked"] == 1, RNG.integers(1, 90, N), 0) / 8)
    told["state"] = np.where(FRAME["clicked"] == 1, "bought", "none")
    kinds = {**KINDS, "revenue": "number", "state": "category"}
    shown = Impressions.from_frame(told, "clicked", kinds, user="user", item="item")
    fitted, held_out = shown.split(0.2)
    with pytest.warns(UserWarning) as said:
        warn_of_leaks(fitted, held_out)
    names = [str(warning.message).split(" alone separates")[0] for warning in said]
    assert names == ["Column 'revenue'", "Column 'state'"]
    warn_of_leaks(*SHOWN.split(0.2))  # no warning, which would be an error here
    warn_of_leaks(fitted, held_out.take(np.arange(40)))  # too few to tell chance


def test_training_warns_of_a_column_known_after_the_click():
    shown = Impressions.from_frame(FRAME.assign(bought=FRAME["clicked"]), "clicked", {"bought": "category"})
    with pytest.warns(
        UserWarning,
        match=r"Column 'bought' alone separates clicked .* \(its AUC on held-out rows is above 0.99\)",
    ):
        kerasrec.Ranker.train(shown, "logistic_regression", validation=0.2, epochs=1, verbose=0)


def test_categories_written_in_another_way_are_named(ranker):
    with pytest.warns(
        UserWarning, match=r"'device' has none of the categories in training, such as 'pc', 'tv':"
    ):
        ranker.evaluate(FRAME.assign(device=FRAME["device"].str.upper()), "clicked")
    ranker.evaluate(FRAME.assign(device=np.where(FRAME.index == 0, "pc", "?")), "clicked")
    ranker.evaluate(FRAME.assign(device=None), "clicked")


def test_tables_that_are_not_read_are_refused():
    prices = pd.DataFrame({"price": [1.0]}, index=["a"])
    with pytest.raises(ValueError, match=r"`items` must have a column that the model.*Received: 'price'\."):
        kerasrec.Ranker.train(SHOWN, items=prices)
    with pytest.raises(ValueError, match=r"`users` must have a column that the model.*Received: 'price'\."):
        kerasrec.Ranker.train(SHOWN, users=prices)


def test_watch_times_of_a_table_are_measured():
    frame = FRAME.assign(seconds=3.0)
    kinds = {"device": "category"}
    shown = Impressions.from_frame(frame, "clicked", kinds, user="user", watch_time="seconds")
    made = kerasrec.Ranker(kerasrec.zoo.create("youtube_ranker", shown, hidden=(2,)))
    weights = np.arange(N)
    report = made.evaluate(frame.assign(w=weights), "clicked", weight="w", watch_time="seconds")
    expected = 3 * weights[FRAME["clicked"] == 1].sum() / weights.sum()
    assert report["mean_watched"] == pytest.approx(expected)
    assert made.evaluate(frame, "clicked").metrics == ["auc", "user_auc", "mean_predicted"]


def test_files_of_other_models_are_told_apart(ranker, tmp_path):
    ranker.save(tmp_path / "ranker.keras")
    with pytest.raises(ValueError, match="`kerasrec.Ranker.load` reads a click model"):
        kerasrec.Recommender.load(tmp_path / "ranker.keras")
    data = kerasrec.datasets.synthetic(20, 30, 100).interactions
    kerasrec.Recommender.train(data, model="popularity").save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="has no click model"):
        kerasrec.Ranker.load(tmp_path / "other.keras")
