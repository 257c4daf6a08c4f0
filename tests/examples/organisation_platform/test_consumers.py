"""Consumers: one at a time and in batches, and what no two of them share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.examples.organisation_platform.conftest import AsKey

FIELDS = {
    *("id", "email", "phone", "fullName", "metadata", "externalId"),
    *("totalOrders", "totalOrderValue", "lastOrderAt", "createdAt", "updatedAt"),
}
GIVEN = {
    "email": "one@example.com",
    "phone": "+15559990001",
    "fullName": "Ångström Ünï",
    "metadata": {"tier": "gold", "since": -2020, "vip": True, "note": None, "empty": ""},
    "externalId": "A-1",
}


def made(client: Any, **given: Any) -> dict[str, Any]:
    answer = client.post("/consumers", json=given)
    assert answer.status_code == 201, answer.text
    consumer: dict[str, Any] = answer.json()
    return consumer


@pytest.mark.req("R229")
def test_what_is_made_is_what_was_asked_for(writer: AsKey) -> None:
    consumer = made(writer(), **GIVEN)
    assert set(consumer) == FIELDS
    assert consumer == consumer | GIVEN | {"totalOrders": 0, "totalOrderValue": 0, "lastOrderAt": None}
    assert writer().get(f"/consumers/{consumer['id']}").json() == consumer
    assert made(writer())["email"] is None


def test_a_change_leaves_alone_what_it_does_not_name(writer: AsKey) -> None:
    client, consumer = writer(), made(writer(), **GIVEN)
    path = f"/consumers/{consumer['id']}"
    changed = client.put(path, json={"fullName": None, "email": "TWO@Example.com"}).json()
    updated = changed["updatedAt"]
    assert changed == consumer | {"fullName": None, "email": "two@example.com", "updatedAt": updated}
    assert client.put(path, json={}).json() == changed
    assert client.delete(path).status_code == 204
    assert [
        client.request(method, path, json={} if method == "PUT" else None).status_code
        for method in ("GET", "PUT", "DELETE")
    ] == [404, 404, 404]


@pytest.mark.parametrize(
    "body",
    [
        *({"email": bad} for bad in ("", "a", "a@b", "a b@example.com", 7, "a@example.com\0")),
        *({"phone": bad} for bad in ("", "0800", "+0123456789", "+1 555 1234567", 15551234567)),
        *({"fullName": bad} for bad in ("", "x" * 121, 1, ["a"], "a\0")),
        *({"metadata": bad} for bad in ({"x" * 41: 1}, {"a": [1]}, {"a": {}}, {"a": 1.5}, {"a": 2**60}, [], {"": 1})),
        {"metadata": {f"k{place}": 1 for place in range(51)}},
        *({"externalId": bad} for bad in ("", "x" * 129, 7)),
        *({unknown: 1} for unknown in ("totalOrders", "id", "createdAt", "full_name_")),
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_body_that_makes_no_sense_is_refused(on_a_copy: AsKey, body: dict[str, Any]) -> None:
    client = on_a_copy()
    consumer = made(client)
    listed = {"consumers": [{"fullName": "fine"}, body]}
    for method, path, sent in (
        ("POST", "/consumers", body),
        ("PUT", f"/consumers/{consumer['id']}", body),
        ("POST", "/consumers/batch", listed),
        ("PUT", "/consumers/batch", {"consumers": [body | {"id": consumer["id"]}]}),
    ):
        if path == "/consumers/batch" and method == "PUT" and "id" in body:
            continue
        answer = client.request(method, path, json=sent)
        assert (answer.status_code, answer.json()["error"]) == (400, "validation_error"), (method, answer.text)
    assert client.get(f"/consumers/{consumer['id']}").json() == consumer


@pytest.mark.parametrize(
    "body", [None, [], {}, "x", {"consumers": {}}, {"consumers": []}, {"consumers": [None]}], ids=str
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_batch_that_is_none_is_refused(on_a_copy: AsKey, method: str, body: Any) -> None:
    assert on_a_copy().request(method, "/consumers/batch", json=body).status_code == 400
    broken = on_a_copy().request(method, "/consumers/batch", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["error"]) == (400, "validation_error")


@pytest.mark.parametrize("name", ["email", "phone", "externalId"])
def test_no_two_consumers_of_an_organisation_share_it(writer: AsKey, organisation_ids: list[str], name: str) -> None:
    client, value = writer(), GIVEN[name]
    one, other = made(client, **{name: value}), made(client)
    details = [{"field": name, "message": "Is taken"}]
    for answer in (
        client.post("/consumers", json={name: value}),
        client.put(f"/consumers/{other['id']}", json={name: value}),
    ):
        assert (answer.status_code, answer.json()["error"], answer.json()["details"]) == (409, "conflict", details)
    assert client.put(f"/consumers/{one['id']}", json={name: value}).status_code == 200
    for elsewhere in (writer(organisation_ids[1]), writer(environment="test")):
        assert made(elsewhere, **{name: value})[name] == value
    assert client.put(f"/consumers/{one['id']}", json={name: None}).status_code == 200
    assert client.put(f"/consumers/{other['id']}", json={name: value}).status_code == 200


def test_five_hundred_are_made_and_changed_in_one_call_and_in_their_order(writer: AsKey) -> None:
    client = writer()
    answer = client.post("/consumers/batch", json={"consumers": [{"externalId": f"b-{n}"} for n in range(500)]})
    consumers = answer.json()["data"]
    assert (answer.status_code, [each["externalId"] for each in consumers]) == (201, [f"b-{n}" for n in range(500)])
    changes = [{"id": each["id"], "fullName": f"Number {n}"} for n, each in enumerate(reversed(consumers))]
    answer = client.put("/consumers/batch", json={"consumers": changes})
    assert [(each["id"], each["fullName"]) for each in answer.json()["data"]] == [
        (each["id"], each["fullName"]) for each in changes
    ]
    assert client.post("/consumers/batch", json={"consumers": [{}] * 501}).status_code == 400


def test_a_batch_is_done_whole_or_not_at_all(writer: AsKey) -> None:
    client = writer()
    one = made(client, email="one@example.com")
    before = client.get("/consumers", params={"first": 100}).json()["data"]
    wanted = [{"email": "two@example.com"}, {"email": "ONE@example.com"}, {"email": "Two@example.com"}]
    answer = client.post("/consumers/batch", json={"consumers": wanted})
    assert (answer.status_code, [each["field"] for each in answer.json()["details"]]) == (
        409,
        ["consumers.1.email", "consumers.2.email"],
    )
    changes = [{"id": one["id"], "fullName": "x"}, {"id": "cons_none"}]
    assert client.put("/consumers/batch", json={"consumers": changes}).status_code == 404
    twice = client.put("/consumers/batch", json={"consumers": [{"id": one["id"]}, {"id": one["id"]}]})
    assert twice.status_code == 400
    assert client.get("/consumers", params={"first": 100}).json()["data"] == before
