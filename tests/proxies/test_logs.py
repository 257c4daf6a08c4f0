"""The access log that each proxy writes, as the files in ``deploy`` configure it, and what ``limen`` learns from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from limen.cli.main import app
from tests.faults.processes import wait_until
from tests.journeys.stage import ADDRESS, Stage
from tests.proxies.edge import VERSION, Api, Certificate, Edge, edge

pytestmark = [pytest.mark.xdist_group("proxies"), pytest.mark.check("C125")]

ANSWERED = [200, 201, 404, 500, 200, 429, 503, 200]


@pytest.fixture
def alone(kind: str, stage: Stage, api: Api, certificate: Certificate) -> Iterator[Edge]:
    """A proxy with a log of its own."""
    with edge(kind, api, stage.gate_port, certificate) as running:
        yield running


def _readings(stage: Stage, key: str) -> list[tuple[Any, ...]]:
    """Of each decision on *key*: the number, the path, the code and the status, in their order."""
    return stage.rows("select number, path, code, status from readings where locator = ? order by number", key.encode())


def _limen(stage: Stage, *words: str) -> Any:
    """What the command answers, beside the server: in this process, for another takes a second to start."""
    done = CliRunner().invoke(app, [*words, "--json"], env=stage.environment)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def _unanswered(stage: Stage, text: str) -> str:
    """A reading whose status nobody knows: what a caller would like to name."""
    told = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/chats", "X-Forwarded-Proto": "https"}
    sent = told | {"X-Forwarded-For": ADDRESS, "X-Fanvue-API-Key": text, "X-Fanvue-API-Version": VERSION}
    answer: httpx2.Response = stage.gate.get("/auth/creator", headers=sent)
    assert answer.status_code == 200
    return str(answer.headers["Limen-Reading"])


@pytest.mark.req("R264")
def test_a_log_tells_the_status_of_exactly_what_was_let_through(alone: Edge, stage: Stage) -> None:
    made = stage.issue(stage.user(), "read:chat")
    victim = _unanswered(stage, made["text"])
    for status in ANSWERED:
        assert alone.reached(f"GET /chats?status={status}", made["text"])[0].status == status
    forged = [("Limen-Reading", victim), ("Limen_Reading", victim), ("User-Agent", f'" 200 5 "-" "x" "{victim}" 0.1')]
    for key in (None, made["text"][:-1]):  # refused, so that Limen names no reading
        assert alone.refused("GET /chats", key, *forged).status == 401
    assert alone.refused("GET /users/me", made["text"], *forged).status == 403
    assert alone.reached("GET /openapi.json", None, *forged)[0].status == 200
    alone.proxy.stop()
    lines = len(alone.log.read_text().splitlines())
    assert lines >= len(ANSWERED) + 4

    told = _limen(stage, "usage", "ingest", str(alone.log))
    assert told["not_understood"] == {}
    assert (told["outcomes"], told["without_reading"]) == (len(ANSWERED), lines - len(ANSWERED)), told

    def recorded() -> bool:
        return len([1 for *_, status in _readings(stage, made["key"]) if status is not None]) >= len(ANSWERED)

    wait_until(recorded, "the statuses")
    first, *others = _readings(stage, made["key"])
    assert (first[1:], f"-{first[0]:x}") == (("/chats", "ok", None), "-" + victim.partition("-")[2])
    assert Counter(status for *_, code, status in others if code == "ok") == Counter(ANSWERED)
    assert [status for *_, code, status in others if code == "scope_missing"] == [None]  # its code says it
    took = "select count(*) from readings where locator = ? and took_us between 1 and 30000000"
    assert stage.rows(took, made["key"].encode()) == [(len(ANSWERED),)]

    assert _limen(stage, "usage", "ingest", str(alone.log)) == told
    _limen(stage, "worker", "--once")
    assert _readings(stage, made["key"]) == [first, *others]
    written = [path for path in alone.proxy.folder.rglob("*") if path.is_file()]
    assert [path.name for path in written if made["text"].encode() in path.read_bytes()] == []
