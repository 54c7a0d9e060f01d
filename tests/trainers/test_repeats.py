"""The ids that repeat in a batch: what NumPy finds of them ahead, and which tables of a model go by it."""

import keras
import numpy as np
import pytest
from trainers.problem import BATCH, assert_same_arrays, compiled, fused, samples, train

import kerasrec
from kerasrec.trainers._repeats import NO_ID, find_repeats, repeats_of, repeats_shapes

N_USERS, N_ITEMS = 12, 9
by_blocks = pytest.mark.skipif(not fused, reason="every row is updated on this backend")


@pytest.mark.parametrize("shape", [(3, 16, 1), (1, 1, 1), (4, 5, 3), (2, 40)])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_each_batch_is_as_numpy_has_it(shape, dtype):
    column = np.random.default_rng(0).integers(0, 7, shape).astype(dtype)
    found = find_repeats(column, 7, "table")
    assert tuple(part.shape for part in found) == tuple(repeats_shapes(shape, 7))
    for batch, ids, inverse, count in zip(column, *found, strict=True):
        expected, places = np.unique(batch, return_inverse=True)
        assert count == len(expected)
        assert np.array_equal(ids[:count], expected)
        assert (ids[count:] == NO_ID).all()
        assert np.array_equal(inverse, places.ravel())


@pytest.mark.parametrize("wrong", [7, -1, 2**32 + 3])
def test_ids_outside_the_table_are_refused(wrong):
    column = np.array([[[1], [wrong], [2]]])
    with pytest.raises(
        ValueError, match=rf"read the table 'users' must be in 0\.\.6.*1 others, the first is {wrong}\."
    ):
        find_repeats(column, 7, "users")


def test_what_was_found_ahead_is_not_looked_for_again():
    run = {"stack": ({"item": np.zeros((1, 2, 1), int), "user": np.ones((1, 2, 1), int)},), "steps": 1}
    ahead = object()
    found = repeats_of(run | {"repeats": {0: ahead}}, {0: (3, "items"), 1: (3, "users")})
    assert found[0] is ahead
    assert found[1].ids[0].tolist() == [1, NO_ID]


def model(cls, ids_of):
    """Users by their ids as they come, items by what `ids_of` makes of them."""
    keras.utils.set_random_seed(5)
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((1,), name="item", dtype="int32")
    users = kerasrec.layers.FeatureEmbedding(N_USERS, 3, "normal", name="users")(user)
    items = kerasrec.layers.FeatureEmbedding(N_ITEMS, 3, "normal", name="items")(ids_of(item))
    return cls({"user": user, "item": item}, keras.layers.Dot(1)([users, items]))


def sgd():
    return keras.optimizers.SGD(0.1)


# Under SGD without memory, updates by rows are those of whole tables.
@by_blocks
@pytest.mark.usefixtures("training_steps")
@pytest.mark.parametrize(
    "ids_of, columns",
    [
        (lambda ids: ids, [0, 1]),
        (lambda ids: keras.ops.expand_dims(keras.ops.squeeze(ids, 1), 1), [0, 1]),
        (lambda ids: keras.ops.cast(ids, "uint8"), [1]),
        (lambda ids: keras.ops.mod(ids + 1, 5), [1]),
        (lambda ids: keras.ops.flip(ids, 0), [1]),
        (lambda ids: keras.ops.cast(keras.ops.cast(ids, "float32") / 2, "int32"), [1]),
    ],
    ids=["as it comes", "other shapes", "fewer bits", "computed", "another order", "floats between"],
)
def test_only_ids_that_are_a_column_of_the_data_go_by_it(ids_of, columns):
    data = samples()
    ours = compiled(model(kerasrec.Model, ids_of), sgd, row_sparse=True)
    trained = train(ours, data), train(compiled(model(keras.Model, ids_of), sgd), data)
    assert sorted(ours._engine.limits) == columns  # items come before users
    assert_same_arrays(trained[0].weights, trained[1].weights)


class Subclass(kerasrec.Model):
    def __init__(self):
        super().__init__()
        self.users = kerasrec.layers.FeatureEmbedding(N_USERS, 3, "normal")
        self.items = kerasrec.layers.FeatureEmbedding(N_ITEMS, 3, "normal")

    def call(self, inputs):
        score = keras.ops.sum(self.users(inputs["user"]) * self.items(inputs["item"]), axis=-1)
        return keras.ops.expand_dims(score, -1)


@by_blocks
def test_a_model_without_a_graph_is_told_of_ids_outside_its_tables():
    (x, y), ours = samples(), compiled(Subclass(), sgd, row_sparse=True)
    ours.fit(x, y, batch_size=BATCH, verbose=0)
    assert sorted(ours._engine.limits) == [0, 1]
    before = ours.get_weights()
    with pytest.raises(
        ValueError, match=r"must be in 0\.\.8, its rows\. Received: 1 others, the first is 9\."
    ):
        ours.fit(dict(x, item=np.r_[x["item"][:-1], [[N_ITEMS]]]), y, batch_size=80, verbose=0)
    assert_same_arrays(ours.get_weights(), before, 0)
    ours.fit(x, y, batch_size=BATCH, verbose=0)


@by_blocks
def test_blocks_of_arrays_bring_their_repeats_along(monkeypatch):
    from kerasrec.trainers._batches import ArrayBatches

    runs, make = [], ArrayBatches._run
    monkeypatch.setattr(ArrayBatches, "_run", lambda *args: runs.append(make(*args)) or runs[-1])
    train(compiled(model(kerasrec.Model, lambda ids: ids), sgd, row_sparse=True, steps_per_execution=2))
    # Five batches an epoch are runs of 2, 2 and a short one; those of the first may come before the trace.
    # TensorFlow may begin with a fourth epoch.
    assert len(runs) in (9, 10)
    assert [sorted(run["repeats"]) for run in runs[3:9]] == [[0, 1]] * 6


# The first batches read one row, the others more and more: programs of fixed shape made for few ids must not
# lose any.
@by_blocks
@pytest.mark.usefixtures("training_steps")
def test_batches_may_read_more_rows_than_those_before():
    rng = np.random.default_rng(3)
    most = np.repeat([1, 1, 4, 9, 40, 40], 32)
    ids = (rng.random((len(most), 1)) * most[:, None]).astype("int32")
    y = rng.random((len(most), 1)).astype("float32")

    def of(cls):
        keras.utils.set_random_seed(5)
        inputs = keras.Input((1,), dtype="int32")
        rows = kerasrec.layers.FeatureEmbedding(40, 3, "normal")(inputs)
        return cls(inputs, keras.layers.Dense(1, use_bias=False)(rows))

    ours = compiled(of(kerasrec.Model), sgd, row_sparse=True, steps_per_execution=2)
    both = [
        train(each, (ids, y), batch_size=32, shuffle=False) for each in (ours, compiled(of(keras.Model), sgd))
    ]
    assert_same_arrays(both[0].weights, both[1].weights)
