import re

import numpy as np
import pytest
import scipy.sparse

import kerasrec.compat as tensorrec
from kerasrec.compat import TensorRec, input_utils
from kerasrec.compat._bags import Bags
from kerasrec.compat._steps import Steps, read_batches


def fit(data, **kwargs):
    model = TensorRec(3, seed=4)
    model.fit(*data, epochs=2, **kwargs)
    return model


def as_files(data, folder):
    return [
        input_utils.write_tfrecord_from_sparse_matrix(folder / f"{i}.tfrecord", matrix)
        for i, matrix in enumerate(data)
    ]


def same_matrices(batches, expected):
    assert len(batches) == len(expected)
    for batch, wanted in zip(batches, expected, strict=True):
        for matrix, other in zip(batch, wanted, strict=True):
            np.testing.assert_allclose(matrix.toarray(), other.toarray(), rtol=1e-6)


def test_every_form_of_input_is_the_same_matrix(data, tmp_path):
    datasets = [input_utils.create_tensorrec_dataset_from_sparse_matrix(matrix) for matrix in data]
    paths = as_files(data, tmp_path)
    for form in (
        datasets,
        paths,
        [tmp_path / "0.tfrecord", datasets[1], [data[2]]],
        [matrix.tocoo() for matrix in data],
        [scipy.sparse.csc_array(matrix) for matrix in data],
    ):
        same_matrices(read_batches(*form, None), [data])


@pytest.mark.slow
def test_files_are_fit_and_predicted(data, tmp_path):
    paths = as_files(data, tmp_path)
    model = fit(paths)
    np.testing.assert_allclose(model.predict(*paths[1:]), model.predict(*data[1:]), rtol=1e-5, atol=1e-6)


def test_a_file_gives_back_its_matrices(data, tmp_path):
    datasets = [input_utils.create_tensorrec_dataset_from_sparse_matrix(matrix) for matrix in data]
    path = input_utils.write_tfrecord_from_tensorrec_dataset(
        tmp_path / "all.tfrecord", datasets[0].concatenate(datasets[1])
    )
    assert [file.name for file in tmp_path.iterdir()] == ["all.tfrecord"]
    read = input_utils.create_tensorrec_dataset_from_tfrecord(path)
    assert input_utils.get_dimensions_from_tensorrec_dataset(read) == (9, 12)
    for entry, matrix in zip(read.as_numpy_iterator(), data, strict=False):
        rows, columns, values, n_rows, n_columns = entry
        again = scipy.sparse.csr_matrix((values, (rows, columns)), (n_rows, n_columns))
        np.testing.assert_allclose(again.toarray(), matrix.toarray(), rtol=1e-6)


def test_batches_of_users_are_slices(data):
    interactions, users, items = data
    slices = [(interactions[r], users[r], items) for r in (slice(0, 4), slice(4, 8), slice(8, 9))]
    same_matrices(read_batches(*data, 4), slices)
    lists = [list(column) for column in zip(*slices, strict=True)]
    same_matrices(read_batches(*lists, None), slices)
    same_matrices(read_batches(*lists[:2], items, None), slices)


@pytest.mark.slow
def test_in_a_prediction_the_rows_of_a_list_follow_each_other(data):
    _, users, items = data
    model = fit(data, user_batch_size=4)
    np.testing.assert_allclose(
        model.predict([users[:4], users[4:]], [items[:5], items[5:]]),
        model.predict(users, items),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.slow
def test_alpha_is_divided_among_batches(data):
    batches = read_batches(*data, 4)
    steps = Steps(batches, tensorrec.RMSELossGraph(), True, 0.25, None, (0, 0))
    assert len(steps) == 3
    history = TensorRec(3).fit_partial(*data, alpha=1.0, user_batch_size=9).history
    expected = history["basic_loss"][0] + history["weight_reg_loss"][0]
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    history = TensorRec(3, loss_graph=tensorrec.SeparationLossGraph).fit_partial(
        *data, alpha=1.0, user_batch_size=4, learning_rate=0.0
    )
    expected = np.mean(history.history["basic_loss"]) + history.history["weight_reg_loss"][0] / (
        np.e * np.log(3)
    )
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_padding_of_pairs_changes_nothing(data):
    """The last of two batches is shorter: its padding must not show in the mean over its pairs."""
    interactions, *features = data
    model = TensorRec(3, seed=0)
    model.fit_partial(*data, epochs=0)
    predicted = model.predict(*features)
    losses = []
    for rows in (slice(0, 6), slice(6, 9)):
        given = interactions[rows].tocoo()
        losses.append(np.sqrt(np.mean((given.data - predicted[rows][given.row, given.col]) ** 2)))
    history = model.fit_partial(*data, user_batch_size=6, learning_rate=0.0).history
    assert history["basic_loss"][0] == pytest.approx(np.mean(losses), rel=1e-5)


def test_bags_hold_every_row_and_little_else(monkeypatch):
    monkeypatch.setattr("kerasrec.compat._bags._SMALL", 0)
    matrix = scipy.sparse.random(300, 400, 0.01, random_state=1, format="csr")
    matrix = scipy.sparse.vstack([matrix, np.ones((1, 400))]).tocsr()  # one row has everything
    laid_out = Bags([matrix, matrix[:50]])(matrix)
    dense = np.zeros((sum(len(indices) for indices, _ in laid_out["bags"]), 400))
    first = 0
    for indices, weights in laid_out["bags"]:
        np.add.at(dense, (first + np.arange(len(indices))[:, None], indices), weights)
        first += len(indices)
    np.testing.assert_allclose(dense[laid_out["order"]], matrix.toarray(), rtol=1e-6)
    assert sum(indices.size for indices, _ in laid_out["bags"]) < 4 * matrix.nnz


@pytest.mark.parametrize("small", [0, 2**16])
def test_one_layout_serves_every_batch(small, monkeypatch):
    monkeypatch.setattr("kerasrec.compat._bags._SMALL", small)
    matrix = scipy.sparse.random(90, 40, 0.2, random_state=1, format="csr")
    parts = [matrix[:30], matrix[30:60], matrix[60:]]
    layout = Bags(parts)
    shapes = {tuple(indices.shape for indices, _ in layout(part)["bags"]) for part in parts}
    (shapes,) = shapes
    assert (len(shapes) == 1) == bool(small)


def refused(message, data, **kwargs):
    with pytest.raises(ValueError, match=re.escape(message)):
        TensorRec(3).fit(*data, epochs=1, **kwargs)


FORMS = (
    "must be a SciPy sparse matrix, a tf.data.Dataset, the path of a TFRecord file, or a list of one of these"
)


@pytest.mark.parametrize("place", range(3))
def test_other_input_is_refused(place, data, tmp_path):
    name = ("interactions", "user_features", "item_features")[place]
    for bad, received in (
        (np.eye(3), "ndarray"),
        ([data[place], as_files(data, tmp_path)[place]], "csr_matrix, str"),
        ([], "an empty list"),
    ):
        refused(
            f"`{name}` {FORMS}. Received: {received}.", [bad if i == place else x for i, x in enumerate(data)]
        )


def test_matrices_that_are_no_data_are_refused(data, tmp_path):
    interactions, users, items = data
    with pytest.raises(FileNotFoundError, match="A path must be a TFRecord file; there is none at"):
        TensorRec(3).fit(str(tmp_path / "none"), users, items)
    nothing = scipy.sparse.csr_matrix((9, 0))
    refused(
        "`user_features` must have rows and columns. Received: shape=(9, 0).", [interactions, nothing, items]
    )
    bad = users.copy()
    bad.data[:2] = np.nan, np.inf
    refused(
        "Entries of `user_features` must be finite. Received: 2 that are not.", [interactions, bad, items]
    )


def test_other_data_sets_are_refused(data):
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensors((1, 2))
    refused(
        "An entry of a data set must be (row_index, col_index, values, n_rows, n_columns). "
        "Received: tuple of 2.",
        [pairs, *data[1:]],
    )
    empty = input_utils.create_tensorrec_dataset_from_sparse_matrix(data[0]).take(0)
    refused(
        "`interactions` must have at least one matrix. Received: data without an entry.", [empty, *data[1:]]
    )


def test_matrices_that_do_not_fit_are_refused(data):
    interactions, users, items = data
    rule = "`interactions` must have one row per row of `user_features` and one column per row of "
    refused(
        rule
        + "`item_features`. Received: interactions (9, 12), 8 rows of user features, 12 of item features.",
        [interactions, users[:8], items],
    )
    refused(rule + "`item_features`. They look transposed.", [interactions.T, users, items])
    refused(
        "`interactions` and `user_features` must have the same number of batches. Received: 1 and 2.",
        [interactions, [users, users], items],
    )
    refused(
        "`item_features` must have one batch, or as many as `user_features`. Received: 3 and 2.",
        [[interactions] * 2, [users] * 2, [items] * 3],
    )


@pytest.mark.slow
def test_features_must_stay_those_of_the_first_fit(data):
    interactions, users, items = data
    model = fit(data)
    rule = "`user_features` must have 6 columns, the features of the first fit."
    with pytest.raises(ValueError, match=re.escape(f"{rule} Received: shape=(9, 8).")):
        model.fit_partial(interactions, scipy.sparse.csr_matrix((9, 8)), items)
    with pytest.raises(ValueError, match=re.escape(f"{rule} They look transposed.")):
        model.predict(users.T, items)
    with pytest.raises(ValueError, match="`item_features` must have 8 columns"):
        model.predict_item_bias(items[:, :5])


def test_users_are_cut_out_of_one_matrix_alone(data):
    dataset = input_utils.create_tensorrec_dataset_from_sparse_matrix(data[0])
    for place, (bad, received) in enumerate(((dataset, "_TensorDataset"), ([data[1]], "list"))):
        with pytest.raises(
            tensorrec.BatchNonSparseInputException,
            match="must be one SciPy sparse matrix if `user_batch_size` splits users into batches; pass a "
            f"list of batches instead. Received: {received}.",
        ):
            fit([bad if i == place else x for i, x in enumerate(data)], user_batch_size=2)


def test_sizes_are_checked(data):
    for name in ("n_components", "n_tastes"):
        with pytest.raises(ValueError, match=f"`{name}` must be a positive integer. Received: {name}=0."):
            TensorRec(**{name: 0})
    refused(
        "`user_batch_size` must be a positive integer. Received: user_batch_size=0.", data, user_batch_size=0
    )


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("user_repr_graph", "AbstractRepresentationGraph"),
        ("item_repr_graph", "AbstractRepresentationGraph"),
        ("attention_graph", "AbstractRepresentationGraph"),
        ("prediction_graph", "AbstractPredictionGraph"),
        ("loss_graph", "AbstractLossGraph"),
    ],
)
def test_graphs_are_checked(name, base):
    with pytest.raises(ValueError, match=rf"`{name}` must be an {base}. Received: {name}=<function mean"):
        TensorRec(n_tastes=2, **{name: np.mean})


def test_attention_needs_tastes():
    with pytest.raises(
        ValueError,
        match="`attention_graph` needs at least two tastes to weight. Received: n_tastes=1.",
    ):
        TensorRec(attention_graph=tensorrec.LinearRepresentationGraph())


def test_graphs_without_their_method_are_refused(data):
    class Old(tensorrec.AbstractRepresentationGraph):
        pass

    class Odd(tensorrec.AbstractRepresentationGraph):
        def create_layer(self, n_features, n_components):
            return 3

    class OldKeras(tensorrec.AbstractKerasRepresentationGraph):
        pass

    class OldPrediction(tensorrec.AbstractPredictionGraph):
        pass

    class OldLoss(tensorrec.AbstractLossGraph):
        pass

    for graphs, message in (
        ({"user_repr_graph": Old}, r"Old must define `create_layer\(n_features, n_components\)`"),
        ({"user_repr_graph": OldKeras}, "OldKeras must define `create_layers`."),
        ({"prediction_graph": OldPrediction}, r"OldPrediction must define `create_score\(\)`"),
        ({"loss_graph": OldLoss}, "OldLoss must define `connect_loss_graph`."),
    ):
        with pytest.raises(NotImplementedError, match=message):
            TensorRec(3, **graphs).fit(*data)
    with pytest.raises(
        TypeError, match="`create_layer` of `item_repr_graph` must return a Keras layer. Received: 3."
    ):
        TensorRec(3, item_repr_graph=Odd).fit(*data)


def test_pass_through_needs_equal_sizes(data):
    graph = tensorrec.FeaturePassThroughRepresentationGraph
    with pytest.raises(ValueError, match="`n_components` of PassThroughRepr must be the number of features"):
        TensorRec(5, item_repr_graph=graph).fit(*data)


@pytest.mark.slow
def test_samples_are_checked(data):
    model = TensorRec(3, loss_graph=tensorrec.WMRBLossGraph)
    with pytest.raises(
        ValueError,
        match="`n_sampled_items` must be given for WMRBLossGraph, which takes a sample. "
        "Received: n_sampled_items=None.",
    ):
        model.fit(*data)
    with pytest.raises(
        ValueError, match="`n_sampled_items` must be a positive integer. Received: n_sampled_items=0."
    ):
        model.fit(*data, n_sampled_items=0)
    with pytest.raises(
        ValueError,
        match="`n_sampled_items` must be at most the number of items, which are sampled without replacement. "
        "Received: n_sampled_items=13 of 12.",
    ):
        model.fit(*data, n_sampled_items=13)
    with pytest.warns(UserWarning, match="`n_sampled_items` has no effect: RMSELossGraph takes no sample."):
        TensorRec(3).fit(*data, epochs=1, n_sampled_items=3)


def test_methods_need_a_fit(data, tmp_path):
    _, users, items = data
    model = TensorRec()
    for method, arguments in {
        "predict": (users, items),
        "predict_rank": (users, items),
        "predict_similar_items": (items, [1], 2),
        "predict_user_representation": (users,),
        "predict_item_representation": (items,),
        "predict_user_attention_representation": (users,),
        "predict_user_bias": (users,),
        "predict_item_bias": (items,),
        "save_model": (tmp_path,),
    }.items():
        with pytest.raises(
            tensorrec.ModelNotFitException,
            match=f"`{method}` needs a fitted model; call `fit` or `fit_partial` first.",
        ):
            getattr(model, method)(*arguments)
    with pytest.raises(tensorrec.TensorRecException, match="`keras_model` needs a fitted model"):
        model.keras_model  # noqa: B018


def test_methods_need_their_parts(data):
    _, users, items = data
    model = TensorRec(3, biased=False)
    model.fit_partial(*data, epochs=0)
    for actor, features in (("user", users), ("item", items)):
        with pytest.raises(
            tensorrec.ModelNotBiasedException,
            match=f"`predict_{actor}_bias` needs a model with biased=True. Received: biased=False.",
        ):
            getattr(model, f"predict_{actor}_bias")(features)
    with pytest.raises(
        tensorrec.ModelWithoutAttentionException,
        match="`predict_user_attention_representation` needs a model with an `attention_graph`. "
        "Received: attention_graph=None.",
    ):
        model.predict_user_attention_representation(users)


def test_similar_items_are_checked(data):
    _, _, items = data
    model = TensorRec(3)
    model.fit_partial(*data, epochs=0)
    with pytest.raises(
        ValueError, match="`n_similar` must be at most the number of items. Received: n_similar=13 of 12."
    ):
        model.predict_similar_items(items, [1], 13)
    with pytest.raises(ValueError, match=r"`item_ids` must be rows of `item_features`, 0..11. Received: 12."):
        model.predict_similar_items(items, [1, 12], 3)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="`directory_path` must have a tensorrec.keras; there is none in"
    ):
        TensorRec.load_model(tmp_path)
    (tmp_path / "tensorrec.pkl").touch()
    with pytest.raises(ValueError, match="models of the original .* are TensorFlow 1 graphs"):
        TensorRec.load_model(tmp_path)


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops(data):
    with pytest.raises(FloatingPointError, match="The loss became"):
        TensorRec(3).fit(*data, epochs=50, learning_rate=1e30)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["WMRBLossGraph", "BalancedWMRBLossGraph", "SeparationLossGraph"])
def test_nothing_positive_is_no_loss(loss, data):
    """The original gives NaN for a separation without positives."""
    interactions, *features = data
    interactions.data[:] = -1
    model = TensorRec(3, loss_graph=getattr(tensorrec, loss))
    n = None if loss.startswith("Sep") else 4
    history = model.fit(interactions, *features, epochs=2, n_sampled_items=n, alpha=0.0).history
    assert history["basic_loss"] == history["loss"] == [0.0, 0.0]
    assert np.isfinite(model.predict(*features)).all()


@pytest.mark.slow
def test_several_bags_are_as_good_as_one(data, monkeypatch):
    one = fit(data, user_batch_size=5).predict(*data[1:])
    monkeypatch.setattr("kerasrec.compat._bags._SMALL", 0)
    np.testing.assert_allclose(fit(data, user_batch_size=5).predict(*data[1:]), one, rtol=1e-4, atol=1e-5)
