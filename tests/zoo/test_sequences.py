"""The models of histories: what a chain teaches them, and that nobody looks ahead."""

import keras
import numpy as np
import pytest

from kerasrec import Recommender, zoo
from kerasrec.data import Interactions, SequenceBatches, Sequences
from kerasrec.evaluation import evaluate
from kerasrec.trainers._positions import of_positions

N_ITEMS, LENGTH = 12, 8
# Cyclic: after an item comes the next one; 5 to 8 of them.
LISTS = [[(start + i) % N_ITEMS for i in range(5 + n % 4)] for n in range(16) for start in range(N_ITEMS)]
SEEN = Sequences.of_lists([items[:-1] for items in LISTS], N_ITEMS)
MODELS = {
    "sasrec": ({"n_blocks": 1}, 12),
    "gru4rec": ({"dropout": 0.0, "embedding_dropout": 0.0}, 15),
    "youtube_candidates": ({"dropout": 0.0}, 60),
    "bert4rec": ({"n_blocks": 1, "dropout": 0.0}, 100),
}
SEQUENTIAL = [name for name in zoo.names() if zoo.card(name).sequential]


def made(name, loss="ce"):
    settings, epochs = MODELS[name]
    factory = zoo.card(name).factory
    model = factory(
        N_ITEMS,
        n_components=16,
        history_length=LENGTH,
        loss=loss,
        learning_rate=0.01,
        seed=0,
        **settings,
    )
    return model, epochs


def test_every_model_of_sequences_is_here():
    assert sorted(SEQUENTIAL) == sorted(MODELS)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_chain_is_learnt(name):
    """Popularity says nothing here: all items are as frequent."""
    model, epochs = made(name)
    batches = SequenceBatches(SEEN, 64, model=model, buckets=[LENGTH], seed=0)
    model.fit(batches, epochs=epochs, verbose=0)
    # A mean does not tell how many there were: no history is longer than those of training.
    users = [user for user, items in enumerate(LISTS) if len(items) < LENGTH]
    ids = {"user_ids": np.arange(len(LISTS)), "item_ids": np.arange(N_ITEMS)}
    test = Interactions(users, [LISTS[user][-1] for user in users], **ids)
    report = evaluate(model, test, k=1, metrics=["recall"], exclude_seen=False, history=SEEN)
    assert report["recall@1"] >= 0.98


def test_the_networks_of_blocks_have_a_size_of_their_own():
    """Against a count by hand: both kernels and the hidden bias grow, in each of two blocks."""
    narrow, wide = (zoo.SASRec(N_ITEMS, 4, hidden=hidden, history_length=LENGTH) for hidden in (None, 10))
    assert wide.count_params() - narrow.count_params() == 2 * (2 * 4 * (10 - 4) + (10 - 4))


def test_activation_and_dropout_of_attention_weights_reach_the_blocks():
    def block(**settings):
        return zoo.SASRec(N_ITEMS, 4, dropout=0.5, history_length=LENGTH, **settings).get_layer("block_1")

    assert block(activation="gelu").activation is keras.activations.gelu
    assert block().drop_weights.rate == 0
    assert block(variant="original").drop_weights.rate == 0.5
    assert block(attention_dropout=0.1, variant="original").drop_weights.rate == 0.1


@pytest.mark.slow
def test_the_original_network_is_that_of_the_published_code(tmp_path):
    """In plain NumPy."""
    model = zoo.SASRec(
        N_ITEMS, 4, 1, 1, LENGTH, variant="original", learning_rate=0.01, loss="ce", dropout=0.0, seed=0
    )
    kernels = [keras.ops.convert_to_numpy(v).ravel() for v in model.weights if v.name == "kernel"]
    assert 0.01 < np.concatenate(kernels).std() < 0.03
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=v.shape) for v in model.get_weights()])
    weight = {"/".join(v.path.split("/")[-2:]): keras.ops.convert_to_numpy(v) for v in model.weights}

    def norm(x, name):
        spread = np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return (x - x.mean(-1, keepdims=True)) / spread * weight[f"{name}/gamma"] + weight[f"{name}/beta"]

    def dense(x, name):
        return x @ weight[f"{name}/kernel"] + weight[f"{name}/bias"]

    history = np.array([[-1, -1, 3, 0, 7]], "int32")
    items = weight["item_embedding/embeddings"]
    x = items[history[0, 2:]] * 2 + weight["places/table"][:3]  # the square root of 4 components
    z = norm(x, "norm_0")
    keys, values = np.split(dense(x, "keys_values"), 2, axis=-1)
    pull = dense(z, "queries") @ keys.T / 2
    pull = np.exp(np.where(np.tril(np.ones((3, 3))) > 0, pull, -np.inf))
    x = z + dense(pull / pull.sum(-1, keepdims=True) @ values, "attended")
    z = norm(x, "norm_1")
    x = norm(z + dense(np.maximum(dense(z, "inner"), 0), "outer"), "norm")
    inputs = {"history": history, "item": np.arange(N_ITEMS, dtype="int32")[None]}
    got = keras.ops.convert_to_numpy(model(inputs))
    np.testing.assert_allclose(got, x[-1:] @ items.T, rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(inputs)), got)
    with pytest.raises(
        ValueError, match="`variant` must be one of pre_norm, original. Received: variant='new'"
    ):
        zoo.SASRec(N_ITEMS, variant="new")


def vectors(model, history):
    """What training has at each position, and evaluation for the user."""
    n_rows, length = history.shape
    positions = keras.ops.convert_to_numpy(of_positions(model)({"history": history}, False))[:-N_ITEMS]
    user = model.towers.user.predict({"history": history}, verbose=0)["user"]
    return positions.reshape(n_rows, -1, positions.shape[-1]), user


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_nobody_looks_ahead_and_padding_changes_nothing(name):
    model, _ = made(name)
    rng = np.random.default_rng(0)
    history = rng.integers(0, N_ITEMS, (2, 6)).astype("int32")
    later = history.copy()
    later[:, 4:] = (later[:, 4:] + 1) % N_ITEMS
    positions, user = vectors(model, history)
    others, other_user = vectors(model, later)
    assert np.abs(user - other_user).max() > 1e-4  # what is before the target counts
    if name in ("sasrec", "gru4rec"):
        np.testing.assert_allclose(positions[:, :4], others[:, :4], atol=1e-6)
        assert np.abs(positions[:, 4:] - others[:, 4:]).max() > 1e-4
    padded = np.pad(history, ((0, 0), (2, 0)), constant_values=-1)
    of_padded, user_of_padded = vectors(model, padded)
    np.testing.assert_allclose(user_of_padded, user, atol=1e-5)
    np.testing.assert_allclose(of_padded[:, -positions.shape[1] :], positions, atol=1e-5)
    empty = np.full((2, 6), -1, "int32")
    assert all(np.isfinite(x).all() for x in vectors(model, empty))


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"bert4rec"}))
def test_later_events_change_no_history_and_no_target_before_them(name):
    model, _ = made(name)
    cut = 4
    changed = [[*items[:cut], *((i + 5) % N_ITEMS for i in items[cut:-1])] for items in LISTS]
    pairs = zip(rows(model, SEEN), rows(model, Sequences.of_lists(changed, N_ITEMS)), strict=True)
    for (history, targets), (other_history, other_targets) in pairs:
        for row, wanted, other_row, other in zip(history, targets, other_history, other_targets, strict=True):
            items, later = row[row >= 0], other_row[row >= 0]
            if not len(items):  # fills the last batch
                continue
            wanted, other = wanted[wanted >= 0], other[wanted >= 0]
            assert (items[:cut] == later[:cut]).all() and (items[cut:] != later[cut:]).all()
            # The place in the sequence of each target: the one after the history's.
            places = np.arange(len(items) - len(wanted) + 1, len(items) + 1)
            assert ((wanted == other) == (places < cut)).all()
            assert (wanted == (items[0] + places) % N_ITEMS).all()


@pytest.mark.parametrize("name", [*sorted(MODELS), "mult_vae"])
def test_what_comes_after_a_test_event_changes_no_list(name):
    """Rows of training that are later than the test, as a split by rows gives, are in no history."""
    if name == "mult_vae":
        model = zoo.MultVAE(N_ITEMS, n_components=4, hidden=(8,), seed=0)
        model.get_layer("item_bias").embeddings.assign(np.linspace(-0.1, 0.1, N_ITEMS)[:, None])
    else:
        model, _ = made(name)
    n, rng = 30, np.random.default_rng(0)
    ids = {"user_ids": np.arange(n), "item_ids": np.arange(N_ITEMS)}
    users, times = np.repeat(np.arange(n), 6), np.tile([0, 1, 2, 4, 5, 6], n)
    items = np.concatenate([rng.permutation(N_ITEMS)[:6] for _ in range(n)])
    test = Interactions(np.arange(n), rng.integers(0, N_ITEMS, n), None, np.full(n, 3), **ids)

    def ranks(shift):
        changed = np.where(shift, (items + 1) % N_ITEMS, items)
        train = Interactions(users, changed, None, times, **ids)
        how = {"k": N_ITEMS, "metrics": ["mrr"], "exclude_seen": False}
        return evaluate(model, test, train, **how).per_user(f"mrr@{N_ITEMS}").tolist()

    assert ranks(times > 3) == ranks(times > 9)  # the others never change
    assert ranks(times < 3) != ranks(times > 9)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_file_without_its_vocabulary(name, tmp_path):
    """A model by its factory knows codes alone: nobody can say what they were called."""
    model, _ = made(name)
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="`path` must be written by .*which holds no ids"):
        Recommender.load(tmp_path / "model.keras")


def rows(model, sequences):
    of = SequenceBatches(sequences, 64, model=model, buckets=[LENGTH], seed=0)
    return [(of[i][0]["history"], np.asarray(of[i][1])) for i in range(len(of))]
