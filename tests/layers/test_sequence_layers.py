"""What the layers of sequences must do, each alone and all together, on every backend."""

import keras
import numpy as np
import pytest
from gradients import derivative_of

import kerasrec
from kerasrec.layers import (
    AppendMasked,
    DotScore,
    LastPosition,
    PooledHistory,
    PositionEmbedding,
    SelfAttentionBlock,
    SequenceEmbedding,
)

N_ITEMS, SIZE = 9, 4
HISTORY = np.array([[-1, -1, 3, 1, 4], [2, 7, 1, 8, 2]])


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def vectors(shape=(2, 5, SIZE), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def attention_by_hand(block, x, history, attended=None):
    """Vaswani et al., 2017, eq. 1, of one head, before a shortcut, one position at a time."""
    if attended is None:
        w, b = (numbers(v).astype("float64") for v in block.looked_for.get_weights())
        queries_keys_values = x @ w + b
    else:  # the queries are of x, the keys and values of what is attended to
        (w1, b1), (w2, b2) = block.queries.get_weights(), block.keys_values.get_weights()
        queries_keys_values = np.concatenate([x @ w1 + b1, attended @ w2 + b2], axis=-1)
    out_w, out_b = (numbers(v).astype("float64") for v in block.found.get_weights())
    result = np.zeros(x.shape)
    for row in range(len(x)):
        queries, keys, values = np.split(queries_keys_values[row], 3, axis=1)
        for at in range(x.shape[1]):
            seen = [j for j in range(at + 1) if history[row, j] != -1]
            if seen:
                powers = np.exp([queries[at] @ keys[j] / np.sqrt(SIZE) for j in seen])
                result[row, at] = powers @ values[seen] / powers.sum() @ out_w + out_b
    return result


def normalised(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def network_by_hand(block, x):
    (w1, b1), (w2, b2) = block.inner.get_weights(), block.outer.get_weights()
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_block_equals_its_formula(norm):
    block = SelfAttentionBlock(hidden=6, norm=norm)
    x = vectors()
    got = numbers(block(x, HISTORY))
    if norm == "pre":
        y = x + attention_by_hand(block, normalised(x), HISTORY)
        y = y + network_by_hand(block, normalised(y))
    elif norm == "sasrec":
        y = normalised(x) + attention_by_hand(block, normalised(x), HISTORY, x)
        y = normalised(y) + network_by_hand(block, normalised(y))
    else:
        y = normalised(x + attention_by_hand(block, x, HISTORY))
        y = normalised(y + network_by_hand(block, y))
    there = HISTORY != -1
    np.testing.assert_allclose(got[there], y[there], rtol=1e-4, atol=1e-5)


def test_heads_share_the_components():
    """Two heads are two attentions over halves of the queries, keys and values."""
    block = SelfAttentionBlock(n_heads=2)
    x = vectors()
    block(x, HISTORY)
    w, b = (numbers(v) for v in block.looked_for.get_weights())
    queries, keys, values = np.split(normalised(x[1]) @ w + b, 3, axis=1)
    parts = []
    for head in range(2):
        of = slice(2 * head, 2 * head + 2)
        powers = np.exp(queries[4, of] @ keys[:, of].T / np.sqrt(2))
        parts.append(powers @ values[:, of] / powers.sum())
    out_w, out_b = block.found.get_weights()
    expected = np.concatenate(parts) @ out_w + out_b
    attended = block._attend(keras.ops.convert_to_tensor(normalised(x)), HISTORY, False)
    np.testing.assert_allclose(numbers(attended)[1, 4], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="multiple of `n_heads`. Received: 4 components, n_heads=3"):
        SelfAttentionBlock(n_heads=3)(x, HISTORY)


@pytest.mark.parametrize(("causal", "norm"), [(True, "pre"), (True, "sasrec"), (False, "pre")])
def test_the_future_changes_nothing_where_it_must_not(causal, norm):
    block = SelfAttentionBlock(causal=causal, norm=norm)
    x, other = vectors(), vectors()
    other[:, 3:] = vectors(seed=1)[:, 3:]
    one, two = (numbers(block(given, HISTORY))[:, :3] for given in (x, other))
    same = np.allclose(one[1], two[1], atol=1e-6)
    assert same == causal


@pytest.mark.parametrize(("causal", "norm"), [(True, "pre"), (True, "sasrec"), (False, "pre")])
def test_padding_changes_nothing(causal, norm):
    block = SelfAttentionBlock(causal=causal, norm=norm)
    x = vectors()
    wide = np.concatenate([vectors((2, 3, SIZE), seed=5) * 100, x], axis=1)
    padding = np.full((2, 3), -1)
    got = numbers(block(wide, np.concatenate([padding, HISTORY], axis=1)))[:, 3:]
    there = HISTORY != -1
    np.testing.assert_allclose(got[there], numbers(block(x, HISTORY))[there], rtol=1e-4, atol=1e-5)


def test_a_row_that_is_all_padding_is_finite_and_so_is_its_gradient():
    block = SelfAttentionBlock(n_heads=2)
    history = np.full((2, 5), -1)
    assert np.isfinite(numbers(block(vectors(), history))).all()
    slope = derivative_of(lambda x: keras.ops.sum(block(x, history) ** 2))(vectors())[0]
    assert np.isfinite(slope).all()
    pooled = PooledHistory("attention")
    assert not numbers(pooled(vectors(), history)).any()
    slope = derivative_of(lambda x: keras.ops.sum(pooled(x, history) ** 2))(vectors())[0]
    np.testing.assert_array_equal(slope, 0)


def test_no_gradient_comes_from_the_future_or_from_padding():
    block = SelfAttentionBlock()
    block(vectors(), HISTORY)
    slope = derivative_of(lambda x: keras.ops.sum(block(x, HISTORY)[:, 3] ** 2))(vectors())[0]
    assert not slope[:, 4].any() and not slope[0, :2].any()
    assert slope[0, 2:4].any() and slope[1, :4].any(axis=-1).all()


def test_dropout_is_of_training_alone():
    block = SelfAttentionBlock(dropout=0.5)
    x = vectors()
    np.testing.assert_array_equal(numbers(block(x, HISTORY)), numbers(block(x, HISTORY)))
    assert not np.allclose(numbers(block(x, HISTORY, training=True)), numbers(block(x, HISTORY)))
    inside = SelfAttentionBlock(dropout=0.0, attention_dropout=0.9)
    assert not np.allclose(numbers(inside(x, HISTORY, training=True)), numbers(inside(x, HISTORY)))


def test_embedding_of_padding_of_guesses_and_of_items():
    layer = SequenceEmbedding(N_ITEMS, SIZE, masked=True)
    got = numbers(layer(np.array([[-1, 3, -2], [8, 8, 0]])))
    table, masked = layer.get_weights()
    np.testing.assert_allclose(got[0], np.stack([np.zeros(SIZE), table[3], masked]))
    np.testing.assert_allclose(got[1], table[[8, 8, 0]])
    assert layer(np.array([[3]])).shape == (1, 1, SIZE)
    assert layer.id_limit == N_ITEMS


def test_places_are_counted_from_the_end():
    layer = PositionEmbedding(6)
    x = vectors()
    got = numbers(layer(x))
    np.testing.assert_allclose(got, x + numbers(layer.table)[1:], rtol=1e-6)
    np.testing.assert_allclose(numbers(layer(x[:, 2:])), got[:, 2:], rtol=1e-6)
    with pytest.raises(ValueError, match="at most history_length=6 items; give the latest. Received: 7"):
        layer(np.zeros((1, 7, SIZE)))


def test_places_are_counted_from_the_first_item():
    layer = PositionEmbedding(6, count_from="first")
    x = vectors()
    history = np.full(x.shape[:2], -1)
    history[0, -3:], history[1] = [5, 5, 2], np.arange(history.shape[1])
    got = numbers(layer(x, history))
    table = numbers(layer.table)
    np.testing.assert_allclose(got[0, -3:], x[0, -3:] + table[:3], rtol=1e-6)
    np.testing.assert_allclose(got[1], x[1] + table[: history.shape[1]], rtol=1e-6)
    np.testing.assert_allclose(numbers(layer(x[:1, -3:], history[:1, -3:])), got[:1, -3:], rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"call the layer with `\(inputs, history\)`. Received: inputs alone"
    ):
        layer(x)


def test_each_kernel_of_a_block_draws_its_own_numbers():
    block = SelfAttentionBlock(norm="sasrec", kernel_initializer=keras.initializers.RandomNormal(stddev=0.02))
    block(vectors(), HISTORY)
    kernels = [numbers(w) for w in block.weights if w.name == "kernel"]
    assert len(kernels) == 5
    everything = np.concatenate([kernel.ravel() for kernel in kernels])
    assert len(np.unique(everything)) == everything.size
    assert 0.005 < everything.std() < 0.05


@pytest.mark.parametrize("how", ["mean", "attention"])
def test_pooling_by_hand(how):
    layer = PooledHistory(how)
    x = vectors()
    got = numbers(layer(x, HISTORY))
    for row in range(2):
        there = x[row][HISTORY[row] != -1]
        pull = np.zeros(len(there))
        if how == "attention":
            w, b = layer.hidden.get_weights()
            pull = (np.tanh(there @ w + b) @ layer.query.get_weights()[0])[:, 0]
        weights = np.exp(pull) / np.exp(pull).sum()
        np.testing.assert_allclose(got[row], weights @ there, rtol=1e-4, atol=1e-5)
    wide = np.concatenate([x[:, :1] * 9, x], axis=1), np.concatenate([[[-1], [-1]], HISTORY], axis=1)
    np.testing.assert_allclose(numbers(layer(*wide)), got, rtol=1e-4, atol=1e-6)


def test_bad_settings():
    with pytest.raises(ValueError, match="`norm` must be 'pre', 'post' or 'sasrec'. Received: norm='mid'"):
        SelfAttentionBlock(norm="mid")
    with pytest.raises(
        ValueError, match="`count_from` must be 'latest' or 'first'. Received: count_from='end'"
    ):
        PositionEmbedding(3, count_from="end")
    with pytest.raises(ValueError, match="`how` must be 'mean' or 'attention'. Received: how='max'"):
        PooledHistory("max")
    for make in (PositionEmbedding, AppendMasked, lambda n: SequenceEmbedding(3, 2, history_length=n)):
        with pytest.raises(ValueError, match="`history_length` must be a positive integer"):
            make(0)


def test_a_model_of_ones_own_trains_on_all_positions():
    """The output of a batch of sequences is what the model gives for each prefix, by hand."""
    from kerasrec.data import SequenceBatches, Sequences

    history = keras.Input((None,), name="history", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    table = SequenceEmbedding(N_ITEMS, SIZE)
    x = SelfAttentionBlock()(PositionEmbedding(8)(table(history)), history)
    model = kerasrec.Model({"history": history, "item": item}, DotScore()(LastPosition()(x), table(item)))
    lists = [[3, 1, 4, 1, 5], [2, 7, 1]]
    batches = SequenceBatches(
        Sequences.of_lists(lists, N_ITEMS), 2, length=8, n_sampled_items=3, seed=0, model=model
    )
    inputs, labels, weights = batches[0]
    scores = numbers(model(inputs))
    shared = inputs["shared_item"][0]
    n = inputs["history"].size
    assert scores.shape == (n, 4) and labels.shape == (1, 1, n + 3, 3) and weights.shape == (n, 1)
    seen = 0
    for row, items in enumerate(inputs["history"]):
        for at in range(len(items)):
            if items[at] < 0:
                assert labels[0, 0, row * len(items) + at, 0] == -1
                continue
            target = inputs["target"][row, at]
            prefix = items[: at + 1][None]
            expected = numbers(
                model(
                    {
                        "history": np.pad(prefix, ((0, 0), (8 - at - 1, 0)), constant_values=-1)[:, -8:],
                        "item": np.array([[target, *shared]]),
                    }
                )
            )
            if (items[: at + 1] >= 0).sum() == (items >= 0).sum():  # places are counted from the end
                np.testing.assert_allclose(scores[row * len(items) + at], expected[0], rtol=1e-4, atol=1e-5)
                seen += 1
    assert seen == 2
    vectors_of_all = numbers(model({"history": inputs["history"]}))
    assert vectors_of_all.shape == (n + N_ITEMS, SIZE)
    np.testing.assert_allclose(
        vectors_of_all[:n] @ vectors_of_all[n:][shared].T, scores[:, 1:], rtol=1e-4, atol=1e-5
    )


def test_a_batch_of_sequences_needs_towers():
    history = keras.Input((None,), name="history", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    both = keras.layers.Concatenate()([keras.layers.Embedding(9, 1)(x)[..., 0] for x in (item, item)])
    mean = keras.ops.mean(keras.ops.cast(history, "float32"), axis=1, keepdims=True)
    model = kerasrec.Model({"history": history, "item": item}, both * mean)
    with pytest.raises(ValueError, match="a model whose score is a dot product of a user's side"):
        model({"history": np.zeros((1, 2), "int32")})
