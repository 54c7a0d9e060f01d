"""`python -m kerasrec.tuning._worker`: a worker of a search on this machine, started by the chief."""

import os
import pickle
import runpy
import sys
import threading
import types
from typing import Any


def main() -> None:
    """Read the search from standard input, and run trials until the chief ends the search or is gone."""
    pipe = sys.stdin.buffer
    # The path comes first: unpickling the rest may import modules from it.
    unpickler = pickle.Unpickler(pipe)
    path, script, content = unpickler.load()
    sys.path[:] = path
    if script is not None:
        _take_up(script)
    plan, chief = pickle.loads(content)
    threading.Thread(target=_end_with_the_chief, args=(pipe,), daemon=True).start()

    from kerasrec.tuning import _workers
    from kerasrec.tuning._objectives import UnknownObjective

    try:
        _workers.work_for(plan, chief, sys.argv[1])
        status = 0
    except UnknownObjective as error:
        print(error)
        status = _workers.FATAL_STATUS
    except OSError as error:
        print(error)
        status = 1
    sys.stdout.flush()
    os._exit(status)  # a normal exit would wait for the thread that reads the pipe


def _take_up(script: str) -> None:
    """Define the names of the chief's script, which pickled objects need, without running its main part."""
    module = types.ModuleType("__mp_main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    module.__dict__.update(runpy.run_path(script, run_name="__mp_main__"))


def _end_with_the_chief(pipe: Any) -> None:
    pipe.read()
    os._exit(1)


if __name__ == "__main__":
    main()
