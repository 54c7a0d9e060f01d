import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C until the body has run; only the main thread receives it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[Any] = []
    try:
        before = signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    except ValueError:  # an embedded interpreter may have no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received and callable(before):
        before(*received[0])
