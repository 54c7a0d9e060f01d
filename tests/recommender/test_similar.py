import numpy as np
import pytest

from kerasrec import Recommender
from kerasrec.data import Interactions


def test_nearest_items_by_cosine_and_by_dot_product(factorised):
    vectors = factorised.item_vectors().to_numpy().astype(np.float64)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    for measure, table in (("cosine", unit), ("dot", vectors)):
        scores = table @ table[3]
        scores[3] = -np.inf
        frame = factorised.similar_items(30, k=4, measure=measure)
        assert frame.columns.tolist() == ["item", "rank", "similar", "score", "title", "genres"]
        assert frame["item"].tolist() == [30] * 4
        best = np.argsort(-scores)[:4]
        assert frame["similar"].tolist() == (10 * best).tolist()
        np.testing.assert_allclose(frame["score"], scores[best], rtol=1e-5)
        assert frame["title"].tolist() == [f"Film {i}" for i in best]


def test_nearest_users(factorised):
    frame = factorised.similar_users(["u2", "u5"], k=3)
    assert frame.columns.tolist() == ["user", "rank", "similar", "score"]
    assert frame["user"].tolist() == ["u2"] * 3 + ["u5"] * 3
    assert "u2" not in frame["similar"][:3].tolist()
    parity = frame["similar"].str[1:].astype(int) % 2
    assert parity.tolist() == [0, 0, 0, 1, 1, 1]  # the two camps


def test_models_without_vectors_compare_who_has_what():
    ids = {"user_ids": ["ann", "bob", "cem"], "item_ids": ["x", "y", "z"]}
    data = Interactions([0, 1, 0, 1, 2, 2], [0, 0, 1, 2, 2, 1], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0], **ids)
    for name in ("popularity", "ease", "item_knn", "random"):
        frame = Recommender.train(data, name).similar_items("x", k=2)
        # x: {ann, bob}; y: {ann}; z: {bob, cem}.
        assert frame["similar"].tolist() == ["y", "z"]
        np.testing.assert_allclose(frame["score"], [1 / np.sqrt(2), 1 / 2], rtol=1e-6)


@pytest.mark.slow
def test_a_network_on_both_compares_what_it_reads(data):
    recommender = Recommender.train(
        data, "recommender_net", epochs=1, verbose=0, n_components=3, min_rating=0.0, max_rating=1.0
    )
    table = recommender.model.get_layer("item_embedding").embeddings
    np.testing.assert_allclose(recommender.item_vectors().to_numpy(), np.asarray(table), rtol=1e-6)
    assert len(recommender.similar_items(0, k=5)) == 5


def test_bad_input(factorised):
    with pytest.raises(ValueError, match=r"`k` must be below the number of items\. Received: k=20 of 20"):
        factorised.similar_items(0, k=20)
    with pytest.raises(ValueError, match=r"`measure` must be one of cosine, dot"):
        factorised.similar_users("u1", measure="angle")
    with pytest.raises(ValueError, match=r"first 'u99'"):
        factorised.similar_users("u99")
