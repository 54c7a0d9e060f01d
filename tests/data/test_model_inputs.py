import keras
import numpy as np
import pytest

from kerasrec.data import CatalogueBatches, Interactions, ModelInputs, RankingBatches, Sequences, pairs
from kerasrec.layers import DotScore, FeatureEmbedding

N_ITEMS = 9


def interactions(n=60, seed=0, n_users=6, **columns):
    """Different pairs, in no order of time."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(n_users * N_ITEMS)[:n]
    times = rng.permutation(len(chosen)) if "times" not in columns else columns.pop("times")
    ids = {"user_ids": np.arange(n_users), "item_ids": np.arange(N_ITEMS)}
    return Interactions(chosen // N_ITEMS, chosen % N_ITEMS, None, times, **ids, **columns)


def own_model(*names, length=None):
    """A user's own `keras.Model`: the mean of the history, and other columns."""
    inputs = {"item": keras.Input((None,), name="item", dtype="int32")}
    parts = []
    if "history" in names:
        inputs["history"] = keras.Input((length,), name="history", dtype="int32")
        parts.append(keras.ops.mean(FeatureEmbedding(N_ITEMS + 1, 3)(inputs["history"] + 1), axis=1))
    if "user" in names:
        inputs["user"] = keras.Input((1,), name="user", dtype="int32")
        parts.append(FeatureEmbedding(6, 3)(inputs["user"]))
    for name in set(names) - {"history", "user"}:
        inputs[name] = keras.Input((1,), name=name, optional=name == "age")
        parts.append(keras.layers.Dense(3)(inputs[name]))
    item = FeatureEmbedding(N_ITEMS, 3)(inputs["item"])
    return keras.Model(inputs, DotScore()(keras.layers.add(parts) if parts[1:] else parts[0], item))


def before(data, row):
    """What the user of a row had earlier, oldest first."""
    rows = [r for r in np.argsort(data.times) if data.users[r] == data.users[row]]
    return [int(data.items[r]) for r in rows if data.times[r] < data.times[row]]


def items_of(history):
    return [int(item) for item in history if item >= 0]


def test_names_are_read_off_the_model():
    assert ModelInputs(own_model("history", "hour"), context={"hour": 1}).names == ("history", "hour")
    assert ModelInputs(["item", "user"]).names == ("user",)

    class Subclassed(keras.Model):
        pass

    assert ModelInputs(Subclassed()).names == ("user",)


@pytest.mark.parametrize("length", [None, 3])
def test_a_history_ends_before_its_row(length):
    data = interactions(50)
    x, y = pairs(data, model=own_model("history", "user", length=length))
    assert set(x) == {"history", "user", "item"}
    assert y.tolist() == data.values.tolist()
    for row in range(len(data)):
        expected = before(data, row) if length is None else before(data, row)[-length:]
        assert items_of(x["history"][row]) == expected
        assert (x["history"][row][: x["history"].shape[1] - len(expected)] == -1).all()


def test_histories_are_of_likes_and_rows_that_are_none_have_theirs():
    ids = {"user_ids": [0], "item_ids": np.arange(N_ITEMS)}
    data = Interactions([0] * 4, [5, 6, 7, 8], [1.0, 0.0, 3.0, 0.0], [4, 3, 2, 1], **ids)
    x, _ = pairs(data, model=["history"])
    assert [items_of(row) for row in x["history"]] == [[7], [7], [], []]


def test_users_have_all_that_is_known():
    data = interactions(40)
    inputs = ModelInputs(["history", "user"], data)
    found = inputs.users([3, 0])
    for place, user in enumerate((3, 0)):
        rows = [r for r in np.argsort(data.times) if data.users[r] == user]
        assert items_of(found["history"][place]) == data.items[rows].tolist()
    assert found["user"].tolist() == [[3], [0]]


def test_lengths_are_few():
    sequences = Sequences.of_lists([range(9), [1], [], list(range(9)) * 40], n_items=N_ITEMS)
    inputs = ModelInputs(["history"], sequences)
    assert [inputs.users([user])["history"].shape[1] for user in range(4)] == [16, 8, 8, 512]
    assert ModelInputs(["history"], sequences, length=12).users([3])["history"].shape == (1, 12)


def test_columns_of_users_and_of_events():
    hour = np.arange(60, dtype="float32")[: len(interactions())]
    data = interactions(context={"hour": hour})
    inputs = ModelInputs(
        own_model("user", "hour", "score"), data, {"score": np.arange(6) * 2.0}, {"hour": 12.0}
    )
    assert inputs.pairs(data)["hour"][:, 0].tolist() == hour.tolist()
    found = inputs.users([5, 1])
    assert found["hour"].tolist() == [[12.0], [12.0]]
    assert found["score"].tolist() == [[10.0], [2.0]]
    assert ModelInputs(["of"], columns={"of": np.ones((6, 4))}).users([1])["of"].shape == (1, 4)


def test_an_optional_input_that_nobody_gives_is_zero():
    assert ModelInputs(own_model("user", "age")).users([2])["age"].tolist() == [[0.0]]


def test_an_input_that_nobody_knows():
    with pytest.raises(
        ValueError, match=r"inputs must be `user`.*`columns=\{'hour': \.\.\.\}`.*input 'hour'"
    ):
        ModelInputs(own_model("user", "hour")).users([0])


def test_a_history_of_nothing():
    with pytest.raises(ValueError, match="needs the users' histories: pass `train`"):
        ModelInputs(own_model("history")).users([0])


def test_without_times_the_rows_count_and_a_note_says_so():
    data = interactions(times=None)
    with pytest.warns(UserWarning, match="have no times, .* order of their rows"):
        found = ModelInputs(["history"], data).users([0])["history"]
    assert items_of(found[0]) == data.items[data.users == 0].tolist()
    model = own_model("history")
    model.layers[-1].unordered_history = True
    ModelInputs(model, data).users([0])  # a set has no order


@pytest.mark.parametrize("shared", [False, True])
def test_ranking_batches(shared):
    from kerasrec.data.samplers import UniformSampler

    data = interactions(40)
    batches = RankingBatches(
        data, 16, 3, UniformSampler(shared=shared), seed=0, model=own_model("history", length=4)
    )
    seen = 0
    for index in range(len(batches)):
        x, _ = batches[index]
        assert set(x) == {"history", "item"} | ({"shared_item"} if shared else set())
        assert x["history"].shape[1] == 4
        users = batches._positives.users[batches._order[index * 16 : (index + 1) * 16]]
        for user, item, history in zip(users, x["item"][:, 0], x["history"], strict=True):
            (row,) = np.flatnonzero((data.users == user) & (data.items == item))
            assert items_of(history) == before(data, row)[-4:]
            seen += 1
    assert seen == 40
    with pytest.raises(ValueError, match="needs by='interaction'"):
        RankingBatches(data, 16, 3, by="user", model=["history"])


def test_catalogue_batches():
    data = interactions(40)
    x, _ = CatalogueBatches(data, 6, seed=0, model=["history", "item"])[0]
    assert set(x) == {"history", "item"}
    assert sorted(map(len, map(items_of, x["history"]))) == sorted(np.bincount(data.users, minlength=6))
