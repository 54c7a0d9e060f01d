"""One case for every public layer."""

import keras
import numpy as np

from contracts.check_layer import LayerCase
from kerasrec import layers

_random = np.random.default_rng(0)
USER = _random.normal(size=(4, 3)).astype("float32")
ITEMS = _random.normal(size=(4, 5, 3)).astype("float32")
IDS = np.array([[3], [0], [9], [3]], "int32")

LAYERS = [
    LayerCase(layers.Catalogue, {"inputs": USER}, (4, 3), keeps_dtype=True),
    LayerCase(layers.ConcatenatePairs, {"user": USER, "item": ITEMS}, (4, 5, 6)),
    LayerCase(
        layers.DotScore,
        {
            "user": USER,
            "item": ITEMS,
            "user_bias": USER[:, :1],
            "item_bias": ITEMS[:, :, :1],
        },
        (4, 5),
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
    LayerCase(layers.RatingScale, {"inputs": USER}, (4, 3), lambda: {"minimum": 1.0, "maximum": 7.0}),
]
