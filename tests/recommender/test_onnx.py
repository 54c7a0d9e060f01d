import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.recommender import _onnx
from kerasrec.recommender._vector_file import read_vectors
from kerasrec.zoo._fitted import factorised as of_vectors
from kerasrec.zoo.implicit_als import CARD


@keras.saving.register_keras_serializable("tests")
class CityBlock(kerasrec.layers.Score):
    def compare(self, user, item):
        return -keras.ops.sum(keras.ops.abs(user - item), axis=-1)


@keras.saving.register_keras_serializable("tests")
class Twice(keras.layers.Layer):
    keeps_order = True

    def call(self, inputs):
        return 2 * inputs


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def asked(runs, users, k):
    """Lists of items that are there, and their scores, by user."""
    ids = np.array(users, object if isinstance(users[0], str) else np.int64)
    items, scores = runs.run(None, {"user": ids, "k": np.array(k)})
    lists = [row[own > -np.inf].tolist() for row, own in zip(items, scores, strict=True)]
    return lists, [own[own > -np.inf] for own in scores]


def check_same(recommender, runs):
    """All users' lists, at once and one by one, short ones and those of the whole catalogue."""
    users = recommender.user_ids.tolist()
    for k in (4, recommender.n_items + 5):
        frame = recommender.recommend(k=k, short="fewer")
        by_user = {user: part for user, part in frame.groupby("user")}
        lists, scores = asked(runs, users, k)
        for user, items, own in zip(users, lists, scores, strict=True):
            expected = by_user[user]["item"].tolist() if user in by_user else []
            assert items == expected == asked(runs, [user], k)[0][0], user
            if expected:
                np.testing.assert_allclose(own, by_user[user]["score"], rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def numbers(data):
    """Users by number, items by text; one has nothing, one everything."""
    has = data.to_csr().toarray() > 0
    has[2], has[3] = False, True
    users, items = np.nonzero(has)
    names = [f"ü{item}" for item in range(data.n_items)]
    return Interactions(users, items, user_ids=range(100, 100 + data.n_users), item_ids=names)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("implicit_als", {"n_components": 4}),
        ("popularity", {}),
        ("ease", {}),
        ("item_knn", {"n_neighbors": 3}),
        ("hybrid", {"epochs": 0, "n_tastes": 2, "attention": "linear", "score": "cosine"}),
        ("hybrid", {"epochs": 0, "n_tastes": 2}),
        ("hybrid", {"epochs": 0, "score": "euclidean"}),
        ("recommender_v2", {"epochs": 0, "min_rating": 0.0}),
    ],
)
def test_lists_are_those_of_recommend(name, how, numbers, tmp_path):
    recommender = Recommender.train(numbers, name, verbose=0, **how)
    recommender.export(tmp_path / "x.onnx")
    check_same(recommender, session(tmp_path / "x.onnx"))


def test_features_and_numbers_as_items(hybrid, tmp_path):
    hybrid.export(tmp_path / "x.onnx")
    check_same(hybrid, session(tmp_path / "x.onnx"))


def test_ties_stand_in_the_order_of_recommend(tmp_path):
    """Vectors of small whole numbers, among which hundreds of scores are equal."""
    draw = np.random.default_rng(0)
    has = draw.random((40, 300)) < 0.2
    users, items = np.nonzero(has)
    data = Interactions(users, items, user_ids=range(40), item_ids=range(300))
    tables = (draw.integers(-1, 2, (n, 3)).astype(np.float32) for n in (40, 300))
    recommender = Recommender(of_vectors(CARD, *tables), data)
    recommender.export(tmp_path / "x.onnx")
    check_same(recommender, session(tmp_path / "x.onnx"))
    assert recommender.recommend(0, k=20)["score"].nunique() < 7


def test_by_hand(tmp_path):
    data = Interactions([0, 0, 1], [0, 1, 2], user_ids=["ann", "bob"], item_ids=["x", "y", "z"])
    Recommender.train(data, "popularity").export(tmp_path / "x.onnx")
    runs = session(tmp_path / "x.onnx")
    users = np.array(["ann", "nobody"], object)
    items, scores = runs.run(["items", "scores"], {"user": users, "k": np.array(5)})
    assert items.tolist() == [["z", "", ""], ["", "", ""]]
    assert scores.tolist() == [[1.0, -np.inf, -np.inf], [-np.inf] * 3]
    assert [x.tolist() for x in runs.run(None, {"user": users[:0], "k": np.array(2)})] == [[], []]
    assert runs.run(["items"], {"user": users, "k": np.array(0)})[0].shape == (2, 0)
    named = {entry.key: entry.value for entry in onnx.load(tmp_path / "x.onnx").metadata_props}
    assert named == {"model": "popularity", "n_users": "2", "n_items": "3"}


def test_a_file_is_enough(factorised, tmp_path):
    """What `recommend` reads without Keras can be exported, and nothing changes."""
    factorised.save(tmp_path / "x.keras")
    of_file, of_model = (
        _onnx.onnx_model(read_vectors(tmp_path / "x.keras")),
        _onnx.onnx_model(factorised._now()),
    )
    assert of_file == of_model


def test_what_it_cannot_hold_is_named(data, numbers, tmp_path):
    path = tmp_path / "x.onnx"
    with pytest.raises(ValueError, match=r"and item-to-item models.*SavedModel\. Received: 'user_knn'"):
        Recommender.train(data, "user_knn").export(path)
    with pytest.raises(ValueError, match=r"scores and scales of `kerasrec.layers`.*Received: CityBlock in"):
        Recommender.train(data, "hybrid", epochs=0, score=CityBlock(), verbose=0).export(path)
    model = kerasrec.zoo.create("hybrid", data, n_components=2)
    model = kerasrec.Model(model.input, Twice()(model.output), name="doubled")
    with pytest.raises(ValueError, match=r"Received: Twice in 'doubled'"):
        Recommender(model, data).export(path)
    mixed = Interactions([0, 1], [0, 1], user_ids=["ann", 7], item_ids=["x", "y"])
    with pytest.raises(ValueError, match=r"Ids of users must be all text or all whole numbers.*7 among"):
        Recommender.train(mixed, "popularity").export(path)
    assert not path.exists()


def test_what_is_not_finite_or_too_large(data, tmp_path, monkeypatch):
    tables = np.ones((data.n_users, 2), np.float32), np.ones((data.n_items, 2), np.float32)
    tables[1][3, 0] = np.nan
    with pytest.raises(
        ValueError, match=r"Representations must be finite.*'implicit_als'; the model diverged"
    ):
        Recommender(of_vectors(CARD, *tables), data).export(tmp_path / "x.onnx")
    tables[1][3, 0] = 1
    monkeypatch.setattr(_onnx, "_MOST_BYTES", 100)
    with pytest.raises(ValueError, match=r"holds at most 2 GB; use fewer.*'implicit_als' of 0\.0 GB"):
        Recommender(of_vectors(CARD, *tables), data).export(tmp_path / "x.onnx")


def test_bad_places_and_a_missing_extra(factorised, tmp_path, monkeypatch):
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ValueError, match=r"`path` must be a file\. Received: .*folder\.onnx', a folder"):
        factorised.export(tmp_path / "folder.onnx")
    with pytest.raises(FileNotFoundError, match=r"make .*nowhere first"):
        factorised.export(tmp_path / "nowhere" / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"pip install 'kerasrec\[onnx\]'\. Received: no onnx"):
        factorised.export(tmp_path / "x.onnx")
