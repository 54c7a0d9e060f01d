"""Events: on the disk, out of the lists, and on their way into a model."""

import json
import threading
import time

import numpy as np
import pytest

from kerasrec import Recommender
from kerasrec.data import Interactions
from kerasrec.serving import EventLog, finish_events, read_events, take_events


def send(client, user, item, **further):
    return client.post("/v1/events", json={"events": [{"user": user, "item": item, **further}]})


def items(client, user, k=5):
    return [row["item"] for row in client.get(f"/v1/recommend/{user}", params={"k": k}).json()["items"]]


def test_what_a_user_just_had_is_in_no_list(serve, recommender):
    client = serve()
    expected = recommender.recommend("user 1", k=7)["item"].tolist()
    assert items(client, "user 1") == expected[:5]
    assert send(client, "user 1", expected[1]).json() == {"taken": 1}
    send(client, "user 1", expected[3])
    left = [item for item in expected if item not in (expected[1], expected[3])]
    assert items(client, "user 1") == left
    many = client.post("/v1/recommend", json={"users": ["user 2", "user 1"], "k": 5}).json()["lists"]
    assert [row["item"] for row in many[1]["items"]] == left
    assert [row["rank"] for row in many[1]["items"]] == [1, 2, 3, 4, 5]
    assert [row["item"] for row in many[0]["items"]] == recommender.recommend("user 2", k=5)["item"].tolist()
    again = client.get("/v1/recommend/user 1", params={"exclude_seen": False, "k": 30}).json()["items"]
    assert expected[1] in [row["item"] for row in again]
    # Also after a restart, and in a server beside it.
    assert items(serve(), "user 1") == left


def test_what_a_newcomer_had_is_not_popular_either(serve):
    client = serve()
    ask = {"unknown": "popular", "k": 2}
    first, second = client.get("/v1/recommend/new", params=ask).json()["items"]
    send(client, "new", first["item"])
    assert client.get("/v1/recommend/new", params=ask).json()["items"][0]["item"] == second["item"]


def test_the_log_has_a_line_an_event(serve):
    client = serve()
    send(client, "a/b", "😀", value=2.5, time="2026-01-02T03:04:05Z")
    send(client, "new\nline", "gone")
    lines = client.model.with_suffix(".events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    received = [event.pop("received") for event in events]
    assert events == [
        {"user": "a/b", "item": "😀", "value": 2.5, "time": "2026-01-02T03:04:05Z"},
        {"user": "new\nline", "item": "gone"},
    ]
    assert received == sorted(received) and all(text.endswith("+00:00") for text in received)
    metrics = client.get("/metrics").text
    assert "kerasrec_events_total 2.0" in metrics
    assert 'kerasrec_requests_total{route="/v1/events",status="200"} 2.0' in metrics


def test_events_that_no_update_could_take(serve):
    client = serve()
    assert send(client, 7, "7").json()["detail"] == (
        "Ids of users must be text, as in training. Received: 7."
    )
    assert send(serve("numbers"), 7, "7").json()["detail"] == (
        "Ids of items must be whole numbers, as in training. Received: '7'."
    )
    two = [{"user": "a/b", "item": "7"}, {"user": "a/b", "item": 7}]
    assert client.post("/v1/events", json={"events": two}).status_code == 422
    assert client.post("/v1/events", json={"events": []}).status_code == 422
    assert not client.model.with_suffix(".events.jsonl").exists()


def test_a_rating_needs_its_value(serve, tmp_path):
    data = Interactions([0, 0, 1], [0, 1, 1], [5.0, 2.0, 4.0], user_ids=["a", "b"], item_ids=["x", "y", "z"])
    assert data.kind == "ratings"
    Recommender.train(data, "implicit_als", n_components=2, verbose=0).save(tmp_path / "rated.keras")
    client = serve("rated")
    answer = send(client, "a", "z")
    assert answer.status_code == 422
    assert (
        answer.json()["detail"]
        == "`value` must be given: the model was trained on ratings. Received: none for 'z'."
    )
    assert send(client, "a", "z", value=3).status_code == 200


def test_who_may_write(serve):
    client = serve(token="open sesame")
    missing = send(client, "a/b", "7")
    assert missing.status_code == 401 and missing.headers["www-authenticate"] == "Bearer"
    assert missing.json()["detail"].endswith("Received: no token.")
    for route in ("/v1/events", "/v1/reload"):
        client.headers["authorization"] = "Bearer wrong"
        assert client.post(route, json={"events": [{"user": "a/b", "item": "7"}]}).status_code == 401
        client.headers["authorization"] = "Bearer open sesame"
        assert client.post(route, json={"events": [{"user": "a/b", "item": "7"}]}).status_code == 200
    assert client.get("/v1/recommend/7").status_code == 200  # reading needs none
    closed = serve(writes=False)
    for route in ("/v1/events", "/v1/reload"):
        answer = closed.post(route, json={"events": [{"user": "a/b", "item": "7"}]})
        assert answer.status_code == 403 and "--token" in answer.json()["detail"]


def test_processes_see_each_others_events(tmp_path):
    first, second = EventLog(tmp_path / "e.jsonl"), EventLog(tmp_path / "e.jsonl")
    assert not second.had("a")
    first.append([{"user": "a", "item": "x"}])
    assert set(second.had("a")) == {"x"}
    second.append([{"user": "a", "item": 1, "value": 3.0}])
    assert first.had("a") == {"x": None, 1: 3.0}


def test_many_writers_lose_nothing(tmp_path):
    logs = [EventLog(tmp_path / "e.jsonl") for _ in range(4)]
    parts = []

    def write(number):
        for n in range(25):
            logs[number].append([{"user": f"u{number}", "item": n, "note": "x" * 5000}])
            if number == 0 and n % 8 == 0:
                parts.append(take_events(tmp_path / "e.jsonl"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in (*logs, EventLog(tmp_path / "e.jsonl")):
        assert [sorted(log.had(f"u{number}")) for number in range(4)] == [list(range(25))] * 4
        assert log.n_damaged == 0


def test_an_event_just_before_the_log_is_put_aside_is_read(tmp_path, monkeypatch):
    path = tmp_path / "e.jsonl"
    log, other = EventLog(path), EventLog(path)
    log.append([{"user": "a", "item": 1}])
    read_on = EventLog._read_on

    def read_on_and_be_late(self, file):
        read_on(self, file)
        monkeypatch.setattr(EventLog, "_read_on", read_on)
        other.append([{"user": "a", "item": 2}])
        take_events(path)

    monkeypatch.setattr(EventLog, "_read_on", read_on_and_be_late)
    log.append([{"user": "a", "item": 3}])
    assert set(log.had("a")) == {1, 2, 3}


def test_the_end_of_a_line_that_was_cut_off_spoils_nothing(tmp_path):
    path = tmp_path / "e.jsonl"
    EventLog(path).append([{"user": "a", "item": "x"}])
    with path.open("ab") as file:
        file.write(b'{"user": "a", "it')  # a process was killed here
    log = EventLog(path)
    log.append([{"user": "a", "item": "y"}])
    assert set(log.had("a")) == {"x", "y"} and log.n_damaged == 1
    path.write_bytes(path.read_bytes() + b'[1]\n{"user": [], "item": 1, "received": ""}\n7\n')
    log.reread()
    assert set(log.had("a")) == {"x", "y"} and log.n_damaged == 4


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    from kerasrec.serving import events

    log = EventLog(tmp_path / "e.jsonl")
    log.append([{"user": "a", "item": "x"}])
    before = log.path.read_bytes()

    def full(file, content):
        import os

        os.write(file, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(events, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        log.append([{"user": "a", "item": "y"}])
    assert log.path.read_bytes() == before
    assert set(log.had("a")) == {"x"}


def test_parts_put_aside_count_until_they_are_done(tmp_path):
    path = tmp_path / "shop.events.jsonl"
    (tmp_path / "shop.events.notes.jsonl").write_text("what somebody else keeps there\n")
    log = EventLog(path)
    log.append([{"user": "a", "item": "x"}])
    parts = take_events(path)
    assert len(parts) == 1 and not path.exists()
    assert set(log.had("a")) == {"x"}
    log.append([{"user": "a", "item": "y"}])
    assert set(EventLog(path).had("a")) == {"x", "y"}
    both = take_events(path)
    assert both[0] == parts[0] and len(both) == 2
    finish_events(both)
    log.reread()
    assert not log.had("a") and take_events(path) == []
    assert len(list(tmp_path.glob("*.jsonl.done"))) == 2


@pytest.mark.slow
def test_a_log_updates_a_recommender(tmp_path):
    users, items = np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8)
    data = Interactions(
        users, items, user_ids=[f"u{n}" for n in range(8)], item_ids=[f"i{n}" for n in range(6)]
    )
    recommender = Recommender.train(data, "hybrid", epochs=1, n_components=2, verbose=0)
    log = EventLog(tmp_path / "e.jsonl")
    log.append([{"user": "u0", "item": "i5"}, {"user": "new", "item": "i4"}, {"user": "u0", "item": "i5"}])
    events = read_events(tmp_path / "e.jsonl", recommender)
    assert events.kind == "likes" and len(events) == 2
    recommender.update(events, verbose=0)
    assert "new" in recommender.user_ids
    assert "i5" not in recommender.recommend("u0", k=1)["item"].tolist()


def test_events_are_read_as_what_the_recommender_was_made_of(tmp_path):
    from types import SimpleNamespace

    import pandas as pd

    log = EventLog(tmp_path / "e.jsonl")
    log.append([{"user": "a", "item": "x", "value": 2.0, "time": "2026-01-02T03:04:05+01:00"}])
    log.append([{"user": "a", "item": "x", "value": 3.0}])

    def read(**columns):
        frame = pd.DataFrame(
            {"user": ["a"], "item": ["x"], "value": [1.0], "time": [pd.Timestamp("2025-01-01")]}
        )
        return read_events(log.path, SimpleNamespace(interactions=Interactions.from_frame(frame, **columns)))

    counts = read(kind="counts", value="value", time="time")
    assert counts.kind == "counts" and counts.values.tolist() == [5.0]
    ratings = read(kind="ratings", value="value", time="time")
    assert ratings.values.tolist() == [3.0]
    assert pd.Timestamp(ratings.times[0]) > pd.Timestamp("2026-01-03")  # the later one came without a time
    assert read(kind="likes").times is None
    log.append([{"user": "a", "item": "y"}])
    assert len(read(kind="likes")) == 2 and read(kind="counts").values.tolist() == [5, 1]
    with pytest.raises(ValueError, match="must have values .* Received: 1 without, the first of item 'y'"):
        read(kind="ratings", value="value")  # as 1.0, it would be the worst rating
    with open(log.path, "a") as file:
        file.write('{"user": "a", "it')
    with pytest.warns(UserWarning, match="1 lines of the log are not events and are ignored"):
        assert len(read(kind="likes")) == 2
    with pytest.raises(ValueError, match="at least one event. Received: none in .*empty.jsonl"):
        (tmp_path / "empty.jsonl").touch()
        read_events(tmp_path / "empty.jsonl", None)
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "gone.jsonl", None)


class TestTimes:
    """Of one event without a time, all lost theirs."""

    @pytest.fixture
    def read(self, tmp_path):
        from types import SimpleNamespace

        import pandas as pd

        def read(known, *given):
            path = tmp_path / "e.jsonl"
            path.unlink(missing_ok=True)
            for n, when in enumerate(given):
                event = {"user": "a", "item": f"i{n}"} | ({} if when is None else {"time": when})
                EventLog(path).append([event])
            frame = pd.DataFrame({"user": ["a"], "item": ["x"], "time": [known]})
            data = Interactions.from_frame(frame, time="time", kind="likes")
            times = read_events(path, SimpleNamespace(interactions=data)).times
            return None if times is None else times.tolist()

        return read

    @pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
    def test_numbers_since_1970(self, read, factor):
        before = time.time()
        earlier, now = read(1_700_000_000 * factor, 1_700_000_001 * factor, None)
        assert earlier == 1_700_000_001 * factor
        assert before - 1 <= now / factor <= time.time()

    def test_other_numbers(self, read):
        assert read(5, 6, 7) == [6, 7]
        assert read(5, None, None) is None
        message = (
            r"Either all events must have times or none .* Received: 1 of 2 without, the first of item 'i1'"
        )
        with pytest.raises(ValueError, match=message):
            read(5, 6, None)

    def test_times_of_another_kind(self, read):
        with pytest.raises(ValueError, match=r"must have whole numbers as times, .* 1 others, first '2026-"):
            read(5, 6, "2026-01-02T03:04:05Z")
        import pandas as pd

        with pytest.raises(ValueError, match=r"must have dates, as text, .* Received: 1 others, first 0\."):
            read(pd.Timestamp("2025-01-01"), "2026-01-02T03:04:05Z", 0)  # which was taken for a missing one
