"""What models with an input `history` are given when they are evaluated."""

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.data import Interactions, Sequences, splits
from kerasrec.evaluation import RankingMetrics, compare, evaluate
from kerasrec.layers import DotScore, FeatureEmbedding, PooledHistory, SequenceEmbedding

N_USERS, N_ITEMS = 7, 12


def data(seed=0, n=60):
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(N_USERS * N_ITEMS)[:n]
    ids = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}
    return Interactions(chosen // N_ITEMS, chosen % N_ITEMS, None, rng.permutation(n), **ids)


class _Next(keras.layers.Layer):
    """The item after the last one, in a circle, as a vector with a one; zeros after nothing."""

    def call(self, history):
        last = history[:, -1]
        there = keras.ops.cast(last >= 0, "float32")[:, None]
        return keras.ops.one_hot((last + 1) % N_ITEMS, N_ITEMS) * there


def next_item(factorises=True):
    """A model that recommends the item after the last one of the history."""
    history = keras.Input((None,), name="history", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    vectors = FeatureEmbedding(N_ITEMS, N_ITEMS, embeddings_initializer="identity")(item)
    score = DotScore()(_Next()(history), vectors)
    if not factorises:
        score = keras.layers.Activation("linear")(score)
    return keras.Model({"history": history, "item": item}, score, name="next_item")


def last_items(train, until):
    """Of each user, the last item of train up to a moment, or `None`."""
    found = {}
    for row in np.argsort(train.times, kind="stable"):
        if train.times[row] <= until[train.users[row]]:
            found[int(train.users[row])] = int(train.items[row])
    return found


@pytest.mark.parametrize("factorises", [True, False])
def test_the_history_is_what_came_before(factorises):
    """A random split has training rows after a user's test row: these stay hidden."""
    train, test = splits.random_split(data(), 0.3, seed=1)
    first = {user: test.times[test.users == user].min() for user in np.unique(test.users)}
    expected = last_items(train, {user: first.get(user, 10**9) for user in range(N_USERS)})
    assert expected != last_items(train, dict.fromkeys(range(N_USERS), 10**9))
    report = evaluate(next_item(factorises), test, train, k=1, metrics=["recall"], exclude_seen=False)
    hits = report.per_user("recall@1")
    for user in first:
        wanted = set(test.items[test.users == user])
        guess = (expected[user] + 1) % N_ITEMS if user in expected else None
        if guess is not None:
            assert hits[user] == (guess in wanted) / len(wanted)


def test_the_test_event_itself_changes_nothing():
    train, test = splits.leave_last_out(data())
    model = next_item()
    both = Interactions(
        *(np.concatenate([getattr(x, name) for x in (train, test)]) for name in ("users", "items")),
        None,
        np.concatenate([train.times, test.times + 1]),
        user_ids=train.user_ids,
        item_ids=train.item_ids,
    )
    one, other = (
        evaluate(model, test, train, k=3, exclude_seen=False, history=history).per_user("ndcg@3")
        for history in (None, both)
    )
    np.testing.assert_array_equal(one, other)


def test_a_history_of_ones_own():
    train, test = splits.leave_last_out(data())
    lists = [[(int(test.items[test.users == user][0]) - 1) % N_ITEMS] for user in range(N_USERS)]
    history = Sequences.of_lists(lists, N_ITEMS)
    how = {"k": 1, "metrics": ["recall"], "history": history}
    assert evaluate(next_item(), test, train, **how)["recall@1"] == 1
    assert compare(next_item(), train, test, baselines=[], **how).reports["next_item"]["recall@1"] == 1
    ranking = RankingMetrics(test, train, **how)
    model = next_item()
    model.compile("sgd", "mean_squared_error")
    x = {"history": np.zeros((1, 2), "int32"), "item": np.zeros((1, 1), "int32")}
    logs = model.fit(x, np.zeros((1, 1)), verbose=0, callbacks=[ranking]).history
    assert logs["val_recall@1"] == [1.0]


def test_users_who_were_not_in_training():
    """A model that knows users by their histories takes those of others."""
    train, test = splits.leave_last_out(data())
    layer = kerasrec.layers.Catalogue()
    inner = next_item()
    model = keras.Model(inner.inputs, layer(inner.output))
    layer.fill(train)

    def renamed(x):
        return Interactions(x.users, x.items, None, x.times, user_ids=x.user_ids + 100, item_ids=x.item_ids)

    one = evaluate(model, test, train, k=3)["ndcg@3"]
    assert evaluate(model, renamed(test), renamed(train), k=3)["ndcg@3"] == one


def test_no_history():
    _, test = splits.leave_last_out(data())
    with pytest.raises(ValueError, match="needs the users' histories: pass `train`"):
        evaluate(next_item(), test, k=1)


def test_padding_and_the_place_in_a_block_change_nothing():
    """Users of long and of short histories are scored together and apart."""
    rng = np.random.default_rng(0)
    lists = [rng.integers(0, N_ITEMS, size=n) for n in (0, 1, 40, 3, 9, 300, 17)]
    history = Sequences.of_lists(lists, N_ITEMS)
    ids = {"user_ids": np.arange(N_USERS), "item_ids": np.arange(N_ITEMS)}
    test = Interactions(np.arange(N_USERS), [(x[-1] + 1) % N_ITEMS if len(x) else 0 for x in lists], **ids)
    report = evaluate(next_item(), test, k=1, metrics=["recall"], history=history)
    assert report.per_user("recall@1").tolist()[1:] == [1.0] * 6


@pytest.mark.parametrize("users", [None, [5, 2]])
def test_columns_beside_the_history(users):
    """A column that says what a user has next decides, whatever the history; both towers share the table."""
    train, test = splits.leave_last_out(data())
    wish = np.zeros(N_USERS, "int32")
    wish[test.users] = test.items
    inputs = {name: keras.Input((None,), name=name, dtype="int32") for name in ("history", "item")}
    inputs["wish"] = keras.Input((1,), name="wish", dtype="int32")
    items = FeatureEmbedding(N_ITEMS, N_ITEMS, embeddings_initializer="identity")
    pooled = PooledHistory()(SequenceEmbedding(N_ITEMS, N_ITEMS)(inputs["history"]), inputs["history"])
    wished = keras.layers.Rescaling(10.0)(keras.layers.Flatten()(items(inputs["wish"])))
    model = kerasrec.Model(inputs, DotScore()(keras.layers.Add()([wished, pooled]), items(inputs["item"])))
    how = {"k": 1, "metrics": ["recall"], "users": users, "exclude_seen": False}
    assert evaluate(model, test, train, columns={"wish": wish}, **how)["recall@1"] == 1
    assert evaluate(model, test, train, columns={"wish": (wish + 1) % N_ITEMS}, **how)["recall@1"] == 0
