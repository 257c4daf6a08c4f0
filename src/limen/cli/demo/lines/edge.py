"""What a proxy asks at the gate's door: bearers, keys in the query, versions in the path, plans."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from limen.cli.demo.cast import COMPANY, PLAN
from limen.cli.demo.ground import DOOR
from limen.cli.demo.scene import RATE, Scene, refused_at_the_door
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, Want, equal, matching, members, text, whole
from limen.cli.demo.wire import ask

PATH = "/v1/experiences"
_READING = matching(r"[0-9a-f]{12}-[0-9a-f]{1,16}")
_PLAN_LIMIT, _PUBLIC_LIMIT = 1000, 60
_BEARER = f'Bearer realm="{DOOR}"'


def _identity(scene: Scene, part: str, scopes: str, environment: str = "live") -> dict[str, Any]:
    """The whole set of headers that tell the API who came."""
    return {
        "Limen-Owner": COMPANY,
        "Limen-Owner-Type": "organisation",
        "Limen-Key": scene.keys[part].key_id,
        "Limen-Application": "",
        "Limen-Scopes": scopes,
        "Limen-Environment": environment,
        "Limen-Plan": PLAN,
        "Limen-Version": "v1",
    }


def _admitted(identity: Mapping[str, Any], limit: int) -> Want:
    now = time.time()
    rate = {RATE[0]: str(limit), RATE[1]: whole(0, limit - 1), RATE[2]: whole(now - 1, now + 63)}
    told = {"Limen-Reading": _READING, "Cache-Control": "no-store", "Deprecation": None}
    return Want("200 with who came", 200, {**identity, **rate, **told}, "", (RATE[0], "Limen-Owner"))


def _bearer(scene: Scene) -> Iterator[Claim]:
    want = _admitted(_identity(scene, "server", "read:experiences write:experiences"), _PLAN_LIMIT)
    yield want.of(scene.forward(PATH, "server"))
    yield want.of(scene.forward(PATH, "server", more=[("Limen-Owner", "somebody-else"), ("Limen-Scopes", "admin")]))


def _query(scene: Scene) -> Iterator[Claim]:
    want = _admitted(_identity(scene, "server", "read:experiences write:experiences"), _PLAN_LIMIT)
    key = scene.keys["server"].text
    yield want.of(scene.forward(f"{PATH}?api_key={key}&page=2"))
    yield want.of(scene.forward(f"{PATH}?page=2&api%5Fkey={key}"))


def _two(scene: Scene) -> Iterator[Claim]:
    key = scene.keys["server"].text
    headers = {"WWW-Authenticate": f'{_BEARER}, error="invalid_request"'}
    want = refused_at_the_door(400, "credential_conflict", headers=headers)
    yield want.of(scene.forward(f"{PATH}?api_key={key}", "server"))
    yield want.of(scene.forward(f"{PATH}?api_key={key}&api_key={key}"))


def _none(scene: Scene) -> Iterator[Claim]:
    yield refused_at_the_door(401, "credential_missing", headers={"WWW-Authenticate": _BEARER}).of(scene.forward(PATH))


def _versions(scene: Scene) -> Iterator[Claim]:
    more = {"supportedVersions": equal(["v1"])}
    for path, code in (
        ("/experiences", "version_missing"),
        ("/v99999/experiences", "version_malformed"),
        ("/v2/experiences", "version_unknown"),
    ):
        yield refused_at_the_door(400, code, more).of(scene.forward(path, "server"))


def _public_class(scene: Scene) -> Iterator[Claim]:
    yield _admitted(_identity(scene, "browser", "read:experiences"), _PUBLIC_LIMIT).of(scene.forward(PATH, "browser"))
    wanted = ["write:experiences"]
    more = {"requiredScopes": equal(wanted), "missingScopes": equal(wanted)}
    headers = {"WWW-Authenticate": f'{_BEARER}, error="insufficient_scope", scope="write:experiences"'}
    yield refused_at_the_door(403, "scope_missing", more, headers).of(scene.forward(PATH, "browser", method="POST"))


def _environments(scene: Scene) -> Iterator[Claim]:
    yield refused_at_the_door(403, "environment_mismatch").of(scene.forward(PATH, "sandbox"))
    scopes = "read:experiences write:experiences read:consumers write:consumers read:analytics"
    want = _admitted(_identity(scene, "sandbox", scopes, "test"), _PLAN_LIMIT)
    yield want.of(scene.forward(PATH, "sandbox", door=f"{DOOR}/test"))
    yield refused_at_the_door(403, "environment_mismatch").of(scene.forward(PATH, "server", door=f"{DOOR}/test"))


def _public_operation(scene: Scene) -> Iterator[Claim]:
    nobody = dict.fromkeys(_identity(scene, "server", ""), "")
    want = Want("200 with nobody", 200, nobody | {"Limen-Reading": ""} | dict.fromkeys(RATE), "")
    yield want.of(scene.forward("/v1/openapi.json"))


def _plain(scene: Scene) -> Iterator[Claim]:
    refused = refused_at_the_door(403, "https_required")
    yield refused.of(scene.forward(PATH, "server", more=[("X-Forwarded-Proto", "http")]))
    want = _admitted(_identity(scene, "server", "read:experiences write:experiences"), _PLAN_LIMIT)
    yield want.of(scene.forward(PATH, "server", more=[("X-Forwarded-Proto", "https")]))


def _by_call(scene: Scene) -> Iterator[Claim]:
    verdict = {
        "admitted": True,
        "code": "ok",
        "status": 200,
        "reading": _READING,
        "operation": "listExperiences",
        "owner": COMPANY,
        "ownerType": "organisation",
        "key": scene.keys["server"].key_id,
        "scopes": equal(["read:experiences", "write:experiences"]),
        "environment": "live",
        "plan": PLAN,
        "version": "v1",
        "limit": _PLAN_LIMIT,
        "remaining": whole(0, _PLAN_LIMIT - 1),
        "reset": whole(time.time() - 1, time.time() + 63),
        "body": None,
    }
    media = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    answer = scene.verify(PATH, "server")
    yield Want("200, admitted", 200, media, members(verdict, others=True)).of(answer)
    refused = {"admitted": False, "code": "scope_missing", "status": 403, "key": scene.keys["browser"].key_id}
    body = members({"status": 403, "code": "scope_missing", "missingScopes": equal(["write:experiences"])}, others=True)
    want = Want("200, refused", 200, media, members(refused | {"body": body, "limit": None}, others=True))
    yield want.of(scene.verify(PATH, "browser", method="POST"))
    outcomes = {"outcomes": [{"reading": answer.data["reading"], "status": 200}]}
    told = ask(scene.at.gate, "POST", "/gate/outcomes", body=outcomes)
    yield Want("202, what the API answered", 202, media, members({"recorded": 1})).of(told)


def _misasked(scene: Scene) -> Iterator[Claim]:
    method, uri = ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", PATH)
    for headers in ([method], [uri], [method, uri, uri]):
        answer = ask(scene.at.gate, "GET", f"/gate/auth/{DOOR}", headers)
        yield refused_at_the_door(400, "request_malformed").of(answer)
    want = refused_at_the_door(404, "api_unknown", {"detail": text})
    yield want.of(scene.forward("/users/me", door="creator"))  # its guard decides for it, in another process


EDGE = (
    Line("at the edge: a key as bearer", _bearer),
    Line("at the edge: a key in the query", _query),
    Line("at the edge: two credentials in one request", _two),
    Line("at the edge: no key", _none),
    Line("at the edge: the version in the path", _versions),
    Line("at the edge: a public key reads, with a lower limit, and may not write", _public_class),
    Line("at the edge: live and test", _environments),
    Line("at the edge: a public operation without a key", _public_operation),
    Line("at the edge: plain HTTP, by a proxy's word", _plain),
    Line("at the edge: a verdict by call, and what came of it", _by_call),
    Line("the gate's door, asked wrongly", _misasked),
)
