"""`import kerasrec` is quiet and takes along what model files name and nothing else.

How long it takes is measured by `python -m benchmarks import`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kerasrec

ROOT = Path(kerasrec.__file__).resolve().parents[1]
IMPORT = """
import json, sys
import keras
before = set(sys.modules)
print("keras is here", file=sys.stderr, flush=True)
import kerasrec
print(json.dumps(sorted(set(sys.modules) - before)))
"""
LATER = {
    "IPython",
    "jax",
    "keras_rs",
    "keras_tuner",
    "matplotlib",
    "pandas",
    "pyarrow",
    "rich",
    "scipy",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "torch",
    "typer",
}


def import_in_a_fresh_process():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], env=environment, capture_output=True, text=True, check=True
    )
    said = done.stderr.split("keras is here\n")[1]
    *printed, last = done.stdout.splitlines()
    return json.loads(last), said, printed


@pytest.fixture(scope="module")
def imported():
    return import_in_a_fresh_process()


def test_quiet(imported):
    _, said, printed = imported
    assert (said, printed) == ("", [])


def test_heavy_libraries_wait_for_their_use(imported):
    """What Keras itself has imported before does not count."""
    assert LATER.isdisjoint(name.partition(".")[0] for name in imported[0])


def test_what_files_name_is_there(imported):
    for package in ("layers", "losses", "trainers", "zoo", "compat"):
        assert f"kerasrec.{package}" in imported[0]


@pytest.mark.parametrize("package", ["data", "datasets", "evaluation", "recommender", "tuning"])
def test_the_rest_comes_when_asked_for(package, imported):
    assert f"kerasrec.{package}" not in imported[0]
    assert getattr(kerasrec, package).__name__ == f"kerasrec.{package}"
    assert package in dir(kerasrec)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'kerasrec' has no attribute 'recomender'"):
        kerasrec.recomender  # noqa: B018
