from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

from kerasrec._arguments import positive_integer, positive_number
from kerasrec.layers import GraphEmbedding, HostNormal
from kerasrec.losses import SampledSoftmax
from kerasrec.zoo._card import Card, Hyperparameter
from kerasrec.zoo._fitted import positives
from kerasrec.zoo._hybrid import loss_of, score_layer, seeded
from kerasrec.zoo._parts import assemble, id_inputs
from kerasrec.zoo._recipe import Recipe, Size
from kerasrec.zoo._results import BY_RECIPE

if TYPE_CHECKING:
    import scipy.sparse

    from kerasrec.data import Interactions

STARTS = ("random", "svd")
_POWERS = 4
_STDDEV = 0.1


def LightGCN(
    interactions: "Interactions",
    n_components: int = 64,
    n_layers: int = 3,
    alpha: float = 0.5,
    beta: float = 0.5,
    first_weight: float | None = None,
    loss: Any = "bpr",
    score: Any = "dot",
    temperature: float = 1.0,
    start: Literal["random", "svd"] = "random",
    renew_every: int = 1,
    *,
    l2: float = 1e-4,
    learning_rate: Any = 1e-3,
    seed: int | None = None,
) -> keras.Model:
    """Matrix factorisation whose vectors are propagated along the graph of users and items.

    With `E` the table of all users and items, `A` the adjacency matrix and `D` the degrees, the vectors are
    `first_weight E + (1 - first_weight) / n_layers * sum_k (D^-alpha A D^-beta)^k E`, compared by a dot
    product or a cosine. Exponents of 0.5 and equal weights are LightGCN; others are LightGCN++.

    A step computes the vectors of all users and items, whatever the batch. Large batches are therefore
    faster; so is `renew_every`, which reuses the propagated vectors for several steps (see
    `kerasrec.layers.GraphEmbedding`). After training they are stored, and the model is as fast as matrix
    factorisation. Users and items without edges keep their own vectors.

    Args:
        interactions: `Interactions`; those with a value above 0 are the edges.
        n_components: int, size of a vector. Defaults to `64`.
        n_layers: int, number of propagation steps. Defaults to `3`.
        alpha: float, exponent of the degree of the receiving node. Defaults to `0.5`.
        beta: float, exponent of the degree of the sending node. Defaults to `0.5`.
        first_weight: float from 0 to 1, weight of a node's own vector. Defaults to `None`: that of every
            layer, `1 / (n_layers + 1)`.
        loss: as in `HybridRecommender`. Defaults to `"bpr"`.
        score: `"dot"`, `"cosine"`, or a score layer. Defaults to `"dot"`.
        temperature: float, divides the scores in `loss="sampled_softmax"`; use a value well below 1 if
            `score` is `"cosine"`. Defaults to `1.0`.
        start: initial values of the tables: `"random"`, or `"svd"`, the singular vectors of the graph, which
            take seconds to compute and give better results in the first epochs. Defaults to `"random"`.
        renew_every: int, number of steps for which the propagated vectors are reused; above 1, only the
            nodes' own vectors get gradients. Defaults to `1`: every step computes them.
        l2: float, weight of the L2 penalty (half the squared norm) on the rows that a step reads. Defaults to
            `1e-4`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-3`.
        seed: int, for the initial weights. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if no interaction has a value above 0, a setting is out of range, or `score`, `start` or
            `loss` is unknown.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import Interactions
        >>> x = Interactions([0, 0, 1], [0, 1, 1], user_ids=["ann", "bob"], item_ids=["x", "y"])
        >>> model = kerasrec.zoo.LightGCN(x, n_components=8)
        >>> model.towers.user.output_shape
        (None, 8)

    References:
        He et al., "LightGCN: simplifying and powering graph convolution network for recommendation", 2020,
        eq. 3 to 8; Lee, Kim and Shin, "Revisiting LightGCN: unexpected inflexibility, inconsistency, and a
        remedy towards improved recommendation", 2024.
    """
    n_components = positive_integer("n_components", n_components)
    temperature = positive_number("temperature", temperature)
    if start not in STARTS:
        raise ValueError(f"`start` must be one of {', '.join(STARTS)}. Received: start={start!r}.")
    matrix = positives(interactions)
    users, items = matrix.nonzero()
    user, item = id_inputs()
    with seeded(seed):
        graph = GraphEmbedding(
            matrix.shape[0],
            matrix.shape[1],
            matrix.nnz,
            n_components,
            n_layers,
            alpha,
            beta,
            first_weight,
            l2,
            renew_every,
            HostNormal(0.0, _STDDEV, seed),
            name="graph",
        )
        vectors = graph(user, side="user"), graph(item, side="item")
        compare = score_layer(score)
        if loss == "sampled_softmax":
            loss = SampledSoftmax(temperature)
        model = assemble(
            CARD, user, item, compare(*vectors), learning_rate, loss=loss_of(loss, matrix.shape[1])
        )
    graph.fill(users, items)
    if start == "svd":
        tables = graph.user_embeddings, graph.item_embeddings
        for table, own in zip(tables, _directions(matrix, n_components), strict=True):
            table.assign(own)
        graph.refresh()
    return model


def _directions(matrix: "scipy.sparse.csr_matrix", n_components: int) -> list[np.ndarray]:
    """Singular vectors of the normalised graph times the roots of their values, as long as random rows.

    If there are fewer of them than components, the other components are 0.
    """
    from sklearn.utils.extmath import randomized_svd

    counts = [np.maximum(np.asarray(matrix.sum(axis=axis)).ravel(), 1) for axis in (1, 0)]
    normalized = matrix.copy()
    owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    normalized.data = matrix.data / np.sqrt(counts[0][owner] * counts[1][matrix.indices])
    left, values, right = randomized_svd(
        normalized, min(n_components, *matrix.shape), n_iter=_POWERS, random_state=0
    )
    sides = [np.zeros((n, n_components), np.float32) for n in matrix.shape]
    for side, own in zip(sides, (left, right.T), strict=True):
        side[:, : len(values)] = own * np.sqrt(values)
    scale = _STDDEV / np.sqrt(np.mean([np.mean(side**2) for side in sides]))
    return [side * np.float32(scale) for side in sides]


def _recipe(size: Size, loss: Any = None) -> Recipe:
    """Softmax of cosines over a sample shared by the batch, with batches for at least 64 steps per epoch.

    The cost of a step is the propagation, which does not depend on the batch, so the number of steps matters.
    """
    from kerasrec.data.samplers import UniformSampler

    settings: dict[str, Any] = {"loss": "sampled_softmax" if loss is None else loss}
    if settings["loss"] == "sampled_softmax" or isinstance(loss, SampledSoftmax):
        settings |= {"score": "cosine", "temperature": 0.1, "l2": 0.0}
    rows = min(32_768, max(256, 1 << (max(1, size.n_interactions // 64).bit_length() - 1)))
    return Recipe(
        {**settings, "learning_rate": 5e-3},
        schedule="linear",
        batch_size=rows,
        n_sampled_items=min(512, size.n_items),
        sampler=UniformSampler(shared=True, replace=False),
        row_sparse=False,
        epochs=80,
        patience=10,
    )


_RESULTS = """

Gowalla, LightGCN's split (29,858 users, 40,981 items), on JAX (Keras 3.15.1, a GPU), seed 0. The whole
catalogue is ranked. With the recipe and a temperature of 0.08, 78 epochs, recall@20 is 0.1512 and ndcg@20
0.1164; with 2,048 negatives drawn by the square root of popularity (`log_q=True`), batches of 16,384 and
Adam at 0.01, after 30 of 50 epochs, 0.1581 and 0.1210. Published: 0.1830 and 0.1554. The closed-form gf_cf
is better (0.1863 and 0.1531) and takes seconds.
Settings cannot be chosen on `valid.txt`: it is a random part of the training data, but the test data are
other, more popular items. On the two, popularity has a recall@20 of 0.0276 and 0.0416, item_knn 0.1737 and
0.1271, gf_cf 0.2085 and 0.1863. A cosine, which hides popularity, loses most: the second setting above has
0.1996 on `valid.txt`. A dot product with the same negatives and l2=0.001 has 0.1451 there and 0.1412 on the
test data after 10 epochs on `train.txt`."""

CARD = Card(
    name="lightgcn",
    factory=LightGCN,
    task="ranking",
    summary="Matrix factorisation whose vectors are propagated along the graph of users and items.",
    reference=(
        'He et al., "LightGCN: simplifying and powering graph convolution network for recommendation", '
        "2020, eq. 3 to 8."
    ),
    hyperparameters=(
        Hyperparameter("n_components", "int", 64, low=8, high=256, log=True),
        Hyperparameter("n_layers", "int", 3, low=1, high=4),
        Hyperparameter("alpha", "float", 0.5, low=0.0, high=1.0),
        Hyperparameter("beta", "float", 0.5, low=-0.5, high=1.0),
        Hyperparameter("loss", "choice", "bpr", choices=("bpr", "sampled_softmax")),
        Hyperparameter("score", "choice", "dot", choices=("dot", "cosine")),
        Hyperparameter(
            "temperature",
            "float",
            1.0,
            low=0.05,
            high=1.0,
            log=True,
            when=("loss", ("sampled_softmax",)),
        ),
        Hyperparameter("start", "choice", "random", choices=STARTS),
        Hyperparameter("l2", "float", 1e-4, low=0.0, high=1e-2),
        Hyperparameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-1, log=True),
    ),
    loss="bpr",
    recipe=_recipe,
    results=BY_RECIPE + _RESULTS,
)
