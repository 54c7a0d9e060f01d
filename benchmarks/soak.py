"""Ten minutes of `kerasrec serve` while its file is swapped and events arrive; every answer is checked.

The model has 5,000 items and 20,000 users. Twelve connections ask for lists. A thirteenth sends events of
other users, which are read back from the log after the server is killed. Every twenty seconds, one of two
files replaces the other. Each answer names the version of the file that it comes from and must equal that
file's `recommend` exactly. Memory at the end is compared with memory after two minutes, when both files have
been served.
"""

import http.client
import json
import os
import random
import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._measure import in_process, ratio_row, say
from benchmarks.serve import N_USERS, memory_mb, server

N_ITEMS = 5_000
CONNECTIONS = 12
# Users who send events ask for no list that is compared.
_SENDERS = 500


def run(quick: bool = False) -> list[dict]:
    seconds, settle, pause = (20, 6, 4) if quick else (600, 120, 20)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{name}.keras") for name in ("first", "second")]
        for seed, path in enumerate(files):
            in_process("benchmarks.soak:make", {"path": str(path), "seed": seed})
        lists = [in_process("benchmarks.soak:lists", {"path": str(path)}) for path in files]
        model = Path(folder, "shop.keras")
        shutil.copy(files[0], model)
        with server(model) as (address, process):
            load = _Load(address.removeprefix("http://"), lists)
            load.known[_version(address)] = 0
            load.start()
            start, now, before = time.monotonic(), 0, None
            while (passed := time.monotonic() - start) < seconds:
                time.sleep(pause)
                now = 1 - now
                shutil.copy(files[now], model.with_suffix(".new"))
                os.replace(model.with_suffix(".new"), model)
                request = urllib.request.Request(f"{address}/v1/reload", method="POST")
                with urllib.request.urlopen(request, timeout=600) as answer:
                    load.known[json.load(answer)["version"]] = now
                if before is None and passed > settle:
                    before = memory_mb(process)
                say(f"{passed:4.0f} s: {load.asked:,} answers, {memory_mb(process):,.0f} MB")
            after = memory_mb(process)
            load.stop()
            process.kill()
        log = model.with_suffix(".events.jsonl").read_text().splitlines()
    written = {tuple(event[name] for name in ("user", "item", "value")) for event in map(json.loads, log)}
    lost = len(load.sent - written)
    growth = after / before if before else float("nan")
    return [
        ratio_row("answers compared", [load.asked], 1000 if quick else 100_000),
        ratio_row("answers that are wrong, or none", [len(load.wrong)], 0, lower_is_better=True),
        ratio_row("events answered and lost by a kill", [lost], 0, lower_is_better=True),
        ratio_row("memory at the end / after two minutes", [growth], 1.05, lower_is_better=True),
        {
            "swaps": len(range(0, seconds, pause)),
            "events": len(load.sent),
            "MB before": before,
            "MB after": after,
            "the first wrong": str(load.wrong[:1]),
        },
    ]


def make(path: str, seed: int) -> dict:
    """Write a factorised model of random vectors."""
    from benchmarks.recommend import made

    made(N_USERS, N_ITEMS, 64, 20 * N_USERS, seed).save(path)
    return {}


def lists(path: str) -> dict:
    """What the recommender itself says to every user who is asked for."""
    from kerasrec import Recommender

    users = [f"user-{code}" for code in range(_SENDERS, N_USERS)]
    frame = Recommender.load(path).recommend(users)
    items = frame["item"].to_numpy().reshape(len(users), -1)
    return dict(zip(users, items.tolist(), strict=True))


class _Load:
    """Connections that ask and compare, and one that sends events."""

    def __init__(self, host: str, lists: list[dict]) -> None:
        self.host, self.lists = host, lists
        self.known: dict[str, int] = {}
        self.asked, self.wrong, self.sent = 0, [], set()
        self._pending: list[tuple[str, str, list]] = []
        self._done, self._lock = threading.Event(), threading.Lock()
        work = [*(lambda seed=seed: self._ask(seed) for seed in range(CONNECTIONS)), self._send]
        self._threads = [threading.Thread(target=self._guarded, args=(task,)) for task in work]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        # An answer may come from a file whose version was not known yet when it came.
        for user, version, found in self._pending:
            self._compare(user, version, found)

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # a connection that ends is an answer that is missing
            self.wrong.append(repr(error))

    def _ask(self, seed: int) -> None:
        draw, connection = random.Random(seed), http.client.HTTPConnection(self.host, timeout=600)
        while not self._done.is_set():
            user = f"user-{draw.randrange(_SENDERS, N_USERS)}"
            status, answer = _answer(connection, "GET", f"/v1/recommend/{user}")
            if status != 200:
                self.wrong.append((user, status, answer))
                continue
            items = [row["item"] for row in answer["items"]]
            with self._lock:
                self.asked += 1
                if answer["version"] in self.known:
                    self._compare(user, answer["version"], items)
                else:
                    self._pending.append((user, answer["version"], items))

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self.host, timeout=600)
        for n in range(10**9):
            if self._done.is_set():
                return
            event = {"user": f"user-{n % _SENDERS}", "item": f"item-{n % N_ITEMS}", "value": n}
            status, answer = _answer(connection, "POST", "/v1/events", {"events": [event]})
            if status != 200 or answer != {"taken": 1}:
                self.wrong.append((event, status, answer))
            else:
                self.sent.add(tuple(event.values()))
            time.sleep(0.02)

    def _compare(self, user: str, version: str, items: list) -> None:
        which = self.known.get(version)
        if which is None or self.lists[which][user] != items:
            self.wrong.append((user, version, items))


def _answer(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _version(address: str) -> str:
    with urllib.request.urlopen(f"{address}/readyz") as answer:
        return json.load(answer)["version"]
