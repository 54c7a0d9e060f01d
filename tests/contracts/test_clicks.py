"""What a click model owes on every backend: it learns, is saved, and scores raw columns."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import kerasrec
from contracts.models import CLICK_MODELS
from kerasrec.data import Impressions


@pytest.mark.slow
def test_a_model_of_clicks_learns_is_saved_and_scores_raw_columns(tmp_path):
    draw = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "user": [f"ü{code}" for code in draw.integers(9, size=n)],
            "device": draw.choice(["phone", "tablet"], n),
            "genres": draw.choice(["War", "War|Drama", ""], n),
            "when": pd.date_range("2024-01-01", periods=n, freq="7h"),
            "price": draw.gamma(2, 10, n),
        }
    )
    odds = np.where(frame["device"] == "phone", 3, -3) - np.log1p(frame["price"]) + 2
    frame["clicked"] = (draw.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    kinds = {"device": "category", "genres": "labels", "when": "time", "price": "log1p"}
    shown = Impressions.from_frame(frame[:300], "clicked", kinds, user="user")
    settings = {**CLICK_MODELS["dcn"], "learning_rate": 0.02, "dropout": 0.0}
    ranker = kerasrec.Ranker.train(shown, "dcn", epochs=8, batch_size=50, verbose=0, **settings)
    later = frame[300:].drop(columns="clicked")
    scores = ranker.score(later)
    assert roc_auc_score(frame["clicked"][300:], scores) > 0.8
    ranker.save(tmp_path / "clicks.keras")
    loaded = kerasrec.Ranker.load(tmp_path / "clicks.keras")
    np.testing.assert_array_equal(loaded.score(later), scores)
    again = loaded.model.fit(shown.inputs, shown.labels, batch_size=50, verbose=0)
    assert np.isfinite(again.history["loss"][0])
