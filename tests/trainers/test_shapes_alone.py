"""Models that are asked for shapes on PyTorch answer without a call of their layers."""

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec.trainers._shapes_alone import outputs_of_shapes, shapes_alone


@pytest.fixture
def model():
    """One user and one item: an id of 1 is beyond both tables."""
    user, item = (
        keras.Input(shape, name=name, dtype="int32") for name, shape in (("user", (1,)), ("item", (None,)))
    )
    vectors = kerasrec.layers.FeatureEmbedding(1, 2), kerasrec.layers.FeatureEmbedding(1, 2)
    score = kerasrec.layers.DotScore(name="score")(vectors[0](user), vectors[1](item))
    return kerasrec.Model({"user": user, "item": item}, score)


def test_values_are_called(model):
    codes = np.zeros((3, 1), np.int32)
    assert not shapes_alone({"user": codes}) and not shapes_alone(codes)
    assert not shapes_alone({"user": keras.ops.convert_to_tensor(codes)})
    assert keras.ops.shape(model({"user": codes, "item": codes})) == (3, 1)


@pytest.mark.parametrize("shared", [None, 4])
def test_shapes_are_those_of_a_call(model, shared):
    if keras.backend.backend() != "torch":
        pytest.skip("Keras has shapes without values on PyTorch alone")
    import torch

    inputs = {name: torch.ones(shape, dtype=torch.int32, device="meta") for name, shape in SHAPES.items()}
    given = (
        dict(inputs) if shared is None else {**inputs, "shared_item": torch.ones((1, shared), device="meta")}
    )
    assert shapes_alone(given)
    found = model(given)
    assert found.device.type == "meta" and found.dtype == torch.float32
    codes = {name: np.zeros(x.shape, np.int32) for name, x in given.items()}
    assert tuple(found.shape) == tuple(model(codes).shape)
    assert outputs_of_shapes(model, given).shape == found.shape


SHAPES = {"user": (3, 1), "item": (3, 2)}
