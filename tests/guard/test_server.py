"""A guarded application as it runs in life: on a server of its own, in a process of its own, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from limen.control import keys
from limen.core.usage import Outcome
from limen.drain import decode
from tests.db.dump import kept, place_of
from tests.gate.scene import LIMIT, VERSION, Placed, Scene
from tests.guard.listening import environment, free_port, granian, listening, talk
from tests.guard.served import BOTH, profile

pytestmark = pytest.mark.xdist_group("guarded api")  # one server for the whole file


class Served(NamedTuple):
    """A guarded API that answers at a port, and the installation that it was opened with."""

    scene: Scene
    port: int
    client: httpx2.Client
    key: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, placed_once: Placed) -> Iterator[Served]:
    """The FastAPI application, served."""
    folder = tmp_path_factory.mktemp("served")
    scene, port = Scene(folder, profile(), **placed_once(folder)), free_port()
    key = scene.key(scopes=BOTH).decode()
    line = granian("tests.guard.served:create_app", port)
    with (
        listening(line, environment(scene), folder / "log"),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        yield Served(scene, port, client, key)
    scene.close()


def _headers(key: str) -> dict[str, str]:
    return {"X-Fanvue-API-Key": key, "X-Fanvue-API-Version": VERSION}


def _statuses(scene: Scene) -> list[int]:
    found = [decode(number, body) for number, body in scene.entries()]
    return [entry.status for entry in found if isinstance(entry, Outcome)]


@pytest.mark.req("R3", "R52", "R53", "R79", "R80", "R116", "R264")
def test_over_real_http_requests_are_decided_and_their_statuses_journalled(served: Served) -> None:
    sent, client = _headers(served.key), served.client
    before = len(_statuses(served.scene))
    assert client.get("/users/me", headers=sent).json()["owner"] == "ann"
    assert client.get("/chats/none", headers=sent).status_code == 404
    broken = client.get("/chats/broken", headers=sent)
    assert (broken.status_code, "mistake" in broken.text) == (500, False)
    answer = client.head("/chats", headers=sent)
    assert int(answer.headers["x-ratelimit-remaining"]) < LIMIT
    assert _statuses(served.scene)[before:] == [200, 404, 500, 405]
    refused = {
        client.get("/chats").status_code: 401,
        client.post("/chats", headers=sent).status_code: 403,
        client.get("/nowhere", headers=sent).status_code: 404,
        client.get("/chats", headers={"X-Fanvue-API-Key": served.key}).status_code: 400,
    }
    assert all(got == expected for got, expected in refused.items())
    assert client.get("/status").status_code == 200
    assert len(_statuses(served.scene)) == before + 4


@pytest.mark.req("R48", "R69", "R165")
def test_a_revocation_by_another_process_holds_at_the_next_request(served: Served) -> None:
    issued = served.scene.issued("bob")
    sent = _headers(issued.text)
    assert served.client.get("/chats", headers=sent).status_code == 200
    served.scene.app.act(keys.revoke, issued.key.key)
    answer = served.client.get("/chats", headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")


@pytest.mark.check("C061")
@pytest.mark.parametrize(
    "path", ["/chats%2Fx", "/chats/../users/me", "//users/me", "/chats/..%2f..%2fusers%2fme", "/%63hats"]
)
def test_the_path_as_it_came_over_the_wire_decides(served: Served, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Fanvue-API-Key: {served.key}\r\n"
    heard = talk(served.port, f"{request}X-Fanvue-API-Version: {VERSION}\r\n\r\n".encode())
    assert heard.startswith(b"HTTP/1.1 404")
    assert b"application/problem+json" in heard


def _handshake(path: str, *headers: str) -> bytes:
    """The request that opens a WebSocket (RFC 6455 §4.1)."""
    return "\r\n".join(
        [
            f"GET {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *headers,
            "\r\n",
        ]
    ).encode()


@pytest.mark.req("R3")
def test_a_websocket_is_admitted_with_a_key_and_refused_without(served: Served) -> None:
    version = f"X-Fanvue-API-Version: {VERSION}"
    admitted = talk(served.port, _handshake("/live", version, f"X-Fanvue-API-Key: {served.key}"))
    assert admitted.startswith(b"HTTP/1.1 101 ")
    refused = talk(served.port, _handshake("/live", version))
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate:" in refused.lower()
    assert talk(served.port, _handshake("/nowhere", version)).startswith(b"HTTP/1.1 401 ")


@pytest.mark.check("C017")
def test_a_second_authorization_is_seen_as_it_was_sent(served: Served) -> None:
    lines = [f"X-Fanvue-API-Key: {served.key}", "Authorization: Basic eDp5", "Authorization: Basic eDp5"]
    request = "\r\n".join(["GET /chats HTTP/1.1", "Host: x", "Connection: close", *lines, "\r\n"]).encode()
    heard = talk(served.port, request)
    assert heard.startswith(b"HTTP/1.1 400 ")


@pytest.mark.check("C019")
def test_a_key_of_any_length_is_refused_or_the_connection_is_closed(served: Served) -> None:
    for length in (1_000, 100_000, 1_000_000):
        heard = talk(served.port, b"GET /chats HTTP/1.1\r\nHost: x\r\nX-Fanvue-API-Key: " + b"a" * length + b"\r\n\r\n")
        assert heard == b"" or heard.split(b" ", 2)[1] in (b"400", b"401", b"431")
    assert served.client.get("/status").status_code == 200


@pytest.mark.check("C020")
def test_what_the_server_wrote_holds_no_key(served: Served) -> None:
    """Its log, its journal and its database, after requests with the key in every place."""
    served.client.get(f"/chats/{served.key}?api_key={served.key}", headers=_headers(served.key))
    secret = served.key[17:-6].encode()
    settings = served.scene.settings
    written = kept(place_of(settings), settings.pepper_path.parent)
    assert {Path(name).suffix for name in written} >= {".seg", ".db" if settings.on_one_host else "", ""}
    assert [name for name, content in written.items() if secret in content] == []
