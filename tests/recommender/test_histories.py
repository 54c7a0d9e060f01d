"""Recommenders of models that know users by what they had before."""

import warnings

import keras
import numpy as np
import onnxruntime
import pandas as pd
import pytest

from kerasrec import Recommender, zoo
from kerasrec.data import Interactions
from kerasrec.layers import DotScore, FeatureEmbedding
from kerasrec.recommender import _lists, _training
from kerasrec.recommender._vector_file import read_vectors

ITEMS = [10 * item for item in range(8)]
# Of each user the items, oldest first; the codes are those of ITEMS.
HAD = {"ann": [3, 0], "bob": [5], "cem": [1, 2, 6]}


@keras.saving.register_keras_serializable("tests")
class Last(keras.layers.Layer):
    """The vector of the last item of a history, zeros after nothing."""

    def call(self, vectors, history):
        there = keras.ops.cast(history[:, -1:] >= 0, "float32")
        return vectors[:, -1] * there


def own_model(users=False, factorises=True):
    """Item vectors in a shared table, in which the item after item `i` is most like it."""
    history = keras.Input((None,), name="history", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    inputs = {"history": history, "item": item}
    table, after = FeatureEmbedding(8, 8, name="items"), keras.layers.Dense(8, use_bias=False, name="after")
    state = after(Last()(table(keras.ops.maximum(history, 0)), history))
    if users:
        inputs["user"] = keras.Input((1,), name="user", dtype="int32")
        state = state + FeatureEmbedding(3, 8, name="users")(inputs["user"])
    score = DotScore(name="dot")(state, table(item))
    if not factorises:
        score = keras.layers.Activation("linear")(score)
    model = keras.Model(inputs, score, name="own")
    model.get_layer("items").embeddings.assign(np.eye(8))
    model.get_layer("after").kernel.assign(np.roll(np.eye(8), 1, axis=1))
    if users:
        model.get_layer("users").embeddings.assign(0.1 * np.eye(8)[[7, 7, 7]])
    model.compile("adam", "mse")
    return model


def data(had=HAD, times=True):
    rows = [(user, ITEMS[item], when) for user, items in had.items() for when, item in enumerate(items)]
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    ids = {"user_ids": list(HAD), "item_ids": ITEMS} if had is HAD else {}
    frame = frame.sample(frac=1, random_state=3) if times else frame
    return Interactions.from_frame(frame, time="time" if times else None, kind="likes", **ids)


@pytest.fixture(params=[(False, True), (True, True), (False, False)], ids=["history", "user", "network"])
def made(request):
    return Recommender(own_model(*request.param), data())


def next_of(recommender, user, **how):
    return recommender.recommend(user, k=1, **how)["item"].tolist()


def test_lists_come_from_all_that_is_known(made):
    assert [next_of(made, user) for user in HAD] == [[10], [60], [70]]
    assert made.recommend(k=1)["item"].tolist() == [10, 60, 70]
    assert made.rank("cem", [10, 70])["item"].tolist() == [70, 10]
    np.testing.assert_allclose(made.score([("ann", 10), ("ann", 20)]), [1.0, 0.0], atol=1e-6)
    assert made.similar_items(10, k=2)["item"].tolist() == [10, 10]


def test_seen_items_for_sessions():
    again = Recommender(
        own_model(), data({"ann": [1, 0]} | {user: HAD[user] for user in ("bob", "cem")} | {"dan": [3, 4, 7]})
    )
    assert next_of(again, "ann") != [10]
    assert next_of(again, "ann", exclude_seen=False) == [10]


@pytest.mark.parametrize("factorises", [True, False])
def test_somebody_new_is_what_the_model_says(factorises):
    made = Recommender(own_model(factorises=factorises), data())
    assert made.recommend_for_history([40, 20], k=1)["item"].tolist() == [30]
    frame = made.recommend_for_history({"x": [20, 40], "y": [60]}, k=1)
    assert frame["user"].tolist() == ["x", "y"] and frame["item"].tolist() == [50, 70]
    assert made.recommend_for_history([20, 10, 20], k=1, exclude_seen=False)["item"].tolist() == [30]


def test_the_order_of_rows_counts_without_times():
    with pytest.warns(UserWarning, match="have no times, so the order of their rows is used"):
        made = Recommender(own_model(), data(times=False))
        assert next_of(made, "ann") == [10]


def test_the_file_holds_the_order(made, tmp_path):
    made.save(tmp_path / "x.keras")
    loaded = Recommender.load(tmp_path / "x.keras")
    pd.testing.assert_frame_equal(loaded.recommend(k=3), made.recommend(k=3))
    state = read_vectors(tmp_path / "x.keras")
    factorises = made.model.get_layer("dot") is not None and "activation" not in str(
        [layer.name for layer in made.model.layers]
    )
    assert (state is not None) == factorises
    if state is not None:
        pd.testing.assert_frame_equal(_lists.recommend(state, k=3), made.recommend(k=3), check_dtype=False)
    for_newcomers = read_vectors(tmp_path / "x.keras", newcomers=True)
    assert (for_newcomers is not None) == (factorises and "user" in str(made.model.inputs))


def test_onnx_holds_what_represents_users(made, tmp_path):
    path = tmp_path / "x.onnx"
    if any(layer.name.startswith("activation") for layer in made.model.layers):
        with pytest.raises(
            ValueError, match="`save` writes any model to a file. Received: 'own', .* 'history' "
        ):
            made.export(path)
        return
    made.export(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    items, scores = session.run(None, {"user": np.array(list(HAD), object), "k": np.array(2)})
    expected = made.recommend(list(HAD), k=2)
    assert items.ravel().tolist() == expected["item"].tolist()
    np.testing.assert_allclose(scores.ravel(), expected["score"], atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's format needs that backend")
def test_a_saved_model_holds_what_represents_users(made, tmp_path):
    import tensorflow as tf

    if any(layer.name.startswith("activation") for layer in made.model.layers):
        with pytest.raises(
            ValueError, match="`save` writes any model to a file. Received: 'own', .* 'history' "
        ):
            made.export(tmp_path / "x")
        assert not (tmp_path / "x").exists()
        return
    made.export(tmp_path / "x")
    answer = tf.saved_model.load(tmp_path / "x").signatures["serving_default"]
    found = answer(user=tf.constant(list(HAD)), k=tf.constant(2))
    expected = made.recommend(list(HAD), k=2)
    assert found["items"].numpy().ravel().tolist() == expected["item"].tolist()
    np.testing.assert_allclose(found["scores"].numpy().ravel(), expected["score"], atol=1e-6)


def test_explanations(made):
    explanation = made.explain("ann", 10)
    assert explanation.score == pytest.approx(1.0, abs=1e-6)
    assert explanation.contributions["contribution"].sum() == pytest.approx(explanation.raw_score)


def test_an_update_goes_on_with_the_history(made):
    items = made.model.get_layer("items").embeddings.numpy().copy()
    with warnings.catch_warnings():
        if keras.backend.backend() == "tensorflow":  # on the others Keras itself reads variables so
            warnings.simplefilter("error")
        made.update(data({"ann": [2], "dan": [4]}), epochs=0, verbose=0)
    np.testing.assert_array_equal(made.model.get_layer("items").embeddings.numpy(), items)
    # The new events came at time 0; those of one moment stand in the order in which they were told.
    sequences = made._held.state.history.sequences
    assert sequences.latest([0], 3).tolist() == [[3, 2, 0]]
    assert next_of(made, "ann") == [10]
    assert next_of(made, "dan") == [50]


def test_growth():
    made = Recommender(own_model(), data())
    before = made.recommend(k=1)
    made.add_items([1000, 1010])
    made.add_users(["eve"])
    pd.testing.assert_frame_equal(made.recommend(["ann", "bob", "cem"], k=1), before)
    table = made.model.get_layer("items").embeddings.numpy()
    assert table.shape == (10, 8)
    np.testing.assert_array_equal(table[:8], np.eye(8))
    assert len(made.recommend("eve", k=2)) == 2
    assert made.recommend_for_history([1000, 30], k=1)["item"].tolist() == [40]


@pytest.mark.slow
def test_a_new_item_scores_as_items_do_in_the_mean():
    """Softmax knows scores up to a constant: 0 could be above those of the whole catalogue."""
    model = zoo.SASRec(8, n_components=8, n_blocks=1, history_length=4, seed=0)
    table, norm = model.get_layer("item_embedding").embeddings, model.get_layer("norm")
    table.assign(np.random.default_rng(0).random((8, 8)) - 3)
    norm.gamma.assign(np.zeros(8))  # everybody likes the sum of the components
    norm.beta.assign(np.ones(8))
    made = Recommender(model, data())
    made.add_items([1000, 1010])
    pairs = [("ann", item) for item in [*ITEMS, 1000, 1010]]
    scores = made.score(pairs)
    assert scores[:8].max() < -1
    np.testing.assert_allclose(scores[8:], np.mean(scores[:8]), rtol=1e-4)
    assert made.recommend("ann", k=1, exclude_seen=False)["item"].item() in ITEMS


def test_histories_that_nobody_can_read():
    made = Recommender(own_model(), data())
    with pytest.raises(
        ValueError, match="must be items that the recommender knows. Received: 1 unknown of 2"
    ):
        made.recommend_for_history([40, 99])
    with pytest.raises(ValueError, match="A history must have at least one item. Received: none."):
        made.recommend_for_history([])


@pytest.mark.slow
def test_training_goes_on():
    made = Recommender(own_model(), data())
    before = made.model.get_layer("after").kernel.numpy().copy()
    made.update(data({"ann": [7], "bob": [6]}), epochs=2, verbose=0)
    assert np.abs(made.model.get_layer("after").kernel.numpy() - before).max() > 0
    assert made._held.state.history.sequences.counts.tolist() == [3, 2, 3]


def test_without_times_the_last_rows_choose_the_number_of_epochs(monkeypatch):
    class Stop(Exception):
        pass

    def judge(card, fitted, held_out):
        raise Stop(fitted, held_out)

    monkeypatch.setattr(_training, "_Judge", judge)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": rng.permutation(np.repeat(np.arange(20), 6)), "item": 0})
    frame["item"] = frame.groupby("user").cumcount()  # the last row of each has item 5
    frame = pd.concat([frame, pd.DataFrame({"user": [20], "item": [0]})])  # with one row, which stays
    with pytest.raises(Stop) as stopped:
        Recommender.train(Interactions.from_frame(frame, kind="likes"), "sasrec", verbose=0)
    fitted, held_out = stopped.value.args
    assert held_out.items.tolist() == [5] * 20 and sorted(held_out.users) == list(range(20))
    assert len(fitted) == 20 * 5 + 1 and fitted.items.max() == 4
