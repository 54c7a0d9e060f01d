"""One case for every model of the zoo."""

from contracts.check_model import ModelCase

MODELS = [
    ModelCase("recommender_net", {"n_components": 4}),
    ModelCase("recommender_v1", {"n_components": 4}),
    ModelCase("recommender_v2", {"n_components": 4}),
]
