"""A cluster as one process sees it: gates that join later, nodes that ended without a word, what is told of a write."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from limen.app import App
from limen.cli.doctor.nodes import nodes as check_nodes
from limen.cli.doctor.store import Ward
from limen.cli.main import app as limen
from limen.cluster import node, undertaker
from limen.cluster.barrier import Barrier
from limen.cluster.undertaker import Undertaker
from limen.control import apis, keys, owners
from limen.core.limits import Limit
from limen.core.profile import BUILT_IN
from limen.core.verdict import Ask
from limen.db import leases
from limen.db.leases import Awaited, Joining, Leases, State
from limen.gate.lease import DRIFT
from limen.http.public import Public
from limen.profiles import load
from limen.server import bring_up_to_date
from limen.settings import Settings
from tools.servers.postgres import Postgres


@pytest.fixture
def app(tmp_path: Path, postgres: Postgres) -> Iterator[App]:
    """An installation with two APIs and no gates."""
    name = postgres.create()
    made = App.initialise(
        Settings(database_url=postgres.url(name), state=tmp_path / "state", pepper_file=tmp_path / "pepper")
    )
    for api in ("creator", "organisation"):
        made.act(apis.create, api, load(api))
    made.act(owners.create, owners.NewOwner("organisation", owner="acme"))
    made.act(owners.set_plan, "acme", "organisation", plan="", limits=(Limit("allowance", 1_000_000, 60),))
    yield made
    made.close()
    postgres.drop(name)


def _nodes(app: App) -> list[leases.Node]:
    with app.reading() as reader:
        return leases.listed(reader)


def _ask(app: App, text: str) -> Ask:
    now, at = app.clock.read()
    return Ask(text.encode(), b"GET", b"/experiences", b"v1", b"live", now, at)


def _other(app: App, lease_s: float = 0.3) -> Leases:
    """Somebody who registers, and is not heard of again."""
    other = Leases(app.store.engine)
    other.register(Joining("silent", "web-2", 77, ("creator",), lease_s, 0), time.time())
    return other


def test_a_process_without_gates_is_no_node(app: App) -> None:
    assert _nodes(app) == []
    assert app.change(apis.switch, "creator", "read_only", True).effective


def test_a_gate_that_opens_later_joins_the_node_and_knows_what_happened(app: App) -> None:
    app.gate("creator")
    (node,) = _nodes(app)
    assert (node.apis, node.dead_at) == (("creator",), None)
    issued = app.act(keys.issue, keys.NewKey("organisation", "acme", "a key"))
    gate, cold = app.gate("organisation").gate, app.gate("organisation").cold
    assert cold.decide_now(_ask(app, issued.text)).code.slug == "ok"
    known = gate.check(_ask(app, issued.text))
    assert known is not None
    assert known.admitted
    app.act(keys.revoke, issued.key.key)
    refused = gate.check(_ask(app, issued.text))
    assert refused is None or not refused.admitted
    assert cold.decide_now(_ask(app, issued.text)).code.slug == "key_revoked"
    deadline = time.monotonic() + 10
    while _nodes(app)[0].behind or len(_nodes(app)[0].apis) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert _nodes(app)[0].node == node.node


def test_who_is_silent_is_waited_for_once_and_then_taken_for_dead(app: App) -> None:
    app.gate("creator")
    _other(app, 2.0)
    first = app.change(apis.switch, "creator", "read_only", True)
    assert (first.effective, first.ms >= 2_000) == (True, True)
    assert [(node.node, node.dead_at is None) for node in _nodes(app)][1:] == [("silent", False)]
    assert app.change(apis.switch, "creator", "read_only", False).ms < 2_000


def test_without_waiting_it_is_told_that_it_does_not_hold_yet_and_is_waited_for_all_the_same(app: App) -> None:
    app.gate("creator")
    _other(app, 2.0)
    done = app.change(apis.switch, "creator", "read_only", True, waits=False)
    assert (done.effective, done.ms < 2_000) == (False, True)
    deadline = time.monotonic() + 10
    while not any(node.dead_at for node in _nodes(app)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_chore_finds_who_ended_without_a_word_and_clears_old_rows_away(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.gate("creator")
    silent = _other(app)
    at, looks = [100.0], Undertaker(silent)
    monkeypatch.setattr(undertaker, "boottime", lambda: at[0])
    looks.round()
    at[0] += 0.3 + undertaker.GRACE_S
    silent.renew("silent", State(0, ("creator",)), now=time.time())
    looks.round()
    assert [node.dead_at for node in _nodes(app)] == [None, None], "it was heard of meanwhile"
    at[0] += 0.32 + undertaker.GRACE_S
    time.sleep(0.01)
    before = _nodes(app)[0].renewed_at
    deadline = time.monotonic() + 10
    while _nodes(app)[0].renewed_at == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    looks.round()
    assert {node.node: node.dead_at is None for node in _nodes(app)} == {_nodes(app)[0].node: True, "silent": False}
    assert silent.renew("silent", State(9, ()), now=time.time()) is None, "the dead stay dead"
    monkeypatch.setattr(undertaker, "KEPT_S", -1.0)
    looks.round()
    assert [node.node for node in _nodes(app)] == [_nodes(app)[0].node]


def test_a_barrier_waits_for_the_longest_lease_and_what_clocks_may_differ_by() -> None:
    barrier = Barrier(Awaited(7, 2.0), 100.0)
    ends = 100.0 + 2.0 * (1 + 3 * DRIFT)
    barrier.told(1, 101.0)
    assert (barrier.over, barrier.left_s(101.0)) == (False, pytest.approx(ends - 101.0))
    assert 0 < barrier.pause_s(101.0) <= barrier.pause_s(101.0)
    assert barrier.pause_s(ends - 0.0001) <= 0.000101
    barrier.told(1, ends)
    assert (barrier.over, barrier.silent) == (True, True)
    heard = Barrier(Awaited(7, 2.0), 100.0)
    heard.told(0, 100.1)
    assert (heard.over, heard.silent) == (True, False)
    assert Barrier(Awaited(7, 0.0), 100.0).over, "there is nobody to wait for"


@pytest.mark.check("C034")
def test_a_wall_clock_that_jumps_costs_a_new_start_and_no_promise(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = app.act(keys.issue, keys.NewKey("organisation", "acme", "a key"))
    cold = app.gate("organisation").cold
    assert cold.decide_now(_ask(app, issued.text)).code.slug == "ok"
    (before,) = _nodes(app)
    monkeypatch.setattr(node, "time", lambda: time.time() + 3_600.0)
    deadline = time.monotonic() + 10
    while len(_nodes(app)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert app.cluster is not None
    assert app.cluster.lease.node != before.node
    assert cold.decide_now(_ask(app, issued.text)).code.slug == "ok"
    app.act(keys.revoke, issued.key.key)
    assert cold.decide_now(_ask(app, issued.text)).code.slug == "key_revoked"


def test_the_terminal_shows_every_process(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LIMEN_")]:
        monkeypatch.delenv(name)
    for name in ("database_url", "state", "pepper_file"):
        monkeypatch.setenv(f"LIMEN_{name.upper()}", str(getattr(app.settings, name)))
    app.gate("creator")
    _other(app)
    app.act(apis.switch, "creator", "read_only", True)
    shown = json.loads(CliRunner().invoke(limen, ["nodes", "--json"]).stdout)
    assert [(each["host"] == "web-2", each["dead_at"] is None) for each in shown] == [(False, True), (True, False)]
    assert shown[0]["apis"] == ["creator"]
    assert "web-2" in CliRunner().invoke(limen, ["nodes"]).stdout
    with app.reading() as reader:
        found = list(check_nodes(Ward(app.settings, reader)))
    assert [(each.check, each.state) for each in found] == [("nodes", "ok"), ("nodes", "warn")]
    assert "a lease of 2000 ms" in found[0].found


@pytest.mark.req("R69")
async def test_a_write_says_since_when_it_holds_and_who_cannot_wait_is_told_that_it_may_not_yet(app: App) -> None:
    bring_up_to_date(app)
    app.act(owners.create, owners.NewOwner("user", owner="u-1024"))
    staff = keys.NewKey(BUILT_IN, "u-1024", "staff", key_class="staff", scopes=("admin",))
    text = app.act(keys.issue, staff).text
    public = httpx2.ASGITransport(Public(app), client=("127.0.0.1", 1))
    headers, prefer = {"Authorization": f"Bearer {text}"}, {"Prefer": "wait=5, Respond-Async; x=1"}
    async with httpx2.AsyncClient(transport=public, base_url="https://limen.example/v1", headers=headers) as client:
        made = await client.post("/owners", json={"kind": "user"})
        assert (made.status_code, made.headers["limen-effective"]) == (201, "true")
        assert int(made.headers["limen-effective-ms"]) < 5_000
        _other(app)
        path = "/owners/acme/suspend"
        soon = await client.post(path, json={"reason": "abuse"}, headers=prefer)
        assert (soon.status_code, soon.headers["limen-effective"]) == (202, "false")
        assert soon.headers["preference-applied"] == "respond-async"
        assert "limen-effective-ms" not in soon.headers
        assert soon.json()["state"] == "suspended"
        again = await client.post(path, json={"reason": "abuse"})
        assert (again.status_code, again.headers["limen-effective"]) == (200, "true")
        shown = (await client.get("/nodes")).json()["items"]
    assert [(each["host"] == "web-2", each["dead_at"] is None) for each in shown] == [(False, True), (True, False)]
    assert shown[0]["behind"] == 0
    assert shown[0]["apis"] == ["limen"]
