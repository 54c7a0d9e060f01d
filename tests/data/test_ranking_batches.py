from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import kerasrec
from kerasrec.data import Interactions, RankingBatches, samplers
from kerasrec.data._membership import Holders

SAMPLERS = [
    samplers.UniformSampler(),
    samplers.UniformSampler(replace=False),
    samplers.UniformSampler(shared=True),
    samplers.PopularitySampler(),
    samplers.PopularitySampler(replace=False, exponent=0.2),
    samplers.PopularitySampler(shared=True, replace=False, exponent=0),
    samplers.InBatchSampler(),
    samplers.InBatchSampler(replace=True, shared=True),
]


def written_out(inputs):
    """Every row's items `[B, L]`, those that the batch shares included."""
    if "shared_item" not in inputs:
        return inputs["item"]
    n_rows, shared = len(inputs["item"]), inputs["shared_item"]
    return np.concatenate([inputs["item"], np.broadcast_to(shared, (n_rows, shared.shape[1]))], axis=1)


@st.composite
def interactions(draw):
    n_users, n_items = draw(st.integers(2, 6)), draw(st.integers(4, 12))
    cells = draw(st.lists(st.integers(0, n_users * n_items - 1), min_size=1, max_size=30, unique=True))
    values = draw(st.lists(st.sampled_from([-1, 0, 1, 2.5]), min_size=len(cells), max_size=len(cells)))
    users, items = np.divmod(cells, n_items)
    return Interactions(users, items, [1, *values[1:]], user_ids=range(n_users), item_ids=range(n_items))


def table(x):
    return {(int(u), int(i)): float(v) for u, i, v in zip(x.users, x.items, x.values, strict=True)}


@pytest.mark.parametrize("by", ["interaction", "user"])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@settings(max_examples=25)
@given(x=interactions(), batch_size=st.integers(3, 8), seed=st.integers(0, 99))
def test_rows_hold_the_positives_and_negatives_of_their_user(sampler, by, x, batch_size, seed):
    values = table(x)
    n_possible = len({i for (_, i), v in values.items() if v > 0})
    n_sampled = 2 if n_possible > 1 or sampler.replace else 1
    batches = RankingBatches(x, batch_size, n_sampled, sampler, by, seed)
    seen, lengths = [], set()
    for index in range(len(batches)):
        inputs, labels = batches[index]
        users, items = inputs["user"], written_out(inputs)
        assert (users.dtype, items.dtype) == (np.int32, np.int32)
        assert labels.dtype in ((np.float32, np.int8) if sampler.shared else (np.float32,))
        n_own = inputs["item"].shape[1]
        assert users.shape == (len(users), 1) and items.shape == labels.shape
        assert sampler.shared == (items.shape[1] == n_own + n_sampled and "shared_item" in inputs)
        lengths.add(items.shape[1])
        for user, row, row_labels in zip(users[:, 0], items, labels, strict=True):
            positives = [(int(user), int(i)) for i in row[row_labels > 0]]
            assert positives and [values[p] for p in positives] == row_labels[row_labels > 0].tolist()
            assert len(set(positives)) == len(positives)
            seen += positives
            # No positive of the user is ever a negative, and all that the user refused is there.
            negatives = {(int(user), int(i)) for i in row[row_labels == 0]}
            assert all(values.get(n, 0) <= 0 for n in negatives)
            assert {k for k, v in values.items() if k[0] == user and v <= 0} <= negatives
            own, own_labels = row[:n_own], row_labels[:n_own]
            assert (own[own_labels < 0] == row[0]).all() and set(row_labels[row_labels < 0]) <= {-1.0}
    assert sorted(seen) == sorted(k for k, v in values.items() if v > 0)
    assert len(lengths) == 1


def grid(n_users=50, n_items=40, n=600, seed=0):
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    items = (cells % n_items) ** 2 // n_items  # low codes are popular
    cells = np.unique(cells // n_items * n_items + items)
    return Interactions(
        *np.divmod(cells, n_items),
        rng.integers(1, 6, len(cells)),
        user_ids=range(n_users),
        item_ids=range(n_items),
    )


def epoch(batches):
    return [batches[i] for i in range(len(batches))]


def test_the_same_seed_gives_the_same_epochs_and_each_epoch_another():
    one, other, different = (RankingBatches(grid(), 32, 5, seed=seed) for seed in (3, 3, 4))
    for _ in range(2):
        first = epoch(one)
        for a, b in zip(first, epoch(other), strict=True):
            np.testing.assert_array_equal(a[0]["item"], b[0]["item"])
            np.testing.assert_array_equal(a[1], b[1])
        assert (first[0][0]["item"] != different[0][0]["item"]).any()
        one.on_epoch_end()
        other.on_epoch_end()
        assert (first[0][0]["item"] != one[0][0]["item"]).any()
    # A batch does not depend on which others were asked for.
    np.testing.assert_array_equal(one[2][0]["item"], epoch(one)[2][0]["item"])


def test_no_seed_is_a_seed_of_its_own_that_keras_can_fix():
    keras.utils.set_random_seed(1)
    one = RankingBatches(grid(), 32, 5)
    two = RankingBatches(grid(), 32, 5)
    keras.utils.set_random_seed(1)
    again = RankingBatches(grid(), 32, 5)
    assert one.seed == again.seed != two.seed


@pytest.mark.parametrize("exponent", [0.5, 1])
def test_popularity_sampler_draws_by_popularity(exponent):
    x = grid()
    batches = RankingBatches(
        x, 50, 100, samplers.PopularitySampler(exponent=exponent), seed=0, exclude_positives=False
    )
    drawn = np.concatenate([inputs["item"][:, 1:].ravel() for inputs, _ in epoch(batches)])
    expected = np.bincount(x.items, minlength=x.n_items) ** float(exponent)
    counts = np.bincount(drawn, minlength=x.n_items)
    assert counts[expected == 0].sum() == 0
    expected = expected[expected > 0]
    assert chisquare(counts[counts > 0], expected / expected.sum() * len(drawn)).pvalue > 0.001


def test_uniform_sampler_with_positives_left_in():
    batches = RankingBatches(grid(), 50, 100, seed=0, exclude_positives=False)
    labels = np.concatenate([labels for _, labels in epoch(batches)])
    assert (labels[:, 1:] == 0).all()
    drawn = np.concatenate([inputs["item"][:, 1:].ravel() for inputs, _ in epoch(batches)])
    assert chisquare(np.bincount(drawn, minlength=40)).pvalue > 0.001


def test_in_batch_negatives_are_the_other_rows_positives():
    x = Interactions(range(6), range(6), user_ids=range(6), item_ids=range(9))
    inputs, labels = RankingBatches(x, 6, 5, "in_batch", seed=0)[0]
    assert (np.sort(inputs["item"], axis=1) == np.arange(6)).all()
    assert (labels == [1, 0, 0, 0, 0, 0]).all()
    # A last batch of one row has no other rows.
    batches = RankingBatches(x, 5, 4, "in_batch", seed=0)
    assert batches[1][1].tolist() == [[1, -1, -1, -1, -1]]


@pytest.mark.parametrize("by", ["interaction", "user"])
@pytest.mark.parametrize("n_sampled", [3, 30])  # less and more than the users of a batch have
def test_shared_samples_are_masked_where_a_user_has_them(by, n_sampled):
    x = grid()
    sampler = samplers.UniformSampler(shared=True)
    inputs, labels = RankingBatches(x, 40, n_sampled, sampler, by, seed=0)[0]
    has = table(x)
    assert inputs["shared_item"].shape == (1, n_sampled)
    for user, row in zip(inputs["user"][:, 0].tolist(), labels[:, -n_sampled:], strict=True):
        assert row.tolist() == [-((user, item) in has) for item in inputs["shared_item"][0].tolist()]


def test_holders_equal_a_set_of_pairs_both_ways_round():
    rng = np.random.default_rng(0)
    n_users, n_items = 60, 5000  # of some users, a table of all items is larger than what is looked up
    users, items = rng.integers(0, n_users, 900), rng.integers(0, n_items, 900) ** 2 // n_items
    has, pairs_ = (
        Holders(users, items, n_users, n_items),
        set(zip(users.tolist(), items.tolist(), strict=True)),
    )
    for n_asked, n_shared in [(1, 1), (1, 400), (200, 2), (90, 90), (400, 5000)]:
        asked, shared = rng.integers(0, n_users, n_asked), rng.integers(0, n_items, n_shared)
        expected = [[(u, i) in pairs_ for i in shared.tolist()] for u in asked.tolist()]
        labels = np.zeros((n_asked, 2 + n_shared), np.int8)
        has.mark(labels, asked, shared)
        np.testing.assert_array_equal(labels[:, 2:] < 0, expected)
        assert not labels[:, :2].any()


def test_holders_can_be_asked_by_several_threads():
    rng = np.random.default_rng(0)
    n_users, n_items = 300, 200
    users, items = rng.integers(0, n_users, 9000), rng.integers(0, n_items, 9000)
    has = Holders(users, items, n_users, n_items)
    there = np.zeros((n_users, n_items), bool)
    there[users, items] = True

    def mark(seed):
        drawn = np.random.default_rng(seed)
        asked, shared = drawn.integers(0, n_users, 100), drawn.integers(0, n_items, 40)
        labels = np.zeros((100, 40), np.int8)
        has.mark(labels, asked, shared)
        np.testing.assert_array_equal(labels < 0, there[asked][:, shared])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(mark, range(400)))


def test_others_can_be_left_out_of_the_samples():
    x, later = grid(), grid(seed=1)
    for sampler in (samplers.UniformSampler(), samplers.UniformSampler(shared=True)):
        batches = RankingBatches(x, 64, 30, sampler, seed=0)
        batches.leave_out(later)
        inputs, labels = batches[0]
        has = table(later)
        items = written_out(inputs)
        for user, row, row_labels in zip(inputs["user"][:, 0].tolist(), items, labels, strict=True):
            assert not any((user, item) in has for item in row[row_labels == 0].tolist())
        if sampler.shared:
            assert any(
                (user, i) in table(x) for user, i in zip(inputs["user"][:, 0], items[:, 1], strict=True)
            )


def test_shared_labels_take_a_byte_where_that_is_enough():
    x = Interactions([0, 1], [0, 1], user_ids=range(2), item_ids=range(6))
    sampler = samplers.UniformSampler(shared=True, replace=False)
    inputs, labels = RankingBatches(x, 2, 6, sampler, seed=0)[0]
    assert labels.dtype == np.int8
    places = {item: place for place, item in enumerate(inputs["shared_item"][0].tolist())}
    for row, item in zip(labels.tolist(), inputs["item"][:, 0].tolist(), strict=True):
        assert row == [1] + [-(place == places[item]) for place in range(6)]
    graded = Interactions([0, 1], [0, 1], [2, 0.5], user_ids=range(2), item_ids=range(6))
    assert RankingBatches(graded, 2, 6, sampler, seed=0)[0][1].dtype == np.float32


@pytest.mark.parametrize("by", ["interaction", "user"])
def test_labels_of_some_rows_equal_those_of_the_batch(by):
    batches = RankingBatches(grid(), 40, 9, samplers.PopularitySampler(shared=True), by, seed=0)
    inputs, labels = batches[1]
    same_inputs, lazy = batches.lazy_batch(1)
    for name, column in inputs.items():
        np.testing.assert_array_equal(same_inputs[name], column)
    assert (lazy.shape, lazy.dtype) == (labels.shape, labels.dtype)
    for rows in (np.array([7, 0, 3]), slice(2, 5)):
        np.testing.assert_array_equal(lazy[rows], labels[rows])


def test_a_user_with_everything_has_no_negatives():
    x = Interactions([0] * 5 + [1], [*range(5), 0], user_ids=[0, 1], item_ids=range(5))
    for sampler in SAMPLERS[:4]:
        batches = RankingBatches(x, 2, 1, sampler, by="user", seed=0)
        inputs, labels = batches[0]
        of_all = labels[inputs["user"][:, 0] == 0][0]
        assert sorted(of_all) == [-1, 1, 1, 1, 1, 1]


def test_users_with_more_positives_than_fit_take_turns():
    x = Interactions([0] * 20 + [1], [*range(20), 0], user_ids=[0, 1, 2], item_ids=range(40))
    batches = RankingBatches(x, 2, 3, by="user", seed=0, max_positives=4)
    assert len(batches) == 1  # the third user has none
    counts = np.zeros(40)
    for _ in range(500):
        inputs, labels = batches[0]
        assert labels.shape == (2, 7)
        row = int(np.argmax(inputs["user"][:, 0] == 0))
        assert len(set(inputs["item"][row, :4])) == 4
        counts[inputs["item"][row, :4]] += 1
        batches.on_epoch_end()
    assert counts[20:].sum() == 0 and (np.abs(counts[:20] - 100) < 5 * np.sqrt(80)).all()


def test_given_negatives_stand_beside_sampled_ones():
    x = Interactions([0] * 4, range(4), [3, 0, -1, 0], user_ids=[0], item_ids=range(50))
    inputs, labels = RankingBatches(x, 1, 5, seed=0)[0]
    assert labels.tolist() == [[3] + [0] * 8] and set(inputs["item"][0, 1:4]) == {1, 2, 3}
    inputs, labels = RankingBatches(x, 1, 5, seed=0, max_negatives=2)[0]
    assert labels.shape == (1, 8) and set(inputs["item"][0, 1:3]) < {1, 2, 3}


def test_balanced_labels():
    x = Interactions([0, 1, 1], [0, 0, 1], [1, 3, 5], user_ids=[0, 1], item_ids=range(9))
    for by, rows in (("interaction", {(0, 0): 0.25, (1, 0): 0.75, (1, 1): 1.0}), ("user", None)):
        inputs, labels = RankingBatches(x, 3, 1, by=by, seed=0, balanced=True)[0]
        if rows:
            found = zip(inputs["user"][:, 0].tolist(), inputs["item"][:, 0].tolist(), strict=True)
            assert dict(zip(found, labels[:, 0].tolist(), strict=True)) == rows
        else:
            assert sorted(labels[labels > 0]) == [0.25, 0.75, 1.0]


def test_log_q_and_item_ids_in_the_labels():
    x = Interactions([0, 0, 1], [0, 1, 1], [2, 1, 0], user_ids=[0, 1], item_ids=range(4))
    inputs, labels = RankingBatches(x, 2, 3, samplers.PopularitySampler(exponent=1), seed=0, log_q=True)[0]
    assert labels.shape == (*inputs["item"].shape, 3)
    np.testing.assert_array_equal(labels[..., 1], inputs["item"])
    np.testing.assert_allclose(labels[..., 2], np.log(0.5), rtol=1e-6)
    _, labels = RankingBatches(x, 2, 3, seed=0, log_q=True)[0]
    np.testing.assert_allclose(labels[..., 2], np.log(0.25), rtol=1e-6)
    # A given negative that the sampler never draws counts as the rarest item that it draws.
    x = Interactions([0, 0], [0, 1], [1, 0], user_ids=[0], item_ids=range(4))
    inputs, labels = RankingBatches(x, 1, 1, "popularity", seed=0, log_q=True)[0]
    assert labels[0, 1, 1] == 1 and labels[0, 1, 2] == 0


def test_context_of_the_positive():
    x = Interactions(
        range(5), range(5), user_ids=range(5), item_ids=range(9), context={"place": np.arange(5) * 2}
    )
    inputs, _ = RankingBatches(x, 5, 2, seed=0, context=["place"])[0]
    assert (inputs["place"] == inputs["user"] * 2).all() and inputs["place"].shape == (5, 1)
    assert set(RankingBatches(x, 5, 2, seed=0)[0][0]) == {"user", "item"}


@pytest.mark.parametrize("model_class", [keras.Model, kerasrec.Model])
def test_fit_takes_the_batches(model_class):
    x = grid()
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    users = keras.layers.Embedding(x.n_users, 4)(user)
    items = keras.layers.Embedding(x.n_items, 4)(item)
    scores = keras.layers.Dot(axes=2)([users, items])
    model = model_class({"user": user, "item": item}, keras.layers.Reshape((-1,))(scores))
    model.compile("sgd", "mse")
    batches = RankingBatches(x, 64, 4, seed=0)
    before = batches[0][0]["item"]
    model.fit(batches, epochs=2, verbose=0)
    assert (batches[0][0]["item"] != before).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"n_sampled_items": 0}, "`n_sampled_items` must be a positive integer"),
        ({"max_positives": 0, "by": "user"}, "`max_positives` must be a positive integer"),
        ({"max_negatives": 0}, "`max_negatives` must be a positive integer"),
        ({"by": "item"}, "`by` must be 'interaction' or 'user'. Received: by='item'"),
        ({"by": "user", "context": ["a"]}, r"`context` needs by='interaction'. Received: .* context=\['a'\]"),
        ({"sampler": "hard"}, "`sampler` must be a Sampler or one of uniform"),
        (
            {"sampler": samplers.UniformSampler(replace=False), "n_sampled_items": 41},
            "number of items that the sampler draws .* Received: n_sampled_items=41 of 40",
        ),
        (
            {"sampler": samplers.UniformSampler(shared=True), "n_sampled_items": 41},
            "that the sampler draws if the batch shares them. Received: n_sampled_items=41 of 40",
        ),
        (
            {"sampler": "in_batch", "batch_size": 4, "n_sampled_items": 4},
            "number of the other rows of a batch .* Received: n_sampled_items=4 of 3",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        RankingBatches(grid(), **{"batch_size": 8, "n_sampled_items": 2} | arguments)


def test_no_positives():
    x = Interactions([0, 1], [0, 1], [0, -1], user_ids=[0, 1], item_ids=[0, 1])
    with pytest.raises(ValueError, match="must have positives, .* Received: 2 interactions without one"):
        RankingBatches(x, 2, 1)


def test_log_q_of_own_and_shared_items():
    x = Interactions([0, 0, 1, 2, 2], [0, 1, 2, 3, 4], [1, 2, 1, 3, 0], user_ids=range(3), item_ids=range(6))
    sampler = samplers.UniformSampler(shared=True, replace=False)
    inputs, labels = RankingBatches(x, 4, 3, sampler, seed=5, log_q=True)[0]
    assert inputs["item"].shape == (4, 2) and labels.shape == (4, 5, 3)
    np.testing.assert_array_equal(labels[..., 1], written_out(inputs))
    np.testing.assert_allclose(labels[..., 2], -np.log(6), rtol=1e-6)


def test_log_q_where_rows_have_one_item_of_their_own():
    x = grid()
    sampler = samplers.PopularitySampler(exponent=1, shared=True, replace=False)
    arguments = {"batch_size": 7, "n_sampled_items": 11, "sampler": sampler, "seed": 5}
    plain_inputs, plain = RankingBatches(x, **arguments)[0]
    inputs, labels = RankingBatches(x, **arguments, log_q=True)[0]
    for name in ("user", "item", "shared_item"):
        np.testing.assert_array_equal(inputs[name], plain_inputs[name])
    assert labels.shape == (1, 1, 7 + 11, 3 + 2) and labels.dtype == np.float32
    codes = np.concatenate([inputs["item"][:, 0], inputs["shared_item"][0]])
    share = np.bincount(x.items, minlength=x.n_items) / len(x)
    np.testing.assert_array_equal(labels[0, 0, :, 0], [*plain[:, 0], *[0] * 11])
    np.testing.assert_array_equal(labels[0, 0, :, 1], codes)
    np.testing.assert_allclose(labels[0, 0, :, 2], np.log(share[codes]), rtol=1e-6)
    bits = np.unpackbits(labels[0, 0, :7, 3:].astype(np.uint8), axis=1)
    np.testing.assert_array_equal(bits[:, :11], plain[:, 1:] == -1)
    assert bits[:, :11].any() and not bits[:, 11:].any()


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4]), (9, [9]), (20, [9])])
def test_batches_of_one_size_leave_out_the_rest(batch_size, sizes):
    x = Interactions(range(9), [0] * 9, user_ids=range(9), item_ids=range(5))
    batches = RankingBatches(x, batch_size, 2, seed=0, drop_remainder=True)
    assert [len(batches[i][1]) for i in range(len(batches))] == sizes
    seen = set()
    for _ in range(12):
        seen |= {int(u) for i in range(len(batches)) for u in batches[i][0]["user"][:, 0]}
        batches.on_epoch_end()
    assert seen == set(range(9))  # what one epoch leaves out another has
