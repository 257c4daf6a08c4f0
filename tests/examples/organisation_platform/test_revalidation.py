"""Reads carry an ETag, and who has the answer already is told so."""

import pytest

from tests.examples.organisation_platform.conftest import AsKey
from tests.examples.organisation_platform.guarded import OPERATIONS, READS, Guarded, Operation

pytestmark = pytest.mark.req("R277")


@pytest.mark.parametrize("operation", READS, ids=str)
def test_every_read_is_revalidated(guarded: Guarded, operation: Operation) -> None:
    key, ids = guarded.key(operation.scope), guarded.make(operation)
    first = guarded.call(key, operation, ids)
    tag = first.headers["etag"]
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, no-cache")
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        asked = operation._replace(sent={**operation.sent, "headers": {"If-None-Match": known}})
        again = guarded.call(key, asked, ids)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in again.headers
        assert "x-ratelimit-remaining" in again.headers, "it was a request all the same"
        assert guarded.described(operation, again)
    for unknown in ('"other"', tag.strip('"'), "", f'"{tag}"'):
        asked = operation._replace(sent={**operation.sent, "headers": {"If-None-Match": unknown}})
        again = guarded.call(key, asked, ids)
        assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method != "GET"], ids=str)
def test_no_write_has_an_etag(guarded: Guarded, operation: Operation) -> None:
    sent = {**operation.sent, "headers": {"If-None-Match": "*"}}
    if operation.name == "inviteMember":
        sent["json"] = {"email": "etag@example.com", "role": "viewer"}
    answer = guarded.call(guarded.key(operation.scope), operation._replace(sent=sent), guarded.make(operation))
    assert answer.status_code == operation.status
    assert "etag" not in answer.headers


def test_what_changed_is_answered_anew(on_a_copy: AsKey) -> None:
    client = on_a_copy()
    consumer = client.post("/consumers", json={"fullName": "One"}).json()["id"]
    for path in (f"/consumers/{consumer}", "/consumers"):
        before = client.get(path)
        client.put(f"/consumers/{consumer}", json={"fullName": f"After {path}"})
        after = client.get(path, headers={"If-None-Match": before.headers["etag"]})
        assert (after.status_code, after.headers["etag"] == before.headers["etag"]) == (200, False)


def test_a_refusal_has_none(on_a_copy: AsKey) -> None:
    answer = on_a_copy().get("/consumers/cons_none", headers={"If-None-Match": "*"})
    assert (answer.status_code, "etag" in answer.headers) == (404, False)
