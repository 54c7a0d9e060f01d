"""A recommender in other processes and in other libraries' files."""

import copy
import io
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec
from kerasrec import Recommender

ROOT = Path(kerasrec.__file__).resolve().parents[1]


class TestCopies:
    @pytest.mark.parametrize(
        "through",
        [
            copy.deepcopy,
            lambda x: pickle.loads(pickle.dumps(x)),
            lambda x: joblib.load(io.BytesIO(dumped(x))),
        ],
        ids=["deepcopy", "pickle", "joblib"],
    )
    def test_gives_the_same_lists(self, factorised, through):
        found = through(factorised)
        assert type(found) is Recommender
        pd.testing.assert_frame_equal(found.recommend(k=3), factorised.recommend(k=3))
        found.add_items(factorised.item_metadata.iloc[:2].set_axis([1000, 1010]))
        assert (factorised.n_items, found.n_items) == (20, 22)

    @pytest.mark.slow
    def test_goes_on_training_alone(self, data):
        made = Recommender.train(data, "matrix_factorization", epochs=1, verbose=0)
        found = copy.deepcopy(made)
        np.testing.assert_array_equal(found.score([("u1", 0)]), made.score([("u1", 0)]))
        found.update(data, verbose=0)
        assert int(found.model.optimizer.iterations) > int(made.model.optimizer.iterations)
        assert not np.allclose(found.score([("u1", 0)]), made.score([("u1", 0)]))

    def test_what_no_file_holds(self, data):
        class Own(keras.Model):
            def call(self, inputs):
                return keras.ops.cast(inputs["item"] + inputs["user"], "float32")

        with pytest.raises(ValueError, match="`model` must be a functional model"):
            pickle.dumps(Recommender(Own(), data))


def dumped(thing):
    buffer = io.BytesIO()
    joblib.dump(thing, buffer)
    return buffer.getvalue()


FORKED = """
import os, sys, warnings
import kerasrec
warnings.simplefilter("ignore")  # JAX warns of a fork itself
path = sys.argv[1]

def child(call):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(write, call().encode())
        except RuntimeError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    print(os.read(read, 4096).decode())

child(lambda: "early, " + str(len(kerasrec.Recommender.load(path).recommend(k=3))))
fresh, used = kerasrec.Recommender.load(path), kerasrec.Recommender.load(path)
expected = used.recommend(k=3)
child(lambda: "used, " + str(used.recommend(k=3).equals(expected)))
child(lambda: str(fresh.recommend(k=3)))
child(lambda: str(used.score([("u1", 0)])))
child(lambda: str(kerasrec.Recommender.load(path)))
child(lambda: str(used.update(used.interactions, verbose=0)))
child(lambda: str(used.add_users(["somebody new"])))
"""


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch computes after a fork")
def test_a_forked_process_says_what_would_hang(data, tmp_path):
    Recommender.train(data, "matrix_factorization", epochs=1, verbose=0).save(tmp_path / "x.keras")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FORKED, str(tmp_path / "x.keras")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    early, used, *refused = done.stdout.splitlines()
    assert (early, used) == ("early, 36", "used, True")
    assert len(refused) == 5
    for message in refused:
        assert re.match(
            r"A process must not be forked .* Load the recommender in each worker .* call of", message
        )
