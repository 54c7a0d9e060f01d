import keras
import keras_tuner
import numpy as np
import pytest
import scipy.sparse

import kerasrec
from kerasrec.data import Features
from kerasrec.layers import DeepRepr
from kerasrec.tuning import HyperRecommender
from kerasrec.zoo import Hyperparameter


def values(models, **given):
    """Hyperparameters with these values, the others at their defaults."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(given)
    models.declare_hyperparameters(hp)
    return hp


def test_the_space_is_the_card_s_with_the_training_s(ratings):
    models = HyperRecommender("matrix_factorization", ratings[0])
    hp = values(models)
    found = {entry.name: entry for entry in hp.space}
    assert set(found) >= {"n_components", "loss", "learning_rate", "batch_size", "n_sampled_items"}
    assert (found["n_components"].min_value, found["n_components"].max_value) == (2, 256)
    assert found["n_components"].sampling == "log"
    assert found["loss"].values == ["wmrb", "warp", "bpr", "sampled_softmax", "full_softmax"]
    recipe = kerasrec.zoo.recipe("matrix_factorization", ratings[0])
    assert models.settings(hp)["learning_rate"] == recipe.settings["learning_rate"]


@pytest.mark.parametrize(
    ("choices", "first"), [([32, 64, 128], 128), ([32, 80], 80), ([100, 128], 100), ([128, 32], 128)]
)
def test_a_search_begins_at_the_choice_closest_to_the_recipe(ratings, choices, first):
    assert kerasrec.zoo.recipe("recommender_v2", ratings[0]).settings["n_components"] == 100
    models = HyperRecommender("recommender_v2", ratings[0], space={"n_components": choices})
    assert models.settings(values(models))["n_components"] == first


def test_values_reach_the_model(ratings):
    models = HyperRecommender("recommender_v2", ratings[0], space={"optimizer": ["sgd", "adagrad"]})
    model = models.build(values(models, n_components=3, learning_rate=0.5, optimizer="adagrad"))
    assert model.get_layer("user_embedding").n_components == 3
    assert isinstance(model.optimizer, keras.optimizers.Adagrad)
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.built and model.loss == "mean_squared_error"


def test_a_cosine_goes_to_nothing_at_the_end(ratings):
    models = HyperRecommender(
        "recommender_v2", ratings[0], fixed={"schedule": "cosine", "batch_size": 120}, epochs=3
    )
    hp = values(models, learning_rate=0.1)
    model = models.build(hp)
    rates = []
    noted = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    models.fit(hp, model, ratings[0], callbacks=[noted], epochs=3)
    # Of the middles of three epochs: (1 + cos(pi / 6)) / 2, 1 / 2 and (1 - cos(pi / 6)) / 2.
    np.testing.assert_allclose(rates, [0.0933013, 0.05, 0.0066987], rtol=1e-5)


def test_choices_of_any_kind_are_searched(ratings):
    models = HyperRecommender("recommender_net", ratings[0], space={"hidden": [(4,), (8, 4)]})
    hp = values(models, hidden="(8, 4)", dropouts="(0.0, 0.0)")
    assert models.settings(hp)["hidden"] == (8, 4)
    with pytest.raises(ValueError, match="`dropouts` must have one rate for the vectors"):
        models.build(hp)


def test_settings_that_depend_on_others_count_only_with_them(ratings):
    models = HyperRecommender("hybrid", ratings[0], space="all")
    shallow = models.settings(values(models, user_repr="linear"))
    assert "user_depth" not in shallow and "user_units_1" not in shallow and "attention" not in shallow
    deep = values(models, user_repr="deep", user_depth=2, user_units_1=12, n_tastes=2)
    settings = models.settings(deep)
    assert settings["user_units_2"] == 64 and "user_units_3" not in settings and "attention" in settings
    layer = next(x for x in models.build(deep).layers if isinstance(x, DeepRepr))
    assert layer.hidden == (12, 64)


def test_what_nothing_can_make_count_is_not_searched(ratings):
    models = HyperRecommender("hybrid", ratings[0], space="all", fixed={"user_repr": "linear"})
    assert not [name for name in models.space if name.startswith("user_")]
    assert "item_depth" in models.space


def test_samples_are_searched_where_the_loss_takes_any(ratings):
    def of(loss, **space):
        return HyperRecommender("hybrid", ratings[0], fixed={"loss": loss}, **space).space

    assert "n_sampled_items" not in of("full_softmax") and "n_sampled_items" in of("bpr")
    assert "sampler" not in of("dense_rmse", space="all")
    assert "n_sampled_items" in of(kerasrec.losses.BPR())
    either = HyperRecommender("hybrid", ratings[0], space={"loss": ["bpr", "full_softmax"]})
    assert "n_sampled_items" not in either.settings(values(either, loss="full_softmax"))
    assert "n_sampled_items" in either.settings(values(either, loss="bpr"))


def test_losses_of_which_none_takes_samples(ratings):
    whole = HyperRecommender("hybrid", ratings[0], space={"loss": ["full_softmax", "dense_rmse"]})
    assert "n_sampled_items" not in whole.space
    assert isinstance(whole.build(values(whole, loss="dense_rmse")).loss, kerasrec.losses.DenseRMSE)


def test_a_loss_that_does_not_exist(ratings):
    with pytest.raises(ValueError, match=r"`loss` must be .* wmrb.* Received: loss='wmrp'"):
        HyperRecommender("hybrid", ratings[0], space={"loss": ["bpr", "wmrp"]})


def test_groups_of_features_are_taken_or_left(ratings):
    data = ratings[0]
    odd = scipy.sparse.csr_matrix([[float(i % 2), 1.0] for i in range(data.n_items)])
    groups = {
        "identity": Features.indicator(data.item_ids),
        "odd": Features.from_csr(odd, ["odd", "one"], data.item_ids),
    }
    models = HyperRecommender("hybrid", data, item_features=groups)
    hp = values(models, item_features_odd=False)
    n_components = models.settings(hp)["n_components"]
    assert models.build(hp).get_layer("item_repr").weights[0].shape == (data.n_items, n_components)
    assert models.build(values(models)).get_layer("item_repr").weights[0].shape[0] == data.n_items + 2
    assert set(models.space) >= {"item_features_identity", "item_features_odd"}


def test_names_alone_search_nothing_else(ratings):
    models = HyperRecommender("recommender_v2", ratings[0], space=["learning_rate"])
    assert list(models.space) == ["learning_rate"]


@pytest.mark.parametrize(
    "space, message",
    [
        ({"n_component": (2, 8)}, r"`space` must name settings of recommender_v2: .*mean 'n_components'\?"),
        ({"n_components": (8, 2)}, r"The range of 'n_components' must have a low end .*low=8, high=2\."),
        ({"n_components": (8, 8)}, r"must have a low end below its high end. Received: low=8, high=8\."),
        ({"n_components": (2,)}, r"low end below its high end. Received: low=None, high=None\."),
        ({"n_components": (2, 8, "cubic")}, r"must be \(low, high\), .* Received: \(2, 8, 'cubic'\)\."),
        ({"n_components": []}, r"The range of 'n_components' must not be empty. Received: \[\]\."),
        ({"n_components": 8}, r"The range of 'n_components' must be \(low, high\), a list .* Received: 8\."),
        ({"l2": (0.0, 1.0)}, r"`low` of 'l2' must be above 0 on a logarithmic scale. Received: low=0.0\."),
        ("everything", r"`space` must be 'all', names .* Received: space='everything'\."),
    ],
)
def test_ranges(ratings, space, message):
    with pytest.raises(ValueError, match=message):
        HyperRecommender("recommender_v2", ratings[0], space=space)


def test_fixed_settings(ratings):
    with pytest.raises(ValueError, match=r"`fixed` must name settings of .* Did you mean 'n_components'\?"):
        HyperRecommender("recommender_v2", ratings[0], fixed={"n_componets": 3})
    with pytest.raises(ValueError, match=r"must be in `fixed` or in `space`. Received: l2 in both\."):
        HyperRecommender("recommender_v2", ratings[0], fixed={"l2": 1e-3}, space={"l2": True})


def test_a_setting_s_own_range_can_be_given(ratings):
    own = Hyperparameter("l2", "choice", 0.0, choices=(0.0, 1e-4))
    assert HyperRecommender("recommender_v2", ratings[0], space={"l2": own}).space["l2"] is own


@pytest.mark.parametrize("tuner", [keras_tuner.RandomSearch, keras_tuner.GridSearch])
def test_keras_tuner_s_own_tuners_take_it(ratings, tuner, tmp_path, quiet):
    models = HyperRecommender("recommender_v2", ratings[0], fixed={"batch_size": 500}, space=["n_components"])
    own = tuner(
        models,
        keras_tuner.Objective("val_loss", "min"),
        max_trials=1,
        directory=tmp_path,
        project_name="own",
    )
    own.search(ratings[0], ratings[1], epochs=1, verbose=0)
    assert own.get_best_hyperparameters()[0].get("n_components") >= 8
