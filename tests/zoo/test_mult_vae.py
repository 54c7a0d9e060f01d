import keras
import numpy as np
import pytest
from zoo_models import of_counts

import kerasrec
from kerasrec.data import CatalogueBatches, ModelInputs, splits
from kerasrec.evaluation import evaluate

HIDDEN = (6,)


def weights(model):
    return {w.path: keras.ops.convert_to_numpy(w).astype(float) for w in model.weights}


def encoded(w, x, deep):
    """The code's layer before it is drawn, of rows of ones and zeros: Liang et al., 2018, section 4.4."""
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    x = x @ w["encoder_0/embeddings"] + w["encoder_0/bias"]
    return np.tanh(x) @ w["encoder_1/kernel"] + w["encoder_1/bias"] if deep else x


def decoded(w, code, deep):
    """Logits of the whole catalogue."""
    x = np.tanh(code @ w["decoder_0/kernel"] + w["decoder_0/bias"]) if deep else code
    return x @ w["item_embedding/embeddings"].T + w["item_bias/embeddings"][:, 0]


def spread(model):
    """Larger weights than a model begins with: small numbers would hide what is missing."""
    for place, weight in enumerate(model.trainable_weights):
        weight.assign(np.random.default_rng(place).normal(size=tuple(weight.shape)))


def all_scores(model, interactions):
    x = ModelInputs(model, interactions).users(np.arange(interactions.n_users))
    return keras.ops.convert_to_numpy(model({**x, "item": np.arange(interactions.n_items)[None]}))


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("hidden", [HIDDEN, ()])
def test_scores_are_those_of_the_paper(counts, interactions, variational, hidden):
    model = kerasrec.zoo.MultVAE(20, 3, hidden, variational, seed=1)
    spread(model)
    w = weights(model)
    code = encoded(w, (counts > 0).astype(float), hidden)
    code = code[:, :3] if variational else np.tanh(code)
    np.testing.assert_allclose(
        all_scores(model, interactions), decoded(w, code, hidden), rtol=1e-4, atol=1e-4
    )
    assert model.towers.user_inputs == ("history",)


@pytest.mark.slow
def test_the_loss_is_that_of_the_paper(counts, interactions):
    """With nothing dropped and hardly any variance, so that what is drawn is the mean."""
    model = kerasrec.zoo.MultVAE(20, 3, HIDDEN, dropout=0.0, beta=0.5, anneal_steps=4, seed=1)
    spread(model)
    code = model.get_layer("encoder_1")
    code.kernel.assign(np.concatenate([keras.ops.convert_to_numpy(code.kernel)[:, :3], np.zeros((6, 3))], 1))
    code.bias.assign([0.0, 0.0, 0.0, -20.0, -20.0, -20.0])
    w = weights(model)
    with_likes = counts.any(axis=1)
    x = (counts[with_likes] > 0).astype(float)
    means = encoded(w, x, True)[:, :3]
    logits = decoded(w, means, True)
    likelihoods = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    divergence = 0.5 * np.sum(np.exp(-20.0) + means**2 - 1 + 20.0, axis=1)
    likes = of_counts((counts > 0).astype(float))
    batches = CatalogueBatches(likes, 100, model=model, seed=0)
    model.optimizer.learning_rate = 0.0
    for step, weight in enumerate([0.0, 0.25, 0.5, 0.5]):
        expected = np.mean(-(x * likelihoods).sum(axis=1) + weight * divergence)
        found = model.train_on_batch(*batches[0])
        assert float(found) == pytest.approx(expected, rel=2e-3), step


@pytest.fixture(scope="module")
def structured():
    """Users of four kinds, each of which likes one of four kinds of items; the parts for new users."""
    rng = np.random.default_rng(0)
    groups = rng.integers(4, size=120), rng.integers(4, size=60)
    x = rng.random((120, 60)) < np.where(groups[0][:, None] == groups[1], 0.4, 0.02)
    return splits.held_out_users(of_counts(x.astype(float)), 0.25, seed=0)


@pytest.fixture(scope="module")
def recommender(structured):
    settings = {"n_components": 4, "hidden": (8,), "learning_rate": 0.03, "dropout": 0.3, "batch_size": 32}
    return kerasrec.Recommender.train(structured[0], "mult_vae", epochs=25, verbose=0, **settings)


def test_finds_what_new_users_like(structured, recommender):
    train, given, test = structured
    found, popular = (
        evaluate(model, test, train, given=given, k=10, metrics=["ndcg"])["ndcg@10"]
        for model in (recommender.model, kerasrec.zoo.create("popularity", train))
    )
    assert found > 1.5 * popular


def test_a_file_has_the_weight_of_the_divergence(recommender, structured, tmp_path):
    recommender.save(tmp_path / "x.keras")
    loaded = kerasrec.Recommender.load(tmp_path / "x.keras")
    assert loaded.recommend(k=3).equals(recommender.recommend(k=3))
    steps = [float(r.model.get_layer("code").steps) for r in (loaded, recommender)]
    assert steps[0] == steps[1] == 25 * 3  # 90 users, 32 a step


def test_a_newcomer_is_told_by_items_and_grows_in(recommender, tmp_path):
    recommender.save(tmp_path / "x.keras")
    grown = kerasrec.Recommender.load(tmp_path / "x.keras")
    before = grown.recommend_for_history([3, 1, 2], k=5)
    assert before.equals(grown.recommend_for_history([2, 3, 1, 2], k=5))
    grown.add_items([1000])
    grown.add_users([2000])
    after = grown.recommend_for_history([3, 1, 2], k=6, exclude=[1000])
    assert after.head(5)["item"].tolist() == before["item"].tolist()
    assert len(grown.recommend([2000], k=4)) == 4


@pytest.mark.slow
def test_a_single_event_a_user_and_one_without():
    data = of_counts(np.vstack([np.eye(6), np.zeros((1, 6))]))
    model = kerasrec.zoo.create("mult_vae", data, n_components=2, hidden=(3,), seed=0)
    losses = model.fit(CatalogueBatches(data, 3, model=model, seed=0), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and np.isfinite(all_scores(model, data)).all()


def test_bad_input():
    with pytest.raises(ValueError, match="`hidden` must be a positive integer. Received: hidden=0"):
        kerasrec.zoo.MultVAE(5, hidden=(0,))
    with pytest.raises(ValueError, match="`beta` must be a finite number of at least 0. Received: beta=-0.1"):
        kerasrec.zoo.MultVAE(5, beta=-0.1)
