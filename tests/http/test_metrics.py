"""``/metrics``: numbers that mean what they say, by few labels, and not for the world."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx2
import pytest

from limen.control import recording
from limen.core.people import Actor
from limen.core.usage import Decided, Outcome, Tally
from limen.core.verdict import SHADOWED
from limen.http.public import Public
from limen.server import bring_up_to_date
from tests.gate.scene import Scene
from tests.guard.served import ask

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+)\})? (\S+)')
TOOK = (90, 500, 3_000, 3_100, 70_000, 200_000_000)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, each once; each line has the form of the format."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if not line.startswith("# "):
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            which = match[1], tuple(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            assert which not in found
            found[which] = float(match[3])
    return found


@pytest.fixture
def used(scene: Scene) -> Scene:
    """An installation in which something has been used."""
    key = scene.issued().key.key.encode()
    now = scene.app.clock.read()[0]
    codes = ("ok", "ok", "ok", "ok", "ok", "ok", "scope_missing")
    entries = [
        *(Decided(n, now, key, code, "GET", "listChats", "", "/secret-path") for n, code in enumerate(codes, 1)),
        *(Outcome(3, n, 200, now, took) for n, took in enumerate(TOOK, 1)),
        Tally(int(now // 60), "credential_invalid", "fvak_", "192.0.2.0/24", 5),
        Tally(int(now // 60), SHADOWED, "", "100 per 60 s", 500),
    ]
    worker = Actor("worker", "drain")
    scene.app.act(recording.record, "a", 1, api="creator", incarnation=3, entries=entries, actor=worker)
    return scene


@pytest.mark.check("C127")
async def test_the_numbers_are_those_that_were_recorded(used: Scene, client: httpx2.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found = samples(answer.text)
    assert found["limen_decisions_total", (("api", "creator"), ("code", "ok"))] == 6
    assert found["limen_decisions_total", (("api", "creator"), ("code", "scope_missing"))] == 1
    assert found["limen_strangers_refused_last_hour", (("api", "creator"), ("code", "credential_invalid"))] == 5
    assert not [labels for _, labels in found if ("code", SHADOWED) in labels], "it was not refused"
    assert found["limen_journal_segments", (("api", "creator"),)] >= 1
    for word in ("secret-path", "192.0.2", "fvak_", "listChats"):
        assert word not in answer.text
    assert ("limen_lease_remaining_seconds", ()) in found or used.settings.on_one_host
    assert 0 < found.get(("limen_lease_remaining_seconds", ()), 1) <= 2


async def test_a_histogram_is_one(used: Scene, client: httpx2.AsyncClient) -> None:
    found = samples((await client.get("/metrics")).text)
    buckets = [
        (dict(labels)["le"], value) for (name, labels), value in found.items() if name == "limen_answer_seconds_bucket"
    ]
    for bound, value in buckets:
        assert value == sum(took / 1e6 < float(bound) for took in TOOK), bound
    assert buckets[-1] == ("+Inf", len(TOOK))
    assert found["limen_answer_seconds_count", (("api", "creator"),)] == len(TOOK)
    assert found["limen_answer_seconds_sum", (("api", "creator"),)] == pytest.approx(sum(TOOK) / 1e6, rel=0.1)


@pytest.mark.check("C127")
async def test_names_and_labels_are_as_they_should_be(used: Scene, client: httpx2.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    helps = re.findall(r"^# HELP (\w+) \S.*\.$", text, re.MULTILINE)
    assert sorted(helps) == sorted(kinds)
    for name, kind in kinds.items():
        assert name.startswith("limen_")
        assert name.endswith("_total") == (kind == "counter")
        assert name.endswith("_seconds") or kind != "histogram"
    assert {label for _, labels in samples(text) for label, _ in labels} == {"api", "code", "le", "version"}


@pytest.mark.check("C127")
async def test_it_is_for_peers_and_public_only_by_a_setting(used: Scene, new_client) -> None:
    assert (await new_client(used, peer=("192.0.2.1", 1)).get("/metrics")).status_code == 403
    bring_up_to_date(used.app)
    public = Public(used.app)
    assert (await ask(public, b"/metrics")).status == 404
    used.app.settings = replace(used.app.settings, metrics_public=True)
    answer = await httpx2.AsyncClient(transport=httpx2.ASGITransport(public), base_url="http://x").get("/metrics")
    assert "limen_decisions_total" in answer.text


async def test_while_the_database_is_down_there_are_none(used: Scene, client: httpx2.AsyncClient) -> None:
    with used.down():
        assert (await client.get("/metrics")).status_code == 503
    assert (await client.post("/metrics")).status_code == 404
