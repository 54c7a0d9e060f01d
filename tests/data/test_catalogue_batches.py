import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasrec
from kerasrec.data import CatalogueBatches, Interactions, catalogue_batches


def grid(n_users=30, n_items=40, n=200, seed=0, values=None):
    rng = np.random.default_rng(seed)
    users, items = np.divmod(rng.choice(n_users * n_items, n, replace=False), n_items)
    return Interactions(users, items, values, user_ids=range(n_users), item_ids=range(n_items))


def epoch(batches):
    return [batches[i] for i in range(len(batches))]


@settings(max_examples=30)
@given(seed=st.integers(0, 99), n=st.integers(1, 60), batch_size=st.integers(1, 8), part=st.booleans())
def test_labels_are_the_users_rows_of_the_matrix(seed, n, batch_size, part):
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.0, 0.0, 1.0, 2.5], n)
    values[0] = 1
    x = grid(6, 12, n, seed, values)
    matrix = np.zeros((6, 12))
    matrix[x.users, x.items] = np.maximum(x.values, 0)
    list_size = int(rng.integers(1, 12)) if part else None
    seen = []
    for inputs, labels in epoch(CatalogueBatches(x, batch_size, list_size, seed=seed, dense=True)):
        users, items = inputs["user"][:, 0], inputs["item"][0]
        assert inputs["item"].shape == (1, list_size or 12) and len(set(items)) == len(items)
        assert (inputs["user"].dtype, inputs["item"].dtype) == (np.int32, np.int32)
        np.testing.assert_array_equal(labels, matrix[users][:, items].astype("float32"))
        if part:
            wanted = set(np.flatnonzero(matrix[users].any(axis=0)))
            assert len(wanted & set(items)) >= min(len(wanted), max(1, list_size // 2))
        seen += users.tolist()
    assert sorted(seen) == np.flatnonzero(matrix.any(axis=1)).tolist()


@pytest.mark.parametrize("list_size", [None, 9])
def test_places_are_those_of_the_dense_labels(list_size):
    x = grid(values=np.random.default_rng(0).choice([0.0, 1.0, 2.5], 200))
    by_place = CatalogueBatches(x, 8, list_size, seed=0)
    dense = CatalogueBatches(x, 8, list_size, seed=0, dense=True)
    for (inputs, found), (_, expected) in zip(epoch(by_place), epoch(dense), strict=True):
        assert found.shape[::2] == (1, 3) and found.dtype == np.float32
        rows, places, labels = found[0].T
        labels_of = np.zeros((len(inputs["user"]), list_size or 40), np.float32)
        np.add.at(labels_of, (rows.astype(int), places.astype(int)), labels)
        np.testing.assert_array_equal(labels_of, expected)


def test_batches_have_labels_of_one_shape_although_some_users_have_much_more():
    counts = np.append(np.random.default_rng(0).integers(1, 5, 999), 400)
    users = np.repeat(np.arange(1000), counts)
    items = np.concatenate([np.arange(n) for n in counts])
    x = Interactions(users, items, user_ids=range(1000), item_ids=range(400))
    batches = CatalogueBatches(x, 100, seed=0)
    shapes = set()
    for _ in range(5):
        shapes |= {labels.shape for _, labels in epoch(batches)}
        batches.on_epoch_end()
    assert len(shapes) == 1
    assert shapes.pop()[1] < 1600  # of 40,000 entries


def test_a_batch_with_uncommonly_many_positives_has_room_for_them(monkeypatch):
    monkeypatch.setattr(catalogue_batches, "_room", lambda lengths, batch_size: 3)
    inputs, labels = CatalogueBatches(grid(), 30, seed=0)[0]
    assert labels.shape == (1, 384, 3) and np.count_nonzero(labels[0, :, 2]) == 200


def test_seed_and_epochs():
    one, same, other = (CatalogueBatches(grid(), 8, 10, seed=seed) for seed in (1, 1, 2))
    first = epoch(one)
    for (a, x), (b, y) in zip(first, epoch(same), strict=True):
        np.testing.assert_array_equal(a["user"], b["user"])
        np.testing.assert_array_equal(a["item"], b["item"])
        np.testing.assert_array_equal(x, y)
    assert (other[0][0]["user"] != first[0][0]["user"]).any()
    one.on_epoch_end()
    assert (one[0][0]["user"] != first[0][0]["user"]).any()


@pytest.mark.parametrize("list_size", [30, 12])
def test_log_q_is_the_logarithm_of_how_often_an_item_is_in_a_list(list_size):
    x = grid(30, 40, 60)
    batches = CatalogueBatches(x, 5, list_size, seed=0, log_q=True)
    times, said, n = np.zeros(40), np.zeros(40), 0
    for _ in range(300):
        for inputs, labels in epoch(batches):
            items = inputs["item"][0]
            times[items] += 1
            said[items] += np.exp(labels[0, :, 2])
            np.testing.assert_array_equal(labels[:, :, 1], np.broadcast_to(items, labels.shape[:2]))
            n += 1
        batches.on_epoch_end()
    # What is said depends on the batch and is averaged over those that the item is in: a little above.
    np.testing.assert_allclose(said / times, times / n, rtol=0.2)
    assert np.ptp(times / n) > 0.15  # not the same number for all


def test_the_whole_catalogue_needs_no_correction():
    _, labels = CatalogueBatches(grid(), 4, log_q=True)[0]
    assert labels.shape == (4, 40, 3) and not labels[:, :, 2].any()


@pytest.mark.parametrize(
    ("arguments", "loss"),
    [
        ({}, kerasrec.losses.FullSoftmax()),
        ({"list_size": 20, "log_q": True}, kerasrec.losses.SampledSoftmax(remove_accidental_hits=False)),
    ],
)
def test_fit_learns(arguments, loss):
    x = grid()
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    score = kerasrec.layers.DotScore()(
        kerasrec.layers.FeatureEmbedding(x.n_users, 8, keras.initializers.RandomNormal(seed=0))(user),
        kerasrec.layers.FeatureEmbedding(x.n_items, 8, keras.initializers.RandomNormal(seed=1))(item),
    )
    model = kerasrec.Model({"user": user, "item": item}, score)
    model.compile(keras.optimizers.Adam(0.05), loss)
    history = model.fit(CatalogueBatches(x, 8, seed=0, **arguments), epochs=12, verbose=0)
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"list_size": 0}, "`list_size` must be a positive integer"),
        ({"list_size": 41}, "`list_size` must be at most the number of items. Received: list_size=41 of 40"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CatalogueBatches(grid(), **{"batch_size": 4} | arguments)


def test_no_positives():
    x = Interactions([0, 1], [0, 1], [0, -1], user_ids=[0, 1], item_ids=[0, 1])
    with pytest.raises(ValueError, match="must have positives, .* Received: 2 interactions without one"):
        CatalogueBatches(x, 2)


@pytest.mark.slow
@pytest.mark.parametrize("n_users", [1, 3])
def test_a_batch_of_one_user_trains(n_users):
    """Two users and the one that is left, or nobody else."""
    users, items = np.repeat(np.arange(n_users), 2), np.tile([0, 1], n_users)
    x = Interactions(users, items, user_ids=range(n_users), item_ids=range(4))
    model = kerasrec.zoo.create("hybrid", x, loss="full_softmax", n_components=2)
    history = model.fit(CatalogueBatches(x, 2, seed=0), epochs=1, verbose=0)
    # Scores begin near 0, so each of a user's two likes costs about log(4).
    assert history.history["loss"][0] == pytest.approx(2 * np.log(4), rel=0.1)


def test_batches_whose_scores_would_not_fit_are_refused():
    x = Interactions(range(600), range(600), user_ids=range(600), item_ids=range(1_000_000))
    message = (
        r"must take at most 2,000,000,000 bytes; use a smaller `batch_size`, or a `list_size` .* Received: "
        r"512 users with 1,000,000 items, which take 2,048,000,000 bytes"
    )
    with pytest.raises(ValueError, match=message):
        CatalogueBatches(x, 512)
    assert len(CatalogueBatches(x, 256)) == 3 and len(CatalogueBatches(x, 512, list_size=1000)) == 2


def test_a_history_is_the_whole_row_and_all_batches_have_one_shape():
    counts = np.append(np.ones(20, int), 12)
    users = np.repeat(np.arange(21), counts)
    items = np.concatenate([(np.arange(n) + user) % 15 for user, n in enumerate(counts)])
    x = Interactions(users, items, times=users, user_ids=range(21), item_ids=range(15))
    for inputs, labels in epoch(CatalogueBatches(x, 7, seed=0, dense=True, model=["history", "item"])):
        assert inputs["history"].shape == (7, 16)
        for history, row in zip(inputs["history"], labels, strict=True):
            assert set(history[history >= 0]) == set(np.flatnonzero(row))
