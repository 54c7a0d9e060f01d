"""Requests per second and latencies of `kerasrec serve`, one process, measured with wrk on loopback.

Without wrk, Python threads send the requests; they use more of the machine than the server does.
"""

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks._measure import ROOT, in_process, ratio_row, say
from benchmarks.recommend import COMMAND

# Items, and what must be reached with 16 connections: requests a second at least, milliseconds at most.
CASES = ((5_000, 800, 30), (100_000, 250, 30))
N_USERS = 20_000
LUA = f"""
request = function()
  return wrk.format("GET", "/v1/recommend/user-" .. math.random(0, {N_USERS - 1}))
end
"""


def run(quick: bool = False) -> list[dict]:
    rows, details = [], []
    for n_items, least, most in CASES[:1] if quick else CASES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "made.keras")
            in_process("benchmarks.serve:make", {"n_items": n_items, "path": str(path)})
            with server(path) as (address, process):
                wrong = _wrong(address, path, 50 if quick else 2000)
                before = memory_mb(process)
                found = [_load(address, 16, 1 if quick else 8) for _ in range(1 if quick else 3)]
                alone = _load(address, 1, 1 if quick else 5)
                after = memory_mb(process)
        what = f"{n_items:,} items, 16 connections"
        rows.append(ratio_row(f"{what}: requests/s", [x["rate"] for x in found], least))
        rows.append(ratio_row(f"{what}: p99 ms", [x["p99"] for x in found], most, lower_is_better=True))
        rows.append(ratio_row(f"{n_items:,} items: wrong answers", [wrong], 0, lower_is_better=True))
        details.append(
            {
                "items": n_items,
                "p50 ms, 16 connections": statistics.median(x["p50"] for x in found),
                "requests/s, 1 connection": alone["rate"],
                "p50 ms, 1 connection": alone["p50"],
                "p99 ms, 1 connection": alone["p99"],
                "failed": sum(x["failed"] for x in [*found, alone]),
                "MB before": before,
                "MB after": after,
                "by": found[0]["by"],
            }
        )
    return rows + details


def make(n_items: int, path: str) -> dict:
    """Write a factorised model of random vectors."""
    from benchmarks.recommend import made

    made(N_USERS, n_items, 64, 20 * N_USERS).save(path)
    return {}


def lists(path: str, users: list[str]) -> dict:
    """What the recommender itself says."""
    from kerasrec import Recommender

    frame = Recommender.load(path).recommend(users)
    return {str(user): part["item"].tolist() for user, part in frame.groupby("user")}


def _wrong(address: str, path: Path, n: int) -> int:
    """How many of some answers, asked for by several threads at once, are not those of `recommend`."""
    users = [f"user-{code * (N_USERS // n)}" for code in range(n)]
    expected = in_process("benchmarks.serve:lists", {"path": str(path), "users": users})
    answered: dict[str, list] = {}

    def ask(part: list[str]) -> None:
        for user in part:
            with urllib.request.urlopen(f"{address}/v1/recommend/{user}") as answer:
                answered[user] = [row["item"] for row in json.load(answer)["items"]]

    threads = [threading.Thread(target=ask, args=(users[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered.get(user) != expected[user] for user in users)


def _load(address: str, connections: int, seconds: int) -> dict:
    if shutil.which("wrk"):
        return _by_wrk(address, connections, seconds)
    return _by_threads(address, connections, seconds)


def _by_wrk(address: str, connections: int, seconds: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "users.lua")
        script.write_text(LUA)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(script), address]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        "p50": _milliseconds(re.search(r"50%\s+([\d.]+)(us|ms|s)\b", said)),
        "p99": _milliseconds(re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said)),
        "failed": int(failed[1]) if failed else 0,
        "by": "wrk",
    }


def _milliseconds(found: re.Match | None) -> float:
    if found is None:
        raise ValueError("wrk must print latencies.")
    return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[found[2]]


def _by_threads(address: str, connections: int, seconds: int) -> dict:
    import http.client
    import random

    until, taken, failed = time.perf_counter() + seconds, [], []
    host = address.removeprefix("http://")

    def ask() -> None:
        connection = http.client.HTTPConnection(host)
        while (start := time.perf_counter()) < until:
            connection.request("GET", f"/v1/recommend/user-{random.randrange(N_USERS)}")
            answer = connection.getresponse()
            answer.read()
            taken.append(1e3 * (time.perf_counter() - start))
            failed.extend([1] * (answer.status != 200))

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.sort()
    return {
        "rate": len(taken) / seconds,
        "p50": statistics.median(taken),
        "p99": taken[int(0.99 * len(taken))],
        "failed": len(failed),
        "by": "threads",
    }


@contextlib.contextmanager
def server(path: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", COMMAND, "serve", str(path), "--port", "0"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = re.search(r"at (http://\S+)", process.stdout.readline())[1]
        say(f"{path.name} at {address}")
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/healthz").close()
                break
            time.sleep(0.05)
        yield address, process
    finally:
        process.terminate()
        process.communicate()


def memory_mb(process: subprocess.Popen) -> float:
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1e3 if found else float("nan")
