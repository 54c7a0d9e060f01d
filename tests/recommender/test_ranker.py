import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec.data import Impressions, columns

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
            "`items` must have one row an id",
        ),
        (lambda r: kerasrec.Ranker("dcn"), TypeError, "`model` must be a `keras.Model` of clicks"),
        (
            lambda r: kerasrec.Ranker(kerasrec.zoo.RecommenderV1(3, 4)),
            ValueError,
            "must be a model of clicks, which carries its columns",
        ),
        (
            lambda r: kerasrec.Ranker.train(FRAME),
            TypeError,
            "`impressions` must be `kerasrec.data.Impressions`",
        ),
        (
            lambda r: kerasrec.Ranker.train(SHOWN, "ease"),
            ValueError,
            "`model` must be a model of clicks: autoint, ",
        ),
    ],
)
def test_bad_input(ranker, ask, error, message):
    with pytest.raises(error, match=message):
        ask(ranker)


def test_files_of_other_models_are_told_apart(ranker, tmp_path):
    ranker.save(tmp_path / "ranker.keras")
    with pytest.raises(ValueError, match="`kerasrec.Ranker.load` reads a model of clicks"):
        kerasrec.Recommender.load(tmp_path / "ranker.keras")
    data = kerasrec.datasets.synthetic(20, 30, 100).interactions
    kerasrec.Recommender.train(data, model="popularity").save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="holds no model of clicks"):
        kerasrec.Ranker.load(tmp_path / "other.keras")
