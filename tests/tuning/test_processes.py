"""Searches that are killed, and searches in several processes; each case takes some ten seconds."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import searching

import kerasrec

pytestmark = pytest.mark.processes

ROOT = Path(kerasrec.__file__).resolve().parents[1]
PATIENCE = 240


def start(folder, **further):
    path = os.pathsep.join(
        [str(ROOT), str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    )
    return subprocess.Popen(
        [sys.executable, searching.__file__, str(folder), json.dumps(further)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def epochs_by_trial(folder):
    """Epochs that each trial has had."""
    found = (json.loads(path.read_bytes()) for path in folder.glob("trial_*/progress.json"))
    return [len(progress["values"]) for progress in found]


def epochs(folder):
    """Epochs that all trials have had."""
    return sum(epochs_by_trial(folder))


def wait_for(condition, process):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.02)


def finish(folder, workers=1):
    return kerasrec.tuning.search(
        searching.data(), searching.MODEL, directory=folder, workers=workers, **searching.HOW
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The search in one process, which nobody disturbs."""
    return finish(tmp_path_factory.mktemp("search") / "whole")


def test_a_search_killed_at_random_moments_ends_as_one_that_was_not(whole, tmp_path):
    rng = random.Random(7)
    folder = tmp_path / "killed"
    started = {}
    for _ in range(2):
        process = start(folder)
        before = epochs(folder)
        wait_for(lambda: epochs(folder) >= before + rng.randint(1, 6), process)  # noqa: B023
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.wait()
        process.stderr.close()
        state = json.loads((folder / "oracle.json").read_bytes())
        for trial, when in started.items():
            assert state["started"][trial] == when
        started = state["started"]
    result = finish(folder)
    frames = [x.frame().drop(columns="started") for x in (result, whole)]
    pd.testing.assert_frame_equal(*frames, rtol=1e-4)
    assert result.best_hyperparameters == pytest.approx(whole.best_hyperparameters)
    assert not list(folder.rglob(".*.npz.*"))


def test_two_workers_find_what_one_does_and_a_dead_one_costs_its_trial(whole, tmp_path):
    folder = tmp_path / "two"
    process = start(folder, workers=2, pause=1.0)
    # Each worker is in the middle of a trial; one may begin much later than the other.
    wait_for(lambda: sum(0 < n < searching.HOW["epochs"] - 1 for n in epochs_by_trial(folder)) == 2, process)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(PATIENCE) == 0, process.stderr.read()
    process.stderr.close()
    found, one = finish(folder), whole.frame()
    frame = found.frame()
    lost = frame["status"] == "failed"
    assert lost.sum() == 1 and len(frame) == 4
    reasons = list(found.reasons().values())
    assert len(reasons) == 1 and reasons[0].endswith("ended with signal 9")
    columns = ["trial", "learning_rate"]  # sent as 32 bits between processes
    pd.testing.assert_frame_equal(frame[columns], one[columns], rtol=1e-6)
    pd.testing.assert_series_equal(frame["score"][~lost], one["score"][~lost], rtol=1e-3)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_chief(tmp_path, how):
    process = start(tmp_path / "two", workers=2)
    wait_for(lambda: epochs(tmp_path / "two") >= 1, process)
    workers = children(process.pid)
    process.send_signal(how)
    process.wait(PATIENCE)
    process.stderr.close()
    until = time.monotonic() + 20
    while any(map(alive, workers)):
        assert time.monotonic() < until
        time.sleep(0.05)
    if how == signal.SIGKILL:
        assert (finish(tmp_path / "two").frame()["status"] != "failed").all()


def test_a_port_in_use_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ValueError, match=rf"`chief` must be a free port .* Received: 127.0.0.1:{port}, which is in use"
        ):
            kerasrec.tuning.search(
                searching.data(), directory=tmp_path / "x", chief=f"127.0.0.1:{port}", verbose=False
            )


def test_a_chief_that_is_gone_is_said(tmp_path, monkeypatch):
    from kerasrec.tuning import _workers

    monkeypatch.setattr(_workers, "CHIEF_TIMEOUT", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chief = f"127.0.0.1:{free.getsockname()[1]}"
    how = {"directory": tmp_path / "x", "chief": chief, "verbose": False}
    with pytest.raises(ConnectionError, match=rf"There is no chief at {chief}: it has ended"):
        kerasrec.tuning.search(searching.data(), worker="a", **how)
    with pytest.raises(ValueError, match=r"`worker` needs .* as `chief`"):
        kerasrec.tuning.search(searching.data(), worker="a", **how | {"chief": None})
    with pytest.raises(ValueError, match=r"`chief` must be 'HOST:PORT'. Received: 'here'"):
        kerasrec.tuning.search(searching.data(), worker="a", **how | {"chief": "here"})
    with pytest.raises(ValueError, match=r"`worker` must not contain 'chief'"):
        kerasrec.tuning.search(searching.data(), worker="chief2", **how)


def test_a_chief_and_a_worker_that_comes_to_it(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    chief = start(tmp_path / "far", chief=address)
    worker = start(tmp_path / "far", chief=address, worker="a")
    for process in (worker, chief):
        assert process.wait(PATIENCE) == 0, process.stderr.read()
        process.stderr.close()
    frame = finish(tmp_path / "far").frame()
    assert len(frame) == 4 and not (frame["status"] == "failed").any()


def test_models_that_workers_cannot_import_are_refused(tmp_path):
    def build(hp):
        return None

    with pytest.raises(ValueError, match=r"must be a function or class in a module that can be imported"):
        kerasrec.tuning.search(
            searching.data(), build, "val_loss", directory=tmp_path / "x", workers=2, verbose=False
        )


def test_a_script_without_a_main_part_does_not_start_workers_without_end(tmp_path, monkeypatch):
    from kerasrec.tuning import _workers

    monkeypatch.setenv(_workers.WORKER, "worker0")
    with pytest.raises(RuntimeError, match="must call `search` below `if __name__ == '__main__':`"):
        kerasrec.tuning.search(searching.data(), directory=tmp_path / "x", verbose=False)


def children(pid):
    """Process ids, on Linux."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return sorted(found)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
