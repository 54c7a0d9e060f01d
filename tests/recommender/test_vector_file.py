"""Lists from a file without its model: the same as with it, and never of other weights."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from kerasrec import Recommender
from kerasrec.recommender import _lists, _newcomers, _similar, load_model, save_model
from kerasrec.recommender._vector_file import read_vectors

SCALED = {"min_rating": 0.0, "max_rating": 1.0, "n_components": 3}
COMMANDS = """
import sys
from kerasrec.cli.app import app
for arguments in (["recommend", sys.argv[1], "--user", "u3"], ["similar", sys.argv[1], "--item", "30"],
                  ["recommend", sys.argv[1], "--item", "30", "--item", "40"]):
    try:
        app([*arguments, "-k", "2", "--json"])
    except SystemExit as ended:
        assert not ended.code
heavy = {"keras", "tensorflow", "jax", "torch", "sklearn", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.fixture(scope="module", params=["implicit_als", "hybrid", "recommender_v2"])
def made(request, data, films, item_features):
    """A model of vectors alone, one with biases made of features, and one with a scale of ratings."""
    how = {
        "implicit_als": {"n_components": 4},
        "hybrid": {"epochs": 1, "item_features": item_features, "n_components": 3, "verbose": 0},
        "recommender_v2": {"epochs": 1, "verbose": 0, "validation": 0.0, **SCALED},
    }
    return Recommender.train(data, request.param, item_metadata=films, **how[request.param])


@pytest.fixture
def path(made, tmp_path):
    made.save(tmp_path / "x.keras")
    return tmp_path / "x.keras"


def test_the_same_lists(made, path):
    state = read_vectors(path)
    assert state.model is None and state.name == made.model.name
    expected = [
        made.recommend(k=4),
        made.similar_items(30, k=3),
        made.similar_users("u3", k=3, measure="dot"),
        made.recommend_for_history([10, 30], k=3),
        made.recommend(
            ["u1", "nobody"], k=2, unknown="popular", only=[0, 10, 20, 30, 40], exclude_seen=False
        ),
    ]
    found = [
        _lists.recommend(state, k=4),
        _similar.similar(state, "item", 30, 3, "cosine"),
        _similar.similar(state, "user", "u3", 3, "dot"),
        _newcomers.recommend_for_history(state, [10, 30], k=3),
        _lists.recommend(
            state, ["u1", "nobody"], k=2, unknown="popular", only=[0, 10, 20, 30, 40], exclude_seen=False
        ),
    ]
    for one, other in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(one, other, check_dtype=False)


def test_scores_are_those_of_the_model(made, path):
    frame = _lists.recommend(read_vectors(path), k=4)
    np.testing.assert_allclose(frame["score"], made.score(frame), rtol=1e-4, atol=1e-5)


def test_without_keras(factorised, tmp_path):
    factorised.save(tmp_path / "x.keras")
    # As the command is called: `kerasrec` takes nothing heavy along by itself.
    code = f"import sys; sys.argv[0] = 'kerasrec'\n{COMMANDS}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.keras")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *documents, heavy = done.stdout.rsplit("\n", 2)[:2]
    assert heavy == "[]"
    assert documents[0].count('"rank"') == 6


def test_files_without_vectors_are_loaded_whole(data, tmp_path):
    Recommender.train(data, "ease").save(tmp_path / "x.keras")
    assert read_vectors(tmp_path / "x.keras") is None
    save_model(load_model(tmp_path / "x.keras"), tmp_path / "y.keras")
    assert read_vectors(tmp_path / "y.keras") is None


def test_what_keras_writes_holds_no_vectors_of_other_weights(path, tmp_path):
    model = load_model(path)
    model.save(tmp_path / "y.keras")
    assert read_vectors(tmp_path / "y.keras") is None


def rewritten(path, change):
    """The file with some members changed; `None` leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def npy(array, folder):
    np.save(folder / "array.npy", array)
    return (folder / "array.npy").read_bytes()


def test_vectors_of_other_weights_are_not_read(factorised, tmp_path):
    factorised.save(tmp_path / "x.keras")
    rewritten(tmp_path / "x.keras", lambda members: {"model.weights.h5": members["model.weights.h5"] + b" "})
    assert read_vectors(tmp_path / "x.keras") is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vectors/user.npy", np.zeros((11, 4), np.float32), r"one for each of 12 users.*user \(11, 4\)"),
        ("vectors/item.npy", np.zeros((20, 3), np.float32), r"item \(20, 3\)"),
        ("vectors/item.npy", np.zeros((20, 4)), "must be float32"),
        ("vectors/item_bias.npy", np.zeros((20, 1), np.float32), r"item_bias \(20, 1\)"),
        ("vectors/user.npy", np.float32(1), "vectors that cannot be read"),
        ("vectors/user.npy", None, "vectors that cannot be read"),
    ],
)
def test_vectors_that_do_not_fit(factorised, tmp_path, name, content, message):
    path = tmp_path / "x.keras"
    factorised.save(path)
    rewritten(path, lambda _: {name: None if content is None else npy(content, tmp_path)})
    with pytest.raises(ValueError, match=f"x.keras holds vectors that cannot be read: .*{message}|{message}"):
        read_vectors(path)


def test_an_account_that_is_none(factorised, tmp_path):
    path = tmp_path / "x.keras"
    factorised.save(path)
    for content in (b"{", json.dumps({"name": "x"}).encode(), json.dumps([]).encode()):
        rewritten(path, lambda _, content=content: {"vectors/about.json": content})
        with pytest.raises(ValueError, match=r"holds vectors that cannot be read"):
            read_vectors(path)
