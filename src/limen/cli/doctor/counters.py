"""Check of what counts where processes of several hosts share limits: PostgreSQL's clock, and Valkey."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from time import perf_counter

from limen.cli.doctor.finding import FAIL, OK, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.db import windows

SLOW_MS = 5.0
"""From how many milliseconds on an answer is slow: a request whose limit is exact waits for one."""

SET_S = 60.0
"""By how much the database's clock must have been set for it to be told."""

_ASKED = 5


def counters(ward: Ward) -> Iterator[Finding]:
    """Where limits are counted, and whether it can be relied upon. On one host there is nothing to see to."""
    settings = ward.settings
    if settings.on_one_host:
        return
    if ward.reader is not None:
        shift = windows.shift(ward.reader.connection)
        if abs(shift) > SET_S:
            found = f"The database's clock has been set by {-shift:+.0f} s in all. Windows went on as if it had not."
            yield Finding(
                "counters", WARN, found, "See who sets the clock of the database's host, and let it be slewed."
            )
    if settings.valkey_url:
        yield _valkey(settings.valkey_url)
    else:
        yield Finding("counters", OK, "PostgreSQL counts every window.")


def _valkey(url: str) -> Finding:
    from limen.cluster.valkey_link import Link, Unanswered, Unreachable  # here: without Valkey nobody needs its driver

    link, took = Link(url), []
    try:
        with link.line("") as line:
            facts = line.server.facts
            for _ in range(_ASKED):
                began = perf_counter()
                line.send([("PING",)])
                took.append(1_000 * (perf_counter() - began))
    except (Unreachable, Unanswered) as error:
        advice = (
            "See LIMEN_VALKEY_URL. While it is gone, nobody is admitted whose limit has a window of a minute or less."
        )
        return Finding("counters", FAIL, f"Valkey: {error}.", advice)
    finally:
        link.close()
    ms = statistics.median(took)
    name = facts.get("server_name", "redis").capitalize()
    version = facts.get("valkey_version") or facts.get("redis_version", "unknown")
    found = f"{name} {version} answers in {ms:.1f} ms."
    if facts.get("maxmemory_policy", "noeviction") != "noeviction":
        evicts = f"{found} When it is full it drops windows ({facts['maxmemory_policy']}): they count as full then."
        return Finding("counters", WARN, evicts, "Set 'maxmemory-policy noeviction', on a server of Limen's own.")
    if facts.get("connected_slaves", "0") != "0" and "min_slaves_good_slaves" not in facts:
        alone = f"{found} Cut off from its replicas it goes on counting, beside the one that takes its place."
        return Finding("counters", WARN, alone, "Set 'min-replicas-to-write 1'.")
    if ms > SLOW_MS:
        return Finding("counters", WARN, found, "Bring it nearer, or see what else it does.")
    return Finding("counters", OK, found)
