import keras
import numpy as np
import pytest
from references.graphs import propagated
from zoo_models import of_counts, scores

import kerasrec
from kerasrec.data import RankingBatches, samplers
from kerasrec.evaluation import RankingMetrics
from kerasrec.layers import find_id_limits


def tables(model):
    graph = model.get_layer("graph")
    return [keras.ops.convert_to_numpy(x) for x in (graph.user_embeddings, graph.item_embeddings)]


def batches(interactions):
    shared = samplers.UniformSampler(shared=True, replace=False)
    return RankingBatches(interactions, 64, 8, sampler=shared, seed=0)


@pytest.mark.parametrize("score", ["dot", "cosine"])
def test_scores_are_those_of_the_propagated_vectors(counts, interactions, score):
    model = kerasrec.zoo.LightGCN(interactions, 4, score=score, seed=1)
    users, items = propagated((counts > 0).astype(float), *tables(model))
    if score == "cosine":
        users, items = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (users, items))
    np.testing.assert_allclose(scores(model, 30, 20), users @ items.T, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_after_training_the_vectors_are_those_of_the_tables(counts, interactions):
    """Validation and callbacks see those of the epoch, too."""
    model = kerasrec.zoo.LightGCN(
        interactions, 4, loss="sampled_softmax", score="cosine", temperature=0.2, learning_rate=0.02, seed=1
    )
    before, seen = tables(model), []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((scores(model, 30, 20), tables(model)))

    held_out = {"user": np.array([[0], [1]]), "item": np.array([[0], [1]])}, np.ones((2, 1))
    losses = model.fit(
        batches(interactions), epochs=3, verbose=0, callbacks=[Look()], validation_data=held_out
    ).history
    assert losses["loss"][-1] < losses["loss"][0]
    assert not np.allclose(before[0], tables(model)[0])
    for found, (users, items) in [*seen, (scores(model, 30, 20), tables(model))]:
        users, items = propagated((counts > 0).astype(float), users, items)
        users, items = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (users, items))
        np.testing.assert_allclose(found, users @ items.T, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_beats_popularity_on_data_with_structure():
    rng = np.random.default_rng(0)
    groups = rng.integers(4, size=120), rng.integers(4, size=60)
    x = rng.random((120, 60)) < np.where(groups[0][:, None] == groups[1], 0.4, 0.02)
    x[5] = x[:, 7] = False  # nobody and nothing
    data = of_counts(x.astype(float))
    train, test = kerasrec.data.splits.random_split(data, 0.2, seed=0)
    model = kerasrec.zoo.create("lightgcn", train, n_components=8, learning_rate=0.05, seed=0)
    ranking = RankingMetrics(test, train)
    found = model.fit(batches(train), epochs=5, verbose=0, callbacks=[ranking]).history["val_ndcg@10"]
    popular = ranking.measure(kerasrec.zoo.create("popularity", train))["ndcg@10"]
    assert found[-1] > 1.5 * popular


def test_starts_from_the_singular_vectors(counts, interactions):
    model = kerasrec.zoo.LightGCN(interactions, 4, start="svd")
    users, items = tables(model)
    x = (counts > 0).astype(float)
    by_user, by_item = (np.maximum(x.sum(axis=axis), 1) for axis in (1, 0))
    u, s, v = np.linalg.svd(x / np.sqrt(np.outer(by_user, by_item)))
    expected = (u[:, :4] * s[:4]) @ v[:4]
    found = users @ items.T
    np.testing.assert_allclose(found / np.linalg.norm(found), expected / np.linalg.norm(expected), atol=1e-4)


@pytest.mark.slow
def test_a_file_has_the_graph_and_the_vectors(interactions, tmp_path):
    model = kerasrec.zoo.create("lightgcn", interactions, n_components=4)
    model.fit(batches(interactions), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(scores(loaded, 30, 20), scores(model, 30, 20))
    loaded.fit(batches(interactions), epochs=1, verbose=0)
    assert not np.allclose(scores(loaded, 30, 20), scores(model, 30, 20))


@pytest.mark.slow
def test_a_recommender_of_it_grows(counts):
    data = of_counts(counts, kind="counts")
    recommender = kerasrec.Recommender.train(data, "lightgcn", epochs=1, n_components=4, verbose=0)
    before = recommender.recommend([0], k=5)
    recommender.add_users([1000])
    recommender.add_items([2000])
    assert recommender.recommend([0], k=5, exclude=[2000]).equals(before)
    assert len(recommender.recommend_for_history([0, 1, 2], k=3)) == 3


@pytest.mark.slow
def test_an_update_passes_vectors_on_along_new_edges(counts):
    data, ids = of_counts(counts, kind="counts"), {"user_ids": np.arange(31), "item_ids": np.arange(21)}
    recommender = kerasrec.Recommender.train(
        data, "lightgcn", epochs=1, n_components=4, score="dot", loss="bpr", verbose=0
    )
    new = kerasrec.data.Interactions(
        [4, 9, 30], [7, 7, 20], [1.0, 3.0, 2.0], kind="counts", **ids
    )  # two users and an item without edges so far, a user and an item that are new
    recommender.update(new, epochs=1, verbose=0)
    x = np.zeros((31, 21))
    x[:30, :20] = counts > 0
    x[[4, 9, 30], [7, 7, 20]] = 1
    users, items = propagated(x, *tables(recommender.model))
    expected = users @ items.T
    np.testing.assert_allclose(scores(recommender.model, 31, 21), expected, rtol=1e-4, atol=1e-5)


def test_users_without_edges_keep_their_own_vectors(counts, interactions):
    """Two users and an item have no edge: nothing is passed on to them, and their lists are made."""
    model = kerasrec.zoo.LightGCN(interactions, 4, first_weight=0.3, seed=1)
    users, items = (keras.ops.convert_to_numpy(x) for x in model.get_layer("graph").propagate())
    own = tables(model)
    np.testing.assert_allclose(users[[4, 9]], 0.3 * own[0][[4, 9]], rtol=1e-5)
    np.testing.assert_allclose(items[7], 0.3 * own[1][7], rtol=1e-5)
    assert len(kerasrec.Recommender(model, interactions).recommend(4, k=3)) == 3


@pytest.mark.slow
def test_a_single_event_a_user():
    data = of_counts(np.eye(6))
    model = kerasrec.zoo.create("lightgcn", data, n_components=4, seed=0)
    assert np.isfinite(scores(model, 6, 6)).all()
    losses = model.fit(RankingBatches(data, 3, 2, seed=0), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and np.isfinite(scores(model, 6, 6)).all()


def test_ids_are_checked_against_the_table_of_their_side(interactions):
    model = kerasrec.zoo.LightGCN(interactions, 4)
    assert find_id_limits(model) == {"user": (30, "graph"), "item": (20, "graph")}


def test_bad_input(interactions):
    with pytest.raises(ValueError, match="`start` must be one of random, svd. Received: start='x'"):
        kerasrec.zoo.LightGCN(interactions, start="x")
    with pytest.raises(ValueError, match="`temperature` must be a finite number above 0. Received: temp"):
        kerasrec.zoo.LightGCN(interactions, temperature=0)
    with pytest.raises(ValueError, match="`interactions` must have values above 0"):
        kerasrec.zoo.LightGCN(interactions.take(np.zeros(len(interactions), bool)))
