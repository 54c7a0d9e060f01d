from typing import Any, Literal

import keras

from kerasrec.zoo._card import Card
from kerasrec.zoo._hybrid import BIASED, DECAY, INIT, L2, LEARNING_RATE, LOSS, N_COMPONENTS, hybrid
from kerasrec.zoo._hybrid_recipes import recipe
from kerasrec.zoo._results import COMPARED


def HybridRecommender(
    user_features: Any,
    item_features: Any,
    n_components: int = 5,
    n_tastes: int = 1,
    user_repr: Any = "linear",
    item_repr: Any = "linear",
    attention: Any = None,
    score: Any = "dot",
    loss: Any = "wmrb",
    biased: bool = True,
    *,
    l2: float = 0.0,
    decay: float = 0.0,
    init: Literal["random", "svd"] = "random",
    interactions: Any = None,
    learning_rate: Any = 1e-2,
    user_feature_dropout: Any = None,
    item_feature_dropout: Any = None,
    seed: int | None = None,
) -> keras.Model:
    """Representations of users and items built from their features, compared by a score.

    `score(u, i) = compare(user_repr(x_u), item_repr(x_i)) + user_bias(x_u) + item_bias(x_i)`, where `x` is a
    row of features: identity, metadata or both. Choose each part by name or pass your own object. With
    several tastes a user has several representations, and `compare` takes the largest of their scores or,
    with attention, their sum weighted by a softmax. The features are part of the model; batches contain only
    codes.

    Args:
        user_features: `Features`, a matrix `[U, F]`, or the number of users, whose only feature is then their
            identity.
        item_features: `Features`, a matrix `[I, F]`, or the number of items.
        n_components: int, size of the representations that are chosen by name. Defaults to `5`.
        n_tastes: int, representations of a user. Defaults to `1`.
        user_repr: `"linear"`, `"normalized_linear"`, `"relu"`, `"deep"`, `"pass_through"`,
            `"weighted_pass_through"`, or a Keras layer from features to `[B, C]`. With several tastes the
            layer is copied for each taste, unless you pass a list with one layer per taste. Defaults to
            `"linear"`.
        item_repr: the same for items; the layer acts on the last axis of `[B, L, F]`. Defaults to
            `"linear"`.
        attention: the representation that weights the tastes, as `user_repr`, or `None`. Defaults to `None`.
        score: `"dot"`, `"cosine"`, `"euclidean"`, or a score layer. Defaults to `"dot"`.
        loss: the name of a loss in `kerasrec.losses`, which is that of its file (`"wmrb"`, `"bpr"`,
            `"sampled_softmax"`), the name of one of Keras's losses, or any loss or function of labels and
            scores `[B, L]`. Defaults to `"wmrb"`.
        biased: bool, whether each feature has a bias; the bias of a user or item is the sum over its
            features. Defaults to `True`.
        l2: float, weight of the L2 penalty on the biases and on the weights of representations chosen by
            name. Defaults to `0.0`.
        decay: float, weight of the L2 penalty on the representations. For an item it is multiplied by the
            square root of the item's share of the positives. With a loss over the whole catalogue
            (`"full_softmax"`), where a row is a user, the penalty of a user is multiplied by the user's
            number of positives, and both are penalties of a whole epoch. With other losses, a vector is
            penalised each time that it is read. Defaults to `0.0`.
        init: initial weights: `"random"`, or `"svd"`, which initialises linear representations that are
            compared by a dot product with a truncated singular value decomposition of the interactions,
            scaled for a softmax. Everything else is initialised at random. Defaults to `"random"`.
        interactions: `Interactions`, needed for `decay` and `init`; `create` passes them. Defaults to `None`.
        learning_rate: float or learning rate schedule of Adam. Defaults to `1e-2`.
        user_feature_dropout: `FeatureDropout`, which drops features in training that new users will not have.
            Defaults to `None`.
        item_feature_dropout: the same for items. Defaults to `None`.
        seed: int, for the initial weights of the named parts. Defaults to `None`: Keras's global generator.

    Call arguments:
        inputs: `{"user": codes [B, 1], "item": codes [B, L]}`; a list `[1, L]` is shared by the batch.

    Returns:
        A compiled `keras.Model` with unbounded outputs `[B, L]`.

    Raises:
        ValueError: if a size is not a positive integer, the name of a part is unknown, features are empty or
            not finite, a passed-through matrix does not have `n_components` columns, attention is used with
            one taste, or `interactions` are missing for `decay` or `init`.

    Example:
        >>> import kerasrec
        >>> from kerasrec.data import RankingBatches
        >>> data = kerasrec.datasets.synthetic(n_users=30, n_items=40, n_interactions=300).interactions
        >>> model = kerasrec.zoo.HybridRecommender(user_features=30, item_features=40, seed=0)
        >>> history = model.fit(RankingBatches(data, 64, n_sampled_items=10, seed=0), epochs=2, verbose=0)
        >>> history.history["loss"][1] < history.history["loss"][0]
        True

    References:
        Kirk, "TensorRec", 2018; Kula, "Metadata embeddings for user and item cold-start recommendations",
        2015.
    """
    return hybrid(
        CARD,
        user_features,
        item_features,
        n_components=n_components,
        n_tastes=n_tastes,
        user_repr=user_repr,
        item_repr=item_repr,
        attention=attention,
        score=score,
        loss=loss,
        biased=biased,
        l2=l2,
        decay=decay,
        init=init,
        interactions=interactions,
        learning_rate=learning_rate,
        user_feature_dropout=user_feature_dropout,
        item_feature_dropout=item_feature_dropout,
        seed=seed,
    )


CARD = Card(
    name="hybrid",
    factory=HybridRecommender,
    task="ranking",
    summary=(
        "Representations of users and items built from their features, identity and metadata, compared by "
        "a score and trained by a ranking loss; every part can be replaced."
    ),
    reference=(
        'Kirk, "TensorRec", 2018; Kula, "Metadata embeddings for user and item cold-start recommendations", '
        "2015."
    ),
    hyperparameters=(N_COMPONENTS, LOSS, BIASED, L2, DECAY, INIT, LEARNING_RATE),
    loss="wmrb",
    results="""\
MovieLens latest-small (September 2018), likes of at least 4, random 80/20 splits, recall and NDCG at 10 over
all films, means of three splits, on JAX (examples/movielens_hybrid.py). The first two columns do not exclude
the training films, as in the publication (Kirk, 2018, test recall: WMRB 0.0776, content 0.0130, hybrid
0.0794). The last two exclude every film that the user rated in the training part. MF and hybrid have 5
components. They and content use WMRB with 1 % of the films sampled. The tuned settings are given below.
                    train recall     test recall  recall, unseen    ndcg, unseen
popularity                0.0751          0.0733          0.1003          0.1631
rating-loss MF            0.0058          0.0041          0.0041          0.0022
WMRB MF                   0.1020          0.0829          0.1405          0.2076
content                   0.0188          0.0095          0.0112          0.0213
hybrid                    0.1155          0.0950          0.1616          0.2450
ease                      0.2029          0.0971          0.2061          0.3037
hybrid, tuned             0.2588          0.0922          0.2150          0.3165

The same likes, random 90/10 split (seed 42), without the films that the user rated in the training part. The
settings were found by `kerasrec tune hybrid` on JAX 0.10 and Keras 3.15 in 20 trials, by NDCG@10 on a tenth
of the training rows. The model was then trained once on all training rows and tested once. EASE and
ImplicitALS were tuned in as many trials; the other models have the defaults of their cards. Intervals are
95 %; p is for the difference from the tuned hybrid (paired randomisation test over users, Holm's correction).
The defaults here are those of the recipe, which is as good as the search.
                      ndcg@10        interval  recall@10       p
ImplicitALS, tuned     0.2141  0.1955, 0.2335     0.2077  1.0000
EASE, tuned            0.2132  0.1949, 0.2318     0.2077  1.0000
hybrid, the defaults   0.2120  0.1934, 0.2312     0.2154  1.0000
hybrid, tuned          0.2111  0.1934, 0.2306     0.2158
item_knn               0.1772  0.1603, 0.1927     0.1816  0.0005
popularity             0.1015  0.0890, 0.1148     0.0926  0.0005
Tuned settings: softmax over the catalogue, 128 components, decay 0.2, learning rate 0.02 with cosine decay
over 40 epochs, batches of 77 users.

"""
    + COMPARED,
    recipe=recipe,
)
