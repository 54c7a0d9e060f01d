"""Two processes train one model together, on JAX."""

import json
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import kerasrec

ROOT = Path(kerasrec.__file__).resolve().parents[1]

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("files")
    for process in (-1, 0, 1):
        (found / str(process)).mkdir()
    return found


@pytest.fixture(scope="module")
def started(folder):
    """Starts processes by their numbers, and gives the status of each and what it found."""
    pytest.importorskip("jax")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "NPROC": "8",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]),
        "XLA_FLAGS": "",
        "KERASREC_COMPILATION_CACHE": str(folder / "programs"),  # after the kill they are there
    }

    def start(*numbers):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        script = str(ROOT / "tests" / "trainers" / "in_two_processes.py")
        processes = [
            subprocess.Popen(
                [sys.executable, script, str(folder), str(port), str(number)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in numbers
        ]
        try:
            said = [process.communicate(timeout=280) for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert all(process.returncode in (0, -9) for process in processes), said
        return [
            (process.returncode, json.loads(out.splitlines()[-1]) if process.returncode == 0 else None)
            for process, (out, _) in zip(processes, said, strict=True)
        ]

    return start


@pytest.fixture(scope="module")
def killed(started):
    """What is left of two processes, one of which is killed after two epochs; and one process alone."""
    return started(0, 1, -1)


@pytest.fixture(scope="module")
def gone_on(killed, started):
    """What two processes find that go on from the last file."""
    return started(0, 1)


def test_other_data_in_a_process_are_found_at_the_start(killed):
    found = killed[0][1]["other data"]
    assert "must have the same data" in found
    assert "different ones in process 0 and process 1" in found


def test_a_killed_process_ends_the_others_with_a_message(killed):
    assert killed[1][0] == -9
    found = killed[0][1]["killed"]
    assert "Another process of this training has ended" in found
    assert "resume from the last saved file" in found


def test_two_processes_train_as_one_does_also_after_a_kill(killed, gone_on):
    (_, before), _, (_, alone) = killed
    for status, after in gone_on:
        assert status == 0
        np.testing.assert_allclose(before["loss"] + after["loss"], alone["loss"], rtol=1e-6)
        np.testing.assert_allclose(after["evaluate"], alone["evaluate"], rtol=1e-6)
        np.testing.assert_allclose(after["predict"], alone["predict"], atol=1e-6)
        np.testing.assert_allclose(after["shared"], alone["shared"], rtol=1e-6)
        np.testing.assert_allclose(after["after shared"], alone["after shared"], atol=1e-6)
        # 301 rows and one for padding, on two devices.
        assert after["rows here"] == 151
        assert after["divided"] == [32]
    assert alone["rows here"] == 301


def test_the_first_writes_the_ordinary_file_and_no_other_one_does(gone_on, folder):
    assert [path.name for path in (folder / "0").iterdir()] == ["shop.keras"]
    assert list((folder / "1").iterdir()) == []
    two, alone = (kerasrec.Recommender.load(folder / name / "shop.keras") for name in ("0", "-1"))
    for mine, other in zip(state(two.model), state(alone.model), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    pd.testing.assert_frame_equal(two.recommend([3, 300], k=5), alone.recommend([3, 300], k=5), rtol=1e-4)


def test_each_process_pickles_the_whole(gone_on, folder):
    lists = [
        pickle.loads((folder / f"{process}.pickle").read_bytes()).recommend([3, 300], k=5)
        for process in (0, 1)
    ]
    saved = kerasrec.Recommender.load(folder / "0" / "shop.keras").recommend([3, 300], k=5)
    for found in lists:
        pd.testing.assert_frame_equal(found, saved)


def state(model):
    return [keras.ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]
