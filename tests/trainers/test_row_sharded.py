"""Tables by rows over devices: on JAX, on four that XLA simulates, in a process of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import kerasrec
from kerasrec.trainers import RowSharded

ROOT = Path(kerasrec.__file__).resolve().parents[1]
backend = keras.backend.backend()


@pytest.mark.skipif(backend == "jax", reason="this backend has it")
def test_other_backends_are_sent_to_jax():
    with pytest.raises(
        ValueError, match=f"needs the JAX backend.*KERAS_BACKEND=jax. Received: backend '{backend}'"
    ):
        RowSharded()


@pytest.mark.skipif(backend != "jax", reason="JAX alone has it")
def test_one_device_gets_a_warning():
    with pytest.warns(UserWarning, match="has one device, so it shards nothing"):
        RowSharded(keras.distribution.list_devices()[:1])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What `on_four_devices.py` found."""
    pytest.importorskip("jax")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "NPROC": "8",  # else collective operations wait for each other on few cores
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]),
    }
    script = ROOT / "tests" / "trainers" / "on_four_devices.py"
    folder = tmp_path_factory.mktemp("files")
    ran = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.processes
class TestOnFourDevices:
    @pytest.mark.parametrize("optimizer", ["adam", "adagrad", "adamw"])
    def test_300_steps_equal_those_of_one_device(self, found, optimizer):
        assert found[optimizer] < 1e-6

    def test_a_device_holds_a_quarter(self, found):
        # And what is small or padding: the days' table, and three rows at most of each other.
        assert 0.25 <= found["share"] < 0.26

    def test_outputs_losses_and_files_are_those_of_one_device(self, found):
        assert found["predict"] < 1e-5
        assert found["evaluate"] < 1e-5
        assert found["file"] == 0

    def test_another_number_of_devices_goes_on_from_a_file(self, found):
        assert found["two"] == 2
        assert found["gone on"] < 1e-5

    def test_only_rows_are_sent(self, found):
        # A step reads 8 users (4 numbers and a bias, with room for 8 at each device) and 24 items; one
        # table alone has 24,016 bytes.
        assert sum(found["sent"].values()) < 4 * 8 * 5 * 4 + 24 * 4 * 4 + 500

    @pytest.mark.parametrize("optimizer", ["adam", "adamw"])
    def test_parts_of_batches_add_up_to_what_one_device_does(self, found, optimizer):
        parts = found["parts"][optimizer]
        assert parts["steps"] > 400
        assert parts["state"] < 1e-6
        assert parts["loss"] < 1e-6

    def test_batches_are_divided_where_their_rows_are(self, found):
        assert found["parts"]["adam"]["batch rows"] == [256]
        assert found["whole"]["batch rows"] == []
        assert found["whole"]["state"] < 1e-6

    def test_parts_send_rows_to_each_other_and_nothing_to_all(self, found):
        assert set(found["parts"]["adam"]["sent"]) == {"collective-permute"}

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ("none", "at least one device, or be None for all of them. Received: devices=[]"),
            ("unknown", "list_devices()` gives them. Received: ['gpu:7']"),
            ("twice", "must name each device once. Received: devices=['cpu:0', 'cpu:0']"),
            ("one", "has one device, so it shards nothing"),
            ("min_rows", "`min_rows` must be a positive integer. Received: min_rows=0"),
            ("before", "must be set before the model, its optimizer and its metrics are made"),
            ("optimizer", "needs an optimizer that can be applied by rows, but the update of Lamb"),
            (
                "eager",
                "without `run_eagerly` and without a custom `train_step`. Received: run_eagerly=True",
            ),
            ("own", "Received: OwnStep with its own `train_step`"),
            ("parallel", "`DataParallel` sends the whole gradient of every table at each step"),
        ],
    )
    def test_messages(self, found, call, message):
        assert message in (found["messages"][call] or "nothing was said")
