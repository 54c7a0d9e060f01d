import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Features, Interactions

NEW_FILMS = pd.DataFrame({"title": ["New", "Newer"], "genres": ["Comedy", "War"]}, index=[1000, 1010])
NEW_USERS = pd.DataFrame({"camp": ["odd"]}, index=["v0"])


def state(model):
    optimizer = [] if model.optimizer is None else model.optimizer.variables
    return [keras.ops.convert_to_numpy(x).copy() for x in (*model.variables, *optimizer)]


def trained_state(model):
    """Everything but the tables of features, whose rows are those of the grown features."""
    variables = [*model.variables, *model.optimizer.variables]
    kept = [x for x in variables if not any(name in x.path for name in ("user_features", "item_features"))]
    return [keras.ops.convert_to_numpy(x).copy() for x in kept]


def assert_old_rows_stay(before, model):
    after = state(model)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new[tuple(slice(0, n) for n in old.shape)], old)


@pytest.fixture
def made(data, films, item_features, user_features):
    return Recommender.train(
        data,
        "hybrid",
        epochs=2,
        batch_size=16,
        user_features=user_features,
        item_features=item_features,
        item_metadata=films,
        n_components=3,
        loss="wmrb",  # which knows the size of the catalogue
        verbose=0,
    )


@pytest.mark.slow
def test_old_weights_slots_and_scores_stay(made):
    pairs = made.interactions.to_frame()
    scores = made.score(pairs)
    before = trained_state(made.model)
    made.add_items(NEW_FILMS)
    made.add_users(NEW_USERS)
    for old, new in zip(before, trained_state(made.model), strict=True):
        np.testing.assert_array_equal(new[tuple(slice(0, n) for n in old.shape)], old)
    np.testing.assert_allclose(made.score(pairs), scores, atol=1e-5)
    assert (made.n_users, made.n_items) == (13, 22)
    assert made.user_ids[-1] == "v0"
    assert made.item_ids[-2:].tolist() == [1000, 1010]
    assert made.model.loss.n_items == 22


@pytest.mark.slow
def test_a_new_item_is_what_its_features_make_of_it(made):
    """Item 1000 is Comedy alone: the row of that feature."""
    row = made.item_features.names.index("genres=Comedy")
    kernel = keras.ops.convert_to_numpy(made.model.get_layer("item_repr").kernel)[row]
    bias = keras.ops.convert_to_numpy(made.model.get_layer("item_bias").bias)[row, 0]
    *user, user_bias = made.user_vectors().loc["u5"]
    made.add_items(NEW_FILMS)
    expected = kernel @ user + bias + user_bias
    np.testing.assert_allclose(made.score([("u5", 1000)]), [expected], rtol=1e-4, atol=1e-6)
    assert made.item_metadata["title"].tolist()[-2:] == ["New", "Newer"]
    assert made.rank("u5", [1000, 0])["title"].tolist()
    assert made.item_features.names[-2:] == ["id=1000", "id=1010"]


@pytest.mark.parametrize("n_new", [1, 3])
def test_new_items_beside_a_column_that_nobody_has(data, n_new):
    """All prices are equal: the table is diagonal, yet it has a column more than items."""
    features = Features.indicator(data.item_ids) + Features.numeric(
        pd.Series(9.99, index=data.item_ids, name="price")
    )
    model = kerasrec.zoo.create("hybrid", data, item_features=features, n_components=3)
    bias = np.random.default_rng(0).normal(size=(12, 1))
    model.get_layer("user_bias").bias.assign(bias)
    recommender = Recommender(model, data, item_features=features)
    ids = [1000, 1010, 1020][:n_new]
    recommender.add_items(pd.DataFrame({"price": 9.99 + np.arange(n_new)}, index=ids))
    # Nothing was learned of these items or of prices.
    scores = recommender.score([(user, item) for user in data.user_ids for item in ids])
    np.testing.assert_allclose(scores.reshape(12, n_new), np.repeat(bias, n_new, 1), rtol=1e-5)
    assert recommender.model.get_layer("item_repr").kernel.shape == (21 + n_new, 3)


@pytest.mark.slow
def test_training_goes_on_and_the_file_holds_it_all(made, tmp_path):
    steps = int(made.model.optimizer.iterations)
    new = pd.DataFrame({"user": ["v0", "v0", "u1"], "item": [1000, 10, 1000], "value": 1.0})
    before = made.score([("u1", 10)])
    made.update(
        Interactions.from_frame(new, value="value"),
        epochs=3,
        user_features=NEW_USERS,
        item_metadata=NEW_FILMS,
        verbose=0,
    )
    assert int(made.model.optimizer.iterations) > steps
    assert (made.n_users, made.n_items) == (13, 21)  # 1010 is in no event
    assert not np.allclose(made.score([("u1", 10)]), before)
    assert not {1000, 10} & set(made.recommend("v0", k=19)["item"])
    identity = made.item_features.names.index("id=1000")
    assert np.any(keras.ops.convert_to_numpy(made.model.get_layer("item_repr").kernel)[identity] != 0)
    made.save(tmp_path / "x.keras")
    loaded = Recommender.load(tmp_path / "x.keras")
    pd.testing.assert_frame_equal(loaded.recommend(k=3), made.recommend(k=3))
    more = NEW_FILMS.iloc[1:]
    loaded.add_items(more)
    made.add_items(more)
    np.testing.assert_allclose(loaded.score([("u1", 1010)]), made.score([("u1", 1010)]), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recommender_v2", "recommender_net"])
def test_models_on_ids_grow(data, name):
    recommender = Recommender.train(data, name, epochs=1, verbose=0, n_components=2, min_rating=0.0)
    pairs = recommender.interactions.to_frame()
    scores, before = recommender.score(pairs), state(recommender.model)
    recommender.add_items([2000, 2010])
    recommender.add_users(["w0"])
    assert_old_rows_stay(before, recommender.model)
    np.testing.assert_allclose(recommender.score(pairs), scores, atol=1e-5)
    table = keras.ops.convert_to_numpy(recommender.model.get_layer("item_embedding").embeddings)
    assert table.shape == (22, 2)
    assert not table[20:].any()


@pytest.mark.parametrize(
    "name", ["ease", "gf_cf", "item_knn", "user_knn", "implicit_als", "popularity", "random"]
)
def test_baselines_grow(data, name):
    recommender = Recommender.train(data, name)
    lists = recommender.recommend(k=3)
    recommender.add_items([2000])
    recommender.add_users(["w0"])
    pairs = lists[["user", "item"]]
    np.testing.assert_allclose(recommender.score(pairs), lists["score"], atol=1e-5)
    assert len(recommender.recommend("w0", k=21)) == 21


def test_a_users_own_keras_model_grows(data):
    user, item = (keras.Input((1,), name=name, dtype="int32") for name in ("user", "item"))
    vectors = keras.layers.Embedding(12, 2)(user), keras.layers.Embedding(20, 2)(item)
    output = keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.Concatenate()(list(vectors))))
    model = keras.Model({"user": user, "item": item}, output)
    model.compile("adam", "mse")
    x, y = kerasrec.data.pairs(data)
    model.fit({k: v[:, None] for k, v in x.items()}, y[:, None], verbose=0)
    recommender = Recommender(model, data)
    before = state(recommender.model)
    recommender.add_items([2000])
    assert_old_rows_stay(before, recommender.model)
    assert len(recommender.recommend("u1", k=1, only=[2000])) == 1


@pytest.mark.slow
def test_metadata_of_unknown_items_are_missing(data, films, tmp_path):
    films = films.assign(stars=range(20))
    model = kerasrec.zoo.create("matrix_factorization", data, n_components=2)
    made = Recommender(model, data, item_metadata=films)
    made.add_items([777])
    made.add_items(pd.DataFrame(index=[888]))
    events = pd.DataFrame({"user": ["u1", "new"], "item": [999, 999], "value": [1.0, 1.0]})
    made.update(Interactions.from_frame(events, value="value"), verbose=0)
    made.save(tmp_path / "x.keras")
    found = Recommender.load(tmp_path / "x.keras").item_metadata.set_axis([*data.item_ids, 777, 888, 999])
    assert found["title"][:20].tolist() == films["title"].tolist() and found["stars"][:20].tolist() == [
        *range(20)
    ]
    assert found[20:].isna().all(axis=None)
    assert 999 in made.recommend("u2", k=20, short="fewer")["item"].tolist()
    with pytest.raises(ValueError, match="must have the columns of the recommender's.*no column 'genres'"):
        made.add_items(pd.DataFrame({"title": ["x"]}, index=[1111]))


@pytest.mark.slow
def test_update_replays_and_the_latest_value_counts(data):
    recommender = Recommender.train(data, "recommender_v1", epochs=1, verbose=0)
    n = len(recommender.interactions)
    first = (recommender.user_ids[data.users[0]], recommender.item_ids[data.items[0]])
    new = pd.DataFrame({"user": [first[0], "u9"], "item": [first[1], 2000], "value": [0.5, 0.75]})
    recommender.update(Interactions.from_frame(new, value="value"), replay=1.0, verbose=0)
    held = recommender.interactions.to_frame()
    assert len(held) == n + 1
    mine = held[(held["user"] == first[0]) & (held["item"] == first[1])]
    assert mine["value"].tolist() == [0.5]


class TestBadInput:
    @pytest.mark.slow
    def test_ids(self, made):
        with pytest.raises(
            ValueError, match=r"New items must not be known yet\. Received: 1 that are, first 10"
        ):
            made.add_items(NEW_FILMS.set_axis([10, 3000]))
        with pytest.raises(ValueError, match=r"ids of the type of the others, such as 0\. Received: 'x'"):
            made.add_items(NEW_FILMS.set_axis(["x", "y"]))
        with pytest.raises(ValueError, match=r"There must be at least one new item"):
            made.add_items(NEW_FILMS.iloc[:0])
        with pytest.raises(ValueError, match=r"`metadata` must have the columns.*no column 'title'"):
            made.add_items(NEW_FILMS[["genres"]])
        with pytest.raises(ValueError, match=r"`new_frame` must have the column 'camp'"):
            made.add_users(pd.DataFrame({"city": ["a"]}, index=["v1"]))
        with pytest.raises(ValueError, match=r"New users must come as a frame.*1 ids without"):
            made.add_users(["v1"])

    @pytest.mark.slow
    def test_update(self, made, factorised, data):
        with pytest.raises(TypeError, match=r"`interactions` must be `kerasrec.data.Interactions`"):
            made.update(data.to_frame())
        with pytest.raises(ValueError, match=r"`replay` must be a share, from 0 to 1\. Received: replay=2"):
            made.update(data, replay=2)
        with pytest.raises(ValueError, match=r"`replay` must be a share, .* Received: replay='all'"):
            made.update(data, replay="all")
        with pytest.raises(ValueError, match=r"trainable weights; train a closed-form model again"):
            factorised.update(data)
        new = Interactions.from_frame(
            pd.DataFrame({"user": ["v7"], "item": [10], "value": 1.0}), value="value"
        )
        with pytest.raises(ValueError, match=r"a row for each\. Received: none for 1 of 1, first 'v7'"):
            made.update(new, user_features=NEW_USERS)

    def test_models_that_cannot_grow(self, data, item_features):
        class Own(keras.Model):
            def call(self, inputs):
                return keras.ops.cast(inputs["item"] + inputs["user"], "float32")

        with pytest.raises(ValueError, match=r"must be a functional model to grow.*of type Own"):
            Recommender(Own(), data).add_items([2000])

        @keras.saving.register_keras_serializable("tests")
        class Table(keras.layers.Layer):
            def build(self, shape):
                self.table = self.add_weight(shape=(20, 2))

            def call(self, ids):
                return keras.ops.take(self.table, keras.ops.squeeze(ids, -1), axis=0)

        user, item = (keras.Input((1,), name=name, dtype="int32") for name in ("user", "item"))
        users = keras.layers.Flatten()(keras.layers.Embedding(12, 2)(user))
        model = keras.Model([user, item], keras.layers.Dot(1)([users, Table(name="mine")(item)]))
        with pytest.raises(ValueError, match=r"layer 'mine' of type Table, sized for 20 items"):
            Recommender(model, data).add_items([2000])

    def test_a_model_whose_features_the_recommender_does_not_have(self, data, item_features):
        model = kerasrec.zoo.create("hybrid", data, item_features=item_features)
        with pytest.raises(ValueError, match=r"must be given to the recommender if its model"):
            Recommender(model, data).add_items(NEW_FILMS)

    def test_features_given_as_a_matrix(self, data):
        features = Features.from_csr(np.eye(20)[:, :5] + 1, ids=data.item_ids)
        with pytest.warns(UserWarning, match="no indicator columns"):
            model = kerasrec.zoo.create("hybrid", data, item_features=features)
        with pytest.raises(ValueError, match=r"given as a matrix cannot encode new entities"):
            Recommender(model, data, item_features=features).add_items(NEW_FILMS)
