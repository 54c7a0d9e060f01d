"""Data that would break or poison a compiled program are refused before it runs, by column and value."""

import re

import keras
import numpy as np
import pytest
from trainers.problem import BATCH, N_ITEMS, N_USERS, build, compiled, fused, samples

import kerasrec

x, y = samples(70)


@pytest.fixture(scope="module")
def model():
    return compiled(build(kerasrec.Model), "sgd")


def wrong(column, value):
    ids = {name: values.copy() for name, values in x.items()}
    ids[column][40] = value
    return ids


def stream(ids):
    for start in range(0, 70, 14):
        yield {name: values[start : start + 14] for name, values in ids.items()}, y[start : start + 14]


class Stream(keras.utils.PyDataset):
    def __init__(self, ids):
        super().__init__()
        self.batches = list(stream(ids))

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return self.batches[index]


USES = {
    "fit": lambda model, ids: model.fit(ids, y, batch_size=BATCH, verbose=0),
    "fit on a generator": lambda model, ids: model.fit(stream(ids), shuffle=False, verbose=0),
    "fit on a dataset": lambda model, ids: model.fit(Stream(ids), verbose=0),
    "validation": lambda model, ids: model.fit(x, y, validation_data=(ids, y), batch_size=BATCH, verbose=0),
    "evaluate": lambda model, ids: model.evaluate(ids, y, verbose=0),
    "evaluate a dataset": lambda model, ids: model.evaluate(Stream(ids), verbose=0),
    "predict": lambda model, ids: model.predict(ids, verbose=0),
    "train_on_batch": lambda model, ids: model.train_on_batch(ids, y),
    "test_on_batch": lambda model, ids: model.test_on_batch(ids, y),
    "predict_on_batch": lambda model, ids: model.predict_on_batch(ids),
}


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("column, value, n", [("item", N_ITEMS, N_ITEMS), ("user", -1, N_USERS)])
def test_ids_outside_their_table_are_refused(model, use, column, value, n):
    rule = f"Ids of column '{column}' must be in 0..{n - 1}, the rows of layer '{column}_table'."
    with pytest.raises(ValueError, match=re.escape(rule) + rf" Received: 1 others, the first is {value}\."):
        USES[use](model, wrong(column, value))
    # Nothing was broken by it.
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize(
    "form", ["array", "list", "tuple", "another name", "keras embedding", "behind a reshape"]
)
def test_ids_are_checked_in_every_form_of_input(form):
    ids = keras.Input((1,), name="ids", dtype="int32")
    if form == "keras embedding":
        rows = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(ids))
    elif form == "behind a reshape":
        rows = kerasrec.layers.FeatureEmbedding(5, 2)(keras.layers.Reshape(())(ids))
    else:
        rows = kerasrec.layers.FeatureEmbedding(5, 2)(ids)
    outputs = keras.layers.Dense(1)(rows)
    bad = np.array([[1], [2], [5], [4]], "int32")
    inputs, data = {
        "array": (ids, bad),
        "list": ([ids], [bad]),
        "tuple": ((ids,), (bad,)),
    }.get(form, ({"ids": ids}, {"ids": bad}))
    model = compiled(kerasrec.Model(inputs, outputs), "sgd")
    with pytest.raises(
        ValueError, match=r"Ids of column 'ids' must be in 0\.\.4.* Received: 1 others, the first is 5\."
    ):
        model.fit(data, np.zeros((4, 1), "float32"), verbose=0)


@pytest.mark.parametrize("value", [1.5, np.nan])
def test_ids_that_are_no_whole_numbers_are_refused(value):
    ids = keras.Input((1,), name="ids", dtype="int32")
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.Embedding(5, 2)(ids)))
    model = compiled(kerasrec.Model(ids, outputs), "sgd")
    y = np.zeros((4, 1), "float32")
    model.fit(np.array([[1.0], [2], [0], [4]]), y, verbose=0)
    rule = (
        rf"'ids' must be whole numbers, .* layer 'embedding.*'\. Received: 1 others, the first is {value}\."
    )
    with pytest.raises(ValueError, match=rule):
        model.fit(np.array([[1.0], [2], [value], [4]]), y, verbose=0)


def test_what_is_no_table_limits_nothing():
    features = keras.Input((3,), name="features")
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.RepeatVector(2)(features)))
    model = compiled(kerasrec.Model({"features": features}, outputs), "sgd")
    history = model.fit({"features": np.full((8, 3), 7.0)}, np.zeros((8, 1)), verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.fixture(scope="module")
def rating_model():
    plain = build()
    return compiled(
        kerasrec.Model(plain.inputs, kerasrec.layers.RatingScale(1.0, 5.0, name="stars")(plain.outputs[0]))
    )


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize("value, shown", [(5.5, "5.5"), (0.0, "0.0"), (np.nan, "nan")])
def test_ratings_outside_the_scale_are_refused(rating_model, value, shown):
    ratings = np.full((70, 1), 3.0, "float32")
    ratings[[5, 9]] = value
    rule = r"Ratings must be in 1\.0\.\.5\.0, the scale of layer 'stars'"
    with pytest.raises(ValueError, match=rf"{rule}. Received: 2 others, the first is {shown}\."):
        rating_model.fit(x, ratings, verbose=0)
    with pytest.raises(ValueError, match=rule):
        rating_model.train_on_batch(x, ratings)
    # Samples of weight 0 do not count.
    weight = np.ones(70)
    weight[[5, 9]] = 0.0
    if np.isfinite(value):
        rating_model.fit(x, ratings, sample_weight=weight, verbose=0)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_weights_that_are_not_finite_are_refused(rating_model, value):
    weight = np.ones(70, "float32")
    weight[[5, 9]] = value
    ratings = np.full((70, 1), 3.0, "float32")
    message = rf"`sample_weight` must be finite\. Received: 2 others, the first is {value}\."
    for use in (rating_model.fit, rating_model.evaluate):
        with pytest.raises(ValueError, match=message):
            use(x, ratings, sample_weight=weight, verbose=0)


@pytest.mark.slow
def test_ratings_of_a_named_output_and_of_integers_pass():
    plain = build()
    outputs = {"stars": kerasrec.layers.RatingScale(1.0, 5.0)(plain.outputs[0])}
    model = compiled(kerasrec.Model(plain.inputs, outputs), loss={"stars": "mean_squared_error"})
    history = model.fit([x["item"], x["user"]], {"stars": np.full((70, 1), 5)}, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.skipif(not fused, reason="plain on this backend")
@pytest.mark.parametrize("use", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("kind", ["arrays", "dataset"])
def test_data_without_a_sample_are_refused(model, use, kind):
    nothing = {name: ids[:0] for name, ids in x.items()}
    if kind == "dataset":
        tf = pytest.importorskip("tensorflow")
        nothing = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).take(0)
    arguments = {"y": y[:0]} if kind == "arrays" and use != "predict" else {}
    if use == "fit":
        arguments["shuffle"] = False
    with pytest.raises(
        ValueError, match=r"The data must have at least one batch\. Received: data without a batch\."
    ):
        getattr(model, use)(nothing, **arguments, verbose=0)


def test_a_nan_in_the_targets_is_seen_in_the_loss(model):
    targets = y.copy()
    targets[3] = np.nan
    weights = model.get_weights()
    assert np.isnan(model.fit(x, targets, verbose=0).history["loss"]).all()
    model.set_weights(weights)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
