"""A search in several processes: keras-tuner's chief serves the oracle, and its workers run trials."""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

from keras_tuner.src.engine.trial import TrialStatus

from kerasrec.tuning._objectives import UnknownObjective
from kerasrec.tuning._plan import Plan
from kerasrec.tuning._record import Record

# Environment variable with the name of the worker that a process is.
WORKER = "KERASREC_WORKER"
_POLL = 0.2
# Seconds that a worker has to end by itself, and seconds that a worker waits for its chief.
_GRACE = 5.0
CHIEF_TIMEOUT = 60
# Exit status of a worker whose error every other trial would have, too.
FATAL_STATUS = 3


def check_not_in_a_worker() -> None:
    """Refuse a search inside a worker, which would start workers without end."""
    if WORKER in os.environ:
        raise RuntimeError(
            "A script whose own models or callbacks are used by several workers must call `search` below "
            "`if __name__ == '__main__':`, because the workers run the script, too."
        )


def serve(plan: Plan, oracle: Any, workers: int, chief: str | None, tick: Callable[[], None]) -> None:
    """Run the chief until the search is done.

    Args:
        plan: the search.
        oracle: an oracle of `_oracles`.
        workers: int, number of workers on this machine; none are started if it is 1.
        chief: `"HOST:PORT"`, which workers on other machines can reach, or `None` for a free local port.
        tick: called regularly.
    """
    host, port = address(chief) if chief is not None else ("127.0.0.1", 0)
    with _server(oracle, host, port) as (port, servicer):
        team = _Team(plan, oracle, f"127.0.0.1:{port}", workers if workers > 1 else 0)
        with contextlib.closing(team):
            while not (team.over() if team.n_workers else _over(oracle, servicer)):
                team.replace_the_dead()
                if oracle.error is not None:
                    raise oracle.error
                tick()
                time.sleep(_POLL)


def work_for(plan: Plan, chief: str | None, name: str) -> None:
    """Run trials for a chief until the search is done.

    Args:
        plan: the search, with the chief's arguments.
        chief: `"HOST:PORT"`.
        name: unique name of this worker.
    """
    import grpc
    from keras_tuner.src.distribute import oracle_client

    if chief is None:
        raise ValueError("`worker` needs the 'HOST:PORT' of its chief as `chief`. Received: chief=None.")
    host, port = address(chief)
    if "chief" in name:
        raise ValueError(
            f"`worker` must not contain 'chief', which keras-tuner reserves. Received: {name!r}."
        )
    oracle_client.TIMEOUT = CHIEF_TIMEOUT
    os.environ |= {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": host,
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    gone = ConnectionError(
        f"There is no chief at {chief}: it has ended or cannot be reached. Start it again with the "
        "same arguments to resume the search."
    )
    try:
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=CHIEF_TIMEOUT)
        plan.make_tuner(plan.make_oracle()).search(plan.interactions, plan.validation)
    except (grpc.FutureTimeoutError, grpc.RpcError) as error:
        raise gone from error
    finally:
        for key in ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"):
            os.environ.pop(key, None)


def address(text: str) -> tuple[str, int]:
    """Host and port of `"HOST:PORT"`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"`chief` must be 'HOST:PORT'. Received: {text!r}.")
    return host, int(port)


@contextlib.contextmanager
def _server(oracle: Any, host: str, port: int) -> Iterator[tuple[int, Any]]:
    """Run keras-tuner's service for an oracle; yields its port and the service."""
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    # Without this option a second chief could use the same port and take half of the trials.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), options=[("grpc.so_reuseport", 0)])
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise ValueError(
            f"`chief` must be a free port on this machine. Received: {host}:{port}, which is in use or on "
            "another machine."
        )
    server.start()
    try:
        yield bound, servicer
    finally:
        server.stop(grace=None).wait()


def _over(oracle: Any, servicer: Any) -> bool:
    """Whether no trial is left, and every worker knows it."""
    enough = servicer.stop_triggered or len(oracle.end_order) >= (oracle.max_trials or float("inf"))
    return enough and not oracle.ongoing_trials and not oracle.tuner_ids


class _Team:
    """Worker processes on this machine, each with its share of the cores.

    Args:
        plan: the search.
        oracle: the chief's oracle.
        chief: `"HOST:PORT"`.
        n_workers: int.
    """

    def __init__(self, plan: Plan, oracle: Any, chief: str, n_workers: int) -> None:
        self.plan, self.oracle, self.chief, self.n_workers = plan, oracle, chief, n_workers
        self._content = _pickled(plan, chief) if n_workers else b""
        self._shares = _shares(n_workers)
        self._workers = {f"worker{i}": self._start(i) for i in range(n_workers)}
        self._deaths = 0

    def over(self) -> bool:
        """Whether all have ended normally."""
        return not self._workers

    def replace_the_dead(self) -> None:
        """Record the trial of a dead worker as failed, and start a new worker in its place."""
        for name, process in list(self._workers.items()):
            status = process.poll()
            if status is None:
                continue
            del self._workers[name]
            if status == 0:
                continue
            why = self._said(name)
            if status == FATAL_STATUS:
                raise UnknownObjective(why)
            trial = self.oracle.ongoing_trials.get(name)
            self._deaths = self._deaths + 1 if trial is None else 0
            if trial is None and self._deaths > self.n_workers:
                raise RuntimeError(f"Workers could not start. Received: {why or f'status {status}'}")
            if trial is not None:
                ended = f"signal {-status}" if status < 0 else f"status {status}"
                _give_up_on(self.plan, self.oracle, trial, f"{name} ended with {ended}")
            self.oracle.tuner_ids.discard(name)
            self._workers[name] = self._start(int(name.removeprefix("worker")))

    def close(self) -> None:
        """End the workers that are still running."""
        for process in self._workers.values():
            process.terminate()
        until = time.monotonic() + _GRACE
        for process in self._workers.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        name = f"worker{number}"
        cores = self._shares[number]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(len(cores)))
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **threads, WORKER: name}
        with open(self.plan.folder / f"{name}.log", "wb") as log, _pinned(cores):
            process = subprocess.Popen(
                [sys.executable, "-m", "kerasrec.tuning._worker", name],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches only the chief, which ends its workers
            )
        # The pipe stays open: when it closes, the chief is gone, and the worker ends too.
        threading.Thread(target=_send, args=(process.stdin, self._content), daemon=True).start()
        return process

    def _said(self, name: str) -> str:
        """The last line of a worker's log."""
        log = self.plan.folder / f"{name}.log"
        lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _give_up_on(plan: Plan, oracle: Any, trial: Any, reason: str) -> None:
    record = Record(plan.folder, trial.trial_id)
    progress = record.read()
    progress.status, progress.reason = "failed", reason
    record.write(progress)
    record.forget(best=True, last=True)
    trial.status, trial.message = TrialStatus.FAILED, reason
    oracle.end_trial(trial)


def _pickled(plan: Plan, chief: str) -> bytes:
    """The input of a worker; the path and the script come first, because the rest may need them."""
    try:
        content = pickle.dumps((plan, chief))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "With several workers, your own model must be a function or class in a module that can be "
            f"imported, and callbacks must be picklable. Received: {error}."
        ) from error
    script = None
    if b"__main__" in content:
        script = getattr(sys.modules["__main__"], "__file__", None)
        if script is None:
            raise ValueError(
                "With several workers, your own model must be a function or class in a module that can be "
                "imported. Received: one from an interactive session."
            )
    return pickle.dumps((sys.path, script, content))


def _send(pipe: Any, content: bytes) -> None:
    with contextlib.suppress(OSError):  # it has died already
        pipe.write(content)
        pipe.flush()


def _shares(n_workers: int) -> list[list[int]]:
    """The cores of each worker; if there are fewer cores than workers, some workers share one."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    cores = cores or list(range(os.cpu_count() or 1))
    return [cores[i % len(cores) :: max(n_workers, 1)] or cores for i in range(n_workers)]


@contextlib.contextmanager
def _pinned(cores: list[int]) -> Iterator[None]:
    """Restrict the process to these cores if the system can; libraries then start as many threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
