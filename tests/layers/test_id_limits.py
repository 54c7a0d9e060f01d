import keras

import kerasrec
from kerasrec.layers import find_id_limits


def test_the_smallest_table_counts():
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")
    vectors = [
        keras.layers.Embedding(7, 3, name="large")(user),
        keras.layers.Embedding(5, 3, name="small")(keras.ops.cast(user, "int32")),
    ]
    score = keras.layers.Dot(axes=2)(
        [vectors[0] + vectors[1], keras.layers.Embedding(9, 3, name="items")(item)]
    )
    model = keras.Model({"user": user, "item": item}, score)
    assert find_id_limits(model) == {"user": (5, "small"), "item": (9, "items")}


def test_tables_of_nested_models():
    inner = kerasrec.zoo.RecommenderV1(3, 4, 2)
    user, item = keras.Input((1,), name="who", dtype="int32"), keras.Input((1,), name="what", dtype="int32")
    model = keras.Model([user, item], inner({"user": user, "item": item}))
    assert find_id_limits(model) == {"who": (3, "user_embedding"), "what": (4, "item_embedding")}


def test_models_without_a_graph_have_none():
    class Mine(keras.Model):
        def call(self, inputs):
            return inputs

    assert find_id_limits(Mine()) == {}
    assert find_id_limits(keras.Sequential([keras.layers.Embedding(4, 2)])) == {}
    assert find_id_limits(object()) == {}
