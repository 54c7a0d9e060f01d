import decimal
import itertools
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from contracts.elsewhere import BACKENDS

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Features, Interactions
from kerasrec.recommender._training import trained

ROOT = Path(kerasrec.__file__).resolve().parents[1]
LISTS = """
import pathlib, sys
import kerasrec
backend, folder = sys.argv[1], pathlib.Path(sys.argv[2])
for path in folder.glob("*/*.keras"):
    recommender = kerasrec.Recommender.load(path)
    recommender.recommend(k=4).to_csv(path.with_suffix(f".read.{backend}.csv"), index=False)
"""
WRITE = """
import pathlib, sys
import keras
from recommender.test_recommender import write_recommenders
keras.utils.set_random_seed(1234)
write_recommenders(pathlib.Path(sys.argv[2]) / sys.argv[1])
"""
MADE = ["hybrid", "implicit_als", "ease"]


def test_everything_comes_back(hybrid, films, tmp_path):
    hybrid.save(tmp_path / "x.keras")
    loaded = Recommender.load(tmp_path / "x.keras")
    pd.testing.assert_frame_equal(loaded.recommend(k=4), hybrid.recommend(k=4))
    pd.testing.assert_frame_equal(loaded.item_metadata, hybrid.item_metadata, check_dtype=False)
    assert loaded.item_features.names == hybrid.item_features.names
    new = films.iloc[:2].set_index(pd.Index([777, 778]))
    for features in (loaded.item_features, hybrid.item_features):
        assert features.transform(new).matrix.toarray()[:, -3:].tolist() == [[0, 1, 0], [0, 0, 1]]
    for side in ("user_ids", "item_ids"):
        np.testing.assert_array_equal(getattr(loaded, side), getattr(hybrid, side))
    old, new = hybrid.interactions, loaded.interactions
    for name in ("users", "items", "values"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    assert repr(loaded) == "Recommender('hybrid', 12 users, 20 items)"


def write_recommenders(folder):
    from recommender.conftest import shop, train

    folder.mkdir()
    for name in MADE:
        recommender = Recommender.train(shop()[0], name) if name == "ease" else train(name, *shop())
        recommender.save(folder / f"{name}.keras")
        recommender.recommend(k=4).to_csv(folder / f"{name}.written.csv", index=False)


@pytest.mark.processes
def test_files_of_every_backend_give_the_same_lists_on_every_backend(writers, elsewhere, tmp_path):
    writers.run(WRITE, tmp_path)
    elsewhere.run(LISTS, tmp_path)
    for writer, reader, name in itertools.product(BACKENDS, BACKENDS, MADE):
        expected = pd.read_csv(tmp_path / writer / f"{name}.written.csv")
        found = pd.read_csv(tmp_path / writer / f"{name}.read.{reader}.csv")
        np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5, err_msg=name)
        swapped = found["item"].to_numpy() != expected["item"].to_numpy()
        # Only items whose scores agree may change places.
        near = np.abs(expected["score"].diff().to_numpy()) < 1e-5
        assert not (swapped & ~near & ~np.append(near[1:], False)).any(), (writer, reader, name)


def test_metadata_is_refused_before_the_training(data, monkeypatch):
    monkeypatch.setattr(kerasrec.zoo, "create", lambda *_, **__: pytest.fail("a model was made"))
    with pytest.raises(ValueError, match="must be indexed by raw item id"):
        Recommender.train(data, item_metadata=pd.DataFrame({"title": ["x"]}, index=["nothing"]))


@pytest.mark.slow
def test_training_in_one_line_stops_on_the_exact_metric(data):
    how = {"epochs": 30, "validation": 0.2, "patience": 1}
    done = trained(data, "matrix_factorization", hyperparameters={"learning_rate": 0.5}, **how)
    figures = done.history["val_ndcg@10"]
    assert len(figures) < 30
    assert done.epochs == np.argmax(figures) + 1 == len(figures) - 1
    recommender = Recommender.train(data, "matrix_factorization", **how, verbose=0, learning_rate=0.5)
    # Then it was trained on all, for as many epochs; what was held out is seen as well.
    assert len(recommender.model.history.history["loss"]) == done.epochs
    assert len(recommender.interactions) == len(data)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_lists(data):
    scores = [
        Recommender.train(data, "recommender_v1", epochs=1, seed=seed, verbose=0).score([("u1", 0)])
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bpr", "balanced_wmrb", "sampled_softmax", "full_softmax", "rmse"])
def test_batches_suit_the_loss(data, loss):
    recommender = Recommender.train(data, "matrix_factorization", epochs=2, verbose=0, loss=loss, seed=1)
    losses = recommender.model.history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]


@pytest.mark.slow
def test_a_loss_of_one_s_own_sees_lists(data):
    """Of positives alone a model that ranks learns nothing, and a function does not say what it takes."""
    seen = []

    def margin(labels, scores):
        seen.append(tuple(scores.shape))
        return keras.ops.mean(keras.ops.relu(1.0 - scores[:, :1] + scores[:, 1:]), axis=-1)

    class Margin(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return margin(y_true, y_pred)

    for loss in (margin, Margin()):
        recommender = Recommender.train(data, "hybrid", epochs=2, verbose=0, loss=loss, seed=1)
        first, second = recommender.model.history.history["loss"]
        assert second < first
    assert {width for _, width in seen} == {21}  # the positive and as many as there are items


@pytest.mark.slow
def test_a_loss_of_keras_sees_pairs(data):
    seen = []

    class Widths(keras.metrics.Metric):
        def update_state(self, y_true, y_pred, sample_weight=None):
            seen.append(tuple(y_pred.shape)[1:])

        def result(self):
            return keras.ops.zeros(())

    model = kerasrec.zoo.create("hybrid", data, loss="mean_squared_error")
    model.compile("adam", model.loss, metrics=[Widths()])
    from kerasrec.recommender._training import fit

    fit(model, data, kerasrec.zoo.Recipe(epochs=1, batch_size=16), 0, 0)
    assert set(seen) == {(1,)}


@pytest.mark.slow
def test_ratings_outside_what_is_fitted_are_within_the_scale():
    values = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], 6)
    data = Interactions(
        np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6), values, user_ids=range(6), item_ids=range(5)
    )
    with pytest.warns(UserWarning, match="recommender_v2 is worse than the mean of all ratings"):
        recommender = Recommender.train(data, "recommender_v2", epochs=1, validation=0.5, verbose=0)
    scale = recommender.model.get_layer("scale").get_config()
    assert (scale["minimum"], scale["maximum"]) == (1.0, 5.0)


class TestValuesThatLookLikeCounts:
    def values(self, **how):
        """Nine plays of one and one of 900."""
        users, items = np.repeat(np.arange(5), 2), np.tile([0, 1], 5)
        counts = np.array([1.0] * 9 + [900.0])
        return Interactions(users, items, counts, user_ids=range(5), item_ids=range(2), **how)

    @pytest.mark.parametrize(
        ("name", "effect"), [("popularity", "weighs a like"), ("global_bias", "is predicted")]
    )
    def test_nobody_said_what_they_are(self, name, effect):
        message = (
            rf"treated as ratings, each of which {effect} as it is; .* kind='counts'.* 1 to 900, half .* 1\."
        )
        with pytest.warns(UserWarning, match=message) as said:
            Recommender.train(self.values(), name, verbose=0)
        assert said[0].filename == __file__

    @pytest.mark.parametrize("kind", ["counts", "ratings"])
    def test_somebody_did(self, kind, capsys):
        Recommender.train(self.values(kind=kind), "popularity", verbose=1)
        assert "log scale" not in capsys.readouterr().out

    def test_a_training_says_how_it_takes_counts(self, capsys):
        Recommender.train(self.values(kind="counts"), "hybrid", epochs=0, n_components=2)
        assert capsys.readouterr().out.startswith(
            "Every count above 0 is a like, weighted by the count on a log scale"
        )


def test_a_file_of_save_model_is_a_recommender_where_it_says_who_has_what(data, tmp_path):
    model = kerasrec.zoo.create("popularity", data)
    kerasrec.recommender.save_model(model, tmp_path / "x.keras", data, seen=True)
    expected = Recommender(model, data).recommend(k=3)
    pd.testing.assert_frame_equal(Recommender.load(tmp_path / "x.keras").recommend(k=3), expected)
    kerasrec.recommender.save_model(model, tmp_path / "y.keras", data)
    with pytest.raises(ValueError, match=r"must say which user has which item.*y\.keras, which does not"):
        Recommender.load(tmp_path / "y.keras")


def test_a_subclassed_model_recommends_but_is_not_written(data, tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Own(keras.Model):
        def call(self, inputs):
            return keras.ops.cast((7 * inputs["item"] + inputs["user"]) % 20, "float32")

    model = Own()
    recommender = Recommender(model, data)
    expected = [(7 * item + 1) % 20 for item in range(20)]
    frame = recommender.recommend("u1", k=5, exclude_seen=False)
    assert frame["item"].tolist() == (10 * np.argsort(expected)[::-1][:5]).tolist()
    with pytest.raises(ValueError, match=r"`model` must be a functional model"):
        recommender.save(tmp_path / "x.keras")


class TestMetadata:
    def test_kinds_come_back(self, data, tmp_path):
        frame = pd.DataFrame(
            {
                "text": ["ä", None, "b"],
                "year": [1990, 1991, 1992],
                "when": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
                "list": [["a", 1], [], ["b"]],
                "kind": pd.Categorical(["x", "y", "x"]),
            },
            index=[0, 10, 20],
        )
        recommender = Recommender(kerasrec.zoo.create("popularity", data), data, item_metadata=frame)
        recommender.save(tmp_path / "x.keras")
        found = Recommender.load(tmp_path / "x.keras").item_metadata
        assert found["text"].fillna("none").tolist()[:3] == ["ä", "none", "b"]
        assert found["year"][:3].tolist() == [1990, 1991, 1992]
        assert np.isnan(found["year"][3])
        assert found["when"][2] == pd.Timestamp("2020-01-03")
        assert found["when"].isna().tolist()[:3] == [False, True, False]
        assert found["list"].tolist()[:3] == [["a", 1], [], ["b"]]
        assert found["kind"].tolist()[:3] == ["x", "y", "x"]

    def test_arrays_and_dates_of_any_unit_come_back(self, data, tmp_path):
        frame = pd.DataFrame(
            {
                "vector": [np.array([1.5, 2.0]), np.array([]), np.array(["a"])],
                "far": pd.Series(np.array(["3000-01-01", "NaT", "0900-05-05"], "datetime64[s]"), [0, 10, 20]),
            },
            index=[0, 10, 20],
        )
        recommender = Recommender(kerasrec.zoo.create("popularity", data), data, item_metadata=frame)
        recommender.save(tmp_path / "x.keras")
        found = Recommender.load(tmp_path / "x.keras").item_metadata
        assert found["vector"].tolist()[:3] == [[1.5, 2.0], [], ["a"]]
        years = found["far"].dt.year.tolist()[:3]
        assert [years[0], years[2]] == [3000, 900] and np.isnan(years[1])

    @pytest.mark.parametrize(
        ("entry", "received"),
        [
            (pd.Timestamp("2020-01-01", tz="Europe/Berlin"), r"Timestamp\(.*Berlin'\) of type Timestamp"),
            (decimal.Decimal("9.99"), r"Decimal\('9.99'\) of type Decimal"),
            ({"a": 1}, r"\{'a': 1\} of type dict"),
            ({"a"}, r"\{'a'\} of type set"),
            ([b"a"], "b'a' of type bytes"),
            (pd.Timedelta(days=1), "of type Timedelta"),
        ],
        ids=["date with a zone", "decimal", "dict", "set", "bytes in a list", "duration"],
    )
    def test_what_a_file_cannot_hold(self, data, monkeypatch, entry, received):
        monkeypatch.setattr(kerasrec.zoo, "create", lambda *_, **__: pytest.fail("a model was made"))
        frame = pd.DataFrame({"thing": pd.Series([entry], [0])})
        with pytest.raises(
            TypeError, match=rf"'thing' .* must hold .*astype\(str\).* Received: .*{received}"
        ):
            Recommender.train(data, item_metadata=frame)

    def test_half_a_character(self, data):
        frame = pd.DataFrame({"thing": pd.Series(["\ud800"], [0], object)})
        with pytest.raises(ValueError, match=r"must be valid Unicode; .* Received: '\\ud800'"):
            Recommender.train(data, "popularity", item_metadata=frame)
        ids = Interactions([0], [0], user_ids=np.array(["a\udcff"], object), item_ids=["x"])
        with pytest.raises(ValueError, match=r"`user_ids` must be valid Unicode to be saved; .*'a\\udcff'"):
            Recommender.train(ids, "popularity")
        for make in (Features.categorical, Features.multilabel, Features.text):
            with pytest.raises(ValueError, match="must be valid Unicode"):
                make(pd.Series(["\ud800"], [0], object, name="thing"))
        with pytest.raises(ValueError, match="must be valid Unicode"):
            Features.indicator(ids.user_ids)


class TestBadInput:
    def test_train(self, data):
        with pytest.raises(TypeError, match=r"`interactions` must be `kerasrec.data.Interactions`; make"):
            Recommender.train(data.to_frame())
        with pytest.raises(ValueError, match=r"`validation` must be a share.*validation=1"):
            Recommender.train(data, validation=1)
        with pytest.raises(ValueError, match=r"`name` must be one of"):
            Recommender.train(data, "no_such_model")

    def test_save(self, factorised, tmp_path):
        with pytest.raises(ValueError, match=r"must end in \.keras"):
            factorised.save(tmp_path / "x.pkl")
        with pytest.raises(FileNotFoundError, match=r"make .*nowhere first"):
            factorised.save(tmp_path / "nowhere" / "x.keras")

    def test_features_that_only_code_could_restore(self, data, tmp_path):
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = pd.Series(["red", "blue"] * 10, index=data.item_ids, name="colour")
        features = Features.from_transformer(TfidfVectorizer(), texts)
        recommender = Recommender(kerasrec.zoo.create("popularity", data), data, item_features=features)
        with pytest.raises(ValueError, match=r"scikit-learn cannot be written to a file"):
            recommender.save(tmp_path / "x.keras")
        assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_liked_is_above_a_dislike_to_separation(monkeypatch):
    """`at_least(-2)` makes likes of all three, each of which counts 1 where values cannot be weights."""
    fit, given = kerasrec.Model.fit, []

    def watched(self, x, y, **how):
        given.append(y.tolist())
        return fit(self, x, y, **how)

    monkeypatch.setattr(kerasrec.Model, "fit", watched)
    frame = pd.DataFrame({"user": list("aab"), "item": list("xyx"), "value": [-1.0, 3.0, -2.0]})
    ratings = Interactions.from_frame(frame, value="value", kind="ratings")
    loss = kerasrec.losses.Separation()
    for interactions in (ratings, ratings.at_least(-2)):
        trained(interactions, "hybrid", epochs=1, hyperparameters={"loss": loss})
    assert given == [[-1, 3, -2], [1, 1, 1]]
