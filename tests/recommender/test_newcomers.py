import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.evaluation._folding import FoldIn
from kerasrec.evaluation._ragged import Ragged


def ridge_fold(vectors, histories, users, history, values=None):
    """Least squares from what users have to their vectors, written out: see `FoldIn`."""
    mean = 0 if values is None else np.mean(np.concatenate(values[:-1]))

    def sums(rows, own):
        plain = np.array([vectors[list(row)].sum(axis=0) / np.sqrt(len(row)) for row in rows])
        if values is None:
            return plain
        pairs = zip(rows, own, strict=True)
        weighted = [(np.asarray(r) - mean) @ vectors[list(row)] / np.sqrt(len(row)) for row, r in pairs]
        return np.hstack([plain, weighted])

    x, y = sums(histories, None if values is None else values[:-1]), users
    centre, offset = x.mean(axis=0), y.mean(axis=0)
    gram = (x - centre).T @ (x - centre)
    gram += 0.1 * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights = np.linalg.solve(gram, (x - centre).T @ (y - offset))
    return (sums([history], None if values is None else values[-1:]) - centre) @ weights + offset


def test_a_factorised_model_folds_in_by_least_squares(factorised, data):
    vectors, users = factorised.item_vectors().to_numpy(float), factorised.user_vectors().to_numpy(float)
    histories = [data.items[data.users == user] for user in range(data.n_users)]
    vector = ridge_fold(vectors, histories, users, [1, 3, 5])[0]
    scores = vectors @ vector
    scores[[1, 3, 5]] = -np.inf
    frame = factorised.recommend_for_history([10, 30, 50], k=4)
    assert frame.columns.tolist() == ["rank", "item", "score", "title", "genres"]
    best = np.argsort(-scores)[:4]
    assert frame["item"].tolist() == (10 * best).tolist()
    np.testing.assert_allclose(frame["score"], scores[best], rtol=1e-4)


def test_histories_with_values_fold_in_by_least_squares_alone_and_together():
    draw = np.random.default_rng(0)
    vectors, users = draw.normal(size=(9, 3)), draw.normal(size=(20, 3))
    histories = [np.sort(draw.permutation(9)[: 2 + user % 5]) for user in range(20)]
    values = [1.0 + draw.integers(5, size=len(row)) for row in histories]
    rows = np.repeat(np.arange(20), [len(row) for row in histories])
    trained = Ragged(rows, np.concatenate(histories), 20, np.concatenate(values).astype(np.float32))
    fold = FoldIn(vectors.astype(np.float32), {"user": users}, trained)
    new, ratings = [[1, 3, 8], [4]], [[5.0, 1.0, 2.0], [3.0]]
    together = fold(Ragged([0, 0, 0, 1], [1, 3, 8, 4], 2, np.array([5.0, 1.0, 2.0, 3.0], np.float32)))["user"]
    for row, (items, rated) in enumerate(zip(new, ratings, strict=True)):
        expected = ridge_fold(vectors, histories, users, items, [*values, rated])[0]
        alone = fold(Ragged(0, items, 1, np.array(rated, np.float32)))["user"]
        np.testing.assert_allclose(alone, expected[None], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(together[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_values_count_where_training_had_several(data):
    values = 1.0 + np.arange(len(data)) % 5
    ids = {"user_ids": data.user_ids, "item_ids": data.item_ids}
    rated = Interactions(data.users, data.items, values, **ids)
    recommender = Recommender.train(rated, "recommender_v2", epochs=2, verbose=0)
    lists = [
        recommender.recommend_for_history([0, 10], values=v, k=3)["score"] for v in ([5, 1], [1, 5], [5, 1])
    ]
    assert not np.allclose(lists[0], lists[1])
    np.testing.assert_array_equal(lists[0], lists[2])
    assert 1.0 <= lists[0].min() <= lists[0].max() <= 5.0  # through the scale of the ratings


@pytest.mark.parametrize("name", ["ease", "gf_cf", "item_knn", "user_knn", "popularity"])
def test_histories_of_models_that_add_them_up_are_scored_as_in_training(data, name):
    """A newcomer with the history of a known user gets that user's list."""
    settings = {"n_neighbors": 12} if name == "user_knn" else {}
    recommender = Recommender.train(data, name, **settings)
    own = data.item_ids[data.items[data.users == 4]]
    known = recommender.recommend("u4", k=5)
    new = recommender.recommend_for_history(own, k=5)
    if name == "user_knn":  # now u4 itself is a neighbour, but likes nothing that is not left out
        assert set(new["item"]) == set(known["item"])
    else:
        assert new["item"].tolist() == known["item"].tolist()
        if name != "popularity":
            np.testing.assert_allclose(new["score"], known["score"], rtol=1e-5)


def test_several_newcomers_by_name(factorised):
    frame = factorised.recommend_for_history({"x": [0, 20], "y": [10, 30]}, k=3)
    assert frame["user"].tolist() == ["x"] * 3 + ["y"] * 3
    for name, items in (("x", [0, 20]), ("y", [10, 30])):
        alone = factorised.recommend_for_history(items, k=3)
        pd.testing.assert_frame_equal(
            frame[frame["user"] == name].drop(columns="user").reset_index(drop=True), alone
        )
    parity = frame["item"] // 10 % 2
    assert parity.tolist() == [0] * 3 + [1] * 3  # the two camps


@pytest.mark.slow
def test_a_network_and_tastes_fold_in(data, item_features):
    network = Recommender.train(data, "recommender_net", epochs=1, verbose=0, n_components=2, max_rating=2.0)
    tastes = Recommender.train(
        data, "hybrid", epochs=1, verbose=0, n_components=2, n_tastes=2, attention="linear", score="cosine"
    )
    for recommender in (network, tastes):
        frame = recommender.recommend_for_history([0, 20, 40], k=5)
        assert np.isfinite(frame["score"]).all()
        assert not {0, 20, 40} & set(frame["item"])
        assert len(recommender.recommend_for_history(0, k=20, exclude_seen=False)) == 20


def test_users_by_their_features(hybrid):
    frame = hybrid.recommend_for_features(pd.DataFrame({"camp": ["even", "odd"]}, index=["x", "y"]), k=3)
    assert frame["user"].tolist() == ["x"] * 3 + ["y"] * 3
    # By hand: their representation is the row of their one feature.
    kernel = keras.ops.convert_to_numpy(hybrid.model.get_layer("user_repr").kernel)
    bias = keras.ops.convert_to_numpy(hybrid.model.get_layer("user_bias").bias)
    found = hybrid.item_vectors()
    vectors, item_bias = found.drop(columns="bias").to_numpy(), found["bias"].to_numpy()
    for name, row in (("x", 12), ("y", 13)):
        scores = vectors @ kernel[row] + item_bias + bias[row]
        own = frame[frame["user"] == name]
        assert own["item"].tolist() == (10 * np.argsort(-scores)[:3]).tolist()
        np.testing.assert_allclose(own["score"], np.sort(scores)[::-1][:3], rtol=1e-4)


def test_a_user_without_any_known_feature_gets_what_the_biases_say(hybrid):
    with pytest.warns(UserWarning, match="unknown to the encoder"):
        frame = hybrid.recommend_for_features(pd.DataFrame({"camp": ["third"]}, index=["x"]), k=3)
    bias = hybrid.item_vectors()["bias"]
    assert frame["item"].tolist() == (10 * np.argsort(-bias)[:3]).tolist()


class TestBadInput:
    def test_history(self, factorised):
        with pytest.raises(ValueError, match=r"must have at least one item\. Received: none\."):
            factorised.recommend_for_history([])
        with pytest.raises(ValueError, match=r"at least one item\. Received: none of 'x'"):
            factorised.recommend_for_history({"y": [0], "x": []})
        with pytest.raises(ValueError, match=r"`items` must be items.*1 unknown of 2, first 7"):
            factorised.recommend_for_history([0, 7])
        with pytest.raises(
            ValueError, match=r"one finite number per item\. Received: \(1,\) of float64 for 2"
        ):
            factorised.recommend_for_history([0, 10], values=[1.0])
        with pytest.raises(ValueError, match=r"k=19, and 18 items left"):
            factorised.recommend_for_history([0, 10], k=19)

    def test_models_that_cannot(self, data):
        class Own(keras.Model):
            def call(self, inputs):
                return keras.ops.cast(inputs["item"] + inputs["user"], "float32")

        with pytest.raises(ValueError, match=r"represent users and items, or score histories.*`update`"):
            Recommender(Own(), data).recommend_for_history([0])

    def test_features(self, hybrid, factorised, data, user_features):
        with pytest.raises(ValueError, match=r"`new_frame` must have the column 'camp'"):
            hybrid.recommend_for_features(pd.DataFrame({"city": ["x"]}))
        with pytest.raises(ValueError, match=r"`user_features` must be given to the recommender"):
            factorised.recommend_for_features(pd.DataFrame({"camp": ["odd"]}))
        made = Recommender(kerasrec.zoo.create("popularity", data), data, user_features)
        with pytest.raises(ValueError, match=r"must read features of users.*'popularity', which reads none"):
            made.recommend_for_features(pd.DataFrame({"camp": ["odd"]}))
