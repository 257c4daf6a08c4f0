"""The door's health, and its life on a real server: over a port and through a unix socket, with whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from limen import server
from limen.control import keys
from limen.core.problems import ProblemError
from limen.http.gate import Door
from limen.http.public import Public
from tests.db.dump import kept, place_of
from tests.gate.scene import VERSION, NewScene, Placed, Scene
from tests.guard.listening import environment, free_port, listening, talk
from tests.guard.served import ask
from tests.http.conftest import NewClient

AUTH = "/gate/auth/creator"
pytestmark = pytest.mark.xdist_group("gate door")  # one server for the whole file


async def test_a_door_is_alive_and_ready_while_it_can_decide(
    scene: Scene, client: httpx2.AsyncClient, key: str
) -> None:
    scene.code(key.encode())
    for path in ("/livez", "/readyz"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "waiting": []})
        assert answer.headers["cache-control"] == "no-store"


async def test_a_door_that_cannot_learn_what_has_changed_is_alive_and_not_ready(
    scene: Scene, client: httpx2.AsyncClient, key: str
) -> None:
    scene.code(key.encode())
    scene.other().act(keys.revoke, key[5:17])
    with scene.down():
        assert (await client.get("/livez")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "waiting": ["creator"]})
    assert (await client.get("/readyz")).status_code == 200


async def test_the_public_listener_is_ready_while_the_store_can_be_read(scene: Scene) -> None:
    public = Public(scene.app)
    assert (await ask(public, b"/readyz")).body == {"status": "ok"}
    with scene.down():
        assert (await ask(public, b"/readyz")).status == 503
        assert (await ask(public, b"/livez")).status == 200
    assert (await ask(public, b"/nowhere")).status == 404


async def test_the_public_listener_has_closed_before_it_says_so(scene: Scene) -> None:
    server.bring_up_to_date(scene.app)
    public = Public(scene.app)
    gates_then: dict[str, bool] = {}
    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(told)

    async def send(message: dict[str, str]) -> None:
        gates_then[message["type"]] = bool(scene.app.gates)

    await public({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert gates_then == {"lifespan.startup.complete": True, "lifespan.shutdown.complete": False}


async def test_it_closes_what_it_opened_when_the_server_stops(scene: Scene, new_client: NewClient) -> None:
    door = Door(scene.app, {scene.api: scene.house}, None)
    said: list[str] = []
    told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(told)

    async def send(message: dict[str, str]) -> None:
        said.append(message["type"])

    await door({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert scene.app.gates == {}
    await door({"type": "websocket"}, receive, send)
    assert len(said) == 2


class Doors(NamedTuple):
    """The gate's listener as ``limen serve`` starts it, once at a port and once at a unix socket."""

    scene: Scene
    port: int
    client: httpx2.Client
    key: str
    log: Path


def _asked(key: str | None, **more: str) -> dict[str, str]:
    found = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/chats", "X-Forwarded-Proto": "https"}
    return found | {"X-Fanvue-API-Version": VERSION} | ({} if key is None else {"X-Fanvue-API-Key": key}) | more


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, placed_once: Placed) -> Iterator[Doors]:
    """A door at a port of this host."""
    folder = tmp_path_factory.mktemp("doors")
    scene, port = Scene(folder, **placed_once(folder)), free_port()
    key = scene.key().decode()
    line = server.command("gate_app", f"127.0.0.1:{port}", scene.settings)
    with (
        listening(line, environment(scene), folder / "log"),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        yield Doors(scene, port, client, key, folder / "log")
    scene.close()


@pytest.mark.req("R3", "R49", "R52", "R264")
def test_over_real_http_the_door_keeps_its_contract(doors: Doors) -> None:
    admitted = doors.client.get(AUTH, headers=_asked(doors.key))
    assert (admitted.status_code, admitted.headers["limen-owner"], admitted.headers["limen-application"]) == (
        200,
        "ann",
        "",
    )
    refused = doors.client.get(AUTH, headers=_asked(None))
    assert (refused.status_code, refused.json()["code"]) == (401, "credential_missing")
    said = doors.client.post("/gate/verify", json={"api": "creator", "method": "GET", "path": "/chats"}).json()
    assert (said["admitted"], said["code"]) == (False, "credential_missing")
    outcome = {"outcomes": [{"reading": admitted.headers["limen-reading"], "status": 204}]}
    assert doors.client.post("/gate/outcomes", json=outcome).json() == {"recorded": 1}
    assert doors.client.get("/gate/verify").headers["allow"] == "POST"
    joined = "select code, status from readings"
    assert ("ok", 204) in doors.scene.rows(joined)


@pytest.mark.req("R69", "R165")
def test_a_revocation_by_another_process_holds_at_the_next_question(doors: Doors) -> None:
    issued = doors.scene.issued("bob")
    assert doors.client.get(AUTH, headers=_asked(issued.text)).status_code == 200
    doors.scene.app.act(keys.revoke, issued.key.key)
    assert doors.client.get(AUTH, headers=_asked(issued.text)).json()["code"] == "key_revoked"


def _request(*headers: bytes) -> bytes:
    return b"\r\n".join([b"GET /gate/auth/creator HTTP/1.1", b"Host: x", b"Connection: close", *headers, b"", b""])


_FORWARDED = (b"X-Forwarded-Method: GET", b"X-Forwarded-Proto: https")
HOSTILE: dict[str, tuple[bytes, set[bytes]]] = {
    "10,000 headers": (_request(*(b"X-%d: 1" % number for number in range(10_000))), {b"413", b"431"}),
    "150 headers": (_request(*(b"X-%d: 1" % number for number in range(150))), {b"400", b"413", b"431"}),
    "a header of 1 MB": (_request(b"X-Long: " + b"x" * 1_000_000), {b"400", b"431"}),
    "a key of 200 kB": (
        _request(b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /chats", b"X-Fanvue-API-Key: " + b"k" * 200_000),
        {b"401", b"431"},
    ),
    "a forwarded address of 200 kB": (
        _request(*_FORWARDED, b"X-Forwarded-Uri: /chats", b"X-Forwarded-For: " + b"1" * 200_000 + b".1"),
        {b"401", b"431"},
    ),
    "a forwarded path of 200 kB": (
        _request(b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /" + b"x" * 200_000),
        {b"401", b"431"},
    ),
    "a forwarded method of 60 kB": (
        _request(b"X-Forwarded-Method: " + b"G" * 60_000, b"X-Forwarded-Uri: /chats"),
        {b"401", b"431"},
    ),
    "a NUL in a header": (_request(b"X-Fanvue-API-Key: a\0b"), {b"400"}),
    "bytes beyond ASCII": (
        _request(b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /ch\xffts", b"X-Fanvue-API-Key: \xff\xfe"),
        {b"400", b"401"},
    ),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", {b"400"}),
    "a method of 70 kB": (
        b"G" * 70_000 + b" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        {b"400", b"404", b"431"},
    ),
    "no body": (
        b"POST /gate/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        {b"400"},
    ),
    "a body larger than what is read": (
        b"POST /gate/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 400000\r\n\r\n"
        + b"x" * 400_000,
        {b"413"},
    ),
}


@pytest.mark.check("C019", "C042", "C055")
@pytest.mark.parametrize(("sent", "statuses"), HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_sent_the_answer_is_a_clear_refusal_or_a_closed_connection(
    doors: Doors, sent: bytes, statuses: set[bytes]
) -> None:
    heard = talk(doors.port, sent)
    assert heard == b"" or heard.split(b" ", 2)[1] in statuses, heard[:200]
    assert b"Traceback" not in heard
    assert doors.client.get(AUTH, headers=_asked(doors.key)).status_code == 200


def test_what_a_wrong_caller_sent_can_be_drained(doors: Doors) -> None:
    """With the counts and entries that the hostile ones have left in the journal."""
    doors.client.get(AUTH, headers=_asked(doors.key, **{"X-Forwarded-Method": "G" * 60_000}))
    (count,) = doors.scene.rows("select count(*) from readings where length(method) <= 16")[0]
    assert (count,) == doors.scene.rows("select count(*) from readings")[0]
    assert count > 0


@pytest.mark.check("C020")
def test_neither_log_nor_journal_nor_database_holds_a_key(doors: Doors) -> None:
    doors.client.get(f"/{doors.key}", headers=_asked(doors.key, **{"X-Forwarded-Uri": f"/{doors.key}?k={doors.key}"}))
    secret = doors.key[17:-6].encode()
    written = kept(place_of(doors.scene.settings), doors.log.parent)
    assert str(doors.log) in written
    assert [name for name, content in written.items() if secret in content] == []


def test_through_a_unix_socket_the_door_answers_whoever_may_open_it(tmp_path: Path, placed: Placed) -> None:
    scene = Scene(tmp_path, **placed(tmp_path))
    key, place = scene.key().decode(), tmp_path / "gate.sock"
    line = server.command("gate_app", f"unix:{place}", scene.settings)
    transport = httpx2.HTTPTransport(uds=str(place))
    with (
        listening(line, environment(scene), tmp_path / "log", socket_path=place),
        httpx2.Client(transport=transport, base_url="http://gate", timeout=20) as client,
    ):
        assert client.get(AUTH, headers=_asked(key)).headers["limen-owner"] == "ann"
        assert client.get(AUTH, headers=_asked(None)).status_code == 401
    scene.close()


def test_the_doors_secret_is_a_file_of_32_bytes_or_more(new_scene: NewScene, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert server._secret(None) is None
    path.write_bytes(b"s" * 40 + b"\n")
    assert server._secret(path) == b"s" * 40
    path.write_bytes(b"s" * 31)
    with pytest.raises(ProblemError, match="holds 31 bytes, at least 32"):
        server._secret(path)
    with pytest.raises(ProblemError, match=r"LIMEN_GATE_SECRET_FILE: .* cannot be read"):
        server._secret(tmp_path / "nowhere")
