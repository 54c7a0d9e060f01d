import importlib
import pkgutil

import numpy as np
import pytest

import kerasrec
from kerasrec import zoo
from kerasrec.data import Interactions
from kerasrec.layers import find_catalogue


@pytest.fixture
def data():
    return Interactions(
        [0, 1, 2, 2],
        [0, 1, 2, 3],
        [2.0, 4.5, 3.0, 2.5],
        user_ids=np.array(["a", "b", "c"], object),
        item_ids=np.arange(4),
    )


def test_every_module_with_a_card_is_registered():
    modules = {
        module.name for module in pkgutil.iter_modules(zoo.__path__) if not module.name.startswith("_")
    }
    cards = {
        name: module.CARD
        for name in modules
        if hasattr(module := importlib.import_module(f"kerasrec.zoo.{name}"), "CARD")
    }
    assert sorted(card.name for card in cards.values()) == zoo.names()
    for card in cards.values():
        assert getattr(zoo, card.factory.__name__) is card.factory


def test_names():
    assert {"recommender_net", "recommender_v1", "recommender_v2"} <= set(zoo.names())
    assert zoo.names() == sorted(zoo.names())


@pytest.mark.parametrize("name", ["recommender_v2", "RecommenderV2"])
def test_a_factory_name_is_an_alias(name, data):
    assert zoo.card(name) is zoo.card("recommender_v2")
    assert zoo.create(name, data).name == "recommender_v2"


def test_sizes_and_range_are_read_off_the_data(data):
    model = zoo.create("recommender_v2", data)
    assert model.count_params() == (3 + 4) * (50 + 1)
    scale = model.get_layer("scale")
    assert (scale.minimum, scale.maximum) == (2.0, 4.5)


def test_the_model_carries_the_ids(data):
    catalogue = find_catalogue(zoo.create("recommender_v1", data))
    assert catalogue.user_ids.tolist() == ["a", "b", "c"]
    assert catalogue.value_range == (2.0, 4.5)
    assert catalogue.seen is None


def test_what_is_given_wins_over_the_data(data):
    model = zoo.create("recommender_v2", data, n_items=10, min_rating=1, max_rating=5, n_components=2)
    assert model.count_params() == (3 + 10) * (2 + 1)
    assert model.get_layer("scale").maximum == 5.0
    assert zoo.create("recommender_net", data, hidden=(8, 4), dropouts=(0, 0, 0)).count_params() == (
        (3 + 4) * 50 + 101 * 8 + 9 * 4 + 5
    )


def test_the_learning_rate_is_a_hyperparameter(data):
    model = zoo.create("recommender_v1", data, learning_rate=0.25)
    assert float(model.optimizer.learning_rate) == 0.25
    for rate in (float("nan"), 0, -1.0):
        with pytest.raises(ValueError, match=r"`learning_rate` must be a finite number above 0"):
            zoo.create("recommender_v1", data, learning_rate=rate)


def test_an_unknown_name_suggests_the_nearest(data):
    message = (
        r"`name` must be one of .*recommender_v1.* Did you mean 'recommender_v2'\? "
        r"Received: name='recomender_v2'"
    )
    with pytest.raises(ValueError, match=message):
        zoo.create("recomender_v2", data)
    with pytest.raises(ValueError, match=r"`name` must be one of .*[a-z0-9]\. Received: name='xyz'"):
        zoo.card("xyz")


def test_an_unknown_hyperparameter_suggests_the_nearest(data):
    message = (
        r"Hyperparameters of recommender_v1 must be among n_users, n_items, n_components, .* "
        r"Did you mean 'n_components'\? Received: n_component=8"
    )
    with pytest.raises(ValueError, match=message):
        zoo.create("recommender_v1", data, n_component=8)
    with pytest.raises(ValueError, match=r"recommender_v1 must be among .*Received: min_rating=1"):
        zoo.create("recommender_v1", data, min_rating=1)
    with pytest.raises(ValueError, match=r"among .*Received: table=a list\.$"):
        zoo.create("recommender_v1", data, table=[[0] * 1000])


def test_features_are_refused_by_a_model_without(data):
    with pytest.raises(ValueError, match=r"`item_features` must be left out: recommender_v1 takes none"):
        zoo.create("recommender_v1", data, item_features=np.zeros((4, 2)))


def test_data_without_ratings_are_refused_by_a_model_of_ratings(data):
    with pytest.raises(
        ValueError, match=r"give `min_rating` and `max_rating`, or use a ranking model.*min_rating=2"
    ):
        zoo.create("recommender_v2", data.take([0]))
    assert zoo.create("recommender_v2", data.take([0]), min_rating=0, max_rating=5).built


def test_no_interactions_are_refused(data):
    with pytest.raises(ValueError, match=r"`interactions` must not be empty\. Received: 0 interactions"):
        zoo.create("recommender_v1", data.take([]))


class TestFurtherModels:
    """What later models need of the registry."""

    def test_a_factory_may_take_the_interactions_and_features(self, data, monkeypatch):
        def Fitted(interactions, item_features=None, l2=1.0):
            model = zoo.RecommenderV1(interactions.n_users, interactions.n_items, 2)
            model.fitted = (interactions, item_features, l2)
            return model

        card = zoo.Card("fitted", Fitted, "ranking", "Closed form.", "None.", optimizer=None)
        monkeypatch.setitem(kerasrec.zoo.registry._CARDS, "fitted", card)
        assert zoo.create("fitted", data, item_features="features", l2=3.0).fitted == (data, "features", 3.0)
        assert zoo.create("Fitted", data).fitted == (data, None, 1.0)
        assert "closed form" in str(card)
        with pytest.raises(ValueError, match=r"`user_features` must be left out: fitted takes none"):
            zoo.create("fitted", data, user_features="features")
