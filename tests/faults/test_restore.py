"""Whole processes: a backup under load, keys that end, a server that is killed, a restore, and a server again."""

from __future__ import annotations

import subprocess
from threading import Event, Thread

import pytest

from limen.control import keys, owners
from tests.faults.conftest import Install
from tests.faults.installation import Installation, Server, cli
from tests.faults.processes import ANSWER_S, environment
from tests.faults.wire import request

API = "organisation"


def run(installation: Installation, *words: str, expect: int = 0) -> str:
    """What ``limen`` says, in a process of its own."""
    done = subprocess.run(
        cli(*words),
        env=environment(installation.environment),
        cwd=installation.folder,
        capture_output=True,
        text=True,
        timeout=2 * ANSWER_S,
        check=False,
    )
    assert done.returncode == expect, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def ask(server: Server, issued: keys.Issued, path: str) -> int:
    """The status with which the gate's door answers one request."""
    told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", f"/v1/experiences/{path}")]
    return (
        server.lines[0]
        .ask(request("GET", f"/gate/auth/{API}", [("authorization", f"Bearer {issued.text}"), *told]))
        .status
    )


def serve(installation: Installation) -> Server:
    server = installation.serve().ready()
    server.line()
    return server


@pytest.mark.check("C038")
def test_what_was_revoked_today_is_refused_after_yesterdays_backup(install: Install) -> None:
    installation = install()
    act = installation.app.act
    installation.owner("o1", api=API)
    installation.owner("o2", api=API)
    lives, revoked, suspended = (installation.key(owner, "read:experiences", api=API) for owner in ("o1", "o1", "o2"))
    server = serve(installation)
    stop = Event()

    def load() -> None:
        while not stop.is_set():
            assert ask(server, lives, "load") == 200

    asking = Thread(target=load)
    asking.start()
    run(installation, "backup", "b.db")
    stop.set()
    asking.join()
    act(keys.revoke, revoked.key.key)
    act(owners.suspend, "o2", reason="a test")
    late = installation.key("o1", "read:experiences", api=API)
    assert [ask(server, each, "before") for each in (lives, revoked, suspended, late)] == [200, 401, 403, 200]

    installation.app.close()
    assert "process" in run(installation, "restore", "b.db", "--yes", expect=1)
    server.kill()
    run(installation, "restore", "b.db", "--yes")

    server = serve(installation)
    assert [ask(server, each, "after") for each in (lives, revoked, suspended, late)] == [200, 401, 403, 401]
    server.kill()
    run(installation, "worker", "--once")
    readings = run(installation, "usage", "list", "--limit", "1000", "--json")
    assert readings.count('"/v1/experiences/before"') + readings.count('"/experiences/before"') == 4
    run(installation, "restore", "b.db", "--yes", "--no-tombstones")
    server = serve(installation)
    assert [ask(server, each, "again") for each in (lives, revoked, suspended)] == [401, 401, 401]
    run(installation, "keys", "reactivate", lives.key.key)
    assert ask(server, lives, "again") == 200
    server.kill()
