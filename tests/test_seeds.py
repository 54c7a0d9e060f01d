import random
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasrec
from kerasrec._seeds import set_random_seed


def drawn():
    return random.random(), np.random.random(), *keras.ops.convert_to_numpy(keras.random.normal((3,)))


def test_it_draws_as_keras_s_own_does():
    keras.utils.set_random_seed(3)
    expected = drawn()
    set_random_seed(3)
    assert drawn() == expected


@pytest.mark.parametrize("seed", [2**64, 2**32, -1, 0.5, True, "1"])
def test_what_is_no_seed(seed, tmp_path):
    data = kerasrec.datasets.synthetic(20, 30, 100).interactions
    message = rf"must be a whole number .*; `seed % 2\*\*32` turns any integer .* Received: seed={seed!r}\."
    for refused in (
        lambda: set_random_seed(seed),
        lambda: kerasrec.Recommender.train(data, "popularity", seed=seed),
        lambda: kerasrec.tuning.search(data, "item_knn", seed=seed, directory=tmp_path / "x"),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    assert not list(tmp_path.iterdir())


@pytest.mark.processes
def test_jax_stays_without_tensorflow(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    program = "import sys, kerasrec._seeds as s; s.set_random_seed(0); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
