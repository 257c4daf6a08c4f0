"""``limen nodes``: the processes of a cluster that decide, and what each has applied."""

from __future__ import annotations

from limen.cli import show
from limen.cli.door import opened
from limen.cli.options import AsJson
from limen.db import leases


def nodes(as_json: AsJson = False) -> None:
    """The processes that decide, on every host: their leases, and what each has applied.

    Those that are alive come first. On one host there are none: 'limen doctor' says which process decides for which
    API.
    """
    with opened() as limen, limen.reading() as reader:
        found = leases.listed(reader)
    told = ("lease_ms", "applied", "behind", "renewed_at", "dead_at", "outages", "outage_at")
    show.many(
        found, ("node", "host", "process", "apis", *told), as_json=as_json, nothing="There are no such processes."
    )
