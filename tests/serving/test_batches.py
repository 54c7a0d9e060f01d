"""A slow ranking keeps nobody waiting but those who asked for it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kerasrec.serving import _answers
from kerasrec.serving._batches import Asked, Batches
from kerasrec.serving._pace import Pace


class Held:
    """A function that does not answer until it may."""

    def __init__(self, function):
        self.function, self.calls = function, []
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, *args, **kwargs):
        self.calls.append(args)
        self.began.set()
        # Ends by itself where it runs on the event loop, so that the test fails and does not hang.
        self.go.wait(5)
        return self.function(*args, **kwargs)


@pytest.mark.parametrize(
    ("name", "path"),
    [("recommend", "/v1/recommend/user 1"), ("similar_list", "/v1/similar/item 1")],
)
def test_others_are_answered_while_a_slow_model_ranks(serve, monkeypatch, name, path):
    client = serve()
    held = Held(getattr(_answers, name))
    monkeypatch.setattr(_answers, name, held)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, path)
        assert held.began.wait(60)
        health = pool.submit(client.get, "/healthz").result()
        waits = not answer.done()
        held.go.set()
        assert waits and health.status_code == 200
        assert answer.result().status_code == 200 and len(answer.result().json()["items"]) == 10
    # The mean of what it took is far from short, so the next one does not run on the loop either.
    assert not client.get(path).is_error


class Served:
    version = "a"


def lists(served, log, users, *how, unknown):
    if "nobody" in users:
        raise ValueError("Nobody is known.")
    return [{"user": user} for user in users]


async def asked_in_turn(held, first, then):
    """What users get who ask while the list of the first is being ranked."""
    batches, served = Batches(None), Served()
    tasks = [asyncio.create_task(batches.ask(served, first, Asked(5, True, "error")))]
    await asyncio.to_thread(held.began.wait, 60)
    tasks += [asyncio.create_task(batches.ask(served, user, Asked(5, True, "error"))) for user in then]
    await asyncio.sleep(0)  # all of them wait now
    tasks[-1].cancel()
    held.go.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return found, await batches.ask(served, "last", Asked(5, True, "error"))


def test_requests_during_a_ranking_share_the_next_one(monkeypatch):
    held = Held(lists)
    monkeypatch.setattr(_answers, "lists", held)
    found, last = asyncio.run(asked_in_turn(held, "a", ["b", "c", "gone"]))
    assert found[:3] == [{"user": user} for user in "abc"] and last == {"user": "last"}
    assert isinstance(found[3], asyncio.CancelledError)
    assert [call[2] for call in held.calls] == [["a"], ["b", "c", "gone"], ["last"]]


def test_an_error_reaches_all_who_asked_and_nobody_else(monkeypatch):
    held = Held(lists)
    monkeypatch.setattr(_answers, "lists", held)
    found, last = asyncio.run(asked_in_turn(held, "a", ["nobody", "b", "gone"]))
    assert found[0] == {"user": "a"} and last == {"user": "last"}
    assert [str(error) for error in found[1:3]] == ["Nobody is known."] * 2


def test_only_what_is_known_to_be_short_runs_on_the_loop():
    pace = Pace()
    assert not pace.is_short("a")
    pace.record("a", 0.001)
    assert pace.is_short("a") and not pace.is_short("b")
    pace.record("a", 0.1)  # .8 * 1 + .2 * 100 = 20.8 ms
    assert not pace.is_short("a")
    for _ in range(7):  # 1 + 19.8 * .8 ** 7 = 5.15 ms
        pace.record("a", 0.001)
    assert not pace.is_short("a")
    pace.record("a", 0.001)  # 1 + 19.8 * .8 ** 8 = 4.32 ms
    assert pace.is_short("a")
    pace.record("b", 0.05)  # another file: nothing is known of it but this
    assert not pace.is_short("b")


@pytest.mark.parametrize(("seconds", "on_the_loop"), [(0.001, True), (0.1, False)])
def test_where_a_computation_runs(seconds, on_the_loop):
    pace = Pace()
    pace.record("a", seconds)

    async def threads():
        return await pace.run("a", threading.get_ident), threading.get_ident()

    where, loop = asyncio.run(threads())
    assert (where == loop) is on_the_loop
