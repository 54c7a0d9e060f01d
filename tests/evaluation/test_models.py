import keras
import numpy as np
import pytest
from references.ranking_metrics import ranked

import kerasrec
from kerasrec.data import Interactions
from kerasrec.evaluation import _models
from kerasrec.evaluation._layout import tie_order
from kerasrec.evaluation._models import AllPairsScorer, SourceScorer, TowerScorer, pair_scores, scorer_of
from kerasrec.evaluation._ranker import CatalogueRanker
from kerasrec.evaluation._scorers import CatalogueScorer
from kerasrec.layers import DotScore, FeatureEmbedding, RatingScale, Score

N_USERS, N_ITEMS = 13, 57


@keras.saving.register_keras_serializable("tests")
class DistanceScore(Score):
    def compare(self, user, item):
        return -keras.ops.sum((user - item) ** 2, axis=-1)


@keras.saving.register_keras_serializable("tests")
class HalvedDotScore(DotScore):
    def compare(self, user, item):
        return super().compare(user, item) / 2

    def compare_all(self, user, item):
        return super().compare_all(user, item) / 2


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.users, self.items = keras.layers.Embedding(N_USERS, 3), keras.layers.Embedding(N_ITEMS, 3)

    def call(self, inputs):
        both = self.users(inputs["user"]) * self.items(inputs["item"])
        return keras.ops.sum(both, axis=-1)


class Source:
    name = "source"

    def __init__(self):
        self.scores = np.random.default_rng(0).normal(size=(N_USERS, N_ITEMS)).astype("float32")

    def score_catalogue(self, user_codes):
        return self.scores[user_codes]


def factorised(score, item_shape=(None,), bounds=None, initializer="he_normal"):
    user, item = (
        keras.Input((1,), name="user", dtype="int32"),
        keras.Input(item_shape, name="item", dtype="int32"),
    )
    tables = [FeatureEmbedding(n, 4, initializer)(x) for n, x in ((N_USERS, user), (N_ITEMS, item))]
    biases = {
        "user_bias": FeatureEmbedding(N_USERS, 1, "random_normal")(user),
        "item_bias": FeatureEmbedding(N_ITEMS, 1, "random_normal")(item),
    }
    output = score(*tables, **biases)
    if bounds:
        output = RatingScale(*bounds)(output)
    if item_shape == (1,):
        output = keras.ops.expand_dims(output, -1)
    return kerasrec.Model({"user": user, "item": item}, output)


def plain_keras():
    user, item = keras.Input((1,), name="user", dtype="int32"), keras.Input((1,), name="item", dtype="int32")
    both = [
        keras.layers.Flatten()(keras.layers.Embedding(n, 3)(x)) for n, x in ((N_USERS, user), (N_ITEMS, item))
    ]
    return keras.Model({"user": user, "item": item}, keras.layers.Dense(1)(keras.layers.Concatenate()(both)))


CASES = {
    "dot": (lambda: factorised(DotScore()), TowerScorer),
    "dot of pairs": (lambda: factorised(DotScore(), item_shape=(1,)), CatalogueScorer),
    "dot behind a scale": (lambda: factorised(DotScore(), bounds=(1.0, 5.0)), TowerScorer),
    "a subclass of dot": (lambda: factorised(HalvedDotScore()), AllPairsScorer),
    "distance": (lambda: factorised(DistanceScore()), AllPairsScorer),
    "lists": (lambda: kerasrec.zoo.RecommenderNet(N_USERS, N_ITEMS, 4), CatalogueScorer),
    "plain Keras": (plain_keras, CatalogueScorer),
    "subclass": (Subclassed, CatalogueScorer),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch_size", [None, 5])
def test_lists_are_those_of_the_model_s_own_scores(case, batch_size, monkeypatch):
    make, expected_scorer = CASES[case]
    model = make()
    users, items = np.divmod(np.arange(N_USERS * N_ITEMS, dtype="int32"), N_ITEMS)
    scores = model({"user": users[:, None], "item": items[:, None]})
    scores = keras.ops.convert_to_numpy(scores).reshape(N_USERS, N_ITEMS)
    monkeypatch.setattr(_models, "_PAIRS", 100)
    monkeypatch.setattr(_models, "_ENTITIES", 8)
    scorer = scorer_of(model, N_ITEMS)
    assert type(scorer) is expected_scorer
    for block in CatalogueRanker(scorer, batch_size=batch_size).rank(np.arange(N_USERS), 10):
        own = np.take_along_axis(scores[block.users], block.items, axis=1)
        # The model's scores may be equal where it scales them; lists follow what stands before the scale.
        assert (np.diff(own, axis=1) <= 1e-6).all()
        best = -np.sort(-scores[block.users], axis=1)[:, :10]
        np.testing.assert_allclose(own, best, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(scorer.finish(block.users, block.scores), own, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pair_scores(model, users, items), scores.ravel(), rtol=1e-5, atol=1e-6)


def test_a_scale_that_saturates_makes_no_ties():
    model = factorised(
        DotScore(), bounds=(0.0, 1.0), initializer=keras.initializers.RandomNormal(stddev=30.0)
    )
    raw = factorised(DotScore())
    raw.set_weights(model.get_weights())
    lists = [
        next(CatalogueRanker(scorer_of(x, N_ITEMS)).rank(np.arange(N_USERS), 10)).items for x in (model, raw)
    ]
    assert np.array_equal(*lists)


def test_what_scores_the_catalogue_itself_is_asked_to():
    source = Source()
    scorer = scorer_of(source, N_ITEMS)
    assert type(scorer) is SourceScorer
    block = next(CatalogueRanker(scorer, seed=3).rank(np.arange(N_USERS), 10))
    for user in range(N_USERS):
        assert list(block.items[user]) == ranked(source.scores[user], tie_order(N_ITEMS, 3), set(), 10)


@pytest.mark.parametrize("name", ["ease", "gf_cf", "item_knn", "user_knn", "random", "popularity"])
def test_whole_rows_of_the_baselines_are_what_their_graph_gives(name):
    generator = np.random.default_rng(0)
    users, items = np.nonzero(generator.random((N_USERS, N_ITEMS)) < 0.2)
    data = Interactions(users, items, user_ids=np.arange(N_USERS), item_ids=np.arange(N_ITEMS))
    model = kerasrec.zoo.create(name, data)
    scorer = scorer_of(model, N_ITEMS)
    assert isinstance(scorer, TowerScorer if name == "popularity" else SourceScorer)
    lists = np.tile(np.arange(N_ITEMS, dtype="int32"), (N_USERS, 1))
    scores = model({"user": np.arange(N_USERS, dtype="int32")[:, None], "item": lists})
    scores = keras.ops.convert_to_numpy(scores)
    for block in CatalogueRanker(scorer).rank(np.arange(N_USERS), N_ITEMS):
        np.testing.assert_allclose(
            np.take_along_axis(scores, block.items, 1), block.scores, rtol=1e-5, atol=1e-6
        )


def test_weights_are_read_anew():
    model = factorised(DotScore())
    scorer = scorer_of(model, N_ITEMS)
    before = next(CatalogueRanker(scorer).rank([0], 10)).items
    model.set_weights([-10 * w for w in model.get_weights()])
    bias = [w for w in model.weights if w.shape == (N_ITEMS, 1)][0]
    bias.assign(100.0 * np.arange(N_ITEMS)[:, None])
    after = next(CatalogueRanker(scorer).rank([0], 10)).items
    assert after[0].tolist() == list(range(N_ITEMS - 1, N_ITEMS - 11, -1))
    assert not np.array_equal(before, after)
