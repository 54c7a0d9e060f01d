import keras
import pytest

from kerasrec.zoo import Card, Hyperparameter, RecommenderV1, card


def test_a_default_must_lie_in_the_range():
    with pytest.raises(ValueError, match=r"`default` of 'l2' must lie between .*default=2, low=0, high=1"):
        Hyperparameter("l2", "float", 2, low=0, high=1)
    with pytest.raises(
        ValueError, match=r"`default` of 'n' must lie between .*default=2, low=None, high=None"
    ):
        Hyperparameter("n", "int", 2)
    with pytest.raises(
        ValueError, match=r"`default` of 'how' must be one of .*default=a, choices=\('b', 'c'\)"
    ):
        Hyperparameter("how", "choice", "a", choices=("b", "c"))
    with pytest.raises(ValueError, match=r"`low` of 'l2' must be above 0 on a log.* Received: low=0\."):
        Hyperparameter("l2", "float", 0.5, low=0, high=1, log=True)


def test_ranges_in_words():
    assert Hyperparameter("n", "int", 2, low=1, high=9, log=True).range == "1 to 9, log scale"
    assert Hyperparameter("how", "choice", "b", choices=("b", "c")).range == "b | c"
    assert Hyperparameter("biased", "bool", True).range == "True or False"


def test_a_card_reads_as_a_sheet():
    sheet = str(card("recommender_v2"))
    assert sheet.startswith("recommender_v2 (rating)\nBiased matrix factorisation")
    assert "Training: adam, mean_squared_error" in sheet
    assert "    n_components = 50 (8 to 256, log scale)" in sheet


def test_a_card_compiles():
    model = RecommenderV1(3, 4, 2)
    ranking = Card(
        "x", RecommenderV1, "ranking", "x.", "x.", optimizer="adagrad", loss=keras.losses.Hinge(name="hinge")
    )
    ranking.compile(model, 0.5)
    assert isinstance(model.optimizer, keras.optimizers.Adagrad)
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.loss.name == "hinge"
    assert "Training: adagrad, hinge" in str(ranking)
