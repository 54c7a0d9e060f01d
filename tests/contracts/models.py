"""One case for every model of the zoo."""

from contracts.check_model import ModelCase

MODELS = [
    ModelCase("ease", {"ridge": 2.0}),
    ModelCase("global_bias"),
    ModelCase("implicit_als", {"n_components": 4, "l2": 1.0}),
    ModelCase("item_knn", {"n_neighbors": 5}),
    ModelCase("popularity"),
    ModelCase("pure_svd", {"n_components": 4}),
    ModelCase("random"),
    ModelCase("recommender_net", {"n_components": 4}),
    ModelCase("recommender_v1", {"n_components": 4}),
    ModelCase("recommender_v2", {"n_components": 4}),
    ModelCase("user_knn", {"n_neighbors": 5}),
]
