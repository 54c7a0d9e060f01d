"""Recipes: by the size of the data, behind whatever is given explicitly, and used by all that train."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import scipy.sparse

import kerasrec
from kerasrec import Recommender, zoo
from kerasrec.data import Features, Interactions
from kerasrec.losses._names import takes_catalogue
from kerasrec.recommender import _training
from kerasrec.tuning import HyperRecommender
from kerasrec.zoo import FallingRate, Recipe, Size

OF_INTERACTIONS = [name for name in zoo.names() if zoo.card(name).task != "click"]
TRAINED = [name for name in OF_INTERACTIONS if zoo.card(name).optimizer is not None]
SMALL, LARGE = Size(600, 10_000, 40_000), Size(1_000_000, 500_000, 20_000_000)


@pytest.fixture(scope="module")
def data():
    """40 people of two tastes, 30 items, ratings from 3 to 5."""
    generator = np.random.default_rng(0)
    chance = np.where(np.arange(40)[:, None] % 2 == np.arange(30) % 2, 0.7, 0.1)
    users, items = np.nonzero(generator.random((40, 30)) < chance)
    values = 3.0 + generator.integers(0, 3, len(users))
    return Interactions(users, items, values, user_ids=range(40), item_ids=range(30))


@pytest.mark.parametrize("name", ["hybrid", "matrix_factorization"])
def test_the_whole_catalogue_where_it_is_cheap_and_a_shared_sample_where_it_is_dear(name):
    small, large = (zoo.card(name).recipe_for(size) for size in (SMALL, LARGE))
    assert small.settings["loss"] == "full_softmax" and small.list_size is None
    assert large.settings["loss"] == "sampled_softmax"
    assert large.n_sampled_items < LARGE.n_items / 50 and large.sampler.shared


@pytest.mark.parametrize("name", ["hybrid", "matrix_factorization"])
@pytest.mark.parametrize(
    "size",
    [Size(31_013, 23_715, 230_000), Size(22_363, 12_101, 198_502), Size(1_892, 18_745, 92_834)],
)
def test_users_with_few_likes_begin_at_a_decomposition(name, size):
    recipe = zoo.card(name).recipe_for(size)
    assert recipe.settings["init"] == "svd" and recipe.settings["loss"] == "sampled_softmax"
    assert recipe.epochs < zoo.card(name).recipe_for(SMALL).epochs
    # A loss that is asked for has its own recipe, which begins at random.
    assert "init" not in zoo.card(name).recipe_for(size, "bpr").settings
    assert "init" not in zoo.card(name).recipe_for(LARGE).settings


@pytest.mark.parametrize(
    "name", ["content", "deep_repr", "factorization_machine", "mixture_of_tastes", "two_tower"]
)
def test_models_of_the_hybrid_s_parts_choose_as_it_does(name):
    small, large = (zoo.card(name).recipe_for(size) for size in (SMALL, LARGE))
    assert small.settings["loss"] == "full_softmax" and large.settings["loss"] == "sampled_softmax"
    assert large.sampler.shared and large.n_sampled_items < LARGE.n_items / 50
    # Of a sample, a vector decays each time that it is read.
    assert large.settings["decay"] == zoo.card("hybrid").recipe_for(LARGE).settings["decay"]
    assert zoo.card(name).recipe_for(SMALL, "bpr").settings["loss"] == "bpr"


def test_two_towers_begin_at_a_decomposition_unless_it_is_dear():
    card = zoo.card("two_tower")
    for size, loss in ((SMALL, None), (Size(22_363, 12_101, 198_502), None), (SMALL, "bpr")):
        settings = card.recipe_for(size, loss).settings
        assert settings["init"] == "svd" and "score" not in settings
        assert min(settings["hidden"]) >= 2 * settings["n_components"]
    settings = card.recipe_for(LARGE).settings
    assert settings["score"] == "cosine" and "init" not in settings
    assert card.recipe_for(SMALL, "rmse").settings == {"loss": "rmse"}


@pytest.mark.parametrize("name", ["two_tower", "deep_repr"])
@pytest.mark.parametrize("loss", ["full_softmax", "sampled_softmax"])
def test_a_softmax_by_name_has_the_temperature(data, name, loss):
    model = zoo.create(name, data, n_components=2, loss=loss, temperature=0.25)
    assert model.loss.get_config()["temperature"] == 0.25
    with pytest.raises(ValueError, match=r"`temperature` must be a finite number above 0. Received: temp"):
        zoo.create(name, data, loss="bpr", temperature=0.0)


def test_ratings_take_whole_tables_while_they_are_small():
    small, large = (zoo.card("recommender_v2").recipe_for(size) for size in (SMALL, LARGE))
    assert small.row_sparse is False and large == small.replace(row_sparse="auto")


@pytest.mark.parametrize("name", TRAINED)
def test_no_recipe_needs_users_times_items(name):
    """Scores of a step and all tables with two slots of an optimizer, in float32, beside 8 GB."""
    recipe = zoo.card(name).recipe_for(LARGE)
    items = recipe.list_size or recipe.n_sampled_items + 1
    whole = takes_catalogue(recipe.settings.get("loss"))
    scores = recipe.batch_size * (LARGE.n_items if whole else items)
    tables = 3 * (LARGE.n_users + LARGE.n_items) * recipe.settings.get("n_components", 64)
    assert 4 * (scores + tables) < 8e9


def test_a_loss_has_a_recipe_of_its_own():
    card = zoo.card("hybrid")
    assert card.recipe_for(SMALL, "bpr").settings["loss"] == "bpr"
    assert card.recipe_for(SMALL, "bpr") != card.recipe_for(SMALL)
    own = kerasrec.losses.WMRB(n_items=10_000)
    assert card.recipe_for(SMALL, own).settings["loss"] is own
    named = card.recipe_for(SMALL, "wmrb")
    assert dict(card.recipe_for(SMALL, own).settings, loss="wmrb") == dict(named.settings)


def test_what_is_given_wins(data):
    recipe = zoo.recipe("hybrid", data, n_components=3, learning_rate=0.5)
    assert recipe.settings["n_components"] == 3 and recipe.settings["learning_rate"] == 0.5
    assert recipe.settings["loss"] == zoo.recipe("hybrid", data).settings["loss"]
    assert recipe.replace(batch_size=7, epochs=None).batch_size == 7
    assert recipe.replace(epochs=0).epochs == 0


def test_what_is_wrong_is_refused(data):
    with pytest.raises(ValueError, match=r"`schedule` must be one of constant, .* Received: schedule='up'"):
        Recipe(schedule="up")
    with pytest.raises(ValueError, match=r"`batch_size` must be a positive integer. Received: batch_size=0"):
        Recipe(batch_size=0)
    with pytest.raises(ValueError, match=r"`epochs` must be a whole number .* Received: epochs=-1"):
        Recipe(epochs=-1)
    with pytest.raises(ValueError, match="Did you mean 'n_components'"):
        zoo.recipe("hybrid", data, n_component=3)
    with pytest.raises(ValueError, match="`interactions` must not be empty"):
        zoo.recipe("hybrid", data.take(slice(0)))


@pytest.mark.slow
def test_rates_fall_to_nothing_and_leave_one_to_go_on_with(data):
    recipe = Recipe(schedule="linear", epochs=4)
    assert [recipe.rate_at(epoch, 8.0) for epoch in range(4)] == [7.0, 5.0, 3.0, 1.0]
    assert Recipe(schedule="constant").rate_at(3, 8.0) == 8.0
    model = zoo.create("recommender_v1", data, n_components=2, learning_rate=0.5)
    rates = []
    noted = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate))
    )
    _training.fit(model, data, Recipe(schedule="linear", epochs=2), 0, 0, [noted])
    np.testing.assert_allclose(rates, [0.375, 0.125])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    schedule = keras.optimizers.schedules.CosineDecay(0.5, 100)
    model = zoo.create("recommender_v1", data, n_components=2, learning_rate=schedule)
    _training.fit(model, data, Recipe(schedule="linear", epochs=1), 0, 0)
    assert model.optimizer._learning_rate is schedule


@pytest.fixture
def fitted(monkeypatch):
    """What every `fit` of a model is given: the model's settings, its batches and its arguments."""
    seen = []
    real = kerasrec.Model.fit

    def fit(model, x=None, *arguments, **how):
        rows = getattr(x, "batches", x)
        falling = next((c for c in how.get("callbacks", ()) if isinstance(c, FallingRate)), None)
        layer = next((layer for layer in model.layers if layer.name in ("user_repr", "user_embedding")), None)
        seen.append(
            {
                "name": model.name,
                "n_components": layer and layer.n_components,
                "loss": model.loss if isinstance(model.loss, str) else type(model.loss).__name__,
                "batch_size": how.get("batch_size") or rows.batch_size,
                "epochs": how["epochs"],
                "schedule": falling and falling.recipe.schedule,
                "most": falling and falling.recipe.epochs,
                "optimizer": type(model.optimizer).__name__,
                "rate": float(model.optimizer.learning_rate),
            }
        )
        return real(model, x, *arguments, **how)

    monkeypatch.setattr(kerasrec.Model, "fit", fit)
    return seen


@pytest.fixture
def recipe(monkeypatch):
    """A recipe of the hybrid that no default looks like."""
    settings = {"n_components": 3, "loss": "full_softmax", "learning_rate": 0.125}
    odd = Recipe(settings, "adagrad", "linear", batch_size=13, epochs=3, patience=2)
    card = dataclasses.replace(zoo.card("hybrid"), recipe=odd)
    monkeypatch.setitem(zoo.registry._CARDS, "hybrid", card)
    return odd


def by_the_recipe(epochs):
    return {
        "name": "hybrid",
        "n_components": 3,
        "loss": "FullSoftmax",
        "batch_size": 13,
        "epochs": epochs,
        "schedule": "linear",
        "most": 3,
        "optimizer": "Adagrad",
        "rate": 0.125,
    }


@pytest.mark.slow
def test_a_recommender_chooses_the_epochs_and_trains_on_all(data, fitted, recipe):
    recommender = Recommender.train(data, "hybrid", verbose=0)
    choosing, training = fitted
    assert choosing == by_the_recipe(3)
    assert training == by_the_recipe(training["epochs"]) and 1 <= training["epochs"] <= 3
    figures = recommender.model.history.history
    assert "val_ndcg@10" not in figures and len(figures["loss"]) == training["epochs"]


@pytest.mark.slow
def test_epochs_that_are_given_are_trained_on_all(data, fitted, recipe):
    Recommender.train(data, "hybrid", epochs=2, batch_size=20, n_components=5, verbose=0)
    assert fitted == [by_the_recipe(2) | {"batch_size": 20, "n_components": 5, "most": 2}]
    Recommender.train(data, "hybrid", epochs=1, validation=0.2, verbose=0)
    assert [fit["epochs"] for fit in fitted[1:]] == [1, 1]


@pytest.fixture
def table(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data.to_frame().drop(columns="value").to_csv("clicks.csv", index=False)
    return data


def command(capsys, *arguments):
    from kerasrec.cli.app import app

    with pytest.raises(SystemExit) as ended:
        app([*arguments, "--json"])
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    return json.loads(said.out)


@pytest.mark.slow
def test_the_command_trains_by_it(table, fitted, recipe, capsys):
    found = command(capsys, "train", "clicks.csv", "--test-size", "0", "--no-plot")
    choosing, training = fitted
    assert choosing == by_the_recipe(3) and training == by_the_recipe(found["epochs"])


@pytest.mark.slow
def test_compare_trains_by_it(table, fitted, recipe, capsys):
    found = command(capsys, "compare", "clicks.csv", "--no-baselines")
    assert fitted == [by_the_recipe(3), by_the_recipe(found["epochs"]["hybrid"])]


@pytest.mark.slow
def test_a_search_begins_with_it(data, fitted, recipe, tmp_path):
    result = kerasrec.tuning.search(
        data, "hybrid", tuner="random", max_trials=1, directory=tmp_path, verbose=False
    )
    # Each epoch may be a fit of its own.
    assert {tuple(fit.items()) for fit in fitted} == {tuple(by_the_recipe(3).items())}
    assert result.best_hyperparameters["n_components"] == 3
    assert HyperRecommender("hybrid", data).epochs == 3


@pytest.mark.slow
def test_python_and_the_command_make_the_same_model(table, capsys):
    """The default recipe, from the same rows: the same lists with the same scores."""
    rows = Interactions.from_csv("clicks.csv", user="user", item="item")
    command(capsys, "train", "clicks.csv", "--test-size", "0", "--no-plot")
    lists = Recommender.load("model.keras").recommend(k=5)
    expected = Recommender.train(rows, "hybrid", verbose=0).recommend(k=5)
    assert lists["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(lists["score"], expected["score"], rtol=1e-4)


@pytest.mark.slow
def test_a_model_worse_than_popularity_says_so(recipe):
    """Everybody has the same popular items; a model that may not learn ranks at random."""
    users, items = np.repeat(np.arange(60), 5), np.tile(np.arange(5), 60)
    kept = np.random.default_rng(0).random(300) < 0.8
    data = Interactions(users[kept], items[kept], user_ids=range(60), item_ids=range(40))
    with pytest.warns(UserWarning, match=r"hybrid is worse than popularity on the held-out rows \(NDCG@10 "):
        Recommender.train(data, "hybrid", verbose=0, learning_rate=1e-9)


def little():
    """Every model in closed form and the two defaults on all, each of the others on two kinds."""
    least = ("one user", "one item")
    for name in OF_INTERACTIONS:
        marks = [pytest.mark.slow] if name in TRAINED else []
        whole = name not in TRAINED or name in ("hybrid", "recommender_v2")
        for case in (*least, "two", "one", "alike") if whole else least:
            yield pytest.param(name, case, marks=marks)


@pytest.mark.filterwarnings("ignore:.* is worse than:UserWarning")
@pytest.mark.filterwarnings("ignore:The interactions have no times:UserWarning")
@pytest.mark.parametrize(("name", "case"), list(little()))
def test_little_data_gives_a_model_or_a_sentence(name, case, monkeypatch):
    card = zoo.card(name)
    if card.optimizer is not None and name not in ("hybrid", "recommender_v2"):
        short = dataclasses.replace(card, recipe=lambda *size: card.recipe_for(*size).replace(epochs=2))
        monkeypatch.setitem(zoo.registry._CARDS, name, short)
    users, items = {
        "one": (np.array([0]), np.array([0])),
        "one user": (np.zeros(20, int), np.arange(20)),
        "one item": (np.arange(20), np.zeros(20, int)),
        "two": (np.array([0, 1]), np.array([0, 1])),
        "alike": (np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8)),
    }[case]
    values = 1.0 + (users + items) % 5
    data = Interactions(
        users, items, values, user_ids=range(users.max() + 1), item_ids=range(items.max() + 1)
    )
    kinds = Features.from_csr(scipy.sparse.eye(data.n_items, format="csr"), ids=data.item_ids)
    features = {"item_features": kinds} if name == "content" else {}
    try:
        recommender = Recommender.train(data, name, verbose=0, epochs=None, **features)
    except ValueError as error:
        assert "Received" in str(error)
        return
    scores = recommender.score([(0, 0), (data.n_users - 1, data.n_items - 1)])
    assert np.isfinite(scores["score"] if hasattr(scores, "columns") else scores).all()
