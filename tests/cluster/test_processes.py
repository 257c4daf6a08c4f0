"""Real processes on a real PostgreSQL: healthy, stopped, killed, forked; and the database away for a while."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from limen.control import apis, keys, owners
from limen.core.limits import Limit
from limen.core.problems import StoreDown
from limen.core.profile_reader import read_profile
from limen.db.leases import Leases
from limen.gate.lease import DRIFT
from limen.profiles import load
from tests.cluster.conftest import API, LEASE_S, Cluster, Process
from tests.core.documents import edited
from tools.servers.postgres import Postgres

AT_MOST_S = LEASE_S * (1 + 3 * DRIFT) + 1.0
"""A lease, and a round trip on a machine that has other things to do."""


def _until(done: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def _warm(processes: list[Process], text: str) -> None:
    for process in processes:
        _until(lambda process=process: process.code(text) == "ok" and process.warm(text) == "ok")


@pytest.mark.req("R69", "R48")
@pytest.mark.check("C028", "C031")
def test_what_one_process_revokes_is_refused_by_all_when_it_returns_and_what_it_issues_admitted(
    cluster: Cluster,
) -> None:
    first, *others = cluster.start(3)
    for _ in range(10):
        made = first.do("issue", "acme")
        assert [each.code(made["text"]) for each in (first, *others)] == ["ok"] * 3
        assert {each.warm(made["text"]) for each in (first, *others)} <= {"ok", None}
        done = others[0].do("revoke", made["key"])
        assert done["effective"]
        assert [each.code(made["text"]) for each in (first, *others)] == ["key_revoked"] * 3
    assert [node.dead_at for node in cluster.nodes()] == [None] * 3
    assert {node.apis for node in cluster.nodes()} == {("organisation",)}


@pytest.mark.req("R69")
@pytest.mark.check("C029")
def test_a_process_that_is_stopped_is_waited_for_as_long_as_its_lease_and_refuses_when_it_wakes(
    cluster: Cluster,
) -> None:
    awake, stopped = cluster.start(2)
    key = cluster.key()
    _warm([awake, stopped], key.text)
    was = stopped.do("node")
    stopped.signal(signal.SIGSTOP)
    try:
        took, effective = cluster.revoke(key.key.key)
        assert effective
        assert LEASE_S * 0.9 < took < AT_MOST_S
        assert awake.code(key.text) == "key_revoked"
        assert [node.node for node in cluster.nodes() if node.dead_at is not None] == [was]
        another = cluster.key()
        assert cluster.revoke(another.key.key)[0] < LEASE_S, "nobody waits for who is dead"
        stopped.tell("warm", key.text)
    finally:
        stopped.signal(signal.SIGCONT)
    assert stopped.hear()["code"] in (None, "key_revoked"), "its lease has ended, whatever it remembers"
    assert stopped.code(key.text) == "key_revoked"
    _until(lambda: stopped.do("node") not in ("", was))
    _warm([awake, stopped], cluster.key().text)


@pytest.mark.req("R69")
@pytest.mark.check("C029")
def test_a_process_that_was_killed_delays_one_change_and_no_other(cluster: Cluster) -> None:
    one, two = cluster.start(2)
    key, next_key = cluster.key(), cluster.key()
    _warm([one, two], key.text)
    two.child.kill()
    took, _ = cluster.revoke(key.key.key)
    assert took < AT_MOST_S
    assert one.code(key.text) == "key_revoked"
    assert cluster.revoke(next_key.key.key)[0] < LEASE_S


def test_a_process_that_leaves_in_order_delays_nobody(cluster: Cluster) -> None:
    one, two = cluster.start(2)
    key = cluster.key()
    _warm([one, two], key.text)
    two.do("close")
    assert [node.node for node in cluster.nodes()] == [one.do("node")]
    assert cluster.revoke(key.key.key)[0] < LEASE_S


def test_a_child_is_a_node_of_its_own_and_its_parent_stays_one(cluster: Cluster) -> None:
    (parent,) = cluster.start(1)
    key, node = cluster.key(), parent.do("node")
    _warm([parent], key.text)
    child = parent.do("fork", key.text)
    assert child["node"] not in ("", node)
    assert (child["code"], child["parents"]) == ("ok", False)
    assert parent.do("node") == node
    assert [each.node for each in cluster.nodes()] == [node]
    cluster.revoke(key.key.key)
    assert parent.code(key.text) == "key_revoked"


@pytest.mark.req("R48", "R69", "R221", "R222")
@pytest.mark.check("C032", "C031")
def test_whatever_takes_away_or_gives_holds_in_another_process_when_it_returns(cluster: Cluster) -> None:
    (other,) = cluster.start(1)
    act, key = cluster.app.act, cluster.key()
    _warm([other], key.text)
    none = (Limit("allowance", 0, 60),)
    plenty = (Limit("allowance", 1_000_000, 60),)
    shipped = load(API).document
    narrowed = edited({"operations": shipped["operations"][1:]}, shipped)
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: act(keys.deactivate, key.key.key), "key_inactive"),
        (lambda: act(keys.reactivate, key.key.key), "ok"),
        (lambda: act(owners.suspend, "acme", reason="abuse"), "owner_suspended"),
        (lambda: act(owners.restore, "acme"), "ok"),
        (lambda: act(owners.set_plan, "acme", API, plan="", limits=none), "limit_exceeded"),
        (lambda: act(owners.set_plan, "acme", API, plan="", limits=plenty), "ok"),
        (lambda: act(apis.switch, API, "emergency", (Limit("emergency", 0, 60),)), "limit_exceeded"),
        (lambda: act(apis.switch, API, "emergency", ()), "ok"),
        (lambda: act(apis.apply_profile, API, read_profile(narrowed)), "operation_unknown"),
        (lambda: act(apis.apply_profile, API, load(API)), "ok"),
        (lambda: act(keys.revoke, key.key.key), "key_revoked"),
    ]
    for change, code in steps:
        change()
        assert other.code(key.text) == code
        assert other.code(key.text) == code


@pytest.mark.req("R69")
@pytest.mark.check("C030")
def test_who_cannot_ask_whether_it_holds_waits_for_as_long_as_a_lease(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stopped,) = cluster.start(1)
    key = cluster.key()
    _warm([stopped], key.text)

    def down(*_asked: object, **_more: object) -> int:
        raise StoreDown("The connection was cut after the commit.")

    monkeypatch.setattr(Leases, "silent", down)
    took, effective = cluster.revoke(key.key.key)
    assert effective
    assert LEASE_S < took < AT_MOST_S

    def broken(*_asked: object, **_more: object) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Leases, "silent", broken)
    with pytest.raises(RuntimeError):
        cluster.revoke(cluster.key().key.key)


def test_done_a_second_time_it_waits_for_what_the_first_time_began(cluster: Cluster) -> None:
    """Who was not answered asks again: it is not told that it holds before it does."""
    awake, stopped = cluster.start(2)
    key = cluster.key()
    _warm([awake, stopped], key.text)
    stopped.signal(signal.SIGSTOP)
    try:
        assert awake.do("revoke_soon", key.key.key) == {"effective": False}
        assert awake.code(key.text) == "key_revoked"
        took, effective = cluster.revoke(key.key.key)
        assert effective
        assert took > LEASE_S / 3
    finally:
        stopped.signal(signal.SIGCONT)
    assert stopped.code(key.text) == "key_revoked"


def test_with_a_lease_of_0_every_check_asks_and_nobody_is_waited_for(tmp_path: Path, postgres: Postgres) -> None:
    cluster = Cluster(tmp_path, postgres, LIMEN_LEASE_MS="0")
    try:
        awake, stopped = cluster.start(2)
        key = cluster.key()
        assert [each.code(key.text) for each in (awake, stopped)] == ["ok", "ok"]
        assert awake.warm(key.text) is None
        stopped.signal(signal.SIGSTOP)
        assert cluster.revoke(key.key.key)[0] < LEASE_S
        assert awake.code(key.text) == "key_revoked"
        stopped.tell("ask", key.text)
        stopped.signal(signal.SIGCONT)
        assert stopped.hear()["code"] == "key_revoked"
        assert [node.lease_ms for node in cluster.nodes()] == [0, 0]
    finally:
        cluster.close()


@pytest.mark.check("C035")
@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT])
def test_without_the_database_a_process_answers_for_a_lease_then_503_and_is_back_at_once(
    tmp_path: Path, how: signal.Signals
) -> None:
    server = Postgres().start()
    try:
        cluster = Cluster(tmp_path, server)
        (process,) = cluster.start(1)
        warm, cold = cluster.key().text, cluster.key().text
        _warm([process], warm)
        server.stop(how)
        stopped, said, slowest = time.monotonic(), [], 0.0
        while (away := time.monotonic() - stopped) < 4 * LEASE_S:
            answer = process.do("ask", warm)
            said.append((away, answer["code"]))
            slowest = max(slowest, answer["s"])
            assert process.code(cold) == "unavailable"
        assert {code for _, code in said} == {"ok", "unavailable"}
        assert max(at for at, code in said if code == "ok") < LEASE_S + 0.2
        assert slowest < 1.0, "nobody waits for a database that is known to be away"
        server.start()
        back = time.monotonic()
        _until(lambda: process.code(warm) == "ok" and process.code(cold) == "ok", 1.5)
        assert time.monotonic() - back < 1.5
        _until(lambda: process.warm(warm) == "ok", 1.5)
        cluster.close()
    finally:
        server.remove()
