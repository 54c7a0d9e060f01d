"""Loss graphs, figures and helpers against the original's recorded numbers."""

import keras
import numpy as np
import pytest
import scipy.sparse
from gradients import gradient, weighted_sum

import kerasrec.compat as tensorrec
from kerasrec.compat import eval as figures
from kerasrec.compat._all_pairs import AllPairs
from kerasrec.layers import CosineScore, DotScore, EuclideanScore, TasteMixture

GRAPHS = [
    "RMSELossGraph",
    "RMSEDenseLossGraph",
    "SeparationLossGraph",
    "SeparationDenseLossGraph",
    "WMRBLossGraph",
    "BalancedWMRBLossGraph",
]


def tensors(case, kept, serial, dense, sample):
    """What a loss graph gets; the dense predictions pass through a product with the identity."""
    indices = np.stack([case["rows"], case["cols"]], axis=1).astype("int32")[kept]
    values = np.array(case["values"], "float32")[kept]
    shape = case["n_users"], case["n_items"]
    item = keras.ops.convert_to_tensor(np.eye(case["n_items"], dtype="float32"))
    return {
        "tf_prediction_serial": serial,
        "tf_interactions_serial": keras.ops.convert_to_tensor(values),
        "tf_interactions": tensorrec.loss_graphs.SparseInteractions(
            *map(keras.ops.convert_to_tensor, (indices, values)), shape
        ),
        "tf_n_users": shape[0],
        "tf_n_items": shape[1],
        "tf_weights": keras.ops.ones(len(values)),
        "tf_all_pairs": AllPairs(DotScore(), {"user": dense}, {"item": item}),
        "tf_sample_predictions": sample,
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_losses(name, cases):
    graph = getattr(tensorrec, name)()
    for case in cases["losses"]:
        expected = case["expected"][name]
        kept = np.array(case["values"]) > (0 if graph.ignores_negatives else -np.inf)
        dense = np.array(case["prediction_dense"], "float32")
        sample = np.array(case["sample_predictions"], "float32")

        def loss(dense, sample, case=case, kept=kept):
            flat = keras.ops.reshape(dense, (-1,))
            places = np.array(case["rows"]) * case["n_items"] + np.array(case["cols"])
            serial = keras.ops.take(flat, places[kept].astype("int32"))
            return keras.ops.sum(graph.connect_loss_graph(**tensors(case, kept, serial, dense, sample)))

        value = float(loss(*map(keras.ops.convert_to_tensor, (dense, sample))))
        slope, sampled_slope = gradient(loss, dense, sample)
        if expected["loss"] == "NaN":  # one side alone: here the documented zero
            assert value == 0
            np.testing.assert_array_equal(slope, 0)
            continue
        assert value == pytest.approx(expected["loss_sum"], rel=2e-5, abs=1e-5)
        # Beside predictions in the hundreds, differences of squares have few digits left in float32.
        loose = {"rtol": 2e-3, "atol": 2e-5}
        if "grad_prediction_dense" in expected:
            np.testing.assert_allclose(slope, expected["grad_prediction_dense"], **loose)
        else:
            wanted = np.zeros(dense.shape)
            np.add.at(wanted, (case["rows"], case["cols"]), expected["grad_prediction_serial"])
            np.testing.assert_allclose(slope, wanted, **loose)
        if "grad_sample_predictions" in expected:
            np.testing.assert_allclose(sampled_slope, expected["grad_sample_predictions"], **loose)


@pytest.mark.parametrize(
    ("score", "tastes"),
    [(DotScore, 0), (CosineScore, 0), (EuclideanScore, 0), (TasteMixture, 2)],
)
def test_sums_of_all_pairs_are_those_of_the_array(score, tastes, monkeypatch):
    monkeypatch.setattr("kerasrec.compat._all_pairs._BLOCK", 20)  # of 7 users with 6 items: three a block
    rng = np.random.default_rng(0)
    shape = (7, tastes, 3) if tastes else (7, 3)
    arrays = [rng.normal(size=s).astype("float32") for s in (shape, (7, 1), (6, 3), (6, 1))]
    layer = score()

    def pairs(user, user_bias, item, item_bias):
        return AllPairs(layer, {"user": user, "user_bias": user_bias}, {"item": item, "item_bias": item_bias})

    def sums(*x):
        return weighted_sum(keras.ops.stack(pairs(*x).sums(0.5)), [0.7, -0.3])

    def of_the_array(*x):
        scores = pairs(*x).array() - 0.5
        return 0.7 * keras.ops.sum(scores) - 0.3 * keras.ops.sum(keras.ops.square(scores))

    given = [keras.ops.convert_to_tensor(x) for x in arrays]
    assert float(sums(*given)) == pytest.approx(float(of_the_array(*given)), rel=1e-4)
    for got, expected in zip(gradient(sums, *arrays), gradient(of_the_array, *arrays), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)


def test_figures(cases):
    (case,) = cases["metrics"]
    coo = case["test_interactions"]
    liked = scipy.sparse.coo_matrix((coo["values"], (coo["rows"], coo["cols"])), coo["shape"])
    for expected in case["expected"]:
        arguments = np.array(case["predicted_ranks"]), liked, expected["k"], expected["preserve_rows"]
        for name in ("precision_at_k", "recall_at_k", "ndcg_at_k", "f1_score_at_k"):
            wanted = np.array(expected[name], "float64")
            np.testing.assert_allclose(getattr(figures, name)(*arguments), wanted, atol=1e-6)


def test_figures_of_one_user(cases):
    """For one user the original raises, or not; here there is a figure."""
    liked = scipy.sparse.csr_matrix(np.array([[0.0, 2.0, 1.0]]))
    ranks = np.array([[1, 2, 3]])
    assert figures.precision_at_k(ranks, liked, k=2).tolist() == [0.5]
    assert figures.recall_at_k(ranks, liked, k=2, preserve_rows=True).tolist() == [0.5]
    gained, best = 3 / np.log2(3), 3 + 1 / np.log2(3)
    np.testing.assert_allclose(figures.ndcg_at_k(ranks, liked, k=2), [gained / best])


def test_figures_need_one_shape():
    with pytest.raises(ValueError, match=r"must have the same shape. Received: \(1, 3\) and \(2, 3\)."):
        figures.recall_at_k(np.ones((1, 3)), scipy.sparse.csr_matrix((2, 3)))


def test_batched_alpha(cases):
    for case in cases["batched_alpha"]:
        got = tensorrec.util.calculate_batched_alpha(case["num_batches"], case["alpha"])
        assert got == pytest.approx(case["expected"], rel=1e-12)
    with pytest.raises(ValueError, match="`num_batches` must be at least 1. Received: num_batches=0."):
        tensorrec.util.calculate_batched_alpha(0, 1.0)


def test_sample_items(cases):
    for case in cases["sample_items"]:
        np.random.seed(case["np_random_seed"])
        got = tensorrec.util.sample_items(
            case["n_items"], case["n_users"], case["n_sampled_items"], case["replace"]
        )
        np.testing.assert_array_equal(got, case["expected_indices"])


def test_dummy_data():
    data = tensorrec.util.generate_dummy_data(20, 30, 0.1, 12, 10, 3, 2, seed=1)
    assert [matrix.shape for matrix in data] == [(20, 30), (20, 12), (30, 10)]
    assert (data[0].data > 0).sum() > 20 and (data[0].data < 0).sum() > 20
    assert data[1].nnz == 60 and data[2].nnz == 60
    datasets = tensorrec.util.generate_dummy_data(20, 30, 0.1, 12, 10, 3, 2, return_datasets=True)
    sizes = [tensorrec.input_utils.get_dimensions_from_tensorrec_dataset(dataset) for dataset in datasets]
    assert sizes == [(20, 30), (20, 12), (30, 10)]
    with pytest.raises(ValueError, match="`pos_int_ratio` must be above 0. Received: pos_int_ratio=0."):
        tensorrec.util.generate_dummy_data(pos_int_ratio=0)
