import keras
import numpy as np
import pytest
from zoo_models import of_counts, scores

import kerasrec
from kerasrec.data import RankingBatches
from kerasrec.evaluation import RankingMetrics


def weights(model):
    return {w.path: keras.ops.convert_to_numpy(w).astype(float) for w in model.weights}


@pytest.mark.parametrize("parts", ["neumf", "gmf", "mlp"])
def test_scores_are_those_of_the_paper(parts):
    model = kerasrec.zoo.NeuMF(4, 5, 3, hidden=(6, 2), parts=parts, seed=1)
    for weight in model.weights:  # small numbers would hide what is missing
        shape = tuple(weight.shape)
        if len(shape):
            weight.assign(np.random.default_rng(len(weight.path)).normal(size=shape))
    w = weights(model)
    columns = []
    if parts != "mlp":
        columns.append(w["gmf_user_embedding/embeddings"][:, None] * w["gmf_item_embedding/embeddings"])
    if parts != "gmf":
        users, items = (w[f"mlp_{side}_embedding/embeddings"] for side in ("user", "item"))
        x = np.concatenate([np.repeat(users[:, None], 5, 1), np.repeat(items[None], 4, 0)], axis=-1)
        for place in range(2):
            x = np.maximum(x @ w[f"hidden_{place}/kernel"] + w[f"hidden_{place}/bias"], 0)
        columns.append(x)
    expected = np.concatenate(columns, axis=-1) @ w["weigh/kernel"][:, 0] + w["weigh/bias"]
    np.testing.assert_allclose(scores(model, 4, 5), expected, rtol=1e-4, atol=1e-4)
    assert model.towers is None


def test_sizes_are_those_of_the_paper():
    """8 factors on MovieLens 1M: an MLP of 32-16-8 on two vectors of 32."""
    model = kerasrec.zoo.NeuMF(6040, 3706)
    tables = (6040 + 3706) * (8 + 32)
    network = (64 + 1) * 32 + (32 + 1) * 16 + (16 + 1) * 8
    assert model.count_params() == tables + network + 16 + 1


@pytest.mark.slow
def test_beats_popularity_on_data_with_structure():
    rng = np.random.default_rng(0)
    groups = rng.integers(4, size=120), rng.integers(4, size=60)
    x = rng.random((120, 60)) < np.where(groups[0][:, None] == groups[1], 0.4, 0.02)
    train, test = kerasrec.data.splits.random_split(of_counts(x.astype(float)), 0.2, seed=0)
    model = kerasrec.zoo.create("neumf", train, learning_rate=0.02, seed=0)
    ranking = RankingMetrics(test, train, every=100)
    model.fit(RankingBatches(train, 64, 4, seed=0), epochs=15, verbose=0)
    popular = ranking.measure(kerasrec.zoo.create("popularity", train))["ndcg@10"]
    assert ranking.measure(model)["ndcg@10"] > 1.5 * popular


def test_bad_input():
    with pytest.raises(ValueError, match="`parts` must be one of neumf, gmf, mlp. Received: parts='x'"):
        kerasrec.zoo.NeuMF(3, 4, parts="x")
    with pytest.raises(ValueError, match=r"`hidden` must have at least one layer. Received: hidden=\(\)"):
        kerasrec.zoo.NeuMF(3, 4, hidden=())
    with pytest.raises(
        ValueError, match="`n_components` must be a positive integer. Received: n_components=0"
    ):
        kerasrec.zoo.NeuMF(3, 4, 0)
