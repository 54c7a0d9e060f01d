"""TensorRec's recorded figures, and keras-rs's pairwise losses."""

import json
import math

import keras
import numpy as np
import pytest
from gradients import best_dtype, gradient

from kerasrec import losses


@pytest.fixture
def tensorrec(shared_data):
    path = shared_data.parent / "reference" / "tensorrec_cases.json"
    if not path.is_file():
        pytest.skip(f"no recorded cases at {path}")
    return json.loads(path.read_text())["losses"]


def of_rows(case):
    """The case as lists: a user's positives, then its sample; and where each positive stands."""
    width = max(np.bincount(case["rows"], minlength=case["n_users"]))
    labels = np.full((case["n_users"], width), -1.0)
    scores = np.zeros(labels.shape)
    places, filled = {}, np.zeros(case["n_users"], int)
    for k, (user, value) in enumerate(zip(case["rows"], case["values"], strict=True)):
        if value > 0:
            places[k] = (user, filled[user])
            labels[places[k]], scores[places[k]] = value, case["prediction_serial"][k]
            filled[user] += 1
    sample = np.array(case["sample_predictions"])
    return np.hstack([labels, np.zeros(sample.shape)]), np.hstack([scores, sample]), places


def slope(loss, labels, scores):
    return gradient(lambda s: loss(labels.astype(best_dtype()), s), scores.astype(best_dtype()))[0]


@pytest.mark.parametrize("max_positives", [None, 8])
def test_wmrb(tensorrec, max_positives):
    for case in tensorrec:
        labels, scores, places = of_rows(case)
        expected = case["expected"]["WMRBLossGraph"]
        loss = losses.WMRB(case["n_items"], max_positives, reduction="sum", dtype=best_dtype())
        assert float(loss(labels, scores)) == pytest.approx(expected["loss_sum"], abs=1e-5)
        got = slope(loss, labels, scores)
        sampled = got[:, -case["n_sampled_items"] :]
        np.testing.assert_allclose(sampled, expected["grad_sample_predictions"], atol=1e-5)
        for k, place in places.items():
            assert got[place] == pytest.approx(expected["grad_prediction_serial"][k], abs=1e-5)


def test_balanced_wmrb(tensorrec):
    for case in tensorrec:
        labels, scores, places = of_rows(case)
        values, items = np.array(case["values"]), np.array(case["cols"])
        sums = np.bincount(items, weights=np.maximum(values, 0), minlength=case["n_items"])
        for k, place in places.items():
            labels[place] = values[k] / sums[items[k]]
        expected = case["expected"]["BalancedWMRBLossGraph"]
        loss = losses.BalancedWMRB(case["n_items"], reduction="sum", dtype=best_dtype())
        assert float(loss(labels, scores)) == pytest.approx(expected["loss_sum"], abs=1e-5)
        got = slope(loss, labels, scores)
        sampled = got[:, -case["n_sampled_items"] :]
        np.testing.assert_allclose(sampled, expected["grad_sample_predictions"], atol=1e-5)
        for k, place in places.items():
            assert got[place] == pytest.approx(expected["grad_prediction_serial"][k], abs=1e-5)


@pytest.mark.parametrize(
    ("graph", "loss_class", "dense"),
    [
        ("RMSELossGraph", losses.RMSE, False),
        ("RMSEDenseLossGraph", losses.DenseRMSE, True),
        ("SeparationLossGraph", losses.Separation, False),
        ("SeparationDenseLossGraph", losses.DenseSeparation, True),
    ],
)
def test_rating_losses(tensorrec, graph, loss_class, dense):
    for case in tensorrec:
        expected = case["expected"][graph]
        values, scores = np.array([case["values"]]).T, np.array([case["prediction_serial"]]).T
        if dense:
            values, scores = np.zeros((case["n_users"], case["n_items"])), np.array(case["prediction_dense"])
            np.add.at(values, (case["rows"], case["cols"]), case["values"])
        loss = loss_class(dtype=best_dtype())
        if expected["loss"] == "NaN":  # one side alone: here the documented zero
            assert float(loss(values, scores)) == 0
            np.testing.assert_array_equal(slope(loss, values, scores), 0)
            continue
        assert float(loss(values, scores)) == pytest.approx(expected["loss"], rel=1e-5)
        wanted = expected["grad_prediction_dense"] if dense else expected["grad_prediction_serial"]
        np.testing.assert_allclose(slope(loss, values, scores).squeeze(), wanted, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("PairwiseHinge", "PairwiseHingeLoss"), ("PairwiseLogistic", "PairwiseLogisticLoss")]
)
def test_keras_rs(ours, theirs):
    import keras_rs

    rng = np.random.default_rng(0)
    scores = rng.normal(size=(12, 7))
    labels = np.zeros(scores.shape)
    labels[np.arange(12), rng.integers(0, 7, 12)] = 1
    # With one positive a list, their sum over a list's pairs is the number of negatives times our mean.
    expected = getattr(keras_rs.losses, theirs)(reduction="sum")(labels, scores)
    got = getattr(losses, ours)(reduction="sum")(labels, scores)
    assert 6 * float(got) == pytest.approx(float(expected), rel=1e-5)


def test_bpr_is_binary_crossentropy_of_the_lead():
    scores = np.random.default_rng(1).normal(size=(9, 2))
    labels = np.tile([[1.0, 0.0]], (9, 1))
    lead = (scores[:, :1] - scores[:, 1:]).astype("float32")
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(np.ones((9, 1)), lead)
    assert float(losses.BPR()(labels, scores)) == pytest.approx(float(expected), rel=1e-5)


def test_full_softmax_is_categorical_crossentropy():
    scores = np.random.default_rng(2).normal(size=(9, 5)).astype("float32")
    labels = np.eye(5)[np.arange(9) % 5].astype("float32")
    expected = keras.losses.CategoricalCrossentropy(from_logits=True)(labels, scores)
    assert float(losses.FullSoftmax()(labels, scores)) == pytest.approx(float(expected), rel=1e-5)
    assert math.isfinite(float(expected))
