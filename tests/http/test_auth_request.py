"""Forward authentication for nginx: the same decisions, and refusals that it can hand on."""

from __future__ import annotations

import httpx2
import pytest

from limen.control import keys
from tests.gate.scene import VERSION, Scene
from tests.http.conftest import NewClient

PLAIN, FOR_NGINX = "/gate/auth/creator", "/gate/auth-request/creator"
KEY = "X-Fanvue-API-Key"


def _asked(key: str | None = None, uri: str = "/chats", **more: str) -> dict[str, str]:
    found = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": uri, "X-Forwarded-Proto": "https"}
    found |= {"X-Fanvue-API-Version": VERSION} | {name.replace("_", "-"): value for name, value in more.items()}
    return found | ({} if key is None else {KEY: key})


async def test_who_is_admitted_is_told_as_to_any_proxy(client: httpx2.AsyncClient, key: str) -> None:
    for address in (FOR_NGINX, f"{FOR_NGINX}/live"):
        answer = await client.get(address, headers=_asked(key))
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Limen-Key"] == key[5:17]
        assert answer.headers["Limen-Reading"]
        assert {"limen-status", "limen-body"} & set(answer.headers) == set()
    answer = await client.get(FOR_NGINX, headers=_asked(uri="/openapi.json"))
    assert (answer.status_code, answer.headers["Limen-Owner"]) == (200, "")


async def test_a_refusal_is_403_and_says_what_the_caller_is_to_see(
    client: httpx2.AsyncClient, scene: Scene, key: str
) -> None:
    other = {"X_Fanvue_API_Version": "2031-01-01"}
    for status, asked in (
        (401, _asked()),
        (401, _asked(key[:-1])),
        (403, _asked(key, "/users/me")),
        (404, _asked(key, "/nowhere")),
        (400, _asked(key, **other)),
        (403, _asked(key) | {"X-Forwarded-Proto": "http"}),
        (400, {}),
        (404, _asked(uri="/nowhere", Origin="null", Access_Control_Request_Method="GET", X_Forwarded_Method="OPTIONS")),
    ):
        plain = await client.get(PLAIN, headers=asked)
        found = await client.get(FOR_NGINX, headers=asked)
        assert (plain.status_code, found.status_code) == (status, 403)
        assert found.headers["Limen-Status"] == str(status)
        assert found.headers["Limen-Body"].encode("latin-1") == plain.content == found.content
        for name in ("WWW-Authenticate", "Cache-Control", "Content-Type"):
            assert found.headers.get(name) == plain.headers.get(name)
    scene.app.act(keys.revoke, key[5:17])
    answer = await client.get(FOR_NGINX, headers=_asked(key))
    assert (answer.headers["Limen-Status"], answer.json()["code"]) == ("401", "key_revoked")


@pytest.mark.req("R121")
async def test_when_to_come_again_is_told(client: httpx2.AsyncClient, scene: Scene, key: str) -> None:
    answer = await client.get(FOR_NGINX, headers=_asked(key))
    for _ in range(int(answer.headers["X-RateLimit-Remaining"]) + 1):
        answer = await client.get(FOR_NGINX, headers=_asked(key))
    assert (answer.status_code, answer.headers["Limen-Status"]) == (403, "429")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-RateLimit-Remaining"] == "0"


async def test_no_header_has_what_a_header_may_not_hold(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.get(FOR_NGINX, headers=_asked(key) | {"X-Fanvue-API-Version": "20\x7f"})
    assert answer.headers["Limen-Status"] == "400"
    assert "\x7f" not in answer.headers["Limen-Body"]
    assert '"version' in answer.headers["Limen-Body"]


async def test_what_is_not_there_and_who_may_not_ask_are_refused_alike(
    client: httpx2.AsyncClient, scene: Scene, new_client: NewClient, key: str
) -> None:
    for address in ("/gate/auth-request/nowhere", "/gate/auth-request/creator/nowhere", "/gate/auth-request/"):
        answer = await client.get(address, headers=_asked(key))
        assert (answer.status_code, answer.headers["Limen-Status"]) == (403, "404")
    far = new_client(scene, peer=("203.0.113.5", 1))
    answer = await far.get(FOR_NGINX, headers=_asked(key))
    assert (answer.status_code, answer.json()["code"]) == (403, "peer_not_allowed")
    assert (await client.get("/gate/auth-requests", headers=_asked(key))).status_code == 404
