"""Lists over HTTP are those of the recommender."""

import hashlib
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from kerasrec import Recommender, Rules
from kerasrec.serving import _parameters


def of(frame):
    return [(row.item, pytest.approx(row.score)) for row in frame.itertuples()]


def answered(items):
    return [(row["item"], row["score"]) for row in items]


def path(raw):
    return quote(str(raw), safe="")


def test_everybodys_list_is_that_of_the_recommender(client, recommender):
    version = hashlib.sha256(Path(client.model).read_bytes()).hexdigest()[:12]
    for user in recommender.user_ids.tolist():
        if user in ("../up", "%2F"):
            continue  # this client takes such paths apart; they are asked for below and in `test_process.py`
        found = client.get(f"/v1/recommend/{path(user)}", params={"k": 5}).json()
        assert found["user"] == user and found["fallback"] is False and found["version"] == version
        assert answered(found["items"]) == of(recommender.recommend(user, k=5))
        assert [row["rank"] for row in found["items"]] == [1, 2, 3, 4, 5]


ASKED = {
    "": {},
    "k=3": {"k": 3},
    "k=4&exclude_seen=false": {"k": 4, "exclude_seen": False},
    "exclude_seen=0&k=3": {"k": 3, "exclude_seen": False},
    "unknown=popular": {"unknown": "popular"},
}
LONG = "&".join(["k=3"] * 40)  # valid, and of any length


@pytest.mark.parametrize("n_remembered", [1000, 2])
def test_query_strings_that_come_again_are_answered_as_the_first_time(
    serve, recommender, monkeypatch, n_remembered
):
    routes, made = [], _parameters.ListRoute.__init__

    def noted(self, *args, **how):
        routes.append(self)
        made(self, *args, **how)

    monkeypatch.setattr(_parameters.ListRoute, "__init__", noted)
    monkeypatch.setattr(_parameters, "_REMEMBERED", n_remembered)
    client = serve()
    for user in ("user 1", "user 2", "user 1"):
        for query, how in ASKED.items():
            found = client.get(f"/v1/recommend/{path(user)}?{query}").json()
            assert answered(found["items"]) == of(recommender.recommend(user, **how)), query
        found = client.get(f"/v1/recommend/{path(user)}?{LONG}").json()
        assert answered(found["items"]) == of(recommender.recommend(user, k=3))
        for k in (10, 2):
            found = client.get(f"/v1/similar/item 1?k={k}").json()
            assert answered(found["items"]) == [
                (row.similar, pytest.approx(row.score))
                for row in recommender.similar_items("item 1", k).itertuples()
            ]
        for query in ("k=0", "k=1001", "k=3&user=1", "unknown=skip", "exclude_seen=2"):
            assert client.get(f"/v1/recommend/user 1?{query}").status_code == 422, query
        assert client.get("/v1/recommend/nobody?k=3").status_code == 404
        popular = client.get("/v1/recommend/nobody?unknown=popular").json()
        assert popular["fallback"] and len(popular["items"]) == 10
    remembered = sorted(len(route.known) for route in routes if route.known)
    if n_remembered == 1000:
        assert remembered == [2, len(ASKED)]
    assert len(remembered) == 2 and max(remembered) <= n_remembered


def test_lists_of_many_in_their_order(client, recommender):
    users = recommender.user_ids.tolist()[::-1]
    found = client.post("/v1/recommend", json={"users": users, "k": 3}).json()["lists"]
    assert [entry["user"] for entry in found] == users
    frame = recommender.recommend(users, k=3)
    assert [row for entry in found for row in answered(entry["items"])] == of(frame)
    assert {"../up", "%2F"} < set(users)
    twice = client.post("/v1/recommend", json={"users": ["../up", "../up"], "k": 3}).json()["lists"]
    assert twice[0] == twice[1] and answered(twice[0]["items"]) == of(recommender.recommend("../up", k=3))


def test_only_and_exclude(client, recommender):
    body = {
        "users": ["user 1"],
        "k": 4,
        "only": ["item 1", "item 2", "item 3", "gone"],
        "exclude": ["item 2"],
    }
    (found,) = client.post("/v1/recommend", json={**body, "exclude_seen": False}).json()["lists"]
    expected = recommender.recommend("user 1", k=2, exclude_seen=False, only=["item 1", "item 3"])
    assert answered(found["items"]) == of(expected)
    for only in ([], ["gone"]):
        (found,) = client.post("/v1/recommend", json={**body, "only": only}).json()["lists"]
        assert found["items"] == []


def test_a_list_ends_where_nothing_is_left(client, recommender):
    found = client.get("/v1/recommend/user%201", params={"k": 1000}).json()["items"]
    had = recommender.interactions
    own = had.items[had.users == recommender.user_ids.tolist().index("user 1")]
    assert {row["item"] for row in found} == set(np.delete(recommender.item_ids, own))


def test_metadata_stand_beside_items_as_json(client, recommender, films):
    found = client.get("/v1/recommend/user%201", params={"k": 30, "exclude_seen": False}).json()["items"]
    titles = dict(zip(recommender.item_ids.tolist(), films["title"], strict=True))
    assert {row["item"]: row["metadata"]["title"] for row in found} == titles
    assert {row["metadata"]["year"] for row in found} == {1990.0, None}


def test_unknown_users(client, recommender):
    answer = client.get("/v1/recommend/nobody")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "The user must be one that the model knows. Received: 'nobody'."}
    popular = client.get("/v1/recommend/nobody", params={"unknown": "popular", "k": 4}).json()
    expected = recommender.recommend("nobody", k=4, unknown="popular")
    assert popular["fallback"] is True and [row["score"] for row in popular["items"]] == [None] * 4
    assert [row["item"] for row in popular["items"]] == expected["item"].tolist()
    body = {"users": ["user 1", "nobody", "user 2"], "k": 2}
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 404 and "'nobody'" in answer.json()["detail"]
    skipped = client.post("/v1/recommend", json={**body, "unknown": "skip"}).json()["lists"]
    assert [entry["user"] for entry in skipped] == ["user 1", "user 2"]
    mixed = client.post("/v1/recommend", json={**body, "unknown": "popular"}).json()["lists"]
    assert [(entry["user"], entry["fallback"]) for entry in mixed] == [
        ("user 1", False),
        ("nobody", True),
        ("user 2", False),
    ]
    long = client.get("/v1/recommend/" + "y" * 10_000)
    assert long.status_code == 404 and long.json()["detail"].endswith("(10,000 characters).")


def test_ids_that_are_numbers(serve, files):
    expected = Recommender.load(files["numbers"])
    client = serve("numbers")
    found = client.get("/v1/recommend/7", params={"k": 2}).json()
    assert found["user"] == 7 and answered(found["items"]) == of(expected.recommend(7, k=2))
    assert client.post("/v1/recommend", json={"users": [7], "k": 2}).json()["lists"][0]["user"] == 7
    answer = client.post("/v1/recommend", json={"users": ["7"]})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Ids of users are numbers: 7 is known. Received: '7'."
    assert client.get("/v1/similar/107").json()["items"]


def test_similar_items(client, recommender):
    found = client.get("/v1/similar/a%2Fb", params={"k": 4}).json()["items"]
    frame = recommender.similar_items("a/b", k=4)
    assert [row["item"] for row in found] == frame["similar"].tolist()
    assert [row["metadata"]["title"] for row in found] == frame["title"].tolist()
    assert len(client.get("/v1/similar/a%2Fb", params={"k": 1000}).json()["items"]) == 29
    assert client.get("/v1/similar/nothing").status_code == 404


def test_somebody_new(client, recommender):
    body = {"items": ["item 1", "100%"], "values": [1.0, 2.0], "k": 3}
    found = client.post("/v1/history", json=body).json()["items"]
    assert answered(found) == of(recommender.recommend_for_history(["item 1", "100%"], [1.0, 2.0], k=3))
    everything = client.post("/v1/history", json={**body, "k": 1000}).json()["items"]
    assert len(everything) == 28
    some = {**body, "k": 1000, "only": ["item 1", "item 2", "item 3"], "exclude": ["item 3"]}
    assert [row["item"] for row in client.post("/v1/history", json=some).json()["items"]] == ["item 2"]
    assert client.post("/v1/history", json={**some, "only": ["item 1"]}).json()["items"] == []
    answer = client.post("/v1/history", json={**body, "values": [1.0]})
    assert answer.status_code == 422 and "one finite number per item" in answer.json()["detail"]
    assert client.post("/v1/history", json={"items": ["item 1", "gone"]}).status_code == 404


def test_explanations(client, recommender):
    found = client.get("/v1/explain", params={"user": "100%", "item": "😀"}).json()
    expected = recommender.explain("100%", "😀")
    assert found["score"] == pytest.approx(expected.score)
    assert sum(row["contribution"] for row in found["contributions"]) == pytest.approx(found["raw_score"])
    near = expected.neighbors
    assert [row["item"] for row in found["neighbors"]] == near["item"].tolist()
    assert [row["similarity"] for row in found["neighbors"]] == pytest.approx(near["similarity"].tolist())
    assert client.get("/v1/explain", params={"user": "100%", "item": "gone"}).status_code == 404


def test_requests_at_the_same_moment_get_the_same_lists(client, recommender):
    from concurrent.futures import ThreadPoolExecutor

    users = [user for user in recommender.user_ids.tolist() if user not in ("../up", "%2F")] * 3 + [
        "nobody"
    ] * 5
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda user: client.get(f"/v1/recommend/{path(user)}?k=5"), users))
    for user, answer in zip(users, answers, strict=True):
        if user == "nobody":
            assert answer.status_code == 404
        else:
            assert answered(answer.json()["items"]) == of(recommender.recommend(user, k=5))


def test_rules_of_a_request_and_of_the_file(serve, files, recommender, tmp_path):
    own = Recommender.load(files["shop"])
    own.rules = Rules(at_most={"title == 'Film 1' or title == 'Film 2'": 1}, at_least={"title != 'x'": 2})
    own.save(tmp_path / "shop.keras")
    client = serve()
    found = client.get("/v1/recommend/user 1", params={"k": 6}).json()["items"]
    assert answered(found) == of(own.recommend("user 1", k=6))
    # An event hides its item before the rules choose, so that the list is as long as before.
    event = {"user": "user 1", "item": found[0]["item"]}
    client.post("/v1/events", json={"events": [event]})
    again = client.get("/v1/recommend/user 1", params={"k": 6}).json()["items"]
    assert answered(again) == of(own.recommend("user 1", k=6, exclude=[event["item"]]))
    rules = {"where": "title != 'Film 3'", "diversity": 0.4, "at_most": None}
    body = {"users": ["user 2", "user 3"], "k": 4, **rules}
    lists = client.post("/v1/recommend", json=body).json()["lists"]
    expected = own.recommend(["user 2", "user 3"], k=4, **rules)
    assert [row for entry in lists for row in answered(entry["items"])] == of(expected)
    drawn = client.post("/v1/recommend", json={**body, "explore": 0.2}).json()["lists"]
    seeded = [
        client.post("/v1/recommend", json={**body, "explore": 0.9, "seed": 3, "pool": 20}).json()
        for _ in "ab"
    ]
    assert seeded[0] == seeded[1] and len(seeded[0]["lists"]) == 2
    assert all(0 < row["propensity"] <= 1 for entry in drawn for row in entry["items"])
    # Somebody who was not in training gets what the rules leave, and none of them is a fault of the request.
    known = client.post("/v1/history", json={"items": ["item 1"], "k": 4}).json()["items"]
    assert answered(known) == of(own.recommend_for_history(["item 1"], k=4))
    every = client.post("/v1/history", json={"items": ["item 1"], "k": 1000})
    assert every.status_code == 200
    titles = [row["metadata"]["title"] for row in every.json()["items"]]
    assert sum(title in ("Film 1", "Film 2") for title in titles) <= 1
    refused = client.post("/v1/recommend", json={**body, "where": "__import__('os')"})
    assert refused.status_code == 422 and "`where` must be made of" in refused.json()["detail"]
