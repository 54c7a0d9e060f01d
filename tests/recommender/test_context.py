"""Recommenders whose model reads context columns give each context its own lists."""

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec import Recommender
from kerasrec.data import Interactions

ITEMS = ["x", "y", "z"]
BIASES = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]], np.float32)  # of a phone, of a tablet


@pytest.fixture(scope="module")
def contextual():
    """A score an item that depends on the device alone."""
    data = Interactions(
        [0, 1],
        [0, 1],
        user_ids=["ann", "bob"],
        item_ids=ITEMS,
        context={"device": [0, 1]},
        context_ids={"device": np.array(["phone", "tablet"], object)},
    )
    user, device = (keras.Input((1,), name=name, dtype="int32") for name in ("user", "device"))
    item = keras.Input((None,), name="item", dtype="int32")
    places = keras.ops.reshape(device, (-1, 1)) * 3 + item
    table = keras.layers.Embedding(6, 1, name="bias")
    score = keras.ops.squeeze(table(places), -1) + 0.0 * keras.ops.cast(user, "float32")
    model = kerasrec.Model([user, item, device], score, name="contextual")
    table.set_weights([BIASES.reshape(6, 1)])
    return Recommender(model, data)


def test_each_context_has_its_lists(contextual, tmp_path):
    path = tmp_path / "contextual.keras"
    contextual.save(path)
    for recommender in (contextual, Recommender.load(path)):
        ranked = recommender.rank("ann", ITEMS, context={"device": "phone"})
        assert ranked["item"].tolist() == ["x", "y", "z"] and ranked["score"].tolist() == [3.0, 2.0, 1.0]
        assert recommender.rank("ann", ITEMS, context={"device": "tablet"})["item"].tolist() == [
            "z",
            "y",
            "x",
        ]
        # A context leaves nothing behind for the next one.
        assert recommender.recommend("ann", k=2, context={"device": "phone"})["item"].tolist() == ["y", "z"]
        assert recommender.recommend("bob", k=2, context={"device": "tablet"})["item"].tolist() == ["z", "x"]
        tablet = recommender.in_context({"device": "tablet"})
        assert tablet.score([("ann", item) for item in ITEMS]).tolist() == [1.0, 2.0, 3.0]


def test_bad_contexts_are_refused(contextual):
    lacking = r"`context` must hold 'device', a context column of the model: pass.*without"
    for ask in (
        lambda: contextual.rank("ann", ITEMS),
        lambda: contextual.recommend("ann", k=1),
        lambda: contextual.score([("ann", "x")]),
    ):
        with pytest.raises(ValueError, match=lacking):
            ask()
    with pytest.raises(
        ValueError, match=r"entries of 'device' that occurred in training, such as 'phone'.*'watch'"
    ):
        contextual.rank("ann", ITEMS, context={"device": "watch"})
    with pytest.raises(ValueError, match=r"must name context columns of the model.*'device'.*'hour'"):
        contextual.rank("ann", ITEMS, context={"hour": 3})
