import random
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasrec._seeds import set_random_seed


def drawn():
    return random.random(), np.random.random(), *keras.ops.convert_to_numpy(keras.random.normal((3,)))


def test_it_draws_as_keras_s_own_does():
    keras.utils.set_random_seed(3)
    expected = drawn()
    set_random_seed(3)
    assert drawn() == expected


@pytest.mark.processes
def test_jax_stays_without_tensorflow(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    program = "import sys, kerasrec._seeds as s; s.set_random_seed(0); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
