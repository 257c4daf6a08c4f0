"""An OpenAPI document as the operations of a profile: read exactly, or a problem with its place."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.core.openapi import Reading, differing, read_openapi
from limen.core.profile_reader import read_profile
from tests.core.documents import DOCUMENT

CHATS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Chats", "version": "1"},
    "paths": {
        "/chats": {
            "summary": "Chats",
            "get": {"operationId": "listChats", "security": [{"ApiKey": ["read:chat"]}], "deprecated": True},
            "head": {"security": [{"ApiKey": ["read:chat"]}]},
            "post": {
                "operationId": "createChat",
                "security": [{"ApiKey": ["write:chat"]}],
                "x-limen-limit": "5 per 1 h",
            },
        },
        "/chats/{chat}": {
            "parameters": [],
            "get": {"operationId": "getChat", "security": [{"ApiKey": []}, {"Bearer": []}], "x-limen-scopes": []},
        },
        "/status": {"get": {"operationId": "status", "security": []}},
        "x-notes": "no path",
    },
    "webhooks": {"hit": {"post": {}}},
    "components": {"securitySchemes": {"ApiKey": {"type": "apiKey"}, "Bearer": {"type": "http"}}},
}
"""A document that describes the operations of ``tests.core.documents.DOCUMENT``."""

OPERATIONS = read_profile(DOCUMENT).operations


def edited(pointer: str, value: Any = ...) -> dict[str, Any]:
    """``CHATS`` with another value at *pointer*; without what is there, where there is none."""
    document = copy.deepcopy(CHATS)
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    at: Any = document
    for part in way:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return document


def told(reading: Reading) -> list[tuple[str, str]]:
    """The problems: where, and what was found."""
    return [(each.pointer, each.found) for each in reading.problems]


@pytest.mark.req("R50")
def test_what_it_says_is_what_a_profile_has() -> None:
    reading = read_openapi(CHATS, catalogue=DOCUMENT["scopes"])
    assert reading.problems == []
    assert differing(reading.operations, OPERATIONS) == []
    assert [each.item() for each in reading.operations] == [
        {"id": "listChats", "call": "GET /chats", "scopes": ["read:chat"]},
        {"id": "createChat", "call": "POST /chats", "scopes": ["write:chat"], "write": True, "limit": "5 per 1 h"},
        {"id": "getChat", "call": "GET /chats/{chat}", "scopes": []},
        {"id": "status", "call": "GET /status", "public": True},
    ]
    items = [each.item() for each in reading.operations]
    assert read_profile({**DOCUMENT, "operations": items}).operations[1].limits[0].window_s == 3600


GET, POST = "/paths/~1chats/get", "/paths/~1chats/post"
ONE_SCHEME = [{"ApiKey": ["read:chat"], "Bearer": ["read:chat"]}]
OTHERS = [{"ApiKey": ["read:chat"]}, {"Bearer": ["write:chat"]}]


@pytest.mark.req("R50")
@pytest.mark.parametrize(
    ("document", "where", "found"),
    [
        (edited(f"{GET}/security"), f"{GET}/security", "nothing"),
        (edited(f"{GET}/security", None), f"{GET}/security", "nothing"),
        (edited(f"{GET}/security", [{}]), f"{GET}/security/0", "0 schemes at once"),
        (edited(f"{GET}/security", [{"ApiKey": []}]), f"{GET}/security/0", "no scope"),
        (edited(f"{GET}/security", [{"ApiKey": ["read:chat"]}, {}]), f"{GET}/security/1", "0 schemes at once"),
        (edited(f"{GET}/security", ONE_SCHEME), f"{GET}/security/0", "2 schemes at once"),
        (edited(f"{GET}/security", OTHERS), f"{GET}/security", "alternatives that need different scopes"),
        (edited(f"{GET}/security", [{"Basic": ["read:chat"]}]), f"{GET}/security/0", "the scheme 'Basic'"),
        (edited(f"{GET}/security", [{"ApiKey": ["Read chat"]}]), f"{GET}/security/0/ApiKey", "a list"),
        (edited(f"{POST}/security", [{"ApiKey": ["read:mail"]}]), f"{POST}/security", "the scope 'read:mail'"),
        (edited(f"{GET}/security", "none"), f"{GET}/security", "'none'"),
        (edited(f"{GET}/x-limen-scopes", "all"), f"{GET}/x-limen-scopes", "'all'"),
        (edited("/paths/~1status/get/x-limen-scopes", ["read:chat"]), "/paths/~1status/get/security", "[]"),
        (edited("/paths/~1chats/head"), "", ""),
        (edited("/paths/~1chats/head/security", []), "/paths/~1chats/head/security", "another requirement than"),
        (edited("/paths/~1status", {"head": {"security": []}}), "/paths/~1status/head", "HEAD without GET"),
        (edited(f"{GET}/operationId"), f"{GET}/operationId", "nothing"),
        (edited(f"{GET}/operationId", "list_chats"), f"{GET}/operationId", "'list_chats'"),
        (edited(f"{POST}/operationId", "listChats"), f"{POST}/operationId", "'listChats' again"),
        (edited(f"{GET}/x-limen-write", True), f"{GET}/x-limen-write", "true"),
        (edited(f"{POST}/x-limen-write", "no"), f"{POST}/x-limen-write", "'no'"),
        (edited(f"{POST}/x-limen-limit", "often"), f"{POST}/x-limen-limit", "'often'"),
        (edited(f"{POST}/x-limen-writes", True), f"{POST}/x-limen-writes", "an unknown extension"),
        (edited("/paths/~1chats/trace", {}), "/paths/~1chats/trace", "the method 'trace'"),
        (edited("/paths/~1chats/GET", {}), "/paths/~1chats/GET", "the method 'GET'"),
        (edited("/paths/~1chats/query", {}), "/paths/~1chats/query", "the method 'query'"),
        (edited("/paths/~1chats~1", {}), "/paths/~1chats~1", "path '/chats/': segment ''"),
        (edited("/paths/~1status/get", []), "/paths/~1status/get", "a list"),
        (
            edited("/paths/~1status", {"$ref": "https://example.com/x"}),
            "/paths/~1status/$ref",
            "'https://example.com/x'",
        ),
        (edited("/paths", {}), "/paths", "no path"),
        (edited("/paths"), "/paths", "nothing"),
        (edited("/openapi", "2.0"), "/openapi", "'2.0'"),
    ],
)
def test_what_a_profile_cannot_say_is_a_problem_and_its_place(document: dict[str, Any], where: str, found: str) -> None:
    problems = told(read_openapi(document, catalogue=DOCUMENT["scopes"]))
    assert [(at, text[: len(found)]) for at, text in problems] == ([(where, found)] if where else [])


def test_a_problem_says_what_is_allowed() -> None:
    (problem,) = read_openapi(edited(f"{GET}/security")).problems
    assert str(problem).startswith("/paths/~1chats/get/security: found nothing, allowed: security with one requirement")
    assert "[] where no key is asked for" in str(problem)


def test_the_requirement_of_the_document_holds_where_an_operation_has_none() -> None:
    document = edited(f"{GET}/security") | {"security": [{"Bearer": ["read:chat"]}]}
    assert read_openapi(document).operations[0].scopes == ("read:chat",)
    # That nothing is asked for has to be said where it holds, not once for all.
    assert told(read_openapi(document | {"security": []})) == [("/security", "[]")]


def test_an_operation_says_that_it_does_not_write() -> None:
    (post,) = (
        each for each in read_openapi(edited(f"{POST}/x-limen-write", False)).operations if each.method == "POST"
    )
    assert post.item()["write"] is False


def test_a_path_that_stands_elsewhere_is_found() -> None:
    document = edited("/paths/~1status", {"$ref": "#/components/pathItems/status"})
    document["components"]["pathItems"] = {"status": CHATS["paths"]["/status"]}
    assert differing(read_openapi(document).operations, OPERATIONS) == []


def versioned() -> dict[str, Any]:
    """``CHATS`` in two versions, but for what has none."""
    document = copy.deepcopy(CHATS)
    paths, document["paths"] = document["paths"], {}
    for path, item in paths.items():
        if path == "/status":
            document["paths"][path] = item
        elif path.startswith("/"):
            document["paths"]["/v1" + path] = item
            document["paths"]["/v2" + path] = newer = copy.deepcopy(item)
            for method in newer.values():
                if isinstance(method, dict) and "operationId" in method:
                    method["operationId"] += "V2"
    return document


def test_a_version_in_the_path_is_left_out() -> None:
    reading = read_openapi(versioned(), version_form="segment")
    assert reading.problems == []
    assert differing(reading.operations, OPERATIONS) == []
    assert "/v1/chats" in [each.path for each in read_openapi(versioned()).operations]


def test_a_call_asks_the_same_in_all_versions() -> None:
    document = versioned()
    document["paths"]["/v2/chats"]["get"]["security"] = []
    document["paths"]["/v2/chats"].pop("head")
    ((where, found),) = told(read_openapi(document, version_form="segment"))
    assert (where, found) == ("/paths/~1v2~1chats/get", "an operation that asks for something else in this version")


def test_two_paths_that_are_one_are_a_problem() -> None:
    document = edited("/paths/~1chats~1{other}", {"get": {"operationId": "other", "security": []}})
    assert told(read_openapi(document)) == [
        ("/paths/~1chats~1{other}/get", "the call of /paths/~1chats~1{chat}/get again")
    ]


@pytest.mark.req("R50")
@pytest.mark.parametrize(
    ("document", "line"),
    [
        (
            edited("/paths/~1chats/delete", {"operationId": "deleteChats", "security": []}),
            "DELETE /chats (deleteChats): in the document, and not in the profile",
        ),
        (edited("/paths/~1status"), "GET /status (status): in the profile, and not in the document"),
        (edited(f"{POST}/operationId", "addChat"), "POST /chats (createChat): the document calls it addChat"),
        (
            edited(f"{POST}/security", [{"ApiKey": ["admin"]}]),
            "POST /chats (createChat): scopes write:chat in the profile, admin in the document",
        ),
        (
            edited("/paths/~1status/get/security", [{"ApiKey": ["admin"]}]),
            "GET /status (status): public in the profile",
        ),
        (edited(f"{POST}/security", []), "POST /chats (createChat): public in the document, and not in the profile"),
        (edited(f"{POST}/x-limen-write", False), "POST /chats (createChat): a write in the profile alone"),
        (
            edited(f"{POST}/x-limen-limit", "6 per 1 h"),
            "POST /chats (createChat): limit 5 per 3600 s in the profile, 6 per 1 h in the document",
        ),
    ],
)
def test_each_difference_is_named(document: dict[str, Any], line: str) -> None:
    reading = read_openapi(document)
    assert reading.problems == []
    (found,) = differing(reading.operations, OPERATIONS)
    assert found.startswith(line)


def test_a_limit_that_the_document_does_not_name_is_the_profile_s() -> None:
    assert differing(read_openapi(edited(f"{POST}/x-limen-limit")).operations, OPERATIONS) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [GET, f"{GET}/security", f"{GET}/x-limen-scopes", f"{GET}/operationId", "/paths", "/paths/~1chats"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*PLACES, "/components", "/components/securitySchemes", "/openapi", "/security"]), JSON)
def test_whatever_stands_there_is_read_or_is_a_problem(pointer: str, value: Any) -> None:
    reading = read_openapi(edited(pointer, value), version_form="segment")
    for operation in reading.operations:  # nothing is open that does not say so
        json.dumps(operation.item())
        assert operation.scopes or operation.public or operation.name == "getChat" or value == []
