"""One case for every public layer."""

import keras
import numpy as np

from contracts.check_layer import LayerCase
from kerasrec import layers

_random = np.random.default_rng(0)
USER = _random.normal(size=(4, 3)).astype("float32")
ITEMS = _random.normal(size=(4, 5, 3)).astype("float32")
IDS = np.array([[3], [0], [9], [3]], "int32")

BIASES = {"user_bias": USER[:, :1], "item_bias": ITEMS[:, :, :1]}
L2 = keras.regularizers.L2(1e-3)

# A history of each of the lists, with padding.
HISTORY = np.array([[-1, -1, 3, 1, 4], [1, 5, 9, 2, 6], [-1, 5, 3, 5, 8], [-1, -1, -1, -1, 9]], "int32")

LAYERS = [
    LayerCase(
        layers.AppendMasked, {"history": HISTORY}, (4, 6), lambda: {"history_length": 7}, keeps_dtype=True
    ),
    LayerCase(layers.Catalogue, {"inputs": USER}, (4, 3), keeps_dtype=True),
    LayerCase(layers.ConcatenatePairs, {"user": USER, "item": ITEMS}, (4, 5, 6)),
    LayerCase(layers.CosineScore, {"user": USER, "item": ITEMS, **BIASES}, (4, 5)),
    LayerCase(
        layers.DeepRepr,
        {"inputs": USER},
        (4, 2),
        lambda: {
            "n_components": 2,
            "hidden": [6, 5],
            "n_features": 3,
            "activation": "gelu",
            "output_activation": "linear",
            "dropout": 0.01,
            "kernel_initializer": keras.initializers.RandomNormal(seed=1),
            "kernel_regularizer": L2,
        },
    ),
    LayerCase(layers.DotScore, {"user": USER, "item": ITEMS, **BIASES}, (4, 5)),
    LayerCase(layers.EuclideanScore, {"user": USER, "item": ITEMS, **BIASES}, (4, 5)),
    LayerCase(
        layers.FastDropout,
        {"inputs": ITEMS},
        (4, 5, 3),
        lambda: {"rate": 0.01, "noise_shape": [None, 1, 3], "seed": 3},
    ),
    LayerCase(
        layers.FeatureBias,
        {"inputs": ITEMS},
        (4, 5, 1),
        lambda: {"n_features": 3, "bias_regularizer": L2},
    ),
    LayerCase(
        layers.FeatureDropout,
        {"inputs": ITEMS},
        (4, 5, 3),
        lambda: {"rate": 0.5, "columns": [[0, 1], [2, 3]], "seed": 3},
        keeps_dtype=True,
    ),
    LayerCase(
        layers.FeatureEmbedding,
        {"ids": IDS},
        (4, 6),
        lambda: {
            "n": 10,
            "n_components": 6,
            "embeddings_initializer": keras.initializers.RandomNormal(seed=1),
            "embeddings_regularizer": keras.regularizers.L2(1e-3),
        },
    ),
    LayerCase(
        layers.FieldEmbedding,
        {"ids": np.array([[3, 1, -1], [0, 0, 1], [9, 1, 0], [3, -1, -1]], "int32")},
        (4, 2, 6),
        lambda: {
            "sizes": [10, 2],
            "n_components": 6,
            "widths": [1, 2],
            "embeddings_initializer": keras.initializers.RandomNormal(seed=1),
            "embeddings_regularizer": keras.regularizers.L2(1e-3),
        },
    ),
    LayerCase(
        layers.FeatureLookup,
        {"codes": IDS},
        {"indices": (4, 3), "weights": (4, 3)},
        lambda: {"n": 10, "n_values": 20, "width": 3},
    ),
    LayerCase(
        layers.FrequencyRegularization,
        {"vectors": USER, "ids": IDS},
        (4, 3),
        lambda: {"n": 10, "l2": 0.1, "exponent": 0.5},
        keeps_dtype=True,
    ),
    LayerCase(
        layers.GaussianSampling,
        {"inputs": ITEMS[:, 0, :2]},
        (4, 1),
        lambda: {"beta": 0.5, "anneal_steps": 10, "seed": 3},
    ),
    LayerCase(
        layers.GraphEmbedding,
        {"ids": IDS},
        (4, 6),
        lambda: {
            "n_users": 10,
            "n_items": 4,
            "n_edges": 7,
            "n_components": 6,
            "n_layers": 2,
            "alpha": 0.6,
            "beta": -0.1,
            "first_weight": 0.2,
            "l2": 1e-3,
            "renew_every": 2,
            "embeddings_initializer": keras.initializers.RandomNormal(seed=1),
        },
        unread=("item_embeddings",),  # what comes along the graph is a constant now and then
    ),
    LayerCase(
        layers.LayersRepr,
        {"inputs": USER},
        (4, 2),
        lambda: {"layers": [keras.layers.Dense(5, "relu"), keras.layers.Dense(2)], "n_features": 3},
    ),
    LayerCase(
        layers.ItemBag,
        {"ids": HISTORY},
        (4, 6),
        lambda: {
            "n": 10,
            "n_components": 6,
            "dropout": 0.1,
            "use_bias": True,
            "seed": 3,
            "embeddings_initializer": keras.initializers.RandomNormal(seed=1),
            "embeddings_regularizer": L2,
        },
    ),
    LayerCase(layers.LastPosition, {"inputs": ITEMS}, (4, 3)),
    LayerCase(
        layers.PooledHistory,
        {"inputs": ITEMS, "history": HISTORY},
        (4, 3),
        lambda: {"how": "attention"},
    ),
    LayerCase(
        layers.PositionEmbedding,
        {"inputs": ITEMS, "history": HISTORY},
        (4, 5, 3),
        lambda: {
            "history_length": 7,
            "initializer": keras.initializers.RandomNormal(seed=1),
            "count_from": "first",
        },
    ),
    LayerCase(
        layers.SelfAttentionBlock,
        {"inputs": ITEMS, "history": HISTORY},
        (4, 5, 3),
        lambda: {
            "n_heads": 3,
            "hidden": 7,
            "dropout": 0.01,
            "attention_dropout": 0.02,
            "causal": False,
            "norm": "post",
            "activation": "gelu",
            "kernel_initializer": keras.initializers.RandomNormal(seed=1),
        },
    ),
    LayerCase(
        layers.SequenceEmbedding,
        {"ids": HISTORY},
        (4, 5, 6),
        lambda: {
            "n": 10,
            "n_components": 6,
            "masked": True,
            "history_length": 9,
            "embeddings_initializer": keras.initializers.RandomNormal(seed=1),
            "embeddings_regularizer": keras.regularizers.L2(1e-3),
        },
    ),
    LayerCase(
        layers.PassThroughRepr, {"inputs": ITEMS}, (4, 5, 3), lambda: {"n_components": 3, "n_features": 3}
    ),
    LayerCase(layers.RatingScale, {"inputs": USER}, (4, 3), lambda: {"minimum": 1.0, "maximum": 7.0}),
    LayerCase(
        layers.ReLURepr,
        {"inputs": USER},
        (4, 2),
        lambda: {"n_components": 2, "n_features": 3, "relu_size": 5, "kernel_regularizer": L2},
    ),
    LayerCase(
        layers.SparseLinearRepr,
        {"inputs": USER},
        (4, 2),
        lambda: {
            "n_components": 2,
            "n_features": 3,
            "normalize": True,
            "kernel_initializer": keras.initializers.RandomNormal(seed=1),
            "kernel_regularizer": L2,
        },
    ),
    LayerCase(
        layers.TasteMixture,
        {
            "user": ITEMS[:, :2],
            "item": ITEMS,
            **BIASES,
            "attention": ITEMS[:, 2:4],
        },
        (4, 5),
        lambda: {"score": layers.CosineScore()},
    ),
    LayerCase(
        layers.WeightedPassThroughRepr,
        {"inputs": USER},
        (4, 3),
        lambda: {"n_components": 3, "n_features": 3, "weights_regularizer": L2},
    ),
]
