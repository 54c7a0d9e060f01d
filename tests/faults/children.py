"""Children of one warm process: they begin at once, and can be killed at any moment."""

import contextlib
import multiprocessing
import os
import sys
import traceback
from multiprocessing import forkserver

_context = multiprocessing.get_context("forkserver")
# The process that children are forked from imports this, and computes nothing.
_context.set_forkserver_preload(
    [
        "faults.works",
        "kerasrec.cli.app",
        "kerasrec.tuning",
        "keras_tuner",
        "matplotlib.figure",
        "pyarrow.parquet",
    ]
)
# A child that says nothing for so many tenths of a second hangs. They are counted, not read off a clock:
# a machine that stands still is no fault.
_PATIENCE = 1200


class Child:
    """A process that runs a generator function and says what it yields.

    Args:
        work: generator function of a module.
        *args: its arguments.
    """

    def __init__(self, work, *args):
        _warm_up()
        self.ours, theirs = _context.Pipe()
        self.process = _context.Process(target=_run, args=(theirs, work, args), daemon=True)
        self.process.start()
        theirs.close()

    def hear(self, patience=_PATIENCE):
        """What the child yields next; `StopIteration` where it has ended."""
        for _ in range(patience):
            if self.ours.poll(0.1):
                break
        else:
            self.kill()
            raise AssertionError(f"nothing came in {patience / 10:g} seconds")
        try:
            kind, said = self.ours.recv()
        except EOFError:
            self.process.join()
            raise AssertionError(f"the child ended with {self.process.exitcode}") from None
        if kind == "failed":
            raise AssertionError(said)
        if kind == "ended":
            self.process.join()
            raise StopIteration
        return said

    def check(self):
        """Refuse a child that failed at its work: killing it would say nothing."""
        if self.ours.poll():
            kind, said = self.ours.recv()
            if kind == "failed":
                raise AssertionError(said)

    def died(self):
        """Wait for the end, and whether a signal was it."""
        self.process.join(_PATIENCE / 10)
        if not self.process.exitcode:
            self.check()
        return self.process.exitcode is not None and self.process.exitcode < 0

    def kill(self):
        self.process.kill()
        self.process.join()


def outcomes(work, *args, patience=_PATIENCE):
    """All that a child yields, one after the other."""
    child = Child(work, *args)
    try:
        while True:
            yield child.hear(patience)
    except StopIteration:
        return
    finally:
        child.kill()


def _warm_up():
    """Start that process, unless it runs; it finds modules where this one does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def _quiet():
    """Nothing of what the child prints stands among the tests."""
    with open(os.devnull, "w") as nothing:
        for stream in (1, 2):
            os.dup2(nothing.fileno(), stream)
        yield


def _run(pipe, work, args):
    try:
        with _quiet():
            for said in work(*args):
                pipe.send(("said", said))
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))
    else:
        pipe.send(("ended", None))
