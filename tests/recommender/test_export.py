import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasrec import Recommender
from kerasrec.data import Interactions

# What a service does: TensorFlow alone, raw ids in, raw ids out.
SERVE = """
import json, sys
import tensorflow as tf
answers = {}
for folder, users in json.loads(sys.argv[1]).items():
    answer = tf.saved_model.load(folder).signatures["serving_default"]
    dtype = tf.string if isinstance(users[0], str) else tf.int64
    found = answer(user=tf.constant(users, dtype), k=tf.constant(4))
    items = [[x.decode() if isinstance(x, bytes) else int(x) for x in row] for row in found["items"].numpy()]
    try:
        answer(user=tf.constant(["nobody"] if dtype == tf.string else [-1], dtype), k=tf.constant(4))
    except tf.errors.InvalidArgumentError as error:
        unknown = "Unknown user ids" in str(error)
    answers[folder] = {"items": items, "scores": found["scores"].numpy().tolist(), "unknown": unknown}
assert "kerasrec" not in sys.modules
print(json.dumps(answers))
"""

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's format needs that backend"
)


@pytest.mark.processes
@on_tensorflow
def test_plain_tensorflow_serves_it(data, hybrid, tmp_path):
    numbers = Interactions(
        data.users, data.items, user_ids=range(100, 112), item_ids=[f"i{i}" for i in range(20)]
    )
    made = {
        "hybrid": hybrid,
        "tastes": Recommender.train(
            data, "hybrid", epochs=0, n_tastes=2, attention="linear", score="cosine", verbose=0
        ),
        "als": Recommender.train(numbers, "implicit_als", n_components=4),
        "ease": Recommender.train(data, "ease"),
        "popularity": Recommender.train(data, "popularity"),
        "ratings": Recommender.train(data, "recommender_v2", epochs=0, verbose=0, min_rating=0.0),
        "network": Recommender.train(data, "recommender_net", epochs=0, verbose=0, min_rating=0.0),
    }
    asked = {}
    for name, recommender in made.items():
        recommender.export(tmp_path / name)
        asked[str(tmp_path / name)] = recommender.user_ids[[3, 0]].tolist()
    command = [sys.executable, "-c", SERVE, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for folder, answer in json.loads(done.stdout).items():
        recommender = made[folder.rsplit("/", 1)[1]]
        expected = recommender.recommend(asked[folder], k=4)
        np.testing.assert_allclose(np.ravel(answer["scores"]), expected["score"], atol=1e-5, err_msg=folder)
        assert sum(answer["items"], []) == expected["item"].tolist(), folder
        assert answer["unknown"]


@on_tensorflow
def test_lists_end_where_nothing_is_left(tmp_path):
    import tensorflow as tf

    data = Interactions([0, 0, 1], [0, 1, 2], user_ids=["ann", "bob"], item_ids=["x", "y", "z"])
    Recommender.train(data, "popularity").export(tmp_path / "x")
    answer = tf.saved_model.load(tmp_path / "x").signatures["serving_default"]
    found = answer(user=tf.constant(["ann"]), k=tf.constant(5))
    assert found["items"].numpy().tolist() == [[b"z", b"", b""]]
    assert found["scores"].numpy().tolist() == [[1.0, -np.inf, -np.inf]]


@on_tensorflow
def test_bad_places_and_ids(factorised, data, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match=r"`path` must be new or empty\. Received: .*full"):
        factorised.export(tmp_path / "full")
    with pytest.raises(FileNotFoundError, match=r"make .*nowhere first"):
        factorised.export(tmp_path / "nowhere" / "x")
    mixed = Interactions([0, 1], [0, 1], user_ids=["ann", 7], item_ids=["x", "y"])
    with pytest.raises(
        ValueError, match=r"Ids of users must be all text or all whole numbers.*7 among others"
    ):
        Recommender.train(mixed, "popularity").export(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow can")
def test_other_backends_say_what_to_do(factorised, tmp_path):
    with pytest.raises(ValueError, match=r"needs that backend: load the file with KERAS_BACKEND=tensorflow"):
        factorised.export(tmp_path / "x")
