"""A server as people start it: loaded, swapped, killed, ended."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

import kerasrec
from kerasrec import Recommender

pytestmark = pytest.mark.processes

ROOT = Path(kerasrec.__file__).resolve().parents[1]
COMMAND = "import sys; sys.argv[0] = 'kerasrec'; from kerasrec.cli import main; main()"


class Server:
    """A process of `kerasrec serve`."""

    def __init__(self, model, *options, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", str(model), *map(str, options)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        self.address = re.search(r"at (http://\S+)", line)[1] if line else None

    def ready(self):
        for _ in range(1200):
            try:
                return httpx2.get(f"{self.address}/readyz").json()
            except httpx2.HTTPError:
                assert self.process.poll() is None, self.process.stderr.read()
                time.sleep(0.05)
        raise AssertionError("never ready")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start():
    started = []

    def start(*arguments, **environment):
        started.append(Server(*arguments, "--port", 0, **environment))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


def place(source, target):
    shutil.copy(source, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)


def expected(path):
    """Everybody's list by the recommender itself."""
    frame = Recommender.load(path).recommend(k=5)
    return {user: part["item"].tolist() for user, part in frame.groupby("user")}


def test_loaded_swapped_and_killed_it_answers_right_and_loses_no_event(start, files, tmp_path):
    model = tmp_path / "shop.keras"
    shutil.copy(files["shop"], model)
    lists = {}
    for name in ("shop", "other"):
        lists[name] = expected(files[name])
    server = start(model)
    first = server.ready()["version"]
    by_version, wrong, asked = {first: lists["shop"]}, [], []
    done = threading.Event()
    users = [user for user in lists["shop"] if user != "../up"]  # which a client takes apart

    def load(seed):
        draw = random.Random(seed)
        with httpx2.Client() as client:
            while not done.is_set():
                user = draw.choice(users[:20])
                answer = client.get(f"{server.address}/v1/recommend/{quote(user, safe='')}?k=5")
                asked.append((user, answer.status_code, answer.json()))

    answered = []

    def send():
        with httpx2.Client() as client:
            for n in range(100_000):
                event = {"user": users[20 + n % 10], "item": f"item {n % 20}", "value": n}
                try:
                    answer = client.post(f"{server.address}/v1/events", json={"events": [event]})
                except httpx2.HTTPError:
                    return  # killed
                assert answer.json() == {"taken": 1}
                answered.append((event["user"], event["item"], n))

    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(3)]
    writer = threading.Thread(target=send)
    for thread in (*threads, writer):
        thread.start()
    for name in ("other", "shop", "other"):
        place(files[name], model)
        state = httpx2.post(f"{server.address}/v1/reload", timeout=120).json()
        by_version[state["version"]] = lists[name]
        time.sleep(0.3)
    model.write_bytes(b"no model")
    assert httpx2.post(f"{server.address}/v1/reload", timeout=120).status_code == 422
    time.sleep(0.3)
    done.set()
    for thread in threads:
        thread.join()
    server.process.kill()
    server.process.communicate()
    writer.join()

    for user, status, found in asked:
        items = [row["item"] for row in found["items"]]
        if status != 200 or items != by_version[found["version"]][user]:
            wrong.append((user, status, found))
    assert len(asked) > 100 and wrong == []
    assert {found["version"] for *_, found in asked} == set(by_version) and len(by_version) == 2
    lines = (tmp_path / "shop.events.jsonl").read_text().splitlines()
    written = {(event["user"], event["item"], event["value"]) for event in map(json.loads, lines)}
    assert len(answered) > 10 and set(answered) <= written

    place(files["shop"], model)
    again = start(model)
    again.ready()
    for user, item, _ in answered:
        found = httpx2.get(f"{again.address}/v1/recommend/{quote(user, safe='')}?k=30").json()
        assert item not in [row["item"] for row in found["items"]]
    status, out, err = again.end()
    assert (status, out.splitlines()[-1]) == (0, "Stopped.")
    assert "Traceback" not in err


def mapped_vectors(parent):
    """Names of the arrays that each process of a server has mapped."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    maps = [set(re.findall(r"/vectors/.*/(\w+\.npy)", Path(f"/proc/{n}/maps").read_text())) for n in children]
    return [names for names in maps if names]


def test_several_processes_see_one_log(start, files, tmp_path):
    model = tmp_path / "shop.keras"
    shutil.copy(files["shop"], model)
    server = start(model, "--workers", 2, KERASREC_TOKEN="secret")
    server.ready()
    first = httpx2.get(f"{server.address}/v1/recommend/%252F?k=1").json()  # the id is %2F
    assert first["user"] == "%2F"
    event = {"user": "%2F", "item": first["items"][0]["item"]}
    assert httpx2.post(f"{server.address}/v1/events", json={"events": [event]}).status_code == 401
    headers = {"Authorization": "Bearer secret"}
    taken = httpx2.post(f"{server.address}/v1/events", json={"events": [event]}, headers=headers)
    assert taken.json() == {"taken": 1}
    for _ in range(20):  # each on a connection of its own, which any of them may take
        found = httpx2.get(f"{server.address}/v1/recommend/%252F?k=1").json()
        assert found["items"][0]["item"] != event["item"]
    assert mapped_vectors(server.process.pid) == [{"arranged.npy", "item.npy", "user.npy"}] * 2
    assert "kerasrec_events_total 1.0" in httpx2.get(f"{server.address}/metrics").text
    status, out, err = server.end()
    assert (status, out.splitlines()[-1]) == (0, "Stopped."), err


def test_a_kill_of_the_first_process_ends_the_others(start, files):
    server = start(files["shop"], "--workers", 2)
    server.ready()
    status, _, _ = server.end(signal.SIGKILL)  # returns when nobody has its output any more
    assert status == -signal.SIGKILL
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{server.address}/healthz")


def test_a_request_that_has_begun_is_answered(start, files, tmp_path):
    model = tmp_path / "shop.keras"
    shutil.copy(files["shop"], model)
    server = start(model)
    server.ready()
    body = {"users": ["user 1", "user 2"] * 2000, "k": 20}
    answers = []
    with httpx2.Client(timeout=60) as client:
        client.get(f"{server.address}/healthz")
        url = f"{server.address}/v1/recommend"
        asking = threading.Thread(target=lambda: answers.append(client.post(url, json=body)))
        asking.start()
        time.sleep(0.1)
        status, _, err = server.end()
        asking.join()
    assert status == 0, err
    assert len(answers[0].json()["lists"]) == 4000


def test_a_port_in_use_is_said_before_anything_is_loaded(start, files):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", COMMAND, "serve", str(files["shop"]), "--port", str(port)]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
    assert done.returncode == 2
    assert re.match("Error: `--host` and `--port` must be .* a free port", done.stderr.splitlines()[-1])


def test_a_file_that_cannot_be_served_ends_all_processes(start, tmp_path):
    model = tmp_path / "shop.keras"
    model.write_bytes(b"no model")
    server = start(model, "--workers", 2)
    _, err = server.process.communicate(timeout=120)
    assert server.process.returncode == 2
    assert "Error: `path` must be a complete model file." in err.splitlines()[-1]
