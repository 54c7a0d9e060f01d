"""One case for every model of the zoo."""

import numpy as np
import scipy.sparse

from contracts.check_model import ModelCase
from kerasrec.data import CatalogueBatches, Features, RankingBatches, SequenceBatches


def lists(data, **settings):
    """Likes with sampled negatives, all in one batch."""
    likes = data.at_least(4)
    return RankingBatches(likes, len(likes), n_sampled_items=5, seed=0, **settings)[0]


def features(data):
    """Identity and something that some share, of users and items."""

    def of(ids):
        kinds = scipy.sparse.csr_matrix([[float(code % 2), float(code % 3)] for code in range(len(ids))])
        return Features.indicator(ids) + Features.from_csr(kinds, ["odd", "third"], ids)

    return {"user_features": of(data.user_ids), "item_features": of(data.item_ids)}


def sequences(targets):
    """Targets of a whole catalogue, of all users in one batch."""
    how = {"length": 8, "targets": targets, "buckets": [8], "seed": 0}
    return lambda data: SequenceBatches(data, 12 if targets != "last" else 50, **how)[0]


def rows(data):
    """Whole rows of users with the items in them as input, all in one batch."""
    model = ["history", "item"]
    x, y = CatalogueBatches(data, data.n_users, dense=True, model=model, seed=0)[0]
    return {**x, "item": np.repeat(x["item"], len(y), axis=0)}, y


SEQUENCES = {"n_components": 4, "history_length": 8, "loss": "ce"}
# A second block is another one of the same kind, and dear to compile.
ATTENTION = {**SEQUENCES, "n_blocks": 1}

MODELS = [
    ModelCase("bert4rec", ATTENTION, batch=sequences("masked")),
    ModelCase("content", features=features, batch=lists),
    ModelCase("deep_repr", {"n_components": 4}, features, lists),
    ModelCase("ease", {"ridge": 2.0}),
    ModelCase("factorization_machine", {"n_components": 4}, features, lists),
    ModelCase("gf_cf", {"n_components": 3}),
    ModelCase("global_bias"),
    ModelCase("gru4rec", SEQUENCES, batch=sequences("next")),
    ModelCase("hybrid", features=features, batch=lists),
    ModelCase("implicit_als", {"n_components": 4, "l2": 1.0}),
    ModelCase("item_knn", {"n_neighbors": 5}),
    ModelCase("lightgcn", {"n_components": 4}, batch=lists),
    ModelCase("matrix_factorization", batch=lists),
    ModelCase("mixture_of_tastes", {"n_tastes": 2}, features, lists),
    ModelCase("mult_vae", {"n_components": 3, "hidden": (5,), "dropout": 0.0}, batch=rows),
    ModelCase("neumf", {"n_components": 4}, batch=lists),
    ModelCase("popularity"),
    ModelCase("pure_svd", {"n_components": 4}),
    ModelCase("random"),
    ModelCase("recommender_net", {"n_components": 4}),
    ModelCase("recommender_v1", {"n_components": 4}),
    ModelCase("recommender_v2", {"n_components": 4}),
    # Losses of so few events fall within ten epochs only without noise.
    ModelCase("sasrec", {**ATTENTION, "dropout": 0.0}, batch=sequences("next")),
    ModelCase("two_tower", {"n_components": 4}, features, lambda data: lists(data, log_q=True)),
    ModelCase("user_knn", {"n_neighbors": 5}),
    ModelCase("youtube_candidates", SEQUENCES, batch=sequences("last")),
]

# Click models, small.
_NETWORK = {"n_components": 4, "hidden": (8,)}
CLICK_MODELS = {
    "autoint": {**_NETWORK, "n_blocks": 1, "head_size": 3},
    "click_factorization_machine": {"n_components": 4},
    "dcn": {**_NETWORK, "n_crosses": 2, "rank": 3},
    "deepfm": _NETWORK,
    "dlrm": {**_NETWORK, "bottom": (5,), "interaction": "both"},
    "dnn": _NETWORK,
    "logistic_regression": {},
    "wide_and_deep": _NETWORK,
    "youtube_ranker": _NETWORK,
}
