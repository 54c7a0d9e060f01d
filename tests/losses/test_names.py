"""Every loss has one name, and says once whether it compares the whole catalogue."""

import inspect

import keras
import pytest

from kerasrec import losses, zoo
from kerasrec.losses._names import NAMES, takes_catalogue


def test_every_loss_has_the_name_of_its_file():
    public = {loss for loss in vars(losses).values() if inspect.isclass(loss)}
    assert set(NAMES.values()) == public and len(NAMES) == len(public)
    assert all(loss.__module__ == f"kerasrec.losses.{name}" for name, loss in NAMES.items())


def test_which_losses_compare_the_whole_catalogue():
    whole = {"catalogue_cross_entropy", "dense_rmse", "dense_separation", "full_softmax"}
    assert {name for name in NAMES if takes_catalogue(name)} == whole
    assert [takes_catalogue(x) for x in ("ce", "sampled", "bce", "mse", None)] == [True] + [False] * 4
    assert takes_catalogue(losses.FullSoftmax()) and not takes_catalogue(losses.SampledSoftmax())
    assert not takes_catalogue(keras.losses.MeanSquaredError())

    class Own(losses.FullSoftmax):
        pass

    assert takes_catalogue(Own())


@pytest.mark.parametrize("loss", ["catalogue_cross_entropy", losses.CatalogueCrossEntropy()])
def test_a_loss_of_vectors_is_refused_by_models_of_scores(loss):
    with pytest.raises(ValueError, match="must compare scores; .* Use 'full_softmax'. Received: loss="):
        zoo.HybridRecommender(4, 6, loss=loss)


@pytest.mark.parametrize(
    ("name", "short"),
    [("catalogue_cross_entropy", "ce"), ("sampled_softmax", "sampled"), ("binary_cross_entropy", "bce")],
)
def test_models_of_sequences_take_names_and_short_names(name, short):
    one, other = (zoo.GRU4Rec(5, n_components=2, loss=loss).loss for loss in (name, short))
    assert type(one) is type(other) is NAMES[name]
    assert one.get_config() | {"name": None} == other.get_config() | {"name": None}


def test_a_name_that_models_of_sequences_do_not_know():
    known = "catalogue_cross_entropy, sampled_softmax, .*, ce, sampled, bce"
    with pytest.raises(ValueError, match=f"one of {known}. Received: loss='wmrb'"):
        zoo.GRU4Rec(5, n_components=2, loss="wmrb")
    with pytest.raises(ValueError, match="`loss` must be a loss or one of .* Received: loss=3"):
        zoo.GRU4Rec(5, n_components=2, loss=3)
