"""`import kerasrec` is quick, quiet and enough to read a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import contextlib, io, json, sys, time
import keras
before = set(sys.modules)
said = io.StringIO()
began = time.perf_counter()
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    import kerasrec
seconds = time.perf_counter() - began
print(json.dumps({"new": sorted(set(sys.modules) - before), "said": said.getvalue(), "seconds": seconds}))
"""


def test_import_takes_only_keras_and_numpy_along():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["said"] == ""
    names = {name.partition(".")[0] for name in found["new"]}
    assert names.isdisjoint(
        {"keras_rs", "keras_tuner", "matplotlib", "pandas", "pyarrow", "rich", "scipy", "sklearn", "typer"}
    )
    # The work of a tenth of a second, with room for a busy machine.
    assert found["seconds"] < 1
