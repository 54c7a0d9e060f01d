import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.evaluation import evaluate
from kerasrec.layers import DotScore, FeatureEmbedding
from kerasrec.recommender import _lists

# Two users, four items; the score of a pair stands in a table that tests read.
SCORES = np.array([[0.1, 0.4, 0.3, 0.2], [4.0, 3.0, 2.0, 1.0]], np.float32)
IDS = {"user_ids": ["ann", "bob"], "item_ids": [5, 6, 7, 8]}


def own_model(scores=SCORES):
    """A user's own `keras.Model`: user vectors are rows of the table, item vectors the unit vectors."""
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    users, items = FeatureEmbedding(*scores.shape), FeatureEmbedding(scores.shape[1], scores.shape[1])
    score = DotScore()(users(user), items(item))
    model = keras.Model({"user": user, "item": item}, keras.layers.Reshape((1,))(score), name="own")
    users.embeddings.assign(scores)
    items.embeddings.assign(np.eye(scores.shape[1]))
    return model


@pytest.fixture
def own():
    seen = Interactions([0, 1, 1], [1, 0, 3], [1.0, 1.0, 1.0], **IDS)
    titles = pd.DataFrame({"title": ["five", "six", "eight"]}, index=[5, 6, 8])
    return Recommender(own_model(), seen, item_metadata=titles)


def test_a_list_by_hand(own):
    frame = own.recommend(["bob", "ann"], k=2)
    assert frame.columns.tolist() == ["user", "rank", "item", "score", "title"]
    assert frame["user"].tolist() == ["bob", "bob", "ann", "ann"]
    assert frame["rank"].tolist() == [1, 2, 1, 2]
    assert frame["item"].tolist() == [6, 7, 7, 8]  # without bob's 5 and 8, and without ann's 6
    np.testing.assert_allclose(frame["score"], [3.0, 2.0, 0.3, 0.2], rtol=1e-6)
    assert frame["title"].fillna("none").tolist() == ["six", "none", "none", "eight"]


def test_seen_items_where_they_are_asked_for(own):
    assert own.recommend("bob", k=4, exclude_seen=False)["item"].tolist() == [5, 6, 7, 8]


def test_unknown_items_of_only_and_exclude_are_ignored(own):
    """A shop's lists name items that nobody has bought yet."""
    with pytest.warns(UserWarning, match=r"^2 of 3 items of `only` are unknown to the .* first 99\.$"):
        assert own.recommend("bob", k=1, only=[99, 7, 98])["item"].tolist() == [7]
    with pytest.warns(UserWarning, match=r"^1 of 1 items of `exclude` .* first '6'\. Ids are numbers: 6 is"):
        assert own.recommend("bob", k=2, exclude="6")["item"].tolist() == [6, 7]
    with pytest.warns(UserWarning, match="^1 of 2 items of `exclude`"):
        assert own.recommend("bob", k=1, exclude=[6, 99])["item"].tolist() == [7]


def test_only_and_exclude(own):
    assert own.recommend("bob", k=1, only=[5, 7])["item"].tolist() == [7]
    assert own.recommend("bob", k=1, exclude=[6])["item"].tolist() == [7]
    assert own.recommend("ann", k=1, only=[5, 7, 8], exclude=7)["item"].tolist() == [8]
    assert own.recommend("ann", k=1, exclude=[])["item"].tolist() == [7]


def test_shorter_lists_where_they_are_asked_for(own, tmp_path):
    frame = own.recommend(["bob", "ann"], k=3, short="fewer")
    assert frame["user"].tolist() == ["bob", "bob", "ann", "ann", "ann"]
    assert frame["rank"].tolist() == [1, 2, 1, 2, 3]
    assert frame["item"].tolist() == [6, 7, 7, 8, 5]
    assert own.recommend("ann", k=9, only=[6, 8], short="fewer")["item"].tolist() == [8]
    popular = own.recommend("eve", k=9, only=[6, 8], unknown="popular", short="fewer")
    assert sorted(popular["item"]) == [6, 8]
    for nothing in ({"only": [6]}, {"only": [6], "exclude": [6]}):
        assert own.recommend("ann", k=2, short="fewer", **nothing).empty
    # Lists for everybody do not stop at one who has nearly everything.
    path = own.recommend_to_parquet(tmp_path / "lists.parquet", k=3, verbose=False)
    assert pd.read_parquet(path)["item"].tolist() == [7, 8, 5, 6, 7]


def test_without_scores(own):
    assert own.recommend("ann", k=1, with_scores=False).columns.tolist() == ["user", "rank", "item", "title"]


def test_all_users_are_the_default(own):
    assert own.recommend(k=2)["user"].tolist() == ["ann", "ann", "bob", "bob"]


def test_rank_and_score(own):
    assert own.rank("ann", [5, 8, 6])["item"].tolist() == [6, 8, 5]
    np.testing.assert_allclose(own.score([("bob", 5), ("ann", 8)]), [4.0, 0.2], rtol=1e-6)
    pairs = pd.DataFrame({"item": [6], "user": ["ann"]})
    np.testing.assert_allclose(own.score(pairs), [0.4], rtol=1e-6)


def test_unknown_users(own):
    assert own.recommend(["eve", "bob"], k=1, unknown="skip")["user"].tolist() == ["bob"]
    assert own.recommend("eve", k=1, unknown="skip").empty
    frame = own.recommend(["eve", "bob"], k=2, unknown="popular")
    assert frame["fallback"].tolist() == [True, True, False, False]
    assert frame["score"].isna().tolist() == [True, True, False, False]
    assert set(frame["item"][:2]) <= {5, 6, 8}  # each had once; 7 by nobody


def test_popular_items_come_by_count():
    data = Interactions([0, 1, 0, 1, 0], [3, 3, 1, 1, 2], [1.0, 1.0, 1.0, 0.0, 1.0], **IDS)
    recommender = Recommender(own_model(), data)
    assert recommender.recommend("eve", k=1, unknown="popular")["item"].tolist() == [8]
    assert recommender.recommend("eve", k=1, unknown="popular", exclude=[8])["item"][0] in (6, 7)


@pytest.mark.parametrize("name", ["popularity", "ease", "user_knn", "random", "recommender_net"])
def test_lists_are_those_that_evaluation_measures(data, name):
    recommender = Recommender.train(data, name, epochs=1, verbose=0, **_settings(name))
    test = data.take(~np.isin(np.arange(len(data)), np.arange(0, len(data), 3)))
    train = data.take(np.arange(0, len(data), 3))
    report = evaluate(recommender, test, train, k=3, metrics=("recall",))
    held = Recommender(recommender.model, train)
    lists = held.recommend(k=3).groupby("user")["item"].apply(set)
    relevant = test.to_frame().groupby("user")["item"].apply(set)
    recall = {user: len(lists[user] & items) / len(items) for user, items in relevant.items()}
    assert report.per_user("recall@3").to_dict() == pytest.approx(recall)


def _settings(name):
    return {"min_rating": 0.0, "max_rating": 1.0} if name == "recommender_net" else {}


def test_scores_of_lists_are_those_of_pairs(hybrid):
    frame = hybrid.recommend(k=4)
    np.testing.assert_allclose(hybrid.score(frame), frame["score"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_lists_follow_training(data):
    recommender = Recommender.train(data, "recommender_v1", epochs=1, verbose=0)
    before = recommender.recommend("u1", k=3)["score"].to_numpy()
    recommender.model.fit(*kerasrec.data.pairs(data), epochs=1, verbose=0)
    frame = recommender.recommend("u1", k=3)
    assert not np.allclose(frame["score"], before)
    np.testing.assert_allclose(recommender.score(frame), frame["score"], rtol=1e-4, atol=1e-5)


def test_weights_set_by_hand_need_a_refresh(own):
    own.recommend("ann", k=1)
    own.model.layers[2].embeddings.assign(-SCORES)
    own.refresh()
    assert own.recommend("ann", k=1)["item"].tolist() == [5]


def test_all_lists_to_parquet(factorised, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_lists, "_USERS_AT_ONCE", 5)
    path = factorised.recommend_to_parquet(tmp_path / "lists.parquet", k=3)
    pd.testing.assert_frame_equal(pd.read_parquet(path), factorised.recommend(k=3), check_dtype=False)
    assert [file.name for file in tmp_path.iterdir()] == ["lists.parquet"]
    assert "Recommending" in capsys.readouterr().err
    factorised.recommend_to_parquet(path, users=["u3"], k=1, verbose=False)
    assert len(pd.read_parquet(path)) == 1
    assert capsys.readouterr().err == ""


def test_what_fails_leaves_no_parquet_behind(factorised, tmp_path, monkeypatch):
    monkeypatch.setattr(_lists, "_USERS_AT_ONCE", 5)
    frame, parts = _lists.list_frame, []

    def fails_later(*args):
        parts.append(args)
        if len(parts) == 2:
            raise RuntimeError("out of luck")
        return frame(*args)

    monkeypatch.setattr(_lists, "list_frame", fails_later)
    with pytest.raises(RuntimeError, match="out of luck"):
        factorised.recommend_to_parquet(tmp_path / "lists.parquet", k=1, verbose=False)
    assert not list(tmp_path.iterdir())


class TestBadInput:
    def test_unknown_ids_are_named(self, own):
        with pytest.raises(ValueError, match=r"`users` must be users.*1 unknown of 2, first 'eve'"):
            own.recommend(["ann", "eve"])
        with pytest.raises(ValueError, match=r"`items` must be items.*1 unknown of 1, first 99"):
            own.recommend("ann", k=1, only=[99])
        with pytest.raises(ValueError, match=r"Did you mean 'ann'\?.*first 'annn'"):
            own.recommend("annn")
        with pytest.raises(ValueError, match=r"Ids are numbers: 5 is known.*first '5'"):
            own.rank("ann", ["5"])

    def test_k(self, own):
        with pytest.raises(ValueError, match=r"`k` must be a positive integer\. Received: k=0"):
            own.recommend("ann", k=0)
        with pytest.raises(ValueError, match=r"items left for a user.*k=3, and 2 items left for user 'bob'"):
            own.recommend(["ann", "bob"], k=3, short="error")
        with pytest.raises(ValueError, match=r"k=3, and 2 items left for user 'bob'"):
            own.recommend("bob", k=3)
        with pytest.raises(ValueError, match=r"take what is left with short='fewer'.*k=3, and 2 items left"):
            own.recommend_to_parquet("lists.parquet", k=3, short="error", verbose=False)
        with pytest.raises(ValueError, match=r"`short` must be one of .*Received: short='few'"):
            own.recommend("ann", k=3, short="few")
        with pytest.raises(ValueError, match=r"k=2, and 1 items left for user 'ann'"):
            own.recommend("ann", k=2, only=[5, 6])

    def test_arguments(self, own, tmp_path):
        with pytest.raises(ValueError, match=r"`unknown` must be one of error, skip, popular"):
            own.recommend("ann", unknown="ignore")
        with pytest.raises(ValueError, match=r"`users` must name at least one user\. Received: none"):
            own.recommend([])
        with pytest.raises(ValueError, match=r"`pairs` must have the columns 'user' and 'item'"):
            own.score(pd.DataFrame({"user": ["ann"]}))
        with pytest.raises(ValueError, match=r"`pairs` must be pairs \(user, item\)"):
            own.score(["an", "bo"])
        with pytest.raises(ValueError, match=r"`pairs` must not be empty"):
            own.score([])
        with pytest.raises(ValueError, match=r"`path` must end in \.parquet"):
            own.recommend_to_parquet(tmp_path / "lists.csv", k=1)
        with pytest.raises(FileNotFoundError, match=r"in a folder that exists; make .*nowhere first"):
            own.recommend_to_parquet(tmp_path / "nowhere" / "lists.parquet", k=1)

    def test_parquet_of_mixed_types(self, tmp_path):
        data = Interactions([0, 1], [0, 1], user_ids=["ann", 7], item_ids=[5, 6, 7, 8])
        with pytest.raises(ValueError, match=r"must each be of one type.*astype\(str\)"):
            Recommender(own_model(), data).recommend_to_parquet(tmp_path / "x.parquet", k=1, verbose=False)

    def test_construction(self, data, item_features, films):
        model = own_model()
        with pytest.raises(TypeError, match=r"must be `kerasrec.data.Interactions`.*DataFrame"):
            Recommender(model, data.to_frame())
        with pytest.raises(TypeError, match=r"`model` must be a `keras.Model`"):
            Recommender("hybrid", data)
        with pytest.raises(TypeError, match=r"`item_features` must be `kerasrec.data.Features`"):
            Recommender(model, data, item_features=films)
        with pytest.raises(ValueError, match=r"Features must have rows of the item ids given"):
            Recommender(model, Interactions([0], [0], **IDS), item_features=item_features)
        made = kerasrec.zoo.create("popularity", data)
        with pytest.raises(ValueError, match=r"users that the model was made for.*2 users for 12"):
            Recommender(made, Interactions([0], [0], **IDS))

    def test_metadata(self, data, films):
        made = kerasrec.zoo.create("popularity", data)
        with pytest.raises(TypeError, match=r"`item_metadata` must be a pandas DataFrame.*list"):
            Recommender(made, data, item_metadata=["a"])
        with pytest.raises(ValueError, match=r"not be called user, item.*Received: 'score'"):
            Recommender(made, data, item_metadata=films.rename(columns={"title": "score"}))
        with pytest.raises(ValueError, match=r"one row per item\. Received: 0 more than once"):
            Recommender(made, data, item_metadata=pd.concat([films, films]))
        shuffled = pd.DataFrame({"film": range(1, 21), "title": "x"})  # rows counted from 0, ids from 1
        ids = Interactions([0], [0], user_ids=["u"], item_ids=list(range(1, 21)))
        with pytest.raises(ValueError, match=r"`frame.set_index\('film'\)`. Received: rows counted from 0"):
            Recommender(own_model(), ids, item_metadata=shuffled)
        with pytest.raises(ValueError, match=r"must be indexed by raw item id.*no item is known"):
            Recommender(made, data, item_metadata=films.reset_index(drop=True).set_index("title"))

    def test_scores_that_are_not_numbers(self):
        recommender = Recommender(own_model(np.full((2, 4), np.nan)), Interactions([0], [0], **IDS))
        with pytest.raises(ValueError, match=r"Scores must be finite.*NaN from 'own'"):
            recommender.recommend("ann", k=1)

    def test_scores_without_an_end(self, data):
        factorised = kerasrec.zoo.create("matrix_factorization", data)
        first, *others = factorised.get_weights()
        factorised.set_weights([np.full_like(first, np.inf), *map(np.ones_like, others)])
        with pytest.raises(ValueError, match=r"Scores must be finite.*infinity from 'matrix_factorization'"):
            Recommender(factorised, data).recommend(k=1)
