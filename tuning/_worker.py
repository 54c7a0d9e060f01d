"""`python -m kerasrec.tuning._worker`: a worker of a search on this machine, started by its chief."""

import os
import pickle
import runpy
import sys
import threading
import types
from typing import Any


def main() -> None:
    """Read the search from standard input, and run trials until the chief has enough or is gone."""
    pipe = sys.stdin.buffer
    # The path comes first: what follows may need modules from there.
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
    os._exit(status)  # at once: a thread still waits for what the chief has to say


def _take_up(script: str) -> None:
    """Give names that the chief's script defines to what was pickled there, without running its main part."""
    module = types.ModuleType("__mp_main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    module.__dict__.update(runpy.run_path(script, run_name="__mp_main__"))


def _end_with_the_chief(pipe: Any) -> None:
    pipe.read()
    os._exit(1)


if __name__ == "__main__":
    main()
