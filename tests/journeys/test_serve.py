"""``limen serve`` as it is in life: a supervisor, two listeners, TLS, and no process left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

import pytest
import trustme

START_S = 40.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(true: Callable[[], bool], seconds: float = START_S) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def answers(port: int, path: str = "/livez") -> int:
    """The status that is answered at *port*; 0 where nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        with suppress(OSError, HTTPException):
            connection.request("GET", path)
            return connection.getresponse().status
        return 0
    finally:
        connection.close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a new installation with one API, and two free ports; and the key of its staff."""
    env = os.environ | {
        "LIMEN_DATABASE_URL": f"sqlite:///{tmp_path}/limen.db",
        "LIMEN_LISTEN": f"127.0.0.1:{free_port()}",
        "LIMEN_GATE_LISTEN": f"127.0.0.1:{free_port()}",
    }
    line = [sys.executable, "-m", "limen", "init", "--profile", "organisation", "--api", "organisation"]
    made = subprocess.run(line, env=env, check=True, capture_output=True, timeout=60, text=True)
    return env | {"STAFF_KEY": made.stdout.split()[-1]}


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(**extra: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"serve-{len(started)}.log").open("wb") as log:
            line = [sys.executable, "-m", "limen", "serve"]
            started.append(subprocess.Popen(line, env=environment | extra, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def port_of(environment: dict[str, str], name: str) -> int:
    return int(environment[name].rpartition(":")[2])


def children_of(pid: int) -> list[int]:
    """All processes below *pid*."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *children_of(int(child))]
    return found


def runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_both_listeners_answer_and_all_processes_end_with_the_supervisor(
    environment: dict[str, str], serve: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = serve()
    gate, public = port_of(environment, "LIMEN_GATE_LISTEN"), port_of(environment, "LIMEN_LISTEN")
    assert until(lambda: answers(gate, "/readyz") == 200 and answers(public, "/readyz") == 200)
    below = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert until(lambda: not any(runs(pid) for pid in below), 10)


def test_the_management_api_answers_over_real_http(
    environment: dict[str, str], serve: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    serve()
    port, key = port_of(environment, "LIMEN_LISTEN"), environment["STAFF_KEY"]
    assert until(lambda: answers(port, "/readyz") == 200)

    def call(method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | headers
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in sent.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    status, headers, shown = call("GET", "/v1/me")
    assert (status, json.loads(shown)["owner"]) == (200, "staff")
    head_status, head, nothing = call("HEAD", "/v1/me")
    assert (head_status, nothing, head["content-length"], head["etag"]) == (200, b"", str(len(shown)), headers["etag"])
    assert call("GET", "/v1/me", If_None_Match=headers["etag"])[::2] == (304, b"")
    made = [call("POST", "/v1/owners", '{"kind":"user"}', Idempotency_Key='"once"') for _ in range(2)]
    assert made[0][2] == made[1][2]
    assert made[1][1]["idempotency-replayed"] == "true"
    owner = json.loads(made[0][2])["owner"]
    assert call("GET", f"/v1/owners/{owner}")[0] == 200
    assert call("DELETE", "/v1/me")[1]["allow"] == "GET, HEAD"
    assert call("POST", "/v1/owners", "x" * 300_000)[0] == 413
    assert call("POST", "/v1/owners", "{")[0] == 400
    assert call("GET", "/v1/me", Authorization="Bearer x")[0] == 401
    assert key[21:-6] not in (tmp_path / "serve-0.log").read_text()


def test_no_process_is_left_when_the_supervisor_is_killed(
    environment: dict[str, str], serve: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = serve()
    assert until(lambda: answers(port_of(environment, "LIMEN_GATE_LISTEN"), "/readyz") == 200)
    below = children_of(process.pid)
    assert below
    process.kill()
    process.wait(10)
    assert until(lambda: not any(runs(pid) for pid in below), 20)


def test_a_second_server_decides_for_the_same_apis_beside_the_first(
    environment: dict[str, str], serve: Callable[..., subprocess.Popen[bytes]]
) -> None:
    serve()
    assert until(lambda: answers(port_of(environment, "LIMEN_GATE_LISTEN"), "/readyz") == 200)
    second = {name: f"127.0.0.1:{free_port()}" for name in ("LIMEN_GATE_LISTEN", "LIMEN_LISTEN")}
    serve(**second)
    for name in second:
        assert until(lambda name=name: answers(port_of(second, name), "/readyz") == 200)  # type: ignore[misc]
        assert answers(port_of(environment, name), "/readyz") == 200


@pytest.mark.req("R31", "R76", "R133")
def test_tls_is_served_from_1_2_on_and_plain_http_is_not_answered(
    environment: dict[str, str], serve: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    key = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-nocrypt"],
        input=certificate.private_key_pem.bytes(),
        capture_output=True,
        check=True,
    )
    (tmp_path / "key.pem").write_bytes(key.stdout)
    serve(LIMEN_TLS_CERT=str(tmp_path / "cert.pem"), LIMEN_TLS_KEY=str(tmp_path / "key.pem"))
    port = port_of(environment, "LIMEN_LISTEN")

    def status(least: ssl.TLSVersion, most: ssl.TLSVersion) -> int:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        context.minimum_version, context.maximum_version = least, most
        connection = HTTPSConnection("localhost", port, context=context, timeout=3)
        with closing(connection):
            connection.request("GET", "/livez")
            answer = connection.getresponse()
            assert json.loads(answer.read()) == {"status": "ok"}
            return answer.status

    def up() -> bool:
        with suppress(OSError):
            return status(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) == 200
        return False

    assert until(up)
    assert status(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2) == 200
    assert answers(port) == 0
    with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises((ssl.SSLError, OSError)):
        status(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
