"""The memory that is left for this process, and errors if something does not fit."""

import contextlib
import functools
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Address space that a backend reserves before training, in all and per core; without it, TensorFlow aborts.
_RESERVED, _RESERVED_A_CORE = 5 << 28, 1 << 27
# Address space that other computing libraries reserve.
_OF_OTHERS = 1 << 28
_ROOT = Path("/")
# Parts of the messages of TensorFlow, JAX and PyTorch when an allocation fails.
_ENDED = ("resourceexhausted", "resource_exhausted", "can't allocate memory", "out of memory")


def check_memory(
    n_bytes: int,
    what: str,
    trains: bool = False,
    remedy: str = "use smaller sizes or a machine with more",
) -> None:
    """Refuse something that does not fit into memory.

    Args:
        n_bytes: int, minimum number of bytes that it needs.
        what: its name in the message.
        trains: bool, whether a backend will train. Defaults to `False`.
        remedy: the remedy in the message. Defaults to the remedy for a model to be made.

    Raises:
        ValueError: if less is left.
    """
    left = memory_left(trains)
    if n_bytes > left:
        raise ValueError(
            f"There must be memory for {what}: {remedy}. "
            f"Received: {n_bytes:,} bytes needed, and {left:,} left for this process."
        )


def memory_left(trains: bool = False) -> int:
    """Bytes left for this process: the minimum over the machine, its containers and its limits.

    Args:
        trains: bool, whether a backend will train. Defaults to `False`.
    """
    keras = sys.modules.get("keras")  # commands on tables do not load Keras
    # JAX aborts if it has no room for a program.
    compiles = trains or (keras is not None and keras.config.backend() == "jax")
    reserved = _RESERVED + _RESERVED_A_CORE * (os.cpu_count() or 1) if compiles else _OF_OTHERS
    return max(0, min([_of_machine(), *(left - reserved for left in _of_limits()), *_of_containers()]))


@contextlib.contextmanager
def memory_ends(what: str) -> Iterator[None]:
    """Raise one clear error if memory runs out, whichever library notices it.

    Args:
        what: what needed the memory, in the message.

    Raises:
        ValueError: if memory runs out.
    """
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, ValueError) or not (
            isinstance(error, MemoryError) or any(words in said.lower() for words in _ENDED)
        ):
            raise
        raise ValueError(
            f"There must be memory for {what}: use a smaller `batch_size`, smaller sizes or a machine with "
            f"more. Received: {memory_left():,} bytes left for this process."
        ) from error


def batches_in_memory(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a model's method to raise a clear error if memory runs out in its batches.

    Args:
        method: method of a model.
    """

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        with memory_ends(f"the batches of {self.name}"):
            found = method(self, *args, **kwargs)
            optimizer = getattr(self, "optimizer", None)
            if optimizer is not None and optimizer.built:  # JAX computes after the call, and would fail later
                int(optimizer.iterations)
            return found

    return run


def in_words(n_bytes: float) -> str:
    """A size in words, such as `1.5 GB`.

    Args:
        n_bytes: number.
    """
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, int(math.log10(max(n_bytes, 1)) // 3))
    return f"{n_bytes / 1000**power:.3g} {units[power]}"


def _of_machine() -> int:
    with contextlib.suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", (_ROOT / "proc/meminfo").read_text(), re.M)
        if found:
            return int(found[1]) << 10
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 62  # unknown


def _of_limits() -> Iterator[int]:
    """The address space and data that `ulimit` leaves."""
    try:
        import resource

        status = (_ROOT / "proc/self/status").read_text()
    except (ImportError, OSError):
        return
    for limit, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        soft = resource.getrlimit(limit)[0]
        taken = re.search(rf"^{name}:\s+(\d+) kB$", status, re.M)
        if soft != resource.RLIM_INFINITY and taken:
            yield soft - (int(taken[1]) << 10)


def _of_containers() -> Iterator[int]:
    """The memory that control groups of either version leave, including the enclosing groups."""
    try:
        lines = (_ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            names = "memory.max", "memory.current", "inactive_file"
            top = _ROOT / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            top = _ROOT / "sys/fs/cgroup/memory"
        else:
            continue
        folder = top / place.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(top):
                yield from _of_group(group, *names)


def _of_group(group: Path, limit: str, taken: str, cached: str) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):  # "max" is no limit
        most, used = (int((group / name).read_text()) for name in (limit, taken))
        # Inactive pages of files can be dropped.
        cache = re.search(rf"^{cached} (\d+)$", (group / "memory.stat").read_text(), re.M)
        yield most - used + (int(cache[1]) if cache else 0)
