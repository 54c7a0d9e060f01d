import numpy as np
import pytest

import kerasrec
from kerasrec.cli import _measure
from kerasrec.cli._measure import compared, errors, ranked
from kerasrec.cli._report import reporting
from kerasrec.data import Interactions


def interactions(users, items, values):
    return Interactions(users, items, values, user_ids=["a", "b", "c"], item_ids=["x", "y"])


def test_errors():
    found = errors([1.0, 2.0, 5.0], np.array([1.0, 4.0, 4.0], "float32"))
    assert found == {"RMSE": pytest.approx((5 / 3) ** 0.5), "MAE": pytest.approx(1.0)}


def test_a_model_beside_the_baselines():
    train = interactions([0, 0, 1], [0, 1, 0], [5.0, 3.0, 4.0])
    test = interactions([0, 1, 2], [1, 1, 0], [1.0, 2.0, 3.0])
    with reporting(as_json=True, debug=False) as report:
        rows, worse = compared(
            kerasrec.zoo.create("recommender_v1", train, n_components=2), train, test, report
        )
    assert [row["predictor"] for row in rows] == ["recommender_v1", "global mean", "user and item biases"]
    assert (rows[0]["RMSE"] > rows[1]["RMSE"]) == worse.startswith("recommender_v1 is worse than the mean")
    assert rows[1]["MAE"] == pytest.approx((3 + 2 + 1) / 3)
    # Items: x has deviations 1 and 0, y -1, each beside five of 0. Users: what is left of theirs.
    x, y = 1 / 7, -1 / 6
    a, b = ((1 - x) + (-1 - y)) / 7, (0 - x) / 6
    expected = np.mean([(4 + y + a - 1) ** 2, (4 + y + b - 2) ** 2, (4 + x - 3) ** 2])
    assert rows[2]["RMSE"] == pytest.approx(expected**0.5, rel=1e-6)


def test_of_very_many_scores_some_users_are_ranked(monkeypatch, capsys):
    ids = {"user_ids": ["a", "b", "c", "d", "e"], "item_ids": ["x", "y", "z"]}
    train = Interactions([3, 3, 4], [0, 1, 0], **ids)  # x before y before z
    test = Interactions([0, 1, 2], [0, 0, 1], **ids)  # NDCG of popularity: 1, 1 and 1 / log2(3)
    model = kerasrec.zoo.create("popularity", train)

    def measured():
        with reporting(as_json=False, debug=False) as report:
            rows, _ = ranked(model, train, test, report)
        return rows[0]["ndcg@10"], capsys.readouterr().out

    low = 1 / np.log2(3)
    figure, said = measured()
    assert figure == pytest.approx((2 + low) / 3) and "drawn at random" not in said
    monkeypatch.setattr(_measure, "_SCORES", 6)
    figure, said = measured()
    assert "Evaluated on 2 of 3 users with held-out rows, drawn at random" in said
    assert any(figure == pytest.approx(mean) for mean in (1, (1 + low) / 2))
