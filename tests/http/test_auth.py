"""``/gate/auth``: what a proxy asks, what it is told, and what it hands on to the caller word for word."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx2
import pytest

from limen.control import apis, keys, measures, owners, terms, versions
from limen.core.answers import IDENTITY
from tests.gate.scene import LIMIT, VERSION, NewScene, Scene, changed, noise
from tests.http.conftest import NewClient

AUTH = "/gate/auth/creator"
NAMES = [name.decode() for name in IDENTITY]


def _asked(key: str | None, call: str = "GET /chats", **more: str) -> dict[str, str]:
    """The headers with which a proxy asks about a caller's request."""
    method, uri = call.split(" ", 1)
    found = {"X-Forwarded-Method": method, "X-Forwarded-Uri": uri, "X-Forwarded-Proto": "https"}
    found |= {"X-Forwarded-For": "203.0.113.9", "X-Fanvue-API-Version": VERSION}
    return found | ({} if key is None else {"X-Fanvue-API-Key": key}) | more


def _identity(answer: httpx2.Response) -> dict[str, str]:
    names = [name for name, _ in answer.headers.multi_items() if name.startswith("limen-") and name != "limen-reading"]
    assert sorted(names) == sorted(NAMES), "the whole set, each once"
    return {name: answer.headers[name] for name in NAMES if answer.headers[name]}


@pytest.mark.req("R3", "R49", "R116", "R117", "R118", "R119")
async def test_an_admitted_request_is_answered_with_who_came(scene: Scene, client: httpx2.AsyncClient) -> None:
    issued = scene.issued(scopes=("read:self", "read:chat"))
    answer = await client.get(AUTH, headers=_asked(issued.text))
    assert (answer.status_code, answer.content) == (200, b"")
    assert _identity(answer) == {
        "limen-owner": "ann",
        "limen-owner-type": "user",
        "limen-key": issued.key.key,
        "limen-scopes": "read:self read:chat",
        "limen-environment": "live",
        "limen-version": VERSION,
    }
    assert answer.headers["x-ratelimit-limit"] == str(LIMIT)
    assert answer.headers["x-ratelimit-remaining"] == str(LIMIT - 1)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.req("R45", "R49")
async def test_where_nobody_came_the_whole_set_is_there_and_empty(client: httpx2.AsyncClient) -> None:
    """A proxy lets a caller's own header through where ours is absent."""
    public = await client.get(AUTH, headers=_asked(None, "GET /openapi.json"))
    assert (public.status_code, _identity(public), public.headers["limen-reading"]) == (200, {}, "")
    preflight = _asked(None, "OPTIONS /chats", Origin="https://a.example", **{"Access-Control-Request-Method": "GET"})
    asked = await client.get(AUTH, headers=preflight)
    assert (asked.status_code, _identity(asked), asked.headers["limen-reading"]) == (200, {}, "")


async def test_a_preflight_is_let_through_for_operations_that_there_are(client: httpx2.AsyncClient) -> None:
    for call, method, status in [
        ("/chats", "GET", 200),
        ("/chats", "DELETE", 404),
        ("/nowhere", "GET", 404),
        ("/chats?a=1", "POST", 200),
        ("/chats", "", 404),
    ]:
        asked = {"Origin": "https://a.example", "Access-Control-Request-Method": method}
        answer = await client.get(AUTH, headers=_asked(None, f"OPTIONS {call}", **asked))
        assert answer.status_code == status, (call, method)
    without = await client.get(AUTH, headers=_asked(None, "OPTIONS /chats", Origin="https://a.example"))
    assert without.status_code == 401


@pytest.mark.req("R49")
@pytest.mark.parametrize("name", ["Limen-Owner", "limen-owner", "LIMEN-OWNER", "Limen_Owner", "Limen-Scopes"])
async def test_what_a_caller_says_of_itself_changes_nothing(
    scene: Scene, client: httpx2.AsyncClient, key: str, name: str
) -> None:
    answer = await client.get(AUTH, headers=_asked(key, **{name: "mallory"}))
    assert _identity(answer)["limen-owner"] == "ann"
    assert "mallory" not in str(answer.headers)
    public = await client.get(AUTH, headers=_asked(None, "GET /openapi.json", **{name: "mallory"}))
    assert _identity(public) == {}


@pytest.mark.req("R52", "R53", "R78", "R79", "R80")
@pytest.mark.check("C037", "C039")
async def test_a_refusal_is_the_answer_that_the_caller_is_to_get(
    scene: Scene, client: httpx2.AsyncClient, key: str
) -> None:
    unknown = next(noise(1)).decode()
    cases = {
        "credential_missing": (_asked(None), 401),
        "credential_malformed": (_asked("noise"), 401),
        "credential_invalid": (_asked(unknown), 401),
        "credential_conflict": (_asked(key, Authorization="Bearer x"), 400),
        "operation_unknown": (_asked(key, "GET /nowhere"), 404),
        "version_missing": ({n: v for n, v in _asked(key).items() if n != "X-Fanvue-API-Version"}, 400),
        "version_unknown": (_asked(key, **{"X-Fanvue-API-Version": "2020-01-01"}), 400),
        "scope_missing": (_asked(key, "POST /chats"), 403),
    }
    for code, (headers, status) in cases.items():
        answer = await client.get(AUTH, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert ("www-authenticate" in answer.headers) == (
            status == 401 or code in ("scope_missing", "credential_conflict")
        )
        assert not [name for name in answer.headers if name.startswith("limen-")]


@pytest.mark.req("R56", "R81", "R82", "R120", "R121")
async def test_a_sunset_version_is_gone_and_a_limit_says_when_to_come_back(
    new_scene: NewScene, new_client: NewClient
) -> None:
    scene = new_scene(changed(limits__default="1 per 60 s"))
    client, key = new_client(scene), scene.key().decode()
    assert (await client.get(AUTH, headers=_asked(key))).status_code == 200
    limited = await client.get(AUTH, headers=_asked(key))
    assert (limited.status_code, limited.headers["x-ratelimit-remaining"]) == (429, "0")
    assert 1 <= int(limited.headers["retry-after"]) <= (60 if scene.settings.on_one_host else 61)  # clocks may differ
    now = scene.app.clock.read()[0]
    scene.app.act(versions.register, scene.api, "2026-01-15")
    scene.app.act(versions.sunset, scene.api, VERSION, at=now, successor="2026-01-15")
    gone = await client.get(AUTH, headers=_asked(key))
    assert (gone.status_code, gone.json()["nextVersion"]) == (410, "2026-01-15")


@pytest.mark.req("R39")
async def test_a_proxy_is_told_the_version_that_a_key_is_pinned_to(new_scene: NewScene, new_client: NewClient) -> None:
    scene = new_scene(changed(versioning__missing="pin"))
    client, issued = new_client(scene), scene.issued()
    scene.app.act(versions.register, scene.api, "2026-01-15")
    asked = {name: value for name, value in _asked(issued.text).items() if "version" not in name.lower()}
    for version in (VERSION, "2026-01-15"):
        scene.app.act(terms.pin, issued.key.key, version=version)
        answer = await client.get(AUTH, headers=asked)
        assert (answer.status_code, answer.headers["limen-version"]) == (200, version)
        assert answer.headers["x-fanvue-api-version"] == version
    assert (await client.get(AUTH, headers=_asked(issued.text))).headers["limen-version"] == VERSION


@pytest.mark.req("R124", "R169")
async def test_who_is_blocked_by_address_is_refused_by_the_address_that_the_proxy_names(
    scene: Scene, client: httpx2.AsyncClient
) -> None:
    key = scene.key().decode()
    scene.other().act(measures.block, measures.Target("address", "192.0.2.0/24"), reason="attack")
    for address, status in (("192.0.2.7", 403), ("198.51.100.7", 200)):
        answer = await client.get(AUTH, headers=_asked(key) | {"X-Forwarded-For": address})
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "access_blocked"


async def test_a_refusal_is_in_the_platforms_own_shape_where_its_profile_says_so(
    new_scene: NewScene, new_client: NewClient
) -> None:
    client = new_client(new_scene(changed(errors__style="compat")))
    answer = await client.get(AUTH, headers=_asked(None))
    assert answer.json() == {"error": "Unauthorized", "code": "credential_missing"}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.req("R48", "R69", "R162")
async def test_what_is_taken_away_holds_at_the_next_question(scene: Scene, client: httpx2.AsyncClient) -> None:
    issued, other = scene.issued(), scene.other()
    assert (await client.get(AUTH, headers=_asked(issued.text))).status_code == 200
    other.act(owners.suspend, "ann", reason="abuse")
    assert (await client.get(AUTH, headers=_asked(issued.text))).status_code == 403
    other.act(owners.restore, "ann")
    other.act(keys.revoke, issued.key.key)
    assert (await client.get(AUTH, headers=_asked(issued.text))).json()["code"] == "key_revoked"


@pytest.mark.parametrize(
    ("missing", "instead"),
    [("X-Forwarded-Method", None), ("X-Forwarded-Uri", None), ("X-Forwarded-Method", ""), ("X-Forwarded-Uri", "")],
)
async def test_without_the_callers_method_or_uri_nothing_is_decided(
    client: httpx2.AsyncClient, key: str, missing: str, instead: str | None
) -> None:
    headers = {name: value for name, value in _asked(key).items() if name != missing}
    answer = await client.get(AUTH, headers=headers if instead is None else {**headers, missing: instead})
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Uri", "/users/me"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Proto", "http"),
    ],
)
async def test_a_forwarded_header_that_stands_twice_is_refused(
    client: httpx2.AsyncClient, key: str, name: str, second: str
) -> None:
    """One of them is the caller's own: nobody can say which."""
    headers = [*_asked(key).items(), (name, second)]
    answer = await client.get(AUTH, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")


@pytest.mark.req("R31", "R76")
@pytest.mark.parametrize("protocol", ["http", "HTTP", "ws", "http, https", "https, http", "", "ftp"])
async def test_a_caller_that_did_not_come_over_https_is_refused(
    client: httpx2.AsyncClient, key: str, protocol: str
) -> None:
    answer = await client.get(AUTH, headers=_asked(key, **{"X-Forwarded-Proto": protocol}))
    assert (answer.status_code, answer.json()["code"]) == (403, "https_required")


@pytest.mark.req("R76")
async def test_a_proxy_that_names_its_caller_has_to_say_how_it_came(client: httpx2.AsyncClient, key: str) -> None:
    """Who names neither is the caller itself: an API on this host that asks for its own purposes."""
    asked = {name: value for name, value in _asked(key).items() if name != "X-Forwarded-Proto"}
    assert (await client.get(AUTH, headers=asked)).status_code == 403
    del asked["X-Forwarded-For"]
    assert (await client.get(AUTH, headers=asked)).status_code == 200
    assert (await client.get(AUTH, headers={**asked, "X-Forwarded-Proto": "wss"})).status_code == 200
    claimed = {**asked, "X-Forwarded-Proto": "http", "X-Forwarded-For": "127.0.0.1"}
    assert (await client.get(AUTH, headers=claimed)).status_code == 403


async def test_the_query_of_the_uri_is_read_for_keys_alone(new_scene: NewScene, new_client: NewClient) -> None:
    scene = new_scene(changed("organisation"), api="organisation")
    client, key = new_client(scene), scene.key(scopes=("read:experiences",)).decode()
    for call, status in {
        f"GET /v1/experiences?api_key={key}": 200,
        f"GET /v1/experiences?a=1&%61pi_key={key}": 200,
        "GET /v1/experiences?a=1": 401,
        f"GET /v1/experiences?api_key={key}&api_key={key}": 400,
        f"GET /v1/nowhere?api_key={key}": 404,
    }.items():
        asked = {name: value for name, value in _asked(None, call).items() if name != "X-Fanvue-API-Version"}
        answer = await client.get("/gate/auth/organisation", headers=asked)
        assert answer.status_code == status, call
        assert key not in answer.text


@pytest.mark.check("C061")
@pytest.mark.parametrize(
    "uri",
    ["/chats/..%2fusers", "/chats/../users/me", "//chats", "/chats;a=1", "https://api.example.com/chats", "chats", "*"],
)
async def test_a_path_that_could_be_read_in_two_ways_is_no_operation(
    client: httpx2.AsyncClient, key: str, uri: str
) -> None:
    assert (await client.get(AUTH, headers=_asked(key, f"GET {uri}"))).status_code == 404


@pytest.mark.check("C011")
async def test_the_last_hop_is_the_caller(scene: Scene, client: httpx2.AsyncClient) -> None:
    """What stands before it a caller may have written; of several headers the last counts."""
    key = scene.key(addresses=("192.0.2.0/24",)).decode()
    asked = [item for item in _asked(key).items() if item[0] != "X-Forwarded-For"]
    for hops, status in {
        ("192.0.2.7",): 200,
        ("203.0.113.9",): 403,
        ("192.0.2.7, 203.0.113.9",): 403,
        ("203.0.113.9, 192.0.2.7",): 200,
        ("192.0.2.7", "203.0.113.9"): 403,
        ("nobody",): 403,
        (): 403,
    }.items():
        headers = [*asked, *(("X-Forwarded-For", hop) for hop in hops)]
        assert (await client.get(AUTH, headers=headers)).status_code == status, hops


@pytest.mark.req("R200")
@pytest.mark.check("C012")
async def test_the_environment_is_part_of_the_address(scene: Scene, client: httpx2.AsyncClient) -> None:
    live, test = scene.key("ann").decode(), scene.key("bob", environment="test").decode()
    statuses = {
        (place, name): (await client.get(f"{AUTH}{place}", headers=_asked(key))).status_code
        for place in ("", "/live", "/test", "/staging", "/")
        for name, key in (("live", live), ("test", test))
    }
    assert {place for place, status in statuses.items() if status == 200} == {
        ("", "live"),
        ("/live", "live"),
        ("/test", "test"),
    }
    assert {status for (place, _), status in statuses.items() if place in ("/staging", "/")} == {404}
    assert {status for (place, _), status in statuses.items() if place in ("", "/live", "/test")} == {200, 403}


async def test_an_environment_that_a_profile_brings_later_has_an_address_at_once(
    new_scene: NewScene, new_client: NewClient
) -> None:
    scene = new_scene(changed(keys__classes__secret__prefixes={"live": "fvak_"}))
    client = new_client(scene)
    assert (await client.get(f"{AUTH}/test", headers=_asked(None))).status_code == 404
    scene.app.act(apis.apply_profile, scene.api, changed())
    key = scene.key(environment="test").decode()
    assert (await client.get(f"{AUTH}/test", headers=_asked(key))).status_code == 200


async def test_a_key_of_another_api_is_unknown(scene: Scene, client: httpx2.AsyncClient) -> None:
    scene.app.act(apis.create, "another", changed())
    scene.owner("ann")
    other = scene.app.act(keys.issue, keys.NewKey("another", "ann", "a key", scopes=("read:chat",)))
    answer = await client.get(AUTH, headers=_asked(other.text))
    assert (answer.status_code, answer.json()["code"]) == (401, "credential_invalid")
    unknown = await client.get("/gate/auth/another", headers=_asked(other.text))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "api_unknown")


@pytest.mark.req("R264")
async def test_every_answer_on_a_known_key_names_its_reading(
    scene: Scene, client: httpx2.AsyncClient, key: str
) -> None:
    readings = [(await client.get(AUTH, headers=_asked(key))).headers["limen-reading"] for _ in range(3)]
    assert readings == [scene.house.gate.journal.reading_id(number) for number in (1, 2, 3)]


PEERS: dict[str, tuple[Any, dict[str, str], int]] = {
    "this host": (("127.0.0.1", 1), {}, 200),
    "this host, by IPv6": (("::1", 1), {}, 200),
    "a unix socket": (None, {}, 200),
    "a unix socket, as some servers say": (("", 0), {}, 200),
    "somebody": (("203.0.113.9", 1), {}, 403),
    "somebody with the secret": (("203.0.113.9", 1), {"Limen-Door": "s" * 32}, 200),
    "somebody with another one": (("203.0.113.9", 1), {"Limen-Door": "t" * 32}, 403),
    "somebody with a part of it": (("203.0.113.9", 1), {"Limen-Door": "s" * 31}, 403),
    "somebody with none": (("203.0.113.9", 1), {"Limen-Door": ""}, 403),
    "no address": (("somewhere", 1), {}, 403),
}


@pytest.mark.parametrize(("peer", "sent", "status"), PEERS.values(), ids=PEERS)
async def test_the_door_answers_listed_peers_and_holders_of_its_secret(
    scene: Scene, new_client: NewClient, key: str, peer: Any, sent: dict[str, str], status: int
) -> None:
    client = new_client(scene, peer, b"s" * 32)
    for path in (AUTH, "/livez", "/readyz", "/nowhere", "/gate/verify"):
        answer = await client.get(path, headers={**_asked(key), **sent})
        assert (answer.status_code == 403) == (status == 403), path
        if status == 403:
            assert answer.json()["code"] == "peer_not_allowed"


async def test_a_door_without_a_secret_answers_nobody_else_whatever_is_sent(
    scene: Scene, new_client: NewClient, key: str
) -> None:
    client = new_client(scene, ("203.0.113.9", 1))
    for secret in ("", "None", "s" * 32):
        assert (await client.get(AUTH, headers=_asked(key, **{"Limen-Door": secret}))).status_code == 403


async def test_two_secrets_are_none(scene: Scene, new_client: NewClient, key: str) -> None:
    client = new_client(scene, ("203.0.113.9", 1), b"s" * 32)
    headers = [*_asked(key).items(), ("Limen-Door", "s" * 32), ("Limen-Door", "t" * 32)]
    assert (await client.get(AUTH, headers=headers)).status_code == 403


async def test_the_peers_are_a_setting(new_scene: NewScene, new_client: NewClient) -> None:
    scene = new_scene(gate_peers=(ip_network("10.0.0.0/8"),))
    for peer, status in {"10.1.2.3": 401, "::ffff:10.1.2.3": 401, "127.0.0.1": 403}.items():
        assert (await new_client(scene, (peer, 1)).get(AUTH, headers=_asked(None))).status_code == status


async def test_more_headers_than_are_looked_at_are_refused(client: httpx2.AsyncClient, key: str) -> None:
    headers = [*_asked(key).items(), *((f"x-{number}", "1") for number in range(10_000))]
    answer = await client.get(AUTH, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


@pytest.mark.sqlite  # elsewhere what counts is down as well: tests/cluster
async def test_while_the_store_is_down_what_is_not_known_is_unavailable(
    scene: Scene, client: httpx2.AsyncClient, key: str
) -> None:
    assert (await client.get(AUTH, headers=_asked(key))).status_code == 200
    cold = scene.key("bob").decode()
    assert (await client.get(AUTH, headers=_asked(key))).status_code == 200
    with scene.down():
        answer = await client.get(AUTH, headers=_asked(cold))
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
        assert (await client.get(AUTH, headers=_asked(key))).status_code == 200
    assert (await client.get(AUTH, headers=_asked(cold))).status_code == 200


@pytest.mark.check("C042")
async def test_no_answer_holds_a_key(scene: Scene, client: httpx2.AsyncClient, key: str) -> None:
    secret = key[17:-6]
    for headers in (
        _asked(key),
        _asked(key, f"GET /chats?api_key={key}"),
        _asked(key, f"GET /{key}"),
        _asked(key, f"{key} /chats"),
        _asked(key + "x"),
        _asked(f"Bearer {key}"),
        _asked(key, **{"X-Fanvue-API-Version": key}),
        _asked(key, **{"X-Forwarded-Proto": key}),
        _asked(None, f"GET /{key}"),
    ):
        answer = await client.get(f"{AUTH}", headers=headers)
        assert secret not in answer.text
        assert secret not in str(answer.headers.raw)
    assert secret not in (await client.get(f"/gate/auth/{key}", headers=_asked(key))).text
    assert secret not in (await client.get(f"/{key}", headers=_asked(key))).text
