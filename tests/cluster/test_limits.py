"""A limit over processes as a whole: gates, their lease, and whatever counts; and while that is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from limen.control import owners
from limen.core.limits import Limits, read_limits
from limen.core.problems import ProblemError
from limen.db.leases import Node
from limen.drain import measured
from limen.settings import read_settings
from tests.cluster.conftest import API, Cluster, Process
from tests.faults.processes import wait_until
from tools.servers.valkey import Valkey

BOTH = "20 per 60 s, 30 per 1 h"


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A server that the test may stop."""
    made = Valkey()
    try:
        yield made.start()
    finally:
        made.remove()


def _limits(cluster: Cluster, text: str) -> None:
    limits: Limits = read_limits(text, "allowance")
    cluster.app.act(owners.set_plan, "acme", API, plan="", limits=limits)


def _codes(processes: list[Process], text: str, times: int) -> list[str]:
    return [process.code(text) for _ in range(times) for process in processes]


@pytest.mark.req("R41", "R115")
@pytest.mark.check("C058")
@pytest.mark.parametrize("counts", ["postgresql", "valkey"])
def test_processes_on_several_hosts_admit_together_what_one_would(
    cluster: Cluster, valkey: Valkey, counts: str
) -> None:
    """Of several limits the short one is Valkey's, where there is one, and the long one PostgreSQL's."""
    where = {"LIMEN_VALKEY_URL": valkey.url} if counts == "valkey" else {}
    _limits(cluster, BOTH)
    key = cluster.key()
    codes = _codes(cluster.start(3, **where), key.text, 10)
    assert codes == ["ok"] * 20 + ["limit_exceeded"] * 10
    _limits(cluster, "100 per 60 s, 30 per 1 h")
    codes = _codes(cluster.processes, key.text, 5)
    assert codes == ["ok"] * 10 + ["limit_exceeded"] * 5, "what was used stays used, of the long one too"


@pytest.mark.req("R41")
def test_a_process_that_ends_in_order_and_its_successor_go_on_with_the_windows(cluster: Cluster) -> None:
    _limits(cluster, "6 per 60 s")
    key = cluster.key()
    first = cluster.start(1)
    assert _codes(first, key.text, 4) == ["ok"] * 4
    first[0].do("close")
    first[0].child.kill()
    assert _codes(cluster.start(1), key.text, 4) == ["ok"] * 2 + ["limit_exceeded"] * 2


def _by_outage(cluster: Cluster) -> list[Node]:
    return sorted(cluster.nodes(), key=lambda node: node.outages)


def _told(cluster: Cluster) -> dict[str, float]:
    """What ``/metrics`` says of processes and of what counts."""
    names = ("limen_nodes", "limen_nodes_without_counts", "limen_count_outages")
    return {each.name: each.points[0].value for each in measured(cluster.app).families if each.name in names}


@pytest.mark.check("C058")
@pytest.mark.parametrize(
    ("gone", "codes"), [("deny", ["unavailable"] * 12), ("share", ["ok"] * 10 + ["limit_exceeded"] * 2)]
)
def test_while_what_counts_is_gone_nobody_is_admitted_or_each_process_admits_its_part(
    cluster: Cluster, server: Valkey, gone: str, codes: list[str]
) -> None:
    _limits(cluster, "20 per 60 s")
    key = cluster.key()
    processes = cluster.start(2, LIMEN_VALKEY_URL=server.url, LIMEN_LIMITS_GONE=gone)
    assert _codes(processes, key.text, 1) == ["ok"] * 2
    time.sleep(1.0)  # each has heard how many there are
    server.stop()
    assert [processes[0].code(key.text) for _ in range(12)] == codes
    wait_until(lambda: [node.outage_at is not None for node in _by_outage(cluster)] == [False, True], "it to be told")
    assert [node.outages for node in _by_outage(cluster)] == [0, 1]
    assert _told(cluster) == {"limen_nodes": 2, "limen_nodes_without_counts": 1, "limen_count_outages": 1}
    server.start()
    wait_until(lambda: _told(cluster)["limen_nodes_without_counts"] == 0, "it to be told that it answers, unasked")
    assert _told(cluster)["limen_count_outages"] == 1
    time.sleep(2.0)
    found = processes[1].code(key.text)
    assert found == "limit_exceeded", "it comes back empty: its windows count as full for a minute"


@pytest.mark.parametrize(
    ("url", "database", "name"),
    [
        ("http://127.0.0.1:6379", "postgresql://limen@127.0.0.1/limen", "LIMEN_VALKEY_URL"),
        ("redis://", "postgresql://limen@127.0.0.1/limen", "LIMEN_VALKEY_URL"),
        ("redis://:secret-1024@127.0.0.1:6379/0", "sqlite:///limen.db", "LIMEN_VALKEY_URL"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_without_its_password(url: str, database: str, name: str) -> None:
    with pytest.raises(ProblemError) as refusal:
        read_settings({"LIMEN_VALKEY_URL": url, "LIMEN_DATABASE_URL": database})
    assert name in str(refusal.value)
    assert "secret-1024" not in str(refusal.value)
