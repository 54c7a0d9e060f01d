import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kerasrec._version import __version__
from kerasrec.cli import datasets, zoo
from kerasrec.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    "demo",
    "prepare",
    "train",
    "evaluate",
    "recommend",
    "similar",
    "page",
    "compare",
    "tune",
    "zoo list",
    "zoo show",
    "datasets list",
    "datasets fetch",
    "datasets describe",
]


@pytest.fixture
def command(tmp_path):
    """The installed command: a script of that name, in a process that knows nothing of the tests."""
    script = tmp_path / "kerasrec"
    script.write_text(f"#!{sys.executable}\nfrom kerasrec.cli import main\nmain()\n")
    script.chmod(0o755)
    hidden = ("TF_CPP_MIN_LOG_LEVEL", "COLUMNS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONPATH"] = str(ROOT)

    started = []

    def start(*arguments, **changes):
        started.append(
            subprocess.Popen(
                [str(script), *map(str, arguments)],
                cwd=tmp_path,
                env=environment | changes,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # Tests that were started in the background ignore interrupts, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_every_command_has_help_json_and_debug(run):
    for name in COMMANDS:
        done = run(*name.split(), "--help")
        assert done.status == 0
        assert "--json" in done.out and "--debug" in done.out
    known = [typer.registered_commands for typer in (app, zoo.app, datasets.app)]
    # A server prints no document: what it answers is one.
    assert "--debug" in run("serve", "--help").out
    assert sum(map(len, known)) == len(COMMANDS) + 1


def test_python_runs_it_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kerasrec", "--version"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("kerasrec", run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"kerasrec {__version__}\n")


def test_version(run):
    done = run("--version")
    assert (done.status, done.out) == (0, f"kerasrec {__version__}\n")


def test_help_needs_no_keras(command):
    process = command("--help", PYTHONPROFILEIMPORTTIME="1")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Usage: kerasrec" in out
    imported = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert "kerasrec.cli.app" in imported
    assert imported.isdisjoint({"keras", "tensorflow", "jax", "torch", "numpy", "pandas", "matplotlib"})


def test_usage_errors_have_status_2(run):
    for arguments in (
        ["train"],
        ["train", "x.csv", "--bogus"],
        ["train", "x.csv", "--epochs", "0"],
        ["nothing"],
    ):
        done = run(*arguments)
        assert done.status == 2
        assert "Traceback" not in done.err


@pytest.mark.processes
def test_demo_says_what_it_should_and_nothing_else(command, tmp_path):
    process = command("demo")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    for line in ("100,000", "Error on 10,000 held-out ratings", "global mean", "user and item biases"):
        assert line in out
    assert "10 recommendations for user" in out
    assert "Model: kerasrec-demo/model.keras" in out
    assert "Learning curve: kerasrec-demo/model.png" in out
    assert {path.name for path in (tmp_path / "kerasrec-demo").iterdir()} == {"model.keras", "model.png"}
    # No word of TensorFlow's; not a terminal, so work gets a line when it begins, and its bar one at the end.
    said = [line.partition(",")[0] for line in err.split("\n") if line.strip()]
    assert said == ["Loading Keras ...", "Training recommender_v2 ...", "Training recommender_v2"]


@pytest.mark.processes
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_killed_training_leaves_the_previous_model(command, shop, tmp_path, number, status):
    model = tmp_path / "model.keras"
    model.write_bytes(b"the previous one")
    process = command("train", *shop, "--epochs", 1_000_000)
    for start in ("Columns:", "Read as:", "Kind:"):
        assert process.stdout.readline().startswith(start)
    assert process.stdout.readline().startswith("80 ratings of 20 users and 12 items")
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == status
    assert "Traceback" not in err
    assert model.read_bytes() == b"the previous one"
    assert not list(tmp_path.glob(".*"))
