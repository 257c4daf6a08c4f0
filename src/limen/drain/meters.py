"""The installation's numbers for a monitor, whether it asks for them or is told. No key, path or address is in them.

They come from the roll-ups and the files of the journal, so that no request is counted twice for them, and every
process of the installation says the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from limen.app import App
from limen.control import apis, statistics
from limen.core.metrics import Family, Point, spread
from limen.core.statistics import floor
from limen.db import leases
from limen.db.leases import Node
from limen.gate.lease import ClusterLease


@dataclass(frozen=True, slots=True)
class Measured:
    """All numbers, and when (Unix seconds) they were what they are."""

    at: float
    families: tuple[Family, ...]


@cache
def release() -> str:
    """The release that is installed; ``unknown`` where none is, as in a checkout."""
    try:
        return version("limen")
    except PackageNotFoundError:
        return "unknown"


def measured(app: App) -> Measured:
    """All numbers, as they are now. Raises StoreDown. Some 10 ms."""
    with app.reading() as reader:
        names = [each.api for each in apis.listed(reader, built_in=True)]
        found, at = statistics.meters(reader, names), reader.now
        alive = [] if app.settings.on_one_host else [node for node in leases.listed(reader) if node.dead_at is None]
    families = [
        Family("limen_build_info", "gauge", "The release.", [Point({"version": release()}, 1)]),
        Family(
            "limen_decisions_total",
            "counter",
            "Decisions on known keys, recorded since the month began (UTC).",
            [Point({"api": api, "code": code}, count) for (api, code), count in found.decisions.items()],
            unit="{decision}",
            since=floor(at, "month"),
        ),
        Family(
            "limen_strangers_refused_last_hour",
            "gauge",
            "Refusals without a known key in the last hour.",
            [Point({"api": api, "code": code}, count) for (api, code), count in found.strangers.items()],
            unit="{refusal}",
        ),
        Family(
            "limen_answer_seconds",
            "histogram",
            "How long the API took to answer what was admitted, where that is known, since the day began (UTC).",
            [spread({"api": api}, took) for api, took in sorted(found.took.items())],
            unit="s",
            since=floor(at, "day"),
        ),
        *_journals(app),
        *([] if app.settings.on_one_host else _nodes(alive)),
    ]
    if app.cluster is not None and isinstance(app.cluster.lease, ClusterLease):
        left = app.cluster.lease.left_s(app.clock.read()[1])
        said = "For how long this process may answer from memory if it hears nothing."
        families.append(Family("limen_lease_remaining_seconds", "gauge", said, [Point({}, left)], unit="s"))
    return Measured(at, tuple(families))


def _nodes(alive: Sequence[Node]) -> list[Family]:
    """The processes that decide, on every host, and whether what counts limits answers them."""
    gone = sum(node.outage_at is not None for node in alive)
    outages = sum(node.outages for node in alive)
    return [
        Family(
            "limen_nodes", "gauge", "Processes that decide, on all hosts.", [Point({}, len(alive))], unit="{process}"
        ),
        Family(
            "limen_nodes_without_counts",
            "gauge",
            "How many of them have no answer from what counts limits.",
            [Point({}, gone)],
            unit="{process}",
        ),
        Family(
            "limen_count_outages",
            "gauge",
            "How often that has stopped answering any of them since each started.",
            [Point({}, outages)],
            unit="{outage}",
        ),
    ]


def _journals(app: App) -> list[Family]:
    """What waits on this host to be drained: files, and of what size. One is in use and one in reserve, a process."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for path in (app.settings.state_folder / "journal").glob("*/*.seg"):
        try:
            size = path.stat().st_size
        except FileNotFoundError:  # it is drained
            continue
        files[path.parent.name] += 1
        sizes[path.parent.name] += size
    return [
        Family(
            "limen_journal_segments",
            "gauge",
            "Segments of the journal on this host, those in use and in reserve among them.",
            [Point({"api": api}, count) for api, count in sorted(files.items())],
            unit="{segment}",
        ),
        Family(
            "limen_journal_bytes",
            "gauge",
            "How large these segments are.",
            [Point({"api": api}, size) for api, size in sorted(sizes.items())],
            unit="By",
        ),
        Family(
            "limen_journal_segments_limit",
            "gauge",
            "At how many segments of one API nothing more is admitted.",
            [Point({}, app.settings.segments)],
            unit="{segment}",
        ),
    ]
