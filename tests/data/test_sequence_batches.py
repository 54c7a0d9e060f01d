import warnings

import keras
import numpy as np
import pytest

from kerasrec.data import Interactions, ModelInputs, SequenceBatches, Sequences
from kerasrec.data.samplers import InBatchSampler, PopularitySampler, UniformSampler
from kerasrec.layers import DotScore, FeatureEmbedding

LISTS = [list(range(n)) for n in (3, 12, 1, 40, 2, 7, 0, 19)]
N_ITEMS = 40


def batches(size=3, lists=LISTS, **how):
    return SequenceBatches(Sequences.of_lists(lists, N_ITEMS), size, **{"length": 16, "seed": 0, **how})


def rows(of):
    """Histories and targets of all rows of an epoch, without padding."""
    found = []
    for index in range(len(of)):
        history, targets = of[index][0]["history"], of[index][1]
        for items, wanted in zip(history, targets, strict=True):
            assert (np.diff((items != -1).astype(int)) >= 0).all()  # padding is on the left
            if (items != -1).any():
                found.append(([int(x) for x in items if x != -1], [int(x) for x in wanted if x != -1]))
    return sorted(found)


def test_every_position_has_the_item_after_it():
    expected = [(x[:-1][-16:], x[1:][-16:]) for x in LISTS if len(x) > 1]
    assert rows(batches(crops="latest")) == sorted(expected)


def test_drawn_targets_fill_the_same_number_of_batches_in_every_epoch():
    lists = [list(range(n)) for n in (40, 25, 9, 30, 3, 12, 40, 18)]
    of = batches(8, lists, targets="last", max_targets=5, buckets=[4, 8])
    expected, lengths, epochs = sum(min(len(x) - 1, 5) for x in lists), set(), []
    for _ in range(20):
        assert len(of) == -(-expected // 8)
        lengths.add(tuple(sorted(of[i][0]["history"].shape[1] for i in range(len(of)))))
        epochs.append(rows(of))
        of.on_epoch_end()
    assert {len(epoch) for epoch in epochs} == {expected}
    assert len(lengths) > 1  # of how many batches, depends on what was drawn
    # A target follows its history; long histories begin with the latest 16 items before it.
    assert all(history == list(range(wanted[0]))[-16:] for epoch in epochs for history, wanted in epoch)


def test_shapes_are_those_of_the_buckets():
    of = batches(2, lists=LISTS * 3)
    shapes = {of[i][0]["history"].shape for i in range(len(of))}
    assert shapes == {(2, 4), (2, 8), (2, 16)}
    of = batches(2, buckets=[4, 12])
    assert {of[i][0]["history"].shape for i in range(len(of))} == {(2, 4), (2, 12), (2, 16)}


def test_all_crops_cover_every_transition_once():
    found = rows(batches())
    assert found == rows(batches(crops="all"))
    pairs = [pair for history, targets in found for pair in zip(history, targets, strict=True)]
    assert sorted(pairs) == sorted(pair for x in LISTS for pair in zip(x, x[1:], strict=False))


def test_random_crops_differ_from_epoch_to_epoch():
    of = batches(crops="random")
    ends = set()
    for _ in range(20):
        ends |= {history[-1] for history, _ in rows(of) if len(history) == 16}
        of.on_epoch_end()
    assert min(ends) < 20 and max(ends) <= 38 and len(ends) > 5


def restored(inputs, targets):
    """Histories with what is hidden in its place, and where that was."""
    history = inputs["history"].copy()
    hidden = history == -2
    for row, places, wanted in zip(history, inputs["place"], targets, strict=True):
        assert (np.diff(places) > 0).all()
        asked = places[wanted >= 0]
        assert (row[asked] == -2).all()
        row[asked] = wanted[wanted >= 0]
    return history, hidden


def test_masked_items_are_the_targets():
    of = batches(targets="masked", mask_rate=0.3, lists=LISTS * 60)
    hidden = total = last = n_rows = left = asked = 0
    for index in range(len(of)):
        history, was_hidden = restored(*of[index])
        used = (history != -1).any(axis=1)
        assert was_hidden[used].any(axis=1).all() and not was_hidden[~used].any()
        # Few are hidden beyond those that there is a place for.
        left, asked = left + (history == -2).sum(), asked + (of[index][1] >= 0).sum()
        for items in history[used]:
            there = np.flatnonzero(items >= 0)
            assert (items[there] - there == items[there[0]] - there[0]).all()
        hidden, total = hidden + was_hidden[:, :-1].sum(), total + (history[:, :-1] != -1).sum()
        long = (history >= 0).sum(axis=1) > 9  # a short row has its last item hidden where no other is
        last, n_rows = last + was_hidden[long, -1].sum(), n_rows + long.sum()
    assert left < 0.02 * asked
    assert 0.25 < hidden / total < 0.35  # the rate
    assert 0.55 < last / n_rows < 0.75  # half of the rows, and of the others the rate


def test_places_of_masked_items_have_one_shape_a_bucket():
    of = batches(2, targets="masked", lists=LISTS * 10)
    shapes = {}
    for index in range(len(of)):
        inputs, targets = of[index]
        shapes.setdefault(inputs["history"].shape, set()).add((inputs["place"].shape, targets.shape))
    assert len(shapes) > 1 and all(len(found) == 1 for found in shapes.values())


def test_batches_of_one_shape_follow_each_other():
    of = batches(1, lists=LISTS * 40, length=4096, buckets=[8])
    assert of.steps_in_a_row == 32
    lengths = [of[i][0]["history"].shape[1] for i in range(len(of))]
    changes = np.count_nonzero(np.diff(lengths))
    n_runs = -(-lengths.count(8) // 32) + -(-lengths.count(4096) // 32)
    assert 1 <= changes < n_runs
    assert batches(64, length=16384, buckets=[8]).steps_in_a_row == 1


def test_prefixes():
    found = rows(batches(targets="last", length=4))
    expected = [(x[max(0, at - 4) : at], [x[at]]) for x in LISTS for at in range(1, len(x))]
    assert found == sorted(expected)
    few = rows(batches(targets="last", length=4, max_targets=2))
    assert len(few) == sum(min(2, max(len(x) - 1, 0)) for x in LISTS)
    assert all(row in expected for row in few)


@pytest.mark.parametrize(
    "sampler",
    [
        "uniform",
        UniformSampler(shared=True, replace=True),
        PopularitySampler(exponent=0.5),
        PopularitySampler(exponent=0.5, shared=True, replace=False),
    ],
)
def test_a_batch_shares_one_sample_without_repeats(sampler):
    of = batches(n_sampled_items=5, sampler=sampler)
    counts = np.bincount(sum(LISTS, []), minlength=N_ITEMS)
    popular = isinstance(sampler, PopularitySampler)
    q = counts**0.5 / (counts**0.5).sum() if popular else np.full(N_ITEMS, 1 / N_ITEMS)
    for index in range(len(of)):
        inputs, labels, weights = of[index]
        shared, n = inputs["shared_item"], inputs["history"].size
        assert shared.shape == (1, 5) and len(set(shared[0])) == 5
        assert labels.shape == (1, 1, n + 5, 3)
        own, of_shared = labels[0, 0, :n], labels[0, 0, n:]
        there = inputs["history"].ravel() != -1
        assert (own[:, 0] == np.where(there, 1, -1)).all() and not of_shared[:, 0].any()
        assert (own[there, 1] == inputs["history"].ravel()[there] + 1).all()  # each list counts upwards
        assert (inputs["target"].ravel()[there] == own[there, 1]).all()
        assert of_shared[:, 1].tolist() == shared[0].tolist()
        np.testing.assert_allclose(
            labels[0, 0, :, 2][np.r_[there, [True] * 5]],
            np.log(q[labels[0, 0, :, 1].astype(int)])[np.r_[there, [True] * 5]],
            rtol=1e-5,
        )
        np.testing.assert_allclose(weights[:, 0], there * n / there.sum(), rtol=1e-6)


def test_the_same_seed_gives_the_same_batches():
    def of(seed):
        made = batches(seed=seed, n_sampled_items=4, crops="random")
        made.on_epoch_end()
        return [made[i] for i in range(len(made))]

    one, two, other = of(3), of(3), of(4)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a[0]["history"], b[0]["history"])
        np.testing.assert_array_equal(a[1], b[1])
    assert any(
        a[0]["history"].shape != b[0]["history"].shape or (a[1] != b[1]).any()
        for a, b in zip(one, other, strict=True)
    )


def test_one_item_repeated_and_repeats():
    times = np.arange(5)
    data = Interactions([0] * 5, [3] * 5, None, times, user_ids=[0], item_ids=np.arange(N_ITEMS))
    assert rows(SequenceBatches(data, 1, seed=0)) == [([3] * 4, [3] * 4)]
    with pytest.raises(ValueError, match="a user with two items, of which one comes after the other"):
        SequenceBatches(data, 1, seed=0, repeats=False)


def test_who_has_a_single_event_is_in_no_row():
    data = Interactions(
        [0, 1, 1, 2], [5, 1, 2, 6], None, [0, 0, 1, 0], user_ids=[0, 1, 2], item_ids=np.arange(8)
    )
    for targets in ("next", "last"):
        batches = SequenceBatches(data, 4, targets=targets, seed=0)
        assert rows(batches) == [([1], [2])]
        assert ModelInputs(["history"], data).users([0])["history"][0, -1] == 5


def test_a_note_about_the_order_of_rows_comes_once():
    data = Interactions([0, 0, 1, 1], [1, 2, 2, 3], user_ids=[0, 1], item_ids=np.arange(4))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        SequenceBatches(data, 1)
        ModelInputs(["history"], data).users([0])
        SequenceBatches(data, 2)
    assert ["have no times" in str(warning.message) for warning in said] == [True]


def test_without_times_a_note_says_that_rows_count():
    data = Interactions([0, 0], [1, 2], user_ids=[0], item_ids=np.arange(4))
    with pytest.warns(UserWarning, match="have no times"):
        SequenceBatches(data, 1)


def aged(targets="last", times=(0, 4, 8, 2, 10), how=None):
    """Users of items 0, 1, 2 and of 3, 4, and a model of their ages."""
    history = keras.Input((None,), name="history", dtype="int32")
    age = keras.Input((1,), name="example_age", optional=True)
    item = keras.Input((None,), name="item", dtype="int32")
    model = keras.Model(
        {"history": history, "example_age": age, "item": item}, DotScore()(age, FeatureEmbedding(5, 1)(item))
    )
    ids = {"user_ids": [0, 1], "item_ids": np.arange(5)}
    data = Interactions([0, 0, 0, 1, 1], np.arange(5), None, times, **ids)
    return SequenceBatches(data, 8, model=model, targets=targets, seed=0, **how or {})


def test_an_example_is_as_old_as_its_target():
    """Of times 0 to 10: the targets came at 4, 8 and 10."""
    of = aged()
    found = {}
    for index in range(len(of)):
        inputs, targets = of[index]
        ages = inputs["example_age"]
        assert ages.shape == (8, 1)
        found |= {int(x): float(age) for x, age in zip(targets[:, 0], ages[:, 0], strict=True) if x >= 0}
    assert found == pytest.approx({1: 0.6, 2: 0.2, 4: 0.0})
    given = aged(how={"columns": {"example_age": np.array([3.0, 4.0])}})
    assert {float(x) for i in range(len(given)) for x in given[i][0]["example_age"].ravel()} == {3.0, 4.0}


def test_ages_that_there_are_none_of():
    with pytest.raises(
        ValueError, match="the age of one target per row, .* 'last'. Received: targets='next'"
    ):
        aged("next")
    with (
        pytest.warns(UserWarning, match="have no times"),
        pytest.raises(
            ValueError, match="input `example_age` needs times: .* Received: interactions without times"
        ),
    ):
        aged(times=None)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"targets": "first"}, "`targets` must be one of next, masked, last. Received: targets='first'"),
        ({"crops": "some"}, "`crops` must be one of latest, random, all. Received: crops='some'"),
        ({"mask_rate": 1.0}, "`mask_rate` must be between 0 and 1. Received: mask_rate=1.0"),
        ({"n_sampled_items": 41}, "`n_sampled_items` must be at most .* n_sampled_items=41 of 40"),
        ({"sampler": "hard"}, "`sampler` must be a Sampler or one of uniform"),
        (
            {"sampler": "in_batch", "n_sampled_items": 5},
            r"must draw from the catalogue: .* Received: sampler=InBatchSampler\(replace=False, shared=False",
        ),
        ({"sampler": InBatchSampler(shared=True), "n_sampled_items": 5}, "must draw from the catalogue"),
        ({"length": 0}, "`length` must be a positive integer"),
        ({"max_targets": 0}, "`max_targets` must be a positive integer"),
        ({"lists": [[1], [2], []]}, "a user with two items, .* Received: 2 items of 3 users"),
    ],
)
def test_bad_arguments(how, message):
    with pytest.raises(ValueError, match=message):
        batches(**how)
