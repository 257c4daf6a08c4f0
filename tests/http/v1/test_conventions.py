"""What holds for every route: who has no key, what is no request, and how everything is answered."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

from limen.drain import drain
from limen.http.body import MAX_BODY_BYTES
from tests.gate.scene import noise
from tests.guard.served import ask
from tests.http.v1.house import PROFILE, Caller, House

OWNER = {"kind": "user"}


@pytest.mark.req("R52", "R79")
@pytest.mark.parametrize("operation", [each for each in PROFILE.operations if not each.public], ids=lambda o: o.name)
async def test_without_a_key_nothing_is_answered(house: House, operation) -> None:
    path = operation.path.removeprefix("/v1").replace("{", "").replace("}", "")
    await house.stranger().refused("credential_missing", operation.method, path)


async def test_an_unknown_key_is_refused(house: House) -> None:
    (text,) = noise(1, "limen_sk_")
    caller = house.stranger()
    caller.headers["Authorization"] = f"Bearer {text.decode()}"
    await caller.refused("credential_invalid", "GET", "/me")


async def test_a_key_of_another_api_is_none_here(house: House) -> None:
    other = Caller(house, house.key(house.user()))
    await other.refused("credential_malformed", "GET", "/me")


async def test_who_calls(house: House) -> None:
    staff = house.staff("read:keys", "read:apis")
    assert staff.held is not None
    assert await staff.get("/me") == {
        "kind": "staff",
        "owner": staff.owner,
        "key": staff.held.key.key,
        "scopes": ["read:apis", "read:keys"],
    }
    member = house.member()
    assert (await member.get("/me"))["kind"] == "member"
    user = house.user()
    acted = await staff.acting_for(user).get("/me")
    assert (acted["kind"], acted["owner"], acted["key"]) == ("member", user, staff.held.key.key)


async def test_only_staff_act_for_somebody_and_for_one_active_user(house: House, staff: Caller) -> None:
    user, firm = house.user(), house.firm()
    await house.member().acting_for(user).refused("act_for_refused", "GET", "/me")
    await staff.acting_for("nobody").refused("owner_unknown", "GET", "/me")
    await staff.acting_for(firm).refused("owner_type_wrong", "GET", "/me")
    await staff.do("POST", f"/owners/{user}/suspend", {"reason": "abuse"})
    await staff.acting_for(user).refused("owner_suspended", "GET", "/me")
    held = f"Bearer {staff.held.text}".encode() if staff.held else b""
    twice = [(b"authorization", held), (b"limen-act-for", b"u-1"), (b"limen-act-for", b"u-2")]
    assert (await ask(house.public, b"/v1/me", twice)).body["code"] == "request_malformed"


async def test_an_address_that_is_not_there(house: House, staff: Caller) -> None:
    await staff.refused("operation_unknown", "GET", "/nowhere")
    await house.stranger().refused("credential_missing", "GET", "/nowhere")
    assert (await ask(house.public, b"/v2/keys")).body["code"] == "not_found"


async def test_a_method_that_an_address_does_not_answer_is_told_with_those_it_does(house: House) -> None:
    for method, path, allowed in (
        ("PUT", "/keys", "GET, POST, HEAD"),
        ("DELETE", "/me", "GET, HEAD"),
        ("OPTIONS", "/keys/x/revoke", "POST"),
    ):
        answer = await house.stranger()(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_head_is_get_without_the_body(staff: Caller) -> None:
    got, head = await staff("GET", "/me"), await staff("HEAD", "/me")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.check("C053")
@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "limit=1&limit=1", "limi%74=1&limit=2", "api=a&limit=3&api=a"], ids=lambda q: q
)
async def test_a_query_that_names_something_twice_is_refused(staff: Caller, query: str) -> None:
    await staff.refused("request_malformed", "GET", f"/keys?{query}")


@pytest.mark.check("C053")
@pytest.mark.parametrize(
    "sent", [b'{"kind":"user","kind":"user"}', b'{"api":"x","profile":{"a":{"b":1,"b":2}}}'], ids=["outside", "inside"]
)
async def test_a_body_that_names_something_twice_is_refused(staff: Caller, sent: bytes) -> None:
    await staff.refused(
        "request_malformed", "POST", "/apis", content=sent, headers={"Content-Type": "application/json"}
    )


@pytest.mark.check("C054")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/owners", OWNER | {"surprise": 1}),
        ("GET", "/keys?surprise=1", None),
        ("GET", "/me?surprise=1", None),
        ("GET", "/apis/creator?surprise", None),
        ("POST", "/owners?surprise=1", OWNER),
        ("POST", "/owners/u/restore", {}),
        ("DELETE", "/settings/replies.hours", {"value": 1}),
    ],
)
async def test_what_is_not_documented_is_refused_and_not_repeated(staff: Caller, method, path, body) -> None:
    problem = await staff.refused("request_malformed", method, path, body)
    assert "surprise" not in json.dumps(problem)


async def test_what_is_wrong_is_told_place_by_place_without_what_was_sent(staff: Caller) -> None:
    sent = {"kind": "fvak_secret", "name": 17, "owner": ["fvak_secret"]}
    problem = await staff.refused("request_malformed", "POST", "/owners", sent)
    told = {each["path"]: each["allowed"] for each in problem["errors"]}
    assert set(told) == {"body.kind", "body.name", "body.owner"}
    assert "'user' or 'organisation'" in told["body.kind"]
    assert "secret" not in json.dumps(problem)
    missing = await staff.refused("request_malformed", "POST", "/owners", {})
    assert missing["errors"] == [{"path": "body.kind", "found": "nothing", "allowed": "it is required"}]


@pytest.mark.check("C052")
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", None])
async def test_a_body_of_another_type_is_refused(staff: Caller, media: str | None) -> None:
    headers = {"Content-Type": media} if media else {}
    await staff.refused("media_type_unsupported", "POST", "/owners", content=b'{"kind":"user"}', headers=headers)


@pytest.mark.check("C052")
@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8", "application/hal+json"])
async def test_json_by_any_of_its_names_is_read(staff: Caller, media: str) -> None:
    await staff.do("POST", "/owners", content=b'{"kind":"user"}', headers={"Content-Type": media})


@pytest.mark.check("C055")
async def test_a_body_is_read_no_further_than_it_may_go(staff: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    fits = json.dumps(OWNER).encode().ljust(MAX_BODY_BYTES)
    await staff.refused("request_too_large", "POST", "/owners", content=fits + b" ", headers=headers)
    await staff.do("POST", "/owners", content=fits, headers=headers)


@pytest.mark.check("C055")
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "limit=1e2"])
async def test_a_page_has_1_to_200_items(staff: Caller, query: str) -> None:
    await staff.refused("request_malformed", "GET", f"/owners?{query}")


@pytest.mark.parametrize(
    "sent",
    [
        b"{",
        b"\xff\xfe",
        b'{"kind":NaN}',
        b'{"kind":"user","name":"\\ud800"}',
        b"[" * 100_000,
        b"null",
        b'"user"',
        b"[]",
        b'{"kind":"user"}{"kind":"user"}',
    ],
    ids=lambda sent: str(sent[:20]),
)
async def test_what_is_no_json_that_all_read_alike_is_refused(staff: Caller, sent: bytes) -> None:
    await staff.refused(
        "request_malformed", "POST", "/owners", content=sent, headers={"Content-Type": "application/json"}
    )


@pytest.mark.check("C055")
async def test_when_a_route_breaks_nothing_of_how_is_told(
    house: House, staff: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    made = house.key(house.user())
    house.execute("update keys set limits = 'nonsense' where key = ?", made.key.key)
    problem = await staff.refused("broken", "GET", f"/keys/{made.key.key}")
    assert problem["detail"] == "Limen failed at this, by a fault of its own. Nothing has changed."
    assert "Traceback" in caplog.text
    house.execute("update keys set limits = null where key = ?", made.key.key)
    assert (await staff.get(f"/keys/{made.key.key}"))["limits"] == ""


async def test_plain_http_from_elsewhere_is_refused(house: House) -> None:
    answered = await ask(house.public, b"/v1/me", client=("203.0.113.9", 1))
    assert (answered.status, answered.body["code"]) == (403, "https_required")


async def test_whence_a_change_came_is_in_the_audit(house: House, staff: Caller) -> None:
    away = Caller(house, staff.held, peer="203.0.113.9")
    user = (await away.do("POST", "/owners", OWNER))["owner"]
    (entry,) = (await staff.get(f"/audit?subject={user}"))["items"]
    assert staff.held is not None
    assert entry["actor"] == f"staff:{staff.owner}/{staff.held.key.key}"
    assert entry["personal"]["origin"] == "203.0.113.9"
    firm = house.firm(owner=user)
    invited = await staff.acting_for(user).do(
        "POST", f"/owners/{firm}/invitations", {"email": "a@example.com", "role": "viewer"}
    )
    assert invited["invitation"]["invited_by"] == f"member:{user}"


async def test_the_database_cannot_be_read(house: House, staff: Caller) -> None:
    await staff.get("/owners")
    with house.down():
        answer = await staff("GET", "/owners")
        said = "store_down" if house.app.settings.on_one_host else "unavailable"  # the request cannot be counted either
        assert (answer.status_code, answer.json()["code"]) == (503, said)
    for _ in range(100):
        if (await staff("GET", "/owners")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    pytest.fail("it does not come back")


async def test_the_limit_of_a_key(house: House, staff: Caller) -> None:
    few = house.staff("read:apis")
    await staff.do("PUT", f"/owners/{few.owner}/standings/limen", {"limits": "2 per 60 s"})
    answers: list[httpx2.Response] = [await few("GET", "/apis") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["x-ratelimit-remaining"] == "1"


async def test_of_half_a_request_nothing_is_done(house: House, staff: Caller) -> None:
    """A caller that leaves while it sends: what came so far could be read as another request."""
    key = house.key(house.user()).key.key
    assert staff.held is not None
    said: list[object] = []
    sent = iter([{"type": "http.request", "body": b"", "more_body": True}, {"type": "http.disconnect"}])
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": f"/v1/keys/{key}/revoke",
        "raw_path": f"/v1/keys/{key}/revoke".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {staff.held.text}".encode()), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> dict[str, object]:
        return next(sent)

    async def send(message: object) -> None:
        said.append(message)

    await house.public(scope, receive, send)  # type: ignore[arg-type]
    assert said == []
    assert (await staff.get(f"/keys/{key}"))["state"] == "active"


@pytest.mark.check("C020")
async def test_a_key_that_is_sent_where_none_belongs_is_repeated_nowhere(house: House, staff: Caller) -> None:
    text = house.key(house.user()).text
    answers = [
        await staff("GET", f"/keys/{text}"),
        await staff("POST", f"/keys/{text[:9]}%{ord(text[9]):x}{text[10:]}/revoke"),
        await staff("GET", f"/owners?name={text}"),
        await staff("GET", f"/keys?owner={text}&state={text}"),
        await staff("GET", f"/readings?key={text}"),
        await staff("GET", f"/audit?since={text}"),
        await staff("GET", f"/keys?after={text}"),
        await staff("PATCH", "/apis/creator", {"emergency": text}),
        await staff("PUT", f"/settings/{text[:20]}", {"value": text}),
        await staff("PUT", "/settings/replies.hours", {"value": text}),
        await staff("POST", "/keys", {"api": text[:32], "owner": text, "name": text, "scopes": [text]}),
        await staff("POST", "/keys", {"api": "creator", "owner": house.user(), "name": text, "scopes": [text]}),
        await staff("POST", "/apis", {"api": text, "profile": {text: text}}),
        await staff("POST", "/owners", {"kind": "user", "owner": f"!{text}", text: text}),
    ]
    for answer in answers:
        assert text[17:] not in answer.text, answer.text
    drain(house.app)
    assert [name for name, content in house.kept().items() if text[17:].encode() in content] == []


async def test_a_literal_address_answers_its_own_methods_alone(staff: Caller) -> None:
    """``/keys/batch`` is no key's address, although ``/keys/{key}`` fits it."""
    answer = await staff("GET", "/keys/batch")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
