"""Models of clicks on MovieLens 1M: 4 and 5 stars against 1 and 2, beside a boosted tree of scikit-learn.

Protocol: 739,008 rows, 8:1:1 at random (seed 0), the second part says when to stop, exact AUC of the last;
user, film, gender, age, occupation, zip code, genres and year. With `KERASREC_REPRODUCTION=quick`, as in CI,
logistic regression for a few epochs; otherwise half an hour.
"""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

import kerasrec
from kerasrec.data import Impressions

pytestmark = pytest.mark.reproduction

KINDS = dict.fromkeys(("gender", "age", "occupation", "zip"), "category") | {
    "genres": "labels",
    "year": "number",
}
_LINEAR = {"learning_rate": 0.01, "l2": 1e-6, "epochs": 30}
_NETWORK = {"hidden": (200, 200), "dropout": 0.3, "l2": 0.01, "n_components": 16, "epochs": 12}
# Settings, and the AUC that the cards show.
MODELS = {
    "wide_and_deep": (_NETWORK, 0.9002),
    "dnn": (_NETWORK, 0.8998),
    "deepfm": (_NETWORK, 0.8997),
    "click_factorization_machine": ({"learning_rate": 0.005, "l2": 2e-6, "epochs": 30}, 0.8994),
    "autoint": ({**_NETWORK, "n_blocks": 1}, 0.8901),
    "dcn": ({**_NETWORK, "n_crosses": 2}, 0.8900),
    "dlrm": (_NETWORK, 0.8807),
    "logistic_regression": (_LINEAR, 0.8719),
}
TREE = 0.8698


@pytest.fixture(scope="module")
def parts(shared_data):
    """Rows to train on, rows that say when to stop, and rows to measure."""
    rated, films, users = (
        pd.read_csv(shared_data / "movielens-1m" / f"{name}.csv")
        for name in ("interactions", "movies", "users")
    )
    rated = rated[rated["level"] != 1]
    films["year"] = films["title"].str.extract(r"\((\d{4})\)")[0].astype(float)
    frame = rated.merge(users, on="user").merge(films[["item", "genres", "year"]], on="item")
    frame["clicked"] = (frame["level"] == 2).astype(int)
    frame = frame.drop(columns="level").astype({"age": str, "occupation": str, "zip": str})
    assert len(frame) == 739_008
    order, n = np.random.default_rng(0).permutation(len(frame)), len(frame) // 10
    return frame.iloc[order[2 * n :]], frame.iloc[order[n : 2 * n]], frame.iloc[order[:n]]


@pytest.mark.parametrize("name", MODELS)
def test_models(parts, quick, name):
    if quick and name != "logistic_regression":
        pytest.skip("too long for a quick run")
    settings, shown = MODELS[name]
    if quick:
        settings, shown = {**settings, "epochs": 3}, 0.84
    train = Impressions.from_frame(parts[0], "clicked", KINDS, user="user", item="item")
    valid, test = (Impressions.from_frame(frame, "clicked", train.columns) for frame in parts[1:])
    ranker = kerasrec.Ranker.train(
        train, name, validation=valid, batch_size=4096, patience=2, verbose=0, **settings
    )
    found = ranker.evaluate(test)
    print(f"\n{name}: AUC {found['auc']:.4f}, log loss {found['log_loss']:.4f}; {keras.backend.backend()}")
    assert found["auc"] >= shown - 0.003


def test_a_boosted_tree(parts, quick):
    if quick:
        pytest.skip("too long for a quick run")
    encoder, names = (
        TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0)),
        ["user", "item", "zip"],
    )
    clicked = [frame["clicked"] for frame in parts]
    shares = [encoder.fit_transform(parts[0][names], clicked[0])]
    shares += [encoder.transform(frame[names]) for frame in parts[1:]]
    tables = [_table(*both) for both in zip(parts, shares, strict=True)]
    tree = HistGradientBoostingClassifier(
        max_iter=600, max_leaf_nodes=63, early_stopping=True, n_iter_no_change=15, random_state=0
    )
    tree.fit(tables[0], clicked[0], X_val=tables[1][tables[0].columns], y_val=clicked[1])
    found = roc_auc_score(clicked[2], tree.predict_proba(tables[2][tables[0].columns])[:, 1])
    print(f"\nboosted tree: AUC {found:.4f}")
    assert found == pytest.approx(TREE, abs=0.003)


def _table(frame, shares):
    numbers = pd.DataFrame(shares, columns=["user", "item", "zip"], index=frame.index).assign(
        gender=(frame["gender"] == "F") * 1.0,
        age=frame["age"].astype(float),
        occupation=frame["occupation"].astype(float),
        year=frame["year"],
    )
    return numbers.join(frame["genres"].str.get_dummies("|"))
