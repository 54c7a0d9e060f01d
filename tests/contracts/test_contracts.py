import inspect

import keras
import pytest

import kerasrec
from contracts.check_layer import check_layer
from contracts.check_loss import check_loss
from contracts.check_model import check_model
from contracts.layers import LAYERS
from contracts.losses import LOSSES
from contracts.models import CLICK_MODELS, MODELS


def public(package, base):
    return {x for x in vars(package).values() if inspect.isclass(x) and issubclass(x, base)}


def by_name(attribute):
    return lambda case: getattr(case, attribute) if attribute == "name" else getattr(case, attribute).__name__


@pytest.mark.parametrize("case", LAYERS, ids=by_name("layer"))
def test_layer(case, tmp_path):
    check_layer(case, tmp_path)


@pytest.mark.parametrize("case", LOSSES, ids=by_name("loss"))
def test_loss(case, tmp_path):
    check_loss(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", MODELS, ids=by_name("name"))
def test_model(case, tmp_path):
    check_model(case, tmp_path)


def test_whatever_is_public_is_checked():
    assert {case.layer for case in LAYERS} == public(kerasrec.layers, keras.layers.Layer) - {
        kerasrec.layers.Score
    }
    assert {case.loss for case in LOSSES} == public(kerasrec.losses, keras.losses.Loss) - {
        kerasrec.losses.CatalogueCrossEntropy  # of vectors, not of rows
    }
    clicks = {name for name in kerasrec.zoo.names() if kerasrec.zoo.card(name).task == "click"}
    assert clicks == set(CLICK_MODELS)  # in `tests/zoo/test_click_models.py`
    assert {case.name for case in MODELS} == set(kerasrec.zoo.names()) - clicks
