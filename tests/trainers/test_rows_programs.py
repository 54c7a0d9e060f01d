"""Programs of XLA for steps that make rows good: compiled once, and without a copy of any table."""

import os
import re
import subprocess
import sys

import pytest
from trainers.problem import backend, fused

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not fused, reason="every row is updated on this backend")]

N_USERS, N_ITEMS = 5003, 4007
TRAINING = f"""
import keras, kerasrec, numpy as np
rng = np.random.default_rng(0)
x = {{name: rng.integers(0, n, (256, 1), "int32") for name, n in (("user", {N_USERS}), ("item", {N_ITEMS}))}}
inputs = {{name: keras.Input((1,), dtype="int32", name=name) for name in x}}
user = kerasrec.layers.FeatureEmbedding({N_USERS}, 4)(inputs["user"])
item = kerasrec.layers.FeatureEmbedding({N_ITEMS}, 4)(inputs["item"])
score = kerasrec.layers.DotScore()(user, item)
model = kerasrec.Model(inputs, keras.ops.expand_dims(score, -1))
model.compile("adam", "mean_squared_error", steps_per_execution=3, row_sparse=True, jit_compile=True)
# Calls of three, three and two steps.
model.fit(x, np.zeros((256, 1), "float32"), batch_size=32, epochs=2, verbose=0)
"""


def test_they_are_compiled_once_for_any_number_of_steps_and_copy_no_table(tmp_path):
    flags = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text"
    variables = {
        **os.environ,
        "XLA_FLAGS": flags,
        "JAX_ENABLE_COMPILATION_CACHE": "false",  # what comes from a cache is not written out
        "KERAS_BACKEND": backend,
    }
    subprocess.run([sys.executable, "-c", TRAINING], env=variables, check=True, capture_output=True)
    programs = [path.read_text() for path in tmp_path.glob("*cpu_after_optimizations.txt")]
    steps = [text for text in programs if f"s32[{N_USERS}]" in text and "while" in text]
    assert len(steps) == 1
    assert "scatter(" in steps[0]
    of_tables = rf"(?:s32|f32)\[(?:{N_USERS}|{N_ITEMS})(?:,4)?\]\S* copy\("
    assert not re.findall(of_tables, steps[0])
