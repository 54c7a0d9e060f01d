import re
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.sparse
from references import ranking_losses, rating_losses, scores

import kerasrec.compat as tensorrec
from kerasrec.compat import TensorRec
from kerasrec.compat._steps import Steps, read_batches

LOSSES = ["RMSELossGraph", "RMSEDenseLossGraph", "SeparationLossGraph", "SeparationDenseLossGraph"]


def coo(case):
    return scipy.sparse.coo_matrix((case["values"], (case["rows"], case["cols"])), shape=case["shape"])


def weights_of(model):
    """The weights by the names of the recorded cases."""
    keras_model = model.keras_model
    found = {"linear_weights_item": keras_model.item_repr.kernel}
    for taste, layer in enumerate(keras_model.user_reprs):
        found[f"linear_weights_user_{taste}"] = layer.kernel
    if model.biased:
        found["user_feature_biases"] = keras_model.user_bias.bias
        found["item_feature_biases"] = keras_model.item_bias.bias
    return found


def at_the_start(case, **kwargs):
    """A model with a case's weights, and what `fit_partial` takes."""
    config = case["config"]
    model = TensorRec(
        config["n_components"], loss_graph=getattr(tensorrec, config["loss"]), biased=config["biased"]
    )
    arguments = {name: coo(case[name]) for name in ("interactions", "user_features", "item_features")}
    arguments |= {"alpha": config["alpha"], "n_sampled_items": config.get("n_sampled_items")}
    model.fit_partial(**arguments, epochs=0)
    for name, weight in weights_of(model).items():
        weight.assign(np.array(case["initial_weights"][name]))
    return model, arguments


def sample(monkeypatch, items):
    monkeypatch.setattr(Steps, "sample", lambda self, index: np.array(items[index], "int32"))


@pytest.fixture(params=range(5), ids=["rmse", "rmse_dense", "separation", "separation_dense", "wmrb"])
def trajectory(request, cases):
    return cases["trajectories"][request.param]


@pytest.mark.slow
def test_four_steps_of_the_original(trajectory, monkeypatch):
    model, arguments = at_the_start(trajectory)
    n_entries = {"wmrb mf biased": 9}.get(trajectory["config"]["name"], 1)  # its positives
    for items, step in zip(trajectory["sampled_items"], trajectory["expected"]["steps"], strict=True):
        sample(monkeypatch, items)
        history = model.fit_partial(**arguments).history
        basic_loss, reg_loss = np.mean(step["basic_loss"]), step["weight_reg_loss"]
        assert history["basic_loss"][0] == pytest.approx(basic_loss, rel=1e-5, abs=1e-5)
        assert history["weight_reg_loss"][0] == pytest.approx(reg_loss, rel=1e-5)
        total = n_entries * (basic_loss + trajectory["alpha_fed"] * reg_loss)
        assert history["loss"][0] == pytest.approx(total, rel=1e-5, abs=1e-5)
    expected = trajectory["expected"]
    for name, weight in weights_of(model).items():
        got = keras.ops.convert_to_numpy(weight)
        np.testing.assert_allclose(got, expected["final_weights"][name], rtol=1e-5, atol=2e-5)
    features = arguments["user_features"], arguments["item_features"]
    np.testing.assert_allclose(model.predict(*features), expected["final_prediction"], rtol=1e-5, atol=5e-5)
    np.testing.assert_array_equal(model.predict_rank(*features), expected["final_ranks"])
    users, items = (
        model.predict_user_representation(features[0]),
        model.predict_item_representation(features[1]),
    )
    np.testing.assert_allclose(users, np.squeeze(expected["user_representation"]), atol=2e-5)
    np.testing.assert_allclose(items, expected["item_representation"], atol=2e-5)


@pytest.mark.slow
def test_the_gradient_of_the_first_step(trajectory, monkeypatch):
    """A step of gradient descent at rate 1 shows the gradient, whose scale Adam hides."""
    model, arguments = at_the_start(trajectory)
    model.keras_model.compile(keras.optimizers.SGD(), row_sparse=False)
    sample(monkeypatch, trajectory["sampled_items"][0])
    model.fit_partial(**arguments, learning_rate=1.0)
    for name, weight in weights_of(model).items():
        slope = np.array(trajectory["initial_weights"][name]) - keras.ops.convert_to_numpy(weight)
        expected = trajectory["expected"]["first"]["gradients_of_sum_tf_loss"][name]
        np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-5)


def test_ranks(cases):
    for case in cases["rank_predictions"]:
        prediction = np.array(case["prediction"])
        model = TensorRec(
            prediction.shape[1],
            user_repr_graph=tensorrec.FeaturePassThroughRepresentationGraph,
            item_repr_graph=tensorrec.FeaturePassThroughRepresentationGraph,
            biased=False,
        )
        # Users whose features are the predictions, and items that pick one each.
        users, items = scipy.sparse.csr_matrix(prediction), scipy.sparse.identity(prediction.shape[1])
        model.fit_partial(users, users, items, epochs=0)
        np.testing.assert_array_equal(model.predict_rank(users, items), case["expected_ranks"])


def positives_and_missing(loss, interactions, prediction):
    """What a loss is computed from: values and predictions."""
    dense = interactions.toarray()
    given = interactions.tocoo()
    if "Dense" in loss:
        return dense, prediction
    return given.data, prediction[given.row, given.col]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "prediction", "n_tastes", "attention"),
    [
        ("RMSELossGraph", "DotProductPredictionGraph", 2, "LinearRepresentationGraph"),
        ("SeparationLossGraph", "EuclideanSimilarityPredictionGraph", 1, None),
        ("RMSEDenseLossGraph", "DotProductPredictionGraph", 1, None),
        ("RMSEDenseLossGraph", "EuclideanSimilarityPredictionGraph", 1, None),
        ("SeparationDenseLossGraph", "CosineSimilarityPredictionGraph", 1, None),
        ("SeparationDenseLossGraph", "DotProductPredictionGraph", 2, "LinearRepresentationGraph"),
    ],
)
def test_losses_of_every_kind_of_prediction(loss, prediction, n_tastes, attention, data, monkeypatch):
    monkeypatch.setattr("kerasrec.compat._all_pairs._BLOCK", 40)  # blocks of three users
    interactions, *features = data
    model = TensorRec(
        4,
        n_tastes,
        loss_graph=getattr(tensorrec, loss),
        prediction_graph=getattr(tensorrec, prediction),
        attention_graph=attention and getattr(tensorrec, attention),
        seed=3,
    )
    model.fit_partial(*data, epochs=2)  # so that there are biases
    values, predictions = positives_and_missing(loss, interactions, model.predict(*features))
    reference = rating_losses.rmse if loss.startswith("RMSE") else rating_losses.separation
    got = model.fit_partial(*data).history["basic_loss"][0]
    assert got == pytest.approx(reference(values, predictions), rel=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["WMRBLossGraph", "BalancedWMRBLossGraph"])
def test_sampled_losses(loss, data, monkeypatch):
    interactions, *features = data
    items = np.random.default_rng(0).integers(0, 12, (9, 5))
    sample(monkeypatch, [items])
    model = TensorRec(
        4, 2, attention_graph=tensorrec.LinearRepresentationGraph, loss_graph=getattr(tensorrec, loss), seed=3
    )
    model.fit_partial(*data, epochs=2, n_sampled_items=5)
    prediction = model.predict(*features)
    positive = interactions.multiply(interactions > 0).tocoo()
    sums = np.asarray(positive.sum(axis=0)).ravel()
    losses = []
    for user, item, value in zip(positive.row, positive.col, positive.data, strict=True):
        labels = [value / sums[item], *[0] * 5]
        listed = [prediction[user, item], *prediction[user, items[user]]]
        losses.append(ranking_losses.wmrb(labels, listed, 12, balanced=loss.startswith("Balanced")))
    got = model.fit_partial(*data, n_sampled_items=5).history["basic_loss"][0]
    assert got == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.slow
def test_predictions_are_made_of_their_parts(data):
    _, users, items = data
    model = TensorRec(
        3,
        2,
        user_repr_graph=tensorrec.ReLURepresentationGraph(relu_size=5),
        attention_graph=tensorrec.NormalizedLinearRepresentationGraph(),
        seed=1,
    )
    model.fit(*data, epochs=3)
    user, item = model.predict_user_representation(users), model.predict_item_representation(items)
    attention = model.predict_user_attention_representation(users)
    assert user.shape == attention.shape == (2, 9, 3) and item.shape == (12, 3)
    weights = np.exp(attention @ item.T)
    expected = ((user @ item.T) * weights).sum(axis=0) / weights.sum(axis=0)
    expected += model.predict_user_bias(users)[:, None] + model.predict_item_bias(items)
    np.testing.assert_allclose(model.predict(users, items), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_similar_items(data):
    _, _, items = data
    model = TensorRec(3, prediction_graph=tensorrec.CosineSimilarityPredictionGraph)
    model.fit(*data, epochs=3)
    vectors = model.predict_item_representation(items)
    expected = np.array(scores.cosine(vectors[[5, 0]], vectors))
    found = model.predict_similar_items(items, item_ids=[5, 0], n_similar=4)
    assert [len(similar) for similar in found] == [4, 4]
    for row, similar in zip(expected, found, strict=True):
        ids, values = zip(*similar, strict=True)
        np.testing.assert_allclose(values, np.sort(row)[::-1][:4], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(values, row[list(ids)], rtol=1e-4, atol=1e-5)
        assert all(isinstance(item, int) for item in ids)
    assert found[0][0][0] == 5


@pytest.mark.slow
def test_blocks_do_not_change_predictions(data, monkeypatch):
    _, *features = data
    model = TensorRec(3, 2, seed=0)
    model.fit(*data, epochs=2)
    whole = model.predict(*features), model.predict_rank(*features)
    similar = model.predict_similar_items(features[1], range(12), 3)
    monkeypatch.setattr("kerasrec.compat._predict._SCORES", 50)
    monkeypatch.setattr("kerasrec.compat._predict._ROWS", 5)
    np.testing.assert_allclose(model.predict(*features), whole[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.predict_rank(*features), whole[1])
    again = model.predict_similar_items(features[1], range(12), 3)
    assert [[i for i, _ in row] for row in again] == [[i for i, _ in row] for row in similar]


def first_weights_and_sample(data, seed):
    model = TensorRec(3, user_repr_graph=tensorrec.ReLURepresentationGraph, seed=seed)
    model.fit_partial(*data, epochs=0)
    steps = Steps(read_batches(*data, None), tensorrec.WMRBLossGraph(), True, 0.0, 5, (model.seed, 0))
    return np.concatenate([model.predict(*data[1:]).ravel(), steps[0][0]["sample"].ravel()])


def test_the_same_seed_gives_the_same_model(data):
    first = first_weights_and_sample(data, 5)
    np.testing.assert_array_equal(first, first_weights_and_sample(data, 5))
    assert (first != first_weights_and_sample(data, 6)).mean() > 0.5


def test_without_a_seed_that_of_keras_counts(data):
    keras.utils.set_random_seed(9)
    first = first_weights_and_sample(data, None)
    keras.utils.set_random_seed(9)
    np.testing.assert_array_equal(first, first_weights_and_sample(data, None))


def test_every_epoch_has_another_sample(data):
    steps = Steps(read_batches(*data, None), tensorrec.WMRBLossGraph(), True, 0.0, 5, (0, 0))
    first = steps[0][0]["sample"]
    np.testing.assert_array_equal(steps[0][0]["sample"], first)
    assert first.shape == (9, 5) and {len(set(row)) for row in first.tolist()} == {5}
    steps.on_epoch_begin()
    assert (steps[0][0]["sample"] != first).any()


@pytest.mark.slow
def test_a_second_fit_goes_on(data):
    model = TensorRec(3, seed=0)
    first = model.fit(*data, epochs=20, learning_rate=0.03).history["loss"]
    second = model.fit(*data, epochs=20, learning_rate=0.03).history["loss"]
    assert first[0] > first[-1] > second[0] > second[-1]


@pytest.mark.slow
def test_new_users_need_no_fit(data):
    _, users, items = data
    model = TensorRec(3)
    model.fit(*data, epochs=2)
    both = scipy.sparse.vstack([users[:1], users[3:4]])
    np.testing.assert_allclose(
        model.predict(both, items), model.predict(users, items)[[0, 3]], rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_verbose_prints_a_line_an_epoch(data, capfd):
    TensorRec(3).fit(*data, epochs=2, verbose=True)
    said = capfd.readouterr().out
    assert said.count("basic_loss") == said.count("weight_reg_loss") == 2
    TensorRec(3).fit(*data, epochs=1)
    assert capfd.readouterr().out == ""


class Deep(tensorrec.AbstractKerasRepresentationGraph):
    def create_layers(self, n_features, n_components):
        return [keras.layers.Dense(2 * n_components, "relu"), keras.layers.Dense(n_components, "tanh")]


@pytest.mark.slow
@pytest.mark.parametrize("attention", [None, Deep])
def test_saved_and_loaded(attention, data, tmp_path):
    _, *features = data
    model = TensorRec(
        3,
        2,
        user_repr_graph=Deep,
        attention_graph=attention,
        prediction_graph=tensorrec.EuclideanSimilarityPredictionGraph,
        loss_graph=tensorrec.WMRBLossGraph,
    )
    model.fit(*data, epochs=2, n_sampled_items=3)
    expected = model.predict(*features)
    model.save_model(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["tensorrec.keras"]
    loaded = TensorRec.load_model(tmp_path / "a" / "b")
    np.testing.assert_array_equal(loaded.predict(*features), expected)
    assert (loaded.n_components, loaded.n_tastes, loaded.biased) == (3, 2, True)
    assert type(loaded.loss_graph) is tensorrec.WMRBLossGraph
    plain = keras.models.load_model(tmp_path / "a" / "b" / "tensorrec.keras")
    assert plain.count_params() == model.keras_model.count_params()


@pytest.mark.slow
def test_a_loaded_model_goes_on_as_the_saved_one_would(data, tmp_path):
    model = TensorRec(3)
    model.fit(*data, epochs=3)
    model.save_model(tmp_path)
    loaded = TensorRec.load_model(tmp_path)
    for one in (model, loaded):
        one.fit_partial(*data, epochs=3)
    np.testing.assert_allclose(model.predict(*data[1:]), loaded.predict(*data[1:]), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_keras_layers_train(data):
    model = TensorRec(4, user_repr_graph=Deep, item_repr_graph=Deep(), biased=False)
    losses = model.fit(*data, epochs=10, learning_rate=0.01).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_weights_of_a_weighted_pass_through_train(data):
    interactions, users, items = data
    graph = tensorrec.WeightedFeaturePassThroughRepresentationGraph
    model = TensorRec(6, user_repr_graph=graph)
    model.fit(interactions, users, items, epochs=2)
    assert np.abs(keras.ops.convert_to_numpy(model.keras_model.user_reprs[0].feature_weights) - 1).max() > 0.1


class Absolute(tensorrec.AbstractLossGraph):
    """The mean absolute error."""

    def connect_loss_graph(self, tf_prediction_serial, tf_interactions_serial, tf_interactions, **kwargs):
        assert tf_interactions.indices.shape[-1] == 2
        assert set(kwargs) == {"tf_n_users", "tf_n_items"}
        return keras.ops.mean(keras.ops.abs(tf_interactions.values - tf_prediction_serial))


class DenseAbsolute(tensorrec.AbstractLossGraph):
    is_dense = True

    def connect_loss_graph(self, tf_prediction, tf_rankings, **kwargs):
        return keras.ops.mean(keras.ops.abs(tf_prediction)) + 0.0 * keras.ops.mean(
            keras.ops.cast(tf_rankings, tf_prediction.dtype)
        )


class SampledSquares(tensorrec.AbstractLossGraph):
    is_sample_based = is_sampled_with_replacement = True

    def connect_loss_graph(self, tf_sample_predictions, tf_n_sampled_items, **kwargs):
        return keras.ops.reshape(keras.ops.square(tf_sample_predictions), (-1,))


@pytest.mark.slow
def test_losses_of_ones_own(data):
    interactions, *features = data
    given = interactions.tocoo()
    for graph, expected in (
        (Absolute, lambda p: np.abs(given.data - p[given.row, given.col]).mean()),
        (DenseAbsolute(), lambda p: np.abs(p).mean()),
    ):
        model = TensorRec(3, loss_graph=graph)
        model.fit_partial(*data, epochs=0)
        before = expected(model.predict(*features))
        assert model.fit_partial(*data).history["basic_loss"][0] == pytest.approx(before, rel=1e-5)


@pytest.mark.slow
def test_a_vector_is_summed_and_each_entry_regularised(data):
    model = TensorRec(3, loss_graph=SampledSquares)
    history = model.fit(*data, epochs=1, alpha=0.5, n_sampled_items=20).history  # 20 of 12: with replacement
    expected = 9 * 20 * (history["basic_loss"][0] + 0.5 * history["weight_reg_loss"][0])
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_the_modules_have_the_names_of_the_original():
    for module, names in {
        "loss_graphs": [*LOSSES, "WMRBLossGraph", "BalancedWMRBLossGraph", "AbstractLossGraph"],
        "prediction_graphs": ["AbstractPredictionGraph", "DotProductPredictionGraph"],
        "representation_graphs": ["AbstractKerasRepresentationGraph", "ReLURepresentationGraph"],
        "eval": ["precision_at_k", "recall_at_k", "ndcg_at_k", "f1_score_at_k"],
        "util": ["generate_dummy_data", "sample_items", "calculate_batched_alpha"],
        "errors": ["ModelNotFitException"],
        "input_utils": ["write_tfrecord_from_sparse_matrix"],
    }.items():
        for name in names:
            assert hasattr(getattr(tensorrec, module), name)


@pytest.mark.slow
def test_the_page_on_graphs_of_ones_own_runs(data):
    page = (Path(__file__).resolve().parents[2] / "docs" / "tensorrec.md").read_text(encoding="utf-8")
    (code,) = [part for part in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class" in part]
    names: dict = {}
    exec(compile(code, "tensorrec.md", "exec"), names)
    model = TensorRec(
        3,
        user_repr_graph=names["Deep"],
        item_repr_graph=names["Linear"],
        prediction_graph=names["Cosine"],
        loss_graph=names["AbsoluteError"],
    )
    losses = model.fit(*data, epochs=5).history["basic_loss"]
    assert losses[-1] < losses[0]
