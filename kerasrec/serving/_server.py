"""Starts the processes of a server, and ends them on a signal after running requests are answered."""

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasrec.serving._shared import FOLDER
from kerasrec.serving.app import create_app
from kerasrec.serving.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

# Environment variable with the settings, for the spawned processes of a server.
_SETTINGS = "KERASREC_SERVING"
_FAILED = "failed.txt"
_PATIENCE = 30
# Exit status that tells uvicorn not to start a process again.
STARTUP_FAILURE = 3


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to an address, so that no other process can take it.

    Args:
        host: address to listen on.
        port: int; 0 for any free port.

    Raises:
        ValueError: if the address or the port is not available.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ValueError(
            f"`--host` must be an address of this machine. Received: {host!r} ({error.strerror})."
        ) from error
    try:
        if os.name == "posix":  # elsewhere, two servers could then share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise ValueError(
            "`--host` and `--port` must be an address of this machine and a free port; `--port 0` takes any. "
            f"Received: {host}, port {port} ({error.strerror})."
        ) from error
    listening.set_inheritable(True)
    return listening


def run(settings: Settings, listening: socket.socket, workers: int, told: Callable[[str], None]) -> None:
    """Serve until a signal comes.

    Args:
        settings: `Settings`.
        listening: result of `bound`.
        workers: int, number of processes.
        told: called with the address before the first request.

    Raises:
        FileNotFoundError: if there is no file to serve.
        ValueError: if it cannot be served.
    """
    import uvicorn

    options: dict[str, Any] = {
        "access_log": False,
        "log_config": _LOGGING,
        "timeout_graceful_shutdown": _PATIENCE,
        "server_header": False,
    }
    address = listening.getsockname()
    name = f"[{address[0]}]" if ":" in address[0] else address[0]
    if workers == 1:
        config = uvicorn.Config(create_app(settings), **options)
        told(f"http://{name}:{address[1]}")
        _ended_by_signal(lambda: uvicorn.Server(config).run(sockets=[listening]))
        return
    told(f"http://{name}:{address[1]}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            _SETTINGS: settings.to_json(),
            "PROMETHEUS_MULTIPROC_DIR": folder,
            FOLDER: os.path.join(folder, "vectors"),
        }
        _ended_by_signal(
            lambda: uvicorn.run(
                "kerasrec.serving._server:_of_environment",
                factory=True,
                fd=listening.fileno(),
                workers=workers,
                timeout_worker_healthcheck=_PATIENCE,
                **options,
            )
        )
        failed = Path(folder, _FAILED)
        if failed.exists():
            raise ValueError(failed.read_text(encoding="utf-8"))


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach an address."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(str(address).startswith("127.") or address == "::1" for address in found)


def _of_environment() -> "FastAPI":
    """The application of one of several processes; if it cannot be made, all of them end."""
    import kerasrec

    kerasrec._load()  # the command does not register the classes by itself
    threading.Thread(target=_end_with_first, daemon=True).start()
    try:
        return create_app(Settings.from_json(os.environ[_SETTINGS]))
    except (OSError, ValueError) as error:
        failed = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], _FAILED)
        failed.write_text(str(error), encoding="utf-8")
        sys.exit(STARTUP_FAILURE)


def _end_with_first() -> None:
    """End this worker process when the main process is gone, even if that was killed."""
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _ended_by_signal(serve: Callable[[], None]) -> None:
    """Run until SIGINT or SIGTERM; uvicorn handles them, and raises them again at its end."""
    before = {name: signal.signal(name, signal.SIG_IGN) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        serve()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"error": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn.error": {"handlers": ["error"], "level": "WARNING", "propagate": False},
        "kerasrec.serving": {"handlers": ["error"], "level": "INFO", "propagate": False},
    },
}
