"""Other interpreters, one for each backend, in which tests run scripts of their own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import kerasrec

ROOT = Path(kerasrec.__file__).resolve().parents[1]
BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
# Answers each line, a script with its arguments, with what went wrong; what a script prints is an error's.
_LOOP = """
import contextlib, json, sys, traceback
for line in sys.stdin:
    script, *sys.argv[1:] = json.loads(line)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(script, {"__name__": "__main__"})
        answer = None
    except BaseException:
        answer = traceback.format_exc()
    print(json.dumps(answer), flush=True)
"""


class Elsewhere:
    """Starts an interpreter for every backend that is installed; each knows only what scripts import.

    Args:
        tests: whether scripts may import tests.
    """

    def __init__(self, tests=False):
        self._path = os.pathsep.join(map(str, [ROOT, ROOT / "tests"] if tests else [ROOT]))

    def __enter__(self):
        self._processes = {}
        for backend in BACKENDS:
            self._processes[backend] = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", _LOOP],
                # They share the cores; PyTorch's threads would wait busily for each other.
                env={
                    **os.environ,
                    "KERAS_BACKEND": backend,
                    "PYTHONPATH": self._path,
                    "OMP_NUM_THREADS": "1",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self

    def __exit__(self, *_):
        for process in self._processes.values():
            process.kill()
            process.communicate()

    def run(self, script, *arguments):
        """Runs a script in all of them at once, with `argv[1]` the backend, and gives the backends."""
        for backend, process in self._processes.items():
            process.stdin.write(json.dumps([script, backend, *map(str, arguments)]) + "\n")
            process.stdin.flush()
        for backend, process in self._processes.items():
            wrong = json.loads(process.stdout.readline())
            assert wrong is None, f"{backend}: {wrong}"
        return list(self._processes)
