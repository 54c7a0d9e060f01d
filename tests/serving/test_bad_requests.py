"""What a request must not be, in one sentence each; the server answers the next one."""

import json
from pathlib import Path

import pytest

REFUSED = {
    "k=0": "`k`: Input should be greater than or equal to 1. Received: '0'.",
    "k=1000000000": "`k` must be at most 1,000. Received: k=1000000000.",
    "k=many": "`k`: Input should be a valid integer, unable to parse string as an integer. Received: 'many'.",
    "unknown=guess": "`unknown`: Input should be 'error' or 'popular'. Received: 'guess'.",
}


@pytest.mark.parametrize("query", REFUSED)
def test_bad_queries(client, query):
    answer = client.get(f"/v1/recommend/user%201?{query}")
    assert (answer.status_code, answer.json()["detail"]) == (422, REFUSED[query])


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("recommend/user%201?k=2&", "of /v1/recommend/{user} must be among k, exclude_seen, unknown"),
        ("similar/item%201?", "of /v1/similar/{item} must be among k"),
        ("explain?user=user%201&item=item%201&", "of /v1/explain must be among user, item"),
        ("recommend?", "of /v1/recommend must be left out"),
    ],
)
def test_unknown_parameters_are_refused(client, address, rule):
    body = {"method": "POST", "json": {"users": ["user 1"]}} if address == "recommend?" else {"method": "GET"}
    answer = client.request(url=f"/v1/{address}availble=stock", **body)
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        f"Parameters {rule}; rules and lists of ids go into the body of `POST /v1/recommend`. "
        "Received: 'availble'.",
    )


BODIES = {
    '{"users": []}': (
        422,
        "`users`: List should have at least 1 item after validation, not 0. Received: [].",
    ),
    '{"users": ["a"], "k": 0}': (422, "`k`: Input should be greater than or equal to 1. Received: 0."),
    '{"users": [true]}': (422, "`users.0.constrained-int`: Input should be a valid integer. Received: True."),
    '{"users": ["a"], "only": "b"}': (422, "`only`: Input should be a valid list. Received: 'b'."),
    '{"users": ["a"], "onyl": []}': (422, "`onyl`: Extra inputs are not permitted. Received: []."),
    "{nope": (
        400,
        "The body must be JSON. Received: Expecting property name enclosed in double quotes at character 1.",
    ),
    "": (422, "`The body`: Field required. Received: None."),
    "[]": (
        422,
        "`The body`: Input should be a valid dictionary or object to extract fields from. Received: [].",
    ),
}


@pytest.mark.parametrize("body", BODIES)
def test_bad_bodies(client, body):
    answer = client.post("/v1/recommend", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == BODIES[body]


def test_sizes_are_limited(serve):
    client = serve(max_body=2000, max_ids=3, max_k=10, max_events=2)
    answer = client.post("/v1/recommend", json={"users": ["x" * 3000]})
    assert (answer.status_code, answer.json()["detail"]) == (413, "A request must have at most 2,000 bytes.")
    answer = client.post(
        "/v1/recommend", content=iter([b" " * 1500] * 2)
    )  # of which nobody said how much it is
    assert answer.status_code == 413
    answer = client.post("/v1/recommend", json={"users": ["a"] * 4})
    assert answer.json()["detail"] == "`users` must have at most 3 ids. Received: 4."
    answer = client.post("/v1/history", json={"items": ["item 1"], "exclude": ["a"] * 4})
    assert answer.json()["detail"] == "`exclude` must have at most 3 ids. Received: 4."
    answer = client.post("/v1/history", json={"items": ["item 1"], "k": 11})
    assert answer.json()["detail"] == "`k` must be at most 10. Received: k=11."
    answer = client.post("/v1/events", json={"events": [{"user": "a", "item": "b"}] * 3})
    assert answer.json()["detail"] == "`events` must be at most 2. Received: 3."
    assert client.get("/v1/recommend/user%201?k=5").status_code == 200


def test_half_characters_and_no_numbers(client):
    headers = {"content-type": "application/json"}
    for body in (
        '{"users": ["\\ud800"]}',
        '{"users": [1e999]}',
        '{"users": [NaN]}',
        '{"users": [123456789012345678901234567890]}',
        '{"users": ' + "[" * 5000 + "]" * 5000 + "}",
    ):
        answer = client.post("/v1/recommend", content=body, headers=headers)
        assert answer.status_code in (400, 404, 422), body[:50]
        assert set(answer.json()) == {"detail"}
    values = client.post("/v1/history", content='{"items": ["7"], "values": [NaN]}', headers=headers)
    assert values.status_code == 422


def test_json_needs_its_header(client):
    answer = client.post(
        "/v1/history", content='{"items": []}', headers={"content-type": "application/x-www-form-urlencoded"}
    )
    message = "The body must be JSON, sent with the header `Content-Type: application/json`."
    assert (answer.status_code, answer.json()["detail"]) == (415, message)


def test_a_form_of_another_site_is_no_json(client):
    """A page elsewhere can make a browser send text, not JSON."""
    body = json.dumps({"events": [{"user": "a/b", "item": "7"}]})
    answer = client.post("/v1/events", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert not Path(client.model).with_suffix(".events.jsonl").exists()


def test_addresses_that_are_not_there(client):
    assert client.get("/v1/nothing").json() == {"detail": "Not Found"}
    assert client.delete("/v1/recommend").status_code == 405
    assert client.get("/docs").status_code == 404  # its page would come from elsewhere


def test_headers_keep_data_from_being_markup(client):
    answer = client.get("/v1/recommend/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_longest_list_may_be_shorter_than_the_usual_one(serve):
    client = serve(max_k=3)
    answers = [client.get("/v1/recommend/user 1"), client.get("/v1/similar/item 1")]
    answers.append(client.post("/v1/history", json={"items": ["item 1"]}))
    assert [len(answer.json()["items"]) for answer in answers] == [3, 3, 3]
    many = client.post("/v1/recommend", json={"users": ["user 1", "user 2"]}).json()["lists"]
    assert [len(own["items"]) for own in many] == [3, 3]
    assert client.get("/v1/recommend/user 1?k=4").status_code == 422
