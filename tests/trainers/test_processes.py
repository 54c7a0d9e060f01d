"""Two processes train one model together, on JAX."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasrec

ROOT = Path(kerasrec.__file__).resolve().parents[1]

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def ran(folder):
    """What process 0 of two found, the status of the other, and what one process alone found."""
    pytest.importorskip("jax")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "NPROC": "8", "PYTHONPATH": path, "XLA_FLAGS": ""}
    script = str(ROOT / "tests" / "trainers" / "in_two_processes.py")
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(folder), str(port), str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (0, 1, -1)
    ]
    try:
        said = [process.communicate(timeout=280) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert processes[0].returncode == processes[2].returncode == 0, said
    first, _, alone = (out.splitlines() for out, _ in said)
    return json.loads(first[-1]), processes[1].returncode, json.loads(alone[-1])


def test_two_processes_train_as_one_does(ran):
    first, _, alone = ran
    # The second epoch begins with weights that the first one made.
    np.testing.assert_allclose(first["loss"], alone["loss"], rtol=1e-6)
    np.testing.assert_allclose(first["evaluate"], alone["evaluate"], rtol=1e-6)
    np.testing.assert_allclose(first["predict"], alone["predict"], atol=1e-6)
    # 301 rows and one for padding, on two devices.
    assert first["rows here"] == 151
    assert alone["rows here"] == 301


def test_the_first_writes_the_ordinary_file(ran, folder):
    two, alone = (keras.models.load_model(folder / f"{name}.keras") for name in ("two", "alone"))
    for mine, other in zip(two.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_other_data_in_a_process_are_found_at_the_start(ran):
    assert "must have the same data" in ran[0]["other data"]
    assert "another one in process 1 than in process 0" in ran[0]["other data"]


def test_a_killed_process_ends_the_others_with_a_message(ran):
    assert ran[1] == -9
    assert "Another process of this training has ended" in ran[0]["killed"]
    assert "go on from the last file" in ran[0]["killed"]
