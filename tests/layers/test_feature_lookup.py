import gc
import weakref

import keras
import numpy as np
import pytest
import scipy.sparse
from gradients import gradient, weighted_sum

import kerasrec
from kerasrec.layers import FeatureLookup, PassThroughRepr, SparseLinearRepr, _features, feature_lookup

FEATURES = np.array(
    [
        [0.0, 2.0, 0.0, -1.0, 0.5],
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 7.0, 0.0, 3.0],
    ],
    "float32",
)


def arrays(bag):
    return {name: keras.ops.convert_to_numpy(x) for name, x in bag.items()}


def dense(lookup, codes, n_features=5):
    """What a bag stands for."""
    return keras.ops.convert_to_numpy(PassThroughRepr(n_features)(lookup(np.asarray(codes))))


@pytest.mark.parametrize(
    "form", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.coo_array, scipy.sparse.csc_matrix]
)
def test_bags_are_the_rows(form):
    lookup = FeatureLookup.from_matrix(form(FEATURES))
    assert (lookup.n, lookup.n_values, lookup.width) == (4, 6, 3)
    np.testing.assert_array_equal(dense(lookup, [3, 0, 1, 2, 0]), FEATURES[[3, 0, 1, 2, 0]])


def test_padding_names_features_of_the_entity_with_weight_zero():
    bag = arrays(FeatureLookup.from_matrix(FEATURES)(np.array([3, 0])))
    assert bag["indices"].dtype == "int32"
    assert bag["indices"].tolist() == [[2, 4, 4], [1, 3, 4]]
    assert bag["weights"].tolist() == [[7.0, 3.0, 0.0], [2.0, -1.0, 0.5]]


def test_an_entity_without_features_has_weights_zero():
    for code in range(3):
        empty = np.ones((3, 2))
        empty[code] = 0
        assert not arrays(FeatureLookup.from_matrix(empty)(np.array([code])))["weights"].any()


@pytest.mark.parametrize(
    ("codes", "shape"),
    [(np.array([1, 2]), (2, 3)), (np.array([[1], [2]]), (2, 3)), (np.array([[1, 2], [3, 0]]), (2, 2, 3))],
)
def test_shapes(codes, shape):
    lookup = FeatureLookup.from_matrix(FEATURES)
    bag = arrays(lookup(codes))
    assert bag["indices"].shape == bag["weights"].shape == shape
    assert lookup.compute_output_shape(codes.shape) == {"indices": shape, "weights": shape}


def test_a_list_of_unknown_length_stays_one():
    codes = keras.Input((None,), dtype="int32")
    bag = FeatureLookup.from_matrix(FEATURES)(codes)
    assert bag["indices"].shape == (None, None, 3) and bag["indices"].dtype == "int32"
    model = keras.Model(codes, bag)
    assert model.predict(np.array([[2], [0]]), verbose=0)["weights"].shape == (2, 1, 3)


def test_identity_stores_nothing():
    for matrix in (np.eye(4), scipy.sparse.identity(4, format="csr")):
        lookup = FeatureLookup.from_matrix(matrix)
        bag = arrays(lookup(np.array([[2, 0]])))
        assert bag["indices"].tolist() == [[[2], [0]]] and bag["weights"].tolist() == [[[1.0], [1.0]]]
        assert not lookup.weights and lookup.get_config()["n_values"] is None


@pytest.mark.parametrize("matrix", [2 * np.eye(4), np.eye(4)[::-1], np.eye(4, 5)[:, ::-1]])
def test_what_only_looks_like_an_identity_is_stored(matrix):
    lookup = FeatureLookup.from_matrix(matrix)
    assert lookup.n_values == 4
    np.testing.assert_array_equal(dense(lookup, range(4), matrix.shape[1]), matrix)


def test_max_width_keeps_the_largest_weights():
    lookup = FeatureLookup.from_matrix(FEATURES, max_width=2)
    assert lookup.width == 2
    kept = FEATURES.copy()
    kept[0, 4] = 0
    np.testing.assert_array_equal(dense(lookup, range(4)), kept)


def test_table_is_saved_as_weights_and_not_in_the_config(tmp_path):
    random = np.random.default_rng(0)
    matrix = scipy.sparse.random(
        500, 80, density=0.1, random_state=0, format="csr", data_rvs=lambda n: random.normal(size=n)
    )
    codes = keras.Input((1,), dtype="int32")
    lookup = FeatureLookup.from_matrix(matrix)
    model = keras.Model(codes, PassThroughRepr(80)(lookup(codes)))
    assert len(str(lookup.get_config())) < 1000
    assert not lookup.trainable_weights and model.count_params() == 501 + 2 * matrix.nnz
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    every = np.arange(500)[:, None]
    np.testing.assert_allclose(loaded.predict(every, verbose=0), matrix.toarray(), rtol=1e-6)


def test_half_precision_keeps_codes_and_columns_whole():
    matrix = scipy.sparse.csr_matrix(([1.5, 2.5], ([4000, 4001], [70001, 70003])), (4002, 70004))
    lookup = FeatureLookup.from_matrix(matrix, dtype="mixed_float16")
    bag = lookup(np.array([4001]))
    assert keras.backend.standardize_dtype(bag["weights"].dtype) == "float16"
    assert arrays(bag)["indices"].tolist() == [[70003]]
    assert arrays(bag)["weights"].tolist() == [[2.5]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeatureLookup(0), "`n` must be a positive integer. Received: n=0"),
        (lambda: FeatureLookup(3, n_values=0), "`n_values` must be a positive integer. Received: n_values=0"),
        (lambda: FeatureLookup(3, 4, width=0), "`width` must be a positive integer. Received: width=0"),
        (
            lambda: FeatureLookup.from_matrix(np.ones(3)),
            r"must have one row per entity.* Received: shape=\(3,\)",
        ),
        (
            lambda: FeatureLookup.from_matrix(np.ones((0, 3))),
            r"at least one column. Received: shape=\(0, 3\)",
        ),
        (
            lambda: FeatureLookup.from_matrix(np.ones((3, 0))),
            r"at least one column. Received: shape=\(3, 0\)",
        ),
        (lambda: FeatureLookup.from_matrix(np.zeros((3, 2))), "must have an entry that is not 0"),
        (lambda: FeatureLookup.from_matrix(np.array([[1, np.nan]])), "must be finite. Received: 1"),
        (
            lambda: FeatureLookup.from_matrix(np.ones((3, 2)), max_width=0),
            "`max_width` must be a positive integer",
        ),
        (
            lambda: FeatureLookup(3)(np.zeros((2, 2, 2), "int32")),
            r"must have shape \[batch\].*shape=\(2, 2, 2\)",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# With 25 columns the table is small, and multiplied whole; of 400 rows, those that have entries are read.
@pytest.mark.parametrize(("shape", "n_columns"), [((40,), 25), ((1, 40), 25), ((3, 50), 25), ((3, 50), 400)])
def test_products_of_wide_bags_are_those_of_the_matrix(shape, n_columns, monkeypatch):
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.lil_matrix((30, n_columns))
    matrix[:, :25] = scipy.sparse.random(30, 25, 0.1, random_state=0)
    matrix[7, :25] = rng.normal(size=25)  # one entity has many
    matrix[[0, 8, 29]] = 0
    codes = rng.integers(0, 30, shape)
    layer = FeatureLookup.from_matrix(matrix.tocsr())
    read = []
    entries = layer._entries
    monkeypatch.setattr(layer, "_entries", lambda: read.append(1) or entries())
    bag, repr_ = layer(codes), SparseLinearRepr(6, n_columns)
    found = keras.ops.convert_to_numpy(repr_(bag))
    kernel = keras.ops.convert_to_numpy(repr_.kernel)
    np.testing.assert_allclose(found, (matrix @ kernel)[codes], rtol=1e-5, atol=1e-6)
    assert read
    # Dropped features count.
    others = {"indices": bag["indices"], "weights": bag["weights"] * 0}
    assert not keras.ops.convert_to_numpy(repr_(others)).any()


# On TensorFlow, Adam updates tables in a graph of its own, and Lion in Keras's training step.
@pytest.mark.parametrize("optimizer", ["adam", "lion"])
def test_trained_models_leave_nothing_behind(optimizer, monkeypatch):
    matrix = np.eye(30, 25)
    matrix[7] = 1
    held = []

    def note_whole(weights, whole, n_entries):
        noted = _features.note_whole(weights, whole, n_entries)
        assert noted
        graph = getattr(weights, "graph", whole)
        held.extend([weakref.ref(weights), weakref.ref(whole), weakref.ref(graph)])
        return noted

    monkeypatch.setattr(feature_lookup, "note_whole", note_whole)
    for _ in range(2):
        codes = keras.Input((40,), dtype="int32")
        bag = FeatureLookup.from_matrix(matrix)(codes)
        scores = keras.ops.concatenate([SparseLinearRepr(n, 25)(bag) for n in (3, 1)], axis=-1)
        model = kerasrec.Model(codes, scores)
        model.compile(optimizer, "mse")
        model.fit(np.zeros((2, 40)), np.ones((2, 40, 4)), verbose=0)
        del codes, bag, scores, model
    gc.collect()
    assert held and all(reference() is None for reference in held)


def test_narrow_bags_and_few_codes_are_read_by_themselves(monkeypatch):
    layer = FeatureLookup.from_matrix(FEATURES)
    monkeypatch.setattr(layer, "_entries", lambda: pytest.fail("read whole"))
    SparseLinearRepr(6, 5)(layer(np.array([0, 1])))


def test_gradients_of_wide_bags():
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((9, 8)) < 0.2, rng.normal(size=(9, 8)), 0)
    matrix[4] = rng.normal(size=8)
    codes, weights = rng.integers(0, 9, 60), rng.normal(size=(60, 3))
    layer, repr_ = FeatureLookup.from_matrix(matrix), SparseLinearRepr(3, 8, dtype="float32")
    repr_(layer(codes))

    def loss(kernel):
        with keras.StatelessScope(state_mapping=[(repr_.kernel, kernel)]):
            return weighted_sum(repr_(layer(codes)), weights)

    # d loss / d kernel = sum of each code's features times its weights
    kernel = keras.ops.convert_to_numpy(repr_.kernel)
    found = gradient(loss, kernel)[0]
    np.testing.assert_allclose(found, matrix[codes].T @ weights, rtol=1e-4, atol=1e-5)


def test_gradients_of_vectors_and_biases_of_the_same_bags():
    rng = np.random.default_rng(0)
    matrix = np.where(rng.random((9, 8)) < 0.2, rng.normal(size=(9, 8)), 0)
    matrix[4] = rng.normal(size=8)
    codes, weights = rng.integers(0, 9, 60), rng.normal(size=(60, 4))
    layer = FeatureLookup.from_matrix(matrix)
    vectors, biases = (SparseLinearRepr(n, 8, dtype="float32") for n in (3, 1))
    vectors(layer(codes)), biases(layer(codes))

    def loss(kernel, bias):
        states = [(vectors.kernel, kernel), (biases.kernel, bias)]
        with keras.StatelessScope(state_mapping=states):
            bag = layer(codes)
            return weighted_sum(keras.ops.concatenate([vectors(bag), biases(bag)], axis=-1), weights)

    values = [keras.ops.convert_to_numpy(x.kernel) for x in (vectors, biases)]
    found = np.concatenate(gradient(loss, *values), axis=1)
    np.testing.assert_allclose(found, matrix[codes].T @ weights, rtol=1e-4, atol=1e-5)
