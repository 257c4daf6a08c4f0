"""``POST /gate/verify`` and ``POST /gate/outcomes``: what is asked, what is answered, and what is no question."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limen.core.problems import PROBLEMS
from limen.drain import drain
from tests.gate.scene import LIMIT, VERSION, NewScene, Scene, changed, noise
from tests.http.conftest import NewClient

VERIFY, OUTCOMES = "/gate/verify", "/gate/outcomes"


def _asked(key: str | None, **changes: Any) -> dict[str, Any]:
    usual = {"api": "creator", "credential": key, "method": "GET", "path": "/chats", "version": VERSION}
    return usual | changes


@pytest.mark.req("R3", "R49")
@pytest.mark.check("C037")
async def test_the_verdict_is_answered_with_all_that_is_known(scene: Scene, client: httpx2.AsyncClient) -> None:
    issued = scene.issued(scopes=("read:self", "read:chat"))
    answer = await client.post(VERIFY, json=_asked(issued.text))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    said = answer.json()
    now = scene.app.clock.read()[0]
    assert now + 58 <= said.pop("reset") <= now + 61
    assert said.pop("headers")["x-ratelimit-remaining"] == str(LIMIT - 1)
    assert said == {
        "admitted": True,
        "code": "ok",
        "status": 200,
        "reading": scene.house.gate.journal.reading_id(1),
        "operation": "listChats",
        "owner": "ann",
        "ownerType": "user",
        "key": issued.key.key,
        "application": None,
        "scopes": ["read:self", "read:chat"],
        "environment": "live",
        "plan": None,
        "version": VERSION,
        "limit": LIMIT,
        "remaining": LIMIT - 1,
        "body": None,
    }


@pytest.mark.req("R52", "R53", "R78", "R79", "R80")
async def test_a_refusal_is_an_answer_too_and_says_how_to_write_it_to_the_caller(
    client: httpx2.AsyncClient, key: str
) -> None:
    cases: dict[str, tuple[dict[str, Any], int]] = {
        "credential_missing": (_asked(None), 401),
        "credential_malformed": (_asked("noise"), 401),
        "credential_invalid": (_asked(next(noise(1)).decode()), 401),
        "environment_mismatch": (_asked(key, environment="test"), 403),
        "operation_unknown": (_asked(key, path="/nowhere"), 404),
        "version_missing": (_asked(key, version=None), 400),
        "version_malformed": (_asked(key, version="v1"), 400),
        "scope_missing": (_asked(key, method="POST"), 403),
    }
    for code, (asked, status) in cases.items():
        answer = await client.post(VERIFY, json=asked)
        assert answer.status_code == 200, "the question was answered"
        said = answer.json()
        assert (said["admitted"], said["code"], said["status"]) == (False, code, status)
        assert (said["body"]["code"], said["body"]["status"]) == (code, status)
        assert said["headers"]["cache-control"] == "no-store"
        assert ("www-authenticate" in said["headers"]) == (status == 401 or code == "scope_missing")
        assert (said["owner"] is None) == code.startswith("credential")


@pytest.mark.check("C011")
async def test_address_and_origin_are_what_the_asker_says_they_are(new_scene: NewScene, new_client: NewClient) -> None:
    scene = new_scene(changed(keys__classes__secret__origins=True))
    client = new_client(scene)
    key = scene.key(addresses=("192.0.2.0/24",), origins=("https://a.example",)).decode()
    for address, origin, code in [
        ("192.0.2.7", "https://a.example", "ok"),
        ("192.0.2.7", "https://b.example", "origin_not_allowed"),
        ("203.0.113.9", "https://a.example", "address_not_allowed"),
        (None, "https://a.example", "address_not_allowed"),
        ("192.0.2.7", None, "origin_not_allowed"),
    ]:
        answer = await client.post(VERIFY, json=_asked(key, address=address, origin=origin))
        assert answer.json()["code"] == code


async def test_a_version_in_the_path_and_a_query_are_read_where_they_stand(
    new_scene: NewScene, new_client: NewClient
) -> None:
    scene = new_scene(changed("organisation"), api="organisation")
    client, key = new_client(scene), scene.key(scopes=("read:experiences",)).decode()
    for path, code in {
        "/v1/experiences?a=1": "ok",
        "/experiences": "version_missing",
        "/v9/experiences": "version_unknown",
    }.items():
        asked = {"api": "organisation", "credential": key, "method": "GET", "path": path}
        assert (await client.post(VERIFY, json=asked)).json()["code"] == code


async def test_another_api_is_told_that_it_is_not_known_here(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.post(VERIFY, json=_asked(key, api="another"))
    assert (answer.status_code, answer.json()["code"]) == (404, "api_unknown")


NO_QUESTION: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "another value": b"[]",
    "a number": b"1",
    "null": b"null",
    "nothing in it": b"{}",
    "invalid UTF-8": b'{"api": "\xff\xfe", "method": "GET", "path": "/"}',
    "half a surrogate": rb'{"api": "creator", "method": "GET", "path": "/", "credential": "\ud800"}',
    "an unknown field": b'{"api": "creator", "method": "GET", "path": "/", "admin": true}',
    "a wrong type": b'{"api": "creator", "method": "GET", "path": 1}',
    "a credential that is a list": b'{"api": "creator", "method": "GET", "path": "/", "credential": ["k"]}',
    "no path": b'{"api": "creator", "method": "GET"}',
    "a path from nowhere": b'{"api": "creator", "method": "GET", "path": "chats"}',
    "a method that is none": b'{"api": "creator", "method": "GET /", "path": "/"}',
    "a long method": b'{"api": "creator", "method": "%s", "path": "/"}' % (b"G" * 100),
    "a long path": b'{"api": "creator", "method": "GET", "path": "/%s"}' % (b"x" * 10_000),
    "more behind it": b'{"api": "creator", "method": "GET", "path": "/"} {}',
    "nested deeply": b'{"api": ' + b"[" * 100_000,
}


@pytest.mark.check("C042", "C054", "C055")
@pytest.mark.parametrize("body", NO_QUESTION.values(), ids=NO_QUESTION)
async def test_what_is_no_question_is_refused_with_a_reason(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post(VERIFY, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")
    assert answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


@pytest.mark.check("C055")
@pytest.mark.parametrize("path", [VERIFY, OUTCOMES])
async def test_a_body_is_read_no_further_than_it_may_go(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=b'{"api": "' + b"x" * 300_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")

    async def endless() -> Any:
        for _ in range(10_000):
            yield b"x" * 65_536
        raise AssertionError("read to the end")

    assert (await client.post(path, content=endless())).status_code == 413


@pytest.mark.check("C043")
@pytest.mark.parametrize("path", [VERIFY, OUTCOMES])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS"])
async def test_another_method_is_told_which_is_allowed(client: httpx2.AsyncClient, path: str, method: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/gate", "/gate/verify/", "/gate/auth", "/v1/keys", "/docs"])
async def test_nothing_else_is_there(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {
            "api": st.just("creator") | st.text(max_size=10),
            "method": st.sampled_from(["GET", "get", "X" * 16, "TRACE"]),
        },
        optional={
            "path": st.text(max_size=40).map(lambda path: "/" + path),
            "credential": st.none() | st.text(max_size=80) | st.just("fvak_" + "a" * 50),
            "environment": st.none() | st.text(max_size=10),
            "version": st.none() | st.text(max_size=20),
            "address": st.none() | st.text(max_size=70) | st.just("9" * 50_000 + ".1"),
            "origin": st.none() | st.text(max_size=30),
        },
    )
)
async def test_whatever_is_asked_is_answered_and_can_be_drained(
    client: httpx2.AsyncClient, scene: Scene, asked: dict[str, Any]
) -> None:
    answer = await client.post(VERIFY, json=asked)
    assert answer.status_code in (200, 400, 404)
    assert answer.json()["code"] in {*PROBLEMS, "ok"}
    scene.house.gate.strangers.flush()
    drain(scene.app)


async def test_no_answer_repeats_a_key(client: httpx2.AsyncClient, key: str) -> None:
    secret = key[17:-6]
    bodies = [
        _asked(key),
        _asked(key, method="POST"),
        _asked(key + "x"),
        _asked(None, path=f"/{key}"),
        _asked(key, version=key),
        _asked(None, api=key),
        _asked(key, credential=[key]),
        _asked(key, environment=key),
        _asked(None, **{key: 1}),
    ]
    for body in bodies:
        answer = await client.post(VERIFY, json=body)
        assert secret not in answer.text
    assert secret not in (await client.post(VERIFY, content=key.encode())).text
    outcome = {"outcomes": [{"reading": key, "status": 200}]}
    assert secret not in (await client.post(OUTCOMES, json=outcome)).text


async def _reading(client: httpx2.AsyncClient, key: str) -> str:
    return str((await client.post(VERIFY, json=_asked(key))).json()["reading"])


def _told(*outcomes: tuple[str, Any]) -> dict[str, Any]:
    return {"outcomes": [{"reading": reading, "status": status} for reading, status in outcomes]}


def _statuses(scene: Scene) -> list[tuple[str, int]]:
    """The status that is recorded of each reading, in the order of their numbers."""
    found = scene.rows(
        "select incarnation, number, status from readings where status is not null"
        " union select incarnation, number, status from outcomes where not exists (select 1 from readings"
        " where readings.incarnation = outcomes.incarnation and readings.number = outcomes.number)"
        " order by incarnation, number"
    )
    return [(f"{incarnation:012x}-{number:x}", status) for incarnation, number, status in found]


@pytest.mark.req("R264")
async def test_what_the_api_answered_is_recorded_with_its_reading(
    scene: Scene, client: httpx2.AsyncClient, key: str
) -> None:
    readings = [await _reading(client, key) for _ in range(3)]
    told = _told((readings[0], 200), (readings[1], 404), (readings[2], 503))
    answer = await client.post(OUTCOMES, json=told)
    assert (answer.status_code, answer.json()) == (202, {"recorded": 3})
    assert _statuses(scene) == list(zip(readings, [200, 404, 503], strict=True))
    joined = "select count(*) from readings where code = 'ok' and status is not null"
    assert scene.rows(joined) == [(3,)]


@pytest.mark.req("R264")
async def test_told_twice_the_first_stands(scene: Scene, client: httpx2.AsyncClient, key: str) -> None:
    reading = await _reading(client, key)
    for status in (200, 500):
        assert (await client.post(OUTCOMES, json=_told((reading, status)))).status_code == 202
    assert _statuses(scene) == [(reading, 200)]
    assert (await client.post(OUTCOMES, json=_told((reading, 404)))).status_code == 202
    assert _statuses(scene) == [(reading, 200)]


async def test_a_reading_of_another_process_keeps_its_name(scene: Scene, client: httpx2.AsyncClient, key: str) -> None:
    """It was given before this process started, or by the gate of another API. Zero is a process like any other."""
    await _reading(client, key)
    foreign = ["000000000000-1", "0123456789ab-1f", "ffffffffffff-1"]
    answer = await client.post(OUTCOMES, json=_told(*((reading, 200) for reading in foreign)))
    assert answer.json() == {"recorded": 3}
    assert _statuses(scene) == [(reading, 200) for reading in foreign]


WRONG: dict[str, list[tuple[str, Any]]] = {
    "no reading": [("", 200)],
    "a short one": [("0123456789a-1", 200)],
    "no number": [("0123456789ab-", 200)],
    "upper case": [("0123456789AB-1", 200)],
    "a number beyond what can be stored": [("0123456789ab-ffffffffffffffff", 200)],
    "something behind it": [("0123456789ab-1\n", 200)],
    "digits of another script": [("0123456789ab-\N{ARABIC-INDIC DIGIT ONE}", 200)],
    "a status that is none": [("0123456789ab-1", 99)],
    "a status beyond them": [("0123456789ab-1", 600)],
    "a negative one": [("0123456789ab-1", -1)],
    "a status in words": [("0123456789ab-1", "OK")],
    "half a status": [("0123456789ab-1", 200.5)],
    "a true one": [("0123456789ab-1", True)],
}


@pytest.mark.check("C054", "C055")
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_of_outcomes_with_a_mistake_among_them_nothing_is_recorded(
    scene: Scene, client: httpx2.AsyncClient, wrong: list[tuple[str, Any]]
) -> None:
    good = ("0123456789ab-1", 200)
    answer = await client.post(OUTCOMES, json=_told(good, *wrong, good))
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")
    assert scene.rows("select * from outcomes") == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"outcomes": 1}', b'{"outcomes": [1]}', b'{"outcomes": [], "x": 1}']
)
async def test_what_is_no_list_of_outcomes_is_refused(client: httpx2.AsyncClient, body: bytes) -> None:
    assert (await client.post(OUTCOMES, content=body)).status_code == 400


@pytest.mark.check("C055")
async def test_more_than_a_thousand_outcomes_are_too_many(scene: Scene, client: httpx2.AsyncClient) -> None:
    many = [(f"0123456789ab-{number:x}", 200) for number in range(1, 1_002)]
    assert (await client.post(OUTCOMES, json=_told(*many))).status_code == 400
    assert scene.rows("select * from outcomes") == []
    assert (await client.post(OUTCOMES, json=_told(*many[:1_000]))).json() == {"recorded": 1_000}
    assert len(scene.rows("select * from outcomes")) == 1_000


async def test_no_outcomes_are_recorded_at_once(client: httpx2.AsyncClient) -> None:
    answer = await client.post(OUTCOMES, content=json.dumps({"outcomes": []}))
    assert (answer.status_code, answer.json()) == (202, {"recorded": 0})


async def test_a_journal_that_is_full_says_so(new_scene: NewScene, new_client: NewClient) -> None:
    scene = new_scene(segments=2)
    client = new_client(scene)
    many = [(f"0123456789ab-{number:x}", 200) for number in range(1, 1_001)]
    statuses = [(await client.post(OUTCOMES, json=_told(*many))).status_code for _ in range(6)]
    assert statuses[0] == 202
    assert statuses[-1] == 503
    drain(scene.app)
    assert (await client.post(OUTCOMES, json=_told(*many))).status_code == 202
    assert len(scene.rows("select * from outcomes")) == 1_000
