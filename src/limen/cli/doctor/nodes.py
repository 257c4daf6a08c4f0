"""Check of the processes of a cluster: who decides on which host, and what each has applied."""

from __future__ import annotations

from collections.abc import Iterator

from limen.cli.doctor.finding import OK, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.core.versions import iso_instant
from limen.db import leases
from limen.db.leases import Node

MANY = 100
"""By how many changes a process may be behind: it is asked while others change things."""


def nodes(ward: Ward) -> Iterator[Finding]:
    """Every process with gates, its lease, and what it has applied. On one host there is the epoch instead."""
    if ward.settings.on_one_host or ward.reader is None:
        return
    known = leases.listed(ward.reader)
    if not any(node.dead_at is None for node in known):
        yield Finding("nodes", WARN, "No process decides, on any host.", "Start 'limen serve'.")
    for node in known:
        yield _of(node)


def _of(node: Node) -> Finding:
    who = f"Process {node.process} on {node.host}, for {', '.join(node.apis)}"
    if node.dead_at is not None:
        gone = f"{who}: taken for dead at {iso_instant(node.dead_at)}, since it did not answer."
        return Finding(
            "nodes", WARN, gone, "If it should run, see what it says and how that host reaches the database."
        )
    lease = f"a lease of {node.lease_ms} ms" if node.lease_ms else "no lease: it always asks"
    found = f"{who}: {lease}; change {node.applied} is applied, {node.behind} are not."
    if node.outage_at is not None:
        gone = f"{who}: what counts limits has not answered it since {iso_instant(node.outage_at)}."
        return Finding(
            "nodes", WARN, gone, "See whether the server of LIMEN_VALKEY_URL, or PostgreSQL, can be reached."
        )
    if node.outages:
        found += f" What counts limits has stopped answering it {node.outages} times, and answers."
    if node.behind > MANY:
        return Finding("nodes", WARN, found, "It does not renew its lease. If it is gone, the next change finds out.")
    return Finding("nodes", OK, found)
