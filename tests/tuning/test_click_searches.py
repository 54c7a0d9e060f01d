"""Searches of click models, on impressions."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import kerasrec
from kerasrec.data import Impressions
from kerasrec.evaluation import ClickComparison
from kerasrec.recommender._click_training import targets
from kerasrec.tuning import HyperRecommender
from kerasrec.tuning._epoch_batches import ClickBatches

SPACE = {"learning_rate": [0.1, 1e-6]}
KINDS = {"device": "category", "price": "number"}


def table(n, seed):
    """A click depends on the device and the price."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": rng.integers(8, size=n),
            "device": rng.choice(["phone", "tablet"], n),
            "price": rng.normal(size=n),
            "weight": rng.integers(1, 4, n),
        }
    )
    odds = np.where(frame["device"] == "phone", 2, -2) - frame["price"]
    frame["clicked"] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    return frame


@pytest.fixture(scope="module")
def shown():
    """Impressions to search with, and others to test with."""
    train = Impressions.from_frame(table(200, 0), "clicked", KINDS, user="user")
    return train, Impressions.from_frame(table(100, 1), "clicked", train.columns)


@pytest.fixture(scope="module")
def found(shown, tmp_path_factory):
    """A search over two rates, one of which learns nothing."""
    return kerasrec.tuning.search(
        shown[0],
        "logistic_regression",
        tuner="grid",
        space=SPACE,
        fixed={"l2": 0.0, "batch_size": 256},
        epochs=4,
        validation=0.25,
        directory=tmp_path_factory.mktemp("clicks") / "search",
        verbose=False,
    )


@pytest.mark.slow
def test_the_score_is_the_exact_auc_of_the_rows_held_out(found, shown):
    frame = found.frame()
    assert (found.objective, found.direction) == ("val_auc", "max")
    assert sorted(frame["learning_rate"]) == [1e-6, 0.1] and (frame["status"] == "completed").all()
    assert found.best_hyperparameters == {"learning_rate": 0.1}
    _, held_out = shown[0].split(0.25, seed=0)
    scores = found.best_model().predict(held_out.inputs, verbose=0)[:, 0]
    assert found.best_score == pytest.approx(roc_auc_score(held_out.labels, scores), abs=1e-6)
    assert found.best_score > 0.8


@pytest.mark.slow
def test_refit_trains_on_all_rows_and_compares_on_others(found, shown):
    lines = []
    with pytest.warns(UserWarning, match="Tuning gained nothing significant on the test set: auc of"):
        compared = found.refit(shown[1], tell=lines.append)
    assert isinstance(compared, ClickComparison) and found.tested is compared
    assert set(compared.reports) == {"tuned", "default", "logistic_regression"}
    assert compared.baselines == ["logistic_regression"] and len(lines) == 3
    assert "auc 0." in lines[0] and "; left: " in lines[0]
    model = found.best_model(retrain=True)
    scores = model.predict(shown[1].inputs, verbose=0)[:, 0]
    assert compared.reports["tuned"]["auc"] == pytest.approx(roc_auc_score(shown[1].labels, scores), abs=1e-6)


def test_what_cannot_be_tested(found, shown):
    with pytest.raises(TypeError, match=r"`test` must be `kerasrec.data.Impressions`, .*Received: DataFrame"):
        found.refit(table(10, 2))
    with pytest.raises(ValueError, match=r"`k` must be left out for impressions\. Received: k=5"):
        found.refit(shown[1], k=5)
    other = Impressions.from_frame(table(30, 3), "clicked", KINDS, user="user")
    with pytest.raises(ValueError, match="must be encoded like the rows that the model was trained on"):
        found.refit(other)


@pytest.mark.slow
def test_another_objective_and_a_model_of_one_s_own(shown, tmp_path):
    def build(hp):
        rate = hp.Float("rate", 0.05, 0.2)
        inputs = [keras.Input((x.shape[1],), name=name) for name, x in shown[0].inputs.items()]
        out = keras.layers.Dense(1, "sigmoid")(keras.layers.Concatenate()(inputs))
        model = keras.Model({x.name: x for x in inputs}, out)
        model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
        return model

    result = kerasrec.tuning.search(
        *(shown[0], build, "val_log_loss"),
        validation=shown[1],
        max_trials=1,
        epochs=2,
        directory=tmp_path / "own",
        verbose=False,
    )
    scores = result.best_model().predict(shown[1].inputs, verbose=0)[:, 0].astype(np.float64)
    assert (result.objective, result.direction) == ("val_log_loss", "min")
    assert result.best_score == pytest.approx(log_loss(shown[1].labels, scores), abs=1e-6)
    assert len(result.interactions) == 300


def test_batches_have_every_row_once_with_its_weight():
    shown = Impressions.from_frame(table(50, 0), "clicked", KINDS, weight="weight")
    model = kerasrec.zoo.create("logistic_regression", shown)
    batches = ClickBatches(shown, targets(model, shown), 20, seed=1)
    orders = []
    for _ in range(2):
        parts = [batches[i] for i in range(len(batches))]
        assert [len(part[1]) for part in parts] == [20, 20, 10]
        rows = [
            np.concatenate(x)
            for x in zip(*((p[0]["price"], p[1], p[2][:, None]) for p in parts), strict=True)
        ]
        expected = np.column_stack([shown.inputs["price"][:, 0], shown.labels, shown.weights])
        got = np.column_stack(rows)
        np.testing.assert_array_equal(got[np.lexsort(got.T)], expected[np.lexsort(expected.T)])
        orders.append(got[:, 0].tolist())
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_what_cannot_be_searched(shown, ratings, tmp_path):
    def search(data, *args, **kwargs):
        return kerasrec.tuning.search(data, *args, directory=tmp_path / "x", verbose=False, **kwargs)

    train = shown[0]
    with pytest.raises(TypeError, match=r"`interactions` must be .*, or `Impressions` for click models"):
        search(table(10, 0), "dcn")
    with pytest.raises(
        TypeError, match=r"dcn must be searched on `kerasrec.data.Impressions`, .*Interactions"
    ):
        search(ratings[0], "dcn")
    with pytest.raises(TypeError, match="dcn must be searched on"):
        HyperRecommender("dcn", ratings[0])
    with pytest.raises(ValueError, match=r"`model` must be a click model: autoint, .*model='ease'"):
        search(train, "ease")
    with pytest.raises(ValueError, match=r"`item_features` cannot be used with impressions"):
        search(train, "dcn", item_features=np.eye(3))
    with pytest.raises(ValueError, match=r"`n_users` cannot be used with impressions"):
        search(train, "dcn", n_users=3)
    with pytest.raises(
        ValueError,
        match=r"metric that dcn reports: val_auc, val_user_auc, val_log_loss, val_calibration_error\.",
    ):
        search(train, "dcn", "val_ndcg@10")
    unnamed = Impressions.from_frame(table(30, 0), "clicked", KINDS)
    with pytest.raises(ValueError, match="`objective='val_user_auc'` needs a column of users"):
        search(unnamed, "dcn", "val_user_auc")
    clicked = train.take(train.labels == 1)
    with pytest.raises(ValueError, match="The validation impressions must have rows that were clicked and"):
        search(train, "dcn", validation=clicked)
    with pytest.raises(ValueError, match="`validation` must have the columns that the model reads.*'price'"):
        search(train, "dcn", validation=Impressions.from_frame(table(30, 0), "clicked", {"user": "category"}))
